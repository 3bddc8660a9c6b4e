"""The phase transition of attention over long contexts: table, limits, and tokens that go through a real layer."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import competing_beta, critical_gamma, gradient_limit, long_context

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
