"""The phase transition of attention over long contexts: table, limits, and tokens that go through a real layer."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import (
    competing_beta,
    critical_gamma,
    critical_gradient_gap,
    gradient_limit,
    gradient_norm,
    long_context,
    phase_bounds,
)

TABLE = {
    0.5: (0.993295, 0.999904, 0.999999),
    1.0: (0.802797, 0.800028, 0.800000),
    1.1: (0.728985, 0.661573, 0.610208),
}


@pytest.mark.parametrize("ratio", list(TABLE))
def test_reference_values(ratio):
    for n, wanted in zip((1e2, 1e4, 1e6), TABLE[ratio], strict=True):
        assert long_context(ratio * critical_gamma(0.5), n, 0.5).after == pytest.approx(wanted, abs=6e-7)


def test_reference_values_with_a_residual():
    for ratio, wanted in ((0.5, 0.799681), (1.0, 0.640000), (1.5, 0.500250)):
        assert long_context(2 * ratio, 1e6, 0.5, residual=1.0).after == pytest.approx(wanted, abs=6e-7)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_limits_are_reached_at_the_stated_scale(rho, alpha):
    for ratio, phase in ((0.5, "averaging"), (1.0, "critical"), (1.6, "self")):
        found = long_context(ratio / (1 - rho), 1e15, rho, alpha)
        assert found.phase == phase
        assert found.after == pytest.approx(found.limit, abs=20 * found.error_scale + 1e-14)
    assert long_context(2 / (1 - rho), 1e15, rho, 0.0).limit == pytest.approx(rho, rel=1e-14)
    assert long_context(1 / (1 - rho), 9, rho, 0.0).limit == pytest.approx(4 * rho / (1 + 3 * rho), rel=1e-14)


@pytest.mark.parametrize("gamma", [0.3, 2.0, 3.5])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_a_layer_of_tokens_does_the_same(gamma, alpha):
    """The formula is exact: equiangular tokens through the package's own attention."""
    n, rho = 40, 0.5
    tokens = ts.sphere.equiangular(n, n, rho)
    beta = gamma * np.log(n)
    flow = ts.SelfAttention(beta).resolve(n, n)
    moved = np.asarray(flow.attended(tokens, None, 0.0)) + alpha * tokens
    moved /= np.linalg.norm(moved, axis=1)[:, None]
    found = long_context(gamma, n, rho, alpha)
    gram = moved @ moved.T
    assert np.abs(gram[~np.eye(n, dtype=bool)] - found.after).max() < 1e-12
    weights = np.exp(beta * tokens @ tokens.T)
    weights /= weights.sum(axis=1, keepdims=True)
    assert weights[0, 0] == pytest.approx(found.own, rel=1e-12)
    assert weights[0, 1] == pytest.approx(found.other, rel=1e-12)
    assert found.beta == pytest.approx(beta)


def test_off_the_critical_value_the_limit_is_far_even_for_large_n():
    found = long_context(1.1 * 2, 1e9, 0.5)
    assert abs(found.after - found.limit) > 0.01
    assert found.prediction().hypotheses[1].holds is False
    assert long_context(3.0, 1e9, 0.5).prediction().hypotheses[1].holds is True


def test_gradient_limits():
    assert gradient_limit(1.0, 0.5, 34) == 0
    assert gradient_limit(2.0, 0.5, 34) == pytest.approx((1 - 1 / 34) / 4)
    assert gradient_limit(8.0, 0.5, 34) == pytest.approx(0.9706, abs=5e-5)
    assert gradient_limit(8.0, 0.5, 34, 2.0) == pytest.approx(0.9706 / 2, abs=5e-5)


def test_the_competing_scale():
    assert competing_beta(10_000, 3) == pytest.approx(1e4)
    assert competing_beta(10_000, 5) == pytest.approx(1e2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: long_context(-1, 10, 0.5), "gamma"),
        (lambda: long_context(1, 1, 0.5), "n must be"),
        (lambda: long_context(1, 10, 1.0), r"rho must lie in \[0, 1\)"),
        (lambda: long_context(1, 10, 0.5, -1.0), "residual"),
        (lambda: gradient_limit(1, 0.5, 3, 0.0), "squared_norm"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_gradient_norm_reference_values():
    for gamma, wanted in ((0.5, 0.0361), (2.0, 0.3394), (8.0, 0.9706)):
        assert gradient_norm(gamma, 32, 0.5, 34) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.5])
def test_gradient_norm_by_differences(gamma):
    """Centred differences of the package's attention, for tokens of any norm."""
    n, dim, rho, q, step = 5, 6, 0.3, 2.5, 1e-5
    tokens = ts.sphere.equiangular(n, dim, rho, seed=1) * np.sqrt(q)
    flow = ts.SelfAttention(gamma * np.log(n)).resolve(n, dim)

    def layer(points):
        return np.asarray(flow.attended(points / np.linalg.norm(points, axis=1)[:, None], None, 0.0))

    total = 0.0
    for i in range(n):
        for k in range(dim):
            shift = np.zeros_like(tokens)
            shift[i, k] = step
            total += (((layer(tokens + shift) - layer(tokens - shift)) / (2 * step)) ** 2).sum()
    assert total / (n * dim) == pytest.approx(gradient_norm(gamma, n, rho, dim, q), rel=1e-8)


def test_gradient_norm_reaches_its_limits():
    n = 10**15
    for gamma in (1.0, 2.0, 3.0):
        limit = gradient_limit(gamma, 0.5, n)
        assert gradient_norm(gamma, n, 0.5, n) == pytest.approx(limit, abs=1e-6)
    for n in (10**9, 10**13):
        gap = gradient_norm(2.0, n, 0.5, n) - gradient_limit(2.0, 0.5, n)
        assert gap == pytest.approx(critical_gradient_gap(n, 0.5), rel=0.02)
        assert gap > 1.4 * 0.5 * np.log(n) ** 2 / (16 * n)  # (log n)² alone is not yet enough
    with pytest.raises(InputError, match="dim must be >= n"):
        gradient_norm(1.0, 40, 0.5, 34)


def test_digits_near_one_are_kept():
    found = long_context(0.2, 1e15, 0.5)
    assert found.after == 1.0
    assert found.gap == pytest.approx(found.own**2, rel=1e-4)  # (1−ρ)a²/ρ at ρ = 1/2
    assert found.error_scale == pytest.approx(1e15 ** (-2 * 0.9), rel=1e-9)


def test_weights_of_the_three_phases():
    n = 1e12
    below, at, above = (long_context(2 * ratio, n, 0.5) for ratio in (0.5, 1.0, 1.5))
    assert below.other == pytest.approx(1 / n, rel=1e-5)
    assert at.other == pytest.approx(1 / (2 * n), rel=1e-5)
    assert above.other == pytest.approx(n**-1.5, rel=1e-5)


def test_a_near_simplex_lies_between_two_phases():
    assert phase_bounds(0.5, 0.5) == (2.0, 2.0)
    first, last = phase_bounds(0.3, 0.6, 0.9, 1.2)
    rng, n = np.random.default_rng(0), 1e9
    for _ in range(20):  # the weight of a token on itself over that of all others
        q, inner = rng.uniform(0.9, 1.2), rng.uniform(0.3, 0.6)
        assert n ** (0.9 * first * (q - inner) - 1) < 1 < n ** (1.1 * last * (q - inner) - 1)
    with pytest.raises(InputError, match="least <= most"):
        phase_bounds(0.6, 0.3)
