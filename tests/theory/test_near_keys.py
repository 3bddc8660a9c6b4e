"""How many keys a query sees: limits, an independent integral and draws."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.special import mean_resultant
from tokensphere.theory import competing_beta, effective_keys, key_regime


@pytest.mark.parametrize(("dim", "n", "beta"), [(2, 50, 3.0), (3, 400, 20.0), (5, 300, 60.0), (8, 100, 4.0)])
def test_drawn_keys(dim, n, beta):
    half, draws = (dim - 1) / 2, 4000
    s = 2 * beta * np.random.default_rng(dim).beta(half, half, (draws, n))
    weights = np.exp(s.min(axis=1, keepdims=True) - s)
    weights /= weights.sum(axis=1, keepdims=True)
    square = (weights**2).sum(axis=1)
    assert 1 / effective_keys(n, beta, dim) == pytest.approx(square.mean(), abs=4 * square.std() / np.sqrt(draws))


def test_two_keys_by_a_double_integral():
    """d = 3: c is uniform on [−1, 1], and E ΣA² is an integral over a square."""
    c, mass = np.polynomial.legendre.leggauss(80)
    w = np.exp(2.0 * c)
    square = (w[:, None] ** 2 + w[None, :] ** 2) / (w[:, None] + w[None, :]) ** 2
    assert 1 / effective_keys(2, 2.0, 3) == pytest.approx(mass @ square @ mass / 4, rel=1e-9)


def test_limits():
    assert effective_keys(100, 0.0, 4) == 100
    assert effective_keys(100, 1e-6, 4) == pytest.approx(100, rel=1e-9)
    assert effective_keys(100, 1e9, 3) == pytest.approx(1.0, abs=1e-6)
    # many keys, large beta: 2^{(d−1)/2} n Z0 e^{−β}, with Z0 e^{−β} = 1/(2β) in d = 3
    assert effective_keys(1e12, 1e4, 3) == pytest.approx(2 * 1e12 / 2e4, rel=1e-3)


@pytest.mark.parametrize("dim", [3, 5])
def test_the_scale_and_not_another_one(dim):
    """At the same multiple of n^{2/(d−1)} the same number of keys counts; at the same multiple of log n it grows."""
    here, there = (effective_keys(n, competing_beta(n, dim), dim) for n in (10**6, 10**12))
    assert here == pytest.approx(there, rel=5e-3)
    few, many = (effective_keys(n, 5 * np.log(n), dim) for n in (10**6, 10**12))
    assert many > 100 * few


def test_regimes():
    n, dim = 10_000, 3
    scale = competing_beta(n, dim)
    below, at, above = (key_regime(n, ratio * scale, dim) for ratio in (1e-3, 1.0, 1e3))
    assert (below.regime, at.regime, above.regime) == ("average", "few", "nearest")
    assert below.mean == mean_resultant(dim, 1e-3 * scale)
    assert [h.holds for h in below.prediction().hypotheses] == [None, True, False]
    assert [h.holds for h in above.prediction().hypotheses] == [None, False, True]
    flat = key_regime(n, 0.0, dim)
    assert (flat.mean, flat.spread) == (0.0, pytest.approx(1 / np.sqrt(dim * n)))
    assert key_regime(n, 1e-8, dim).spread == pytest.approx(flat.spread, rel=1e-6)
    assert key_regime(10**15, 1e15, 3).keys == pytest.approx(at.keys, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: effective_keys(1, 1.0, 3), "n must be"),
        (lambda: effective_keys(1e16, 1.0, 3), "at most 1e15"),
        (lambda: effective_keys(10, -1.0, 3), "beta"),
        (lambda: effective_keys(10, 1.0, 1), "dim"),
    ],
)
def test_bad_input_is_named(call, text):
    with pytest.raises(InputError, match=text):
        call()
