"""Rank of token matrices: equiangular tokens in closed form, and layers without a residual that lose it."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import ResidualFree
from tokensphere.observe import token_rank
from tokensphere.theory import rank_collapse


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_equiangular_tokens(rho):
    n = 12
    found = token_rank(ts.sphere.equiangular(n, 20, rho, seed=1))
    assert found.residual == pytest.approx(np.sqrt((n - 1) * (1 - rho)), rel=1e-12)
    assert found.relative == pytest.approx(found.residual / np.sqrt(n), rel=1e-12)
    assert found.stable == pytest.approx(n / (1 + (n - 1) * rho), rel=1e-12)
    top, rest = np.sqrt(1 + (n - 1) * rho), np.sqrt(1 - rho)
    shares = np.array([top] + [rest] * (n - 1)) / (top + (n - 1) * rest)
    assert found.effective == pytest.approx(np.exp(-shares @ np.log(shares)), rel=1e-12)


def test_the_residual_is_the_smallest_and_in_the_norm_of_the_paper():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(9, 4))
    found = token_rank(matrix)
    for shift in (0.0, 0.1, -0.3):
        assert np.linalg.norm(matrix - matrix.mean(axis=0) - shift) >= found.residual - 1e-12
    rest = matrix - matrix.mean(axis=0)
    assert found.mixed == pytest.approx(np.sqrt(np.linalg.norm(rest, 1) * np.linalg.norm(rest, np.inf)))
    assert set(found.to_dict()) == {"residual", "relative", "mixed", "stable", "effective"}


def test_one_row_repeated_has_rank_one():
    found = token_rank(np.tile([[0.6, 0.8]], (5, 1)))
    assert (found.residual, found.mixed) == (0, 0)
    assert found.stable == pytest.approx(1)
    assert found.effective == pytest.approx(1, abs=1e-6)
    tiny = np.array([[1.0, 0.0], [1.0, 1e-12]])
    assert token_rank(tiny).residual == pytest.approx(1e-12 / np.sqrt(2), rel=1e-12)


@pytest.mark.parametrize(
    ("tokens", "text"), [(np.zeros((3, 2)), "all zero"), ([[1.0, np.nan]], "token 0"), ([1.0], "shape"), ("x", "array")]
)
def test_bad_input_is_named(tokens, text):
    with pytest.raises(InputError, match=text):
        token_rank(tokens)


def test_layers_without_a_residual_lose_rank_doubly_exponentially():
    """1 − ρ = 0.05 → 8e-6 → 3e-17: the exponent is multiplied by 3; with a residual it only grows by a constant."""
    n, beta = 8, 2.0
    start = ts.sphere.equiangular(n, n, 0.95, seed=2)
    flow = ts.Normalized(ts.SelfAttention(beta), ResidualFree())
    run = ts.simulate(flow, start, [0, 1, 2], method="layer", step_size=1)
    residuals = [token_rank(frame).residual for frame in run.tokens.values]
    logs = rank_collapse(2, beta, n, gap=0.05)
    np.testing.assert_allclose(2 * np.log(residuals), np.log(n - 1) + logs, atol=2e-6)
    assert logs[2] - np.log((beta / n) ** 2) == pytest.approx(3 * logs[1], abs=1e-4)
    kept = ts.simulate(ts.SelfAttention(beta), start, [0, 1, 2, 20], method="layer", step_size=1.0).tokens.values
    later = [token_rank(frame).residual for frame in kept]
    assert later[2] / later[1] == pytest.approx(1 / 2, rel=0.1)  # 1/(1 + step) at a distance
    assert later[3] > 1e-7


def test_the_power_of_three():
    """The wrong law, quadratic, differs from the layers of tokens by far."""
    logs = rank_collapse(3, 1.0, 8, gap=0.1)
    cubic = 2 * np.log(1 / 8) + 3 * logs[1]
    quadratic = np.log(1 / 8) + 2 * logs[1]
    assert logs[2] == pytest.approx(cubic, abs=1e-3)
    assert abs(logs[2] - quadratic) > 10


def test_there_is_no_flow():
    flow = ts.Normalized(ts.SelfAttention(1.0), ResidualFree())
    tokens = ts.sphere.uniform(5, 3, seed=0)
    with pytest.raises(InputError, match="no limit in continuous time; use method = 'layer'"):
        ts.simulate(flow, tokens, [0.0, 1.0])
    with pytest.raises(InputError, match="no limit in continuous time"):
        flow.velocity(tokens)
