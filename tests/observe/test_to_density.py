"""W1 between tokens and a density: against a fine grid, many quantiles, closed forms, and its scaling laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import CircleDistribution, quiet_tokens, random_tokens
from tokensphere.observe import wasserstein, wasserstein_of_runs, wasserstein_to_density, wasserstein_to_uniform

# u = 1 + cos(2 theta)/2 + 0.3 sin(theta)
LAW = np.array([1.0, -0.15j, 0.25])


def on_a_grid(theta, weights, c, points=200_001):
    x = -np.pi + 2 * np.pi * (np.arange(points) + 0.5) / points
    order = np.argsort(theta)
    steps = np.concatenate([[0.0], np.cumsum(weights[order])])[np.searchsorted(theta[order], x, side="right")]
    m = np.arange(1, len(c))
    smooth = (x + np.pi) / (2 * np.pi)
    smooth = smooth + np.real((np.exp(1j * np.outer(x, m)) - np.exp(-1j * np.pi * m)) @ (c[1:] / (1j * np.pi * m)))
    apart = steps - smooth
    return 2 * np.pi * np.abs(apart - np.median(apart)).mean()


@pytest.mark.parametrize("c", [LAW, np.array([1.0, -0.5]), np.array([1.0, 0.1, 0, 0, 0.2 - 0.2j])])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 200])
def test_against_a_fine_grid(n, c):
    rng = np.random.default_rng(n)
    theta, weights = rng.uniform(-np.pi, np.pi, n), rng.dirichlet(np.ones(n))
    found = wasserstein_to_density(ts.sphere.from_angles(theta), c, weights)
    assert found == pytest.approx(on_a_grid(theta, weights, c), abs=1e-4 / n**0.5)


@given(st.integers(1, 40), st.integers(0, 10**6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_to_the_uniform_law(n, seed, weighted):
    rng = np.random.default_rng(seed)
    tokens = ts.sphere.uniform(n, 2, seed)
    weights = rng.dirichlet(np.ones(n)) if weighted else None
    expected = wasserstein_to_uniform(tokens, 1, weights)
    assert wasserstein_to_density(tokens, [1.0], weights) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_many_quantiles_stand_for_the_density(seed):
    tokens = random_tokens(LAW, 37, seed)
    many = wasserstein(tokens, quiet_tokens(LAW, 20_000), 1)
    assert wasserstein_to_density(tokens, LAW) == pytest.approx(many, abs=1e-4)


def test_invariances():
    rng = np.random.default_rng(1)
    theta = rng.uniform(-np.pi, np.pi, 25)
    found = wasserstein_to_density(ts.sphere.from_angles(theta), LAW)
    turn = 0.7
    turned = LAW * np.exp(-1j * turn * np.arange(3))
    assert wasserstein_to_density(ts.sphere.from_angles(theta + turn), turned) == pytest.approx(found, abs=1e-14)
    twice = ts.sphere.from_angles(np.concatenate([theta, theta]))
    assert wasserstein_to_density(twice, CircleDistribution(LAW)) == pytest.approx(found, abs=1e-14)


def test_equal_mass_quantiles_are_the_closest():
    for n in (100, 100_000):
        found = wasserstein_to_density(quiet_tokens(LAW, n), LAW)
        assert found * n == pytest.approx(math.pi / 2, rel=1e-2 if n == 100 else 1e-6)
    assert wasserstein_to_density(ts.sphere.from_angles([0.3]), [1.0]) == pytest.approx(math.pi / 2, rel=1e-14)


@pytest.mark.parametrize(("n", "reference"), [(10, 1.423), (50, 1.404), (100, 1.403)])
def test_mean_over_seeds(n, reference):
    law = CircleDistribution(LAW)
    runs = 1000
    found = math.sqrt(n) * wasserstein_of_runs(random_tokens(law, runs * n, n).reshape(runs, n, 2), law)
    # The reference has a standard error of the same size.
    assert found.mean() == pytest.approx(reference, abs=4 * math.sqrt(2 / runs) * found.std())


def test_many_runs_at_once_are_those_one_by_one():
    tokens = random_tokens(LAW, 60, 1).reshape(5, 12, 2)
    tokens[2] = tokens[2, :1]  # all tokens in one place
    tokens[3] = ts.sphere.equispaced(12)
    found = wasserstein_of_runs(tokens, LAW)
    np.testing.assert_allclose(found, [wasserstein_to_density(run, LAW) for run in tokens], atol=1e-14)
    assert found[2] > 1.0


def test_bad_input():
    with pytest.raises(InputError, match="dim = 3"):
        wasserstein_to_density(ts.sphere.uniform(3, 3, 0), [1.0])
    with pytest.raises(InputError, match="negative"):
        wasserstein_to_density(ts.sphere.uniform(3, 2, 0), [1.0, 0.6])
    with pytest.raises(InputError, match="weights"):
        wasserstein_to_density(ts.sphere.uniform(3, 2, 0), [1.0], [0.5, 0.5])
    with pytest.raises(InputError, match="runs, n, 2"):
        wasserstein_of_runs(ts.sphere.uniform(3, 2, 0), [1.0])
    with pytest.raises(InputError, match="token 1 has"):
        wasserstein_of_runs(np.array([[[1.0, 0.0], [2.0, 0.0]]]), [1.0])
