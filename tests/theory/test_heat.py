"""The heat regime: ratios, clocks, factors, and what is said where it does not apply."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import iv, ndtri

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import growth_rates, heat_clock, heat_factors, heat_ratios, heat_regime, heat_variance


def test_ratios_against_the_table():
    np.testing.assert_allclose(heat_ratios(1000, 2, [1, 3]), [0.9994998749, 0.9955078709], rtol=1e-10)


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_the_error_is_the_laplacian_over_two_beta(dim):
    degrees = np.array([1, 2, 5])
    eigenvalues = degrees * (degrees + dim - 2)
    for beta in (1e3, 1e4, 1e5):
        error = 1 - heat_ratios(beta, dim, degrees)
        np.testing.assert_allclose(error * 2 * beta / eigenvalues, 1, atol=40 / beta)


@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
def test_clocks(flow):
    """Near the uniform law degree k grows like Lambda_k (SA) or 2 Lambda_k (the equation for mu^2) per unit of s."""
    rates = growth_rates(500.0, 3, [1, 2], flow) / heat_clock(500.0, 3, flow)
    np.testing.assert_allclose(rates, np.array([2, 6]) * (1 if flow == "sa" else 2) * heat_ratios(500.0, 3, [1, 2]))


def test_factors():
    got = heat_factors([0, 1, 2], 2, [0.0, 0.3])
    np.testing.assert_allclose(got, [[1, 1, 1], np.exp(-0.3 * np.array([0, 1, 4]))])
    assert heat_factors(2, 3, 0.1, value=1.0) == pytest.approx(np.exp(0.6))
    assert got.shape == (2, 3)


def test_the_record():
    forward = heat_regime(50.0, 2, 2, n=50_000)
    assert forward.value == -4
    assert forward.holds is True
    assert f"{iv(2, 50) / iv(0, 50):.6g}" in forward.hypotheses[0].detail
    assert heat_regime(50.0, 2, 5).holds is False  # 25/100 is not small
    assert heat_regime(50.0, 2, 2, n=50).hypotheses[1].holds is False
    backward = heat_regime(1000.0, 2, 2, value=1)
    assert (backward.value, backward.holds) == (4, None)
    assert heat_regime(1e6, 2, 1500, value=1, error=2.0).holds is False  # above k_max: ill posed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heat_ratios(0, 2, 1), "beta must be > 0"),
        (lambda: heat_ratios(5, 2, 0), "degrees must be >= 1"),
        (lambda: heat_factors(1, 2, -1.0), "clock"),
        (lambda: heat_regime(5, 2, 1, value=0.5), "value must be -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_a_bump_between_collapse_and_heat(value):
    times = np.array([0.0, 0.5, 2.0, 9.0])
    for beta, v in ((10.0, 0.04), (50.0, 0.3)):
        run = solve_ivp(
            lambda _, v, b=beta: -2 * value * v / (1 + b * v), (0, 9), [v], t_eval=times, rtol=1e-11, atol=1e-16
        )
        np.testing.assert_allclose(heat_variance(beta, v, times, value), run.y[0], rtol=1e-6)
    assert heat_variance(1e7, 0.5, 1e6, value) == pytest.approx(0.5 - 2 * value * 0.1, rel=1e-5)


def test_a_bump_of_tokens():
    """Quantiles of a narrow Gaussian on the circle under softmax attention."""
    theta = 0.03 * ndtri((np.arange(400) + 0.5) / 400)
    run = ts.simulate(ts.SelfAttention(800.0), ts.sphere.from_angles(theta), [0, 0.3, 0.6])
    got = [ts.sphere.angles(x).var() for x in run.tokens.values]
    np.testing.assert_allclose(got, heat_variance(800.0, got[0], [0, 0.3, 0.6], 1.0), rtol=0.01)
