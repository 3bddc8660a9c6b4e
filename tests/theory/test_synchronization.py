"""Radii under Pre-LN: the least velocity, the n up to which all grow, and where tokens end."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import least_radial_velocity, synchronization


def radial(tokens, beta, scheme="pre"):
    return ts.Normalized(ts.SelfAttention(beta), scheme).radial_velocity(tokens)


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("scheme", ["pre", "peri", "ln-scaling"])
def test_all_radii_grow_up_to_e_to_the_beta(beta, scheme):
    """Random tokens, and tokens drawn to the antipode of the first, where the others pull it back most."""
    n = max(2, math.floor(math.exp(beta)))
    least = least_radial_velocity(beta, n)
    assert least.value > 0
    for seed in range(20):
        tokens = ts.sphere.uniform(n, 3, seed=seed)
        facing = np.vstack([tokens[:1], ts.sphere.cap(n - 1, -tokens[0], 0.05 + 0.1 * seed, seed=seed)])
        for points in (tokens, facing):
            rates = radial(points, beta, scheme)
            assert (rates > 0).all()
            if scheme == "pre":
                assert rates.min() >= least.value


@pytest.mark.parametrize(
    ("beta", "n"), [(0.0, 5), (0.3, 4), (0.7, 2), (1.0, 9), (1.0, 40), (3.0, 20), (5.0, 2), (8.0, 300)]
)
def test_the_least_velocity_is_attained(beta, n):
    """One token, and all others at one place: the minimum over that place is the prediction, and none is below it."""
    places = np.linspace(-1.0, 1.0, 4001)
    rates = []
    for c in places[::40]:
        tokens = np.array([[1.0, 0.0]] + [[c, np.sqrt(1.0 - c**2)]] * (n - 1))
        rates.append(radial(tokens, beta)[0])
    weights = np.exp(beta * (places - 1.0))
    scanned = (1.0 + (n - 1) * places * weights) / (1.0 + (n - 1) * weights)
    np.testing.assert_allclose(rates, scanned[::40], atol=1e-13)
    want = least_radial_velocity(beta, n).value
    assert scanned.min() == pytest.approx(want, abs=1e-5)
    assert scanned.min() >= want - 1e-14
    for seed in range(30):
        assert radial(ts.sphere.uniform(n, 2, seed=seed), beta).min() >= want - 1e-14


@pytest.mark.parametrize(("beta", "last"), [(0.0, 1), (0.5, 3), (1.0, 8), (2.0, 41)])
def test_where_radii_begin_to_fall(beta, last):
    """n − 1 < βe^{β+1} (β ≥ 1) or e^{2β}: beyond n ≤ e^β there is no counterexample at first, and then there is."""
    edge = beta * math.exp(beta + 1) if beta >= 1 else math.exp(2 * beta)
    assert last - 1 < edge <= last
    if last > 1:
        assert last > math.exp(beta)
        assert least_radial_velocity(beta, last).value > 0
    n, c = last + 1, max(-1.0, -1.0 / beta) if beta else -1.0
    assert least_radial_velocity(beta, n + (beta == 0)).value < 0
    tokens = np.array([[1.0, 0.0]] + [[c, np.sqrt(1.0 - c**2)]] * (n - 1 + (beta == 0)))
    assert radial(tokens, beta)[0] < 0
    assert radial(tokens, beta, "peri")[0] < 0


def hypotheses(found):
    return {h.statement: h.holds for h in found.hypotheses}


def test_hypotheses():
    radii = "n <= e^beta, or the condition on the radii"
    for scheme in ("post", "ngpt", "sqrt"):
        found = synchronization(0.5, 100, 3, scheme)
        assert found.value == 1
        assert radii not in hypotheses(found)
        assert found.holds is None  # almost every start
        assert [h.statement for h in found.hypotheses if h.holds is None] == ["almost every start"]
    for scheme in ("pre", "peri", "mix", "ln-scaling"):
        assert hypotheses(synchronization(3.0, 20, 3, scheme))[radii] is True
        assert hypotheses(synchronization(3.0, 21, 3, scheme))[radii] is None
    assert "all radii grow" in synchronization(3.0, 21, 3, "pre").hypotheses[2].detail
    assert "radii of some tokens fall" in synchronization(1.0, 9, 3, "pre").hypotheses[2].detail
    circle = "d >= 3, or d = 2 under post and sqrt"
    assert hypotheses(synchronization(1.0, 5, 2, "sqrt"))[circle] is True
    assert hypotheses(synchronization(1.0, 5, 2, "ngpt"))[circle] is None


@pytest.mark.parametrize("scheme", ["post", "pre", "mix", "peri", "ngpt"])
def test_runs_end_in_one_cluster(scheme):
    """From uniform tokens that no open hemisphere holds, n ≤ e^β. Where two opposite clusters form, Pre, Mix and Peri
    need far longer: the speed is divided by r ~ t, so that they part like a small power of t."""
    tokens = ts.sphere.uniform(7, 3, seed=28)
    assert not ts.observe.in_hemisphere(tokens).inside
    run = ts.simulate(ts.Normalized(ts.SelfAttention(2.0), scheme), tokens, [0.0, 400.0], rtol=1e-7)
    assert synchronization(2.0, 7, 3, scheme).value == 1
    assert (run.tokens.values[-1] @ run.tokens.values[-1].T).min() > 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synchronization(1.0, 5, 3, "prelude"), "unknown scheme"),
        (lambda: synchronization(1.0, 5, 1), "dim"),
        (lambda: least_radial_velocity(-1.0, 5), "beta"),
        (lambda: least_radial_velocity(1.0, 1), "n must"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
