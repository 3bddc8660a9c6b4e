import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from tokensphere import observe, sphere
from tokensphere.errors import InputError


def direct(tokens, beta, weights):
    gram = tokens @ tokens.T
    return float(weights @ np.exp(beta * (gram - 1)) @ weights) / (2 * beta)


def test_reference_values():
    dirac = sphere.from_angles([0.4] * 5)
    assert observe.energy(sphere.equispaced(200), 5.0) == pytest.approx(2.72398718236, rel=1e-11)
    assert observe.energy(dirac, 5.0) == pytest.approx(14.8413159103, rel=1e-11)
    tokens, weights = sphere.quiet(3, 1, 0.0, 16)
    assert observe.energy(tokens, 5.0, weights) == pytest.approx(1.48406421156, rel=1e-10)
    assert observe.energy(np.tile([[0.0, 0.6, 0.8]], (9, 1)), 5.0) == pytest.approx(14.8413159103, rel=1e-11)


@pytest.mark.parametrize("beta", [1e-9, 0.1, 5.0, 300.0, 1e5])
@pytest.mark.parametrize(("n", "dim"), [(7, 2), (2500, 2), (40, 3), (2500, 3), (600, 5)])
def test_against_the_direct_sum(n, dim, beta):
    tokens = sphere.uniform(n, dim, 1)
    w = np.random.default_rng(0).random(n)
    w /= w.sum()
    value = observe.energy(tokens, beta, w, shifted=True)
    assert value == pytest.approx(direct(tokens, beta, w), rel=1e-9)
    if beta < 700:
        assert observe.energy(tokens, beta, w) == pytest.approx(value * math.exp(beta), rel=1e-12)


def test_zero_beta_is_the_limit_without_its_constant():
    tokens = sphere.uniform(30, 4, 0)
    limit = observe.energy(tokens, 0.0)
    assert limit == pytest.approx(0.5 * np.sum(tokens.mean(axis=0) ** 2), rel=1e-12)
    small = 1e-6
    assert observe.energy(tokens, small) - 1 / (2 * small) == pytest.approx(limit, abs=1e-5)


@given(st.integers(2, 5), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_rotation_permutation_and_copies(dim, seed):
    rng = np.random.default_rng(seed)
    tokens = sphere.uniform(20, dim, seed)
    base = observe.energy(tokens, 7.0)
    assert observe.energy(tokens @ ortho_group.rvs(dim, random_state=rng), 7.0) == pytest.approx(base, rel=1e-11)
    assert observe.energy(rng.permutation(tokens), 7.0) == pytest.approx(base, rel=1e-12)
    copies = rng.integers(1, 4, 20)
    assert observe.energy(np.repeat(tokens, copies, axis=0), 7.0) == pytest.approx(
        observe.energy(tokens, 7.0, copies / copies.sum()), rel=1e-11
    )


def test_overflow_advises_the_shifted_kernel():
    with pytest.raises(InputError, match="shifted=True"):
        observe.energy(sphere.equispaced(4), 1e4)
    assert observe.energy(sphere.equispaced(4), 1e6, shifted=True) == pytest.approx(1 / (8 * 1e6), rel=1e-9)


def test_monotone_record():
    good = observe.energy_monotone([0, 1, 2], [1.0, 1.0, 3.0])
    assert good.monotone
    assert good.largest_decrease == 0
    assert good.time is None
    bad = observe.energy_monotone([0, 1, 2, 3], [1.0, 2.0, 1.8, 3.0], tolerance=0.05)
    assert not bad.monotone
    assert bad.largest_decrease == pytest.approx(0.1)
    assert (bad.time, bad.span) == (2.0, 2.0)
    assert observe.energy_monotone([0], [1.0]).monotone
    with pytest.raises(InputError, match="tolerance"):
        observe.energy_monotone([0], [1.0], tolerance=-1)


def test_staircase_energy():
    """In (0, 1], 2βe^{−β} E, and Σ m² of clusters far apart, at any beta."""
    tokens, masses = sphere.from_angles([0.0, 1.0, 2.5]), [0.5, 0.3, 0.2]
    assert observe.staircase_energy(tokens, 2000.0, masses) == pytest.approx(0.38, rel=1e-12)
    assert observe.staircase_energy(tokens, 3.0, masses) == pytest.approx(
        6.0 * math.exp(-3) * observe.energy(tokens, 3.0, masses), rel=1e-12
    )
    assert observe.staircase_energy(tokens, 0.0) == 1.0
    assert observe.staircase_energy(np.tile([[0.6, 0.8]], (4, 1)), 1e6) == pytest.approx(1.0, abs=1e-12)
    assert observe.staircase_energy(np.tile([[0.6, 0.8]], (4, 1)), 1e6) <= 1.0
    with pytest.raises(InputError):
        observe.staircase_energy(tokens, -1.0)
