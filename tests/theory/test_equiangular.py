"""Equiangular tokens: reference values of the flow and of layers, closed forms, and what is refused."""

import math

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    equiangular_curve,
    equiangular_layer_count,
    equiangular_layer_time,
    equiangular_layers,
    equiangular_rate,
    equiangular_time,
)


def test_reference_values_of_the_flow():
    np.testing.assert_allclose(equiangular_curve([1, 5], 2, 32), [0.122098, 0.997503], atol=1e-6)
    assert equiangular_curve(1, 1, 8) == pytest.approx(0.3625869, abs=1e-7)
    assert equiangular_curve(1, 1, 8, "usa") == pytest.approx(0.6005851, abs=1e-7)


def test_reference_values_of_layers():
    assert equiangular_layers(10, 0.1, 2, 32)[-1] == pytest.approx(0.109789, abs=1e-6)
    assert equiangular_layers(10, 0.1, 1, 8)[-1] == pytest.approx(0.333615, abs=1e-6)
    assert equiangular_layers(20, 0.05, 1, 8)[-1] == pytest.approx(0.347551, abs=1e-6)


@pytest.mark.parametrize(
    ("beta", "n", "time"), [(0, 32, 5.18626), (2, 32, 5.45839), (4, 32, 6.95350), (8, 32, 73.4457), (4, 128, 6.56955)]
)
def test_reference_times_to_alignment(beta, n, time):
    assert equiangular_time(0.999, beta, n) == pytest.approx(time, rel=2e-6)


def test_layers_to_alignment():
    assert equiangular_layer_count(0.999, 0.1, 1, 32) == 56
    time = equiangular_layer_time(0.999, 0.1, 1, 32)
    assert 5.5 < time <= 5.6
    assert equiangular_layer_count(0.999, 0.1, 9, 32, most=100) is None
    assert math.isinf(equiangular_layer_time(0.999, 0.1, 9, 32, most=100))


def test_rates_at_orthogonal_tokens():
    assert equiangular_rate(0, 5, 256) == pytest.approx(0.00495770, rel=1e-6)
    assert equiangular_rate(0, 5, 256, "usa") == pytest.approx(0.0078125, rel=1e-12)
    assert equiangular_rate(0, 5, 256, "usa-shifted") == pytest.approx(0.0078125 * math.exp(-5), rel=1e-12)


def test_closed_forms_without_interaction_strength():
    """β = 0: (1−ρ)/(1+(n−1)ρ) decays like e^{−2t}; two tokens from ρ = 0 follow tanh t."""
    times = np.linspace(0, 6, 13)
    np.testing.assert_allclose(equiangular_curve(times, 0, 2), np.tanh(times), atol=1e-11)
    n, start = 7, 0.2
    rho = equiangular_curve(times, 0, n, start=start)
    expected = (1 - start) / (1 + (n - 1) * start) * np.exp(-2 * times)
    np.testing.assert_allclose((1 - rho) / (1 + (n - 1) * rho), expected, rtol=1e-9)


def test_curve_time_and_rate_agree():
    times = np.array([0.0, 0.4, 1.0])
    rho = equiangular_curve(times, 3, 10, start=0.1)
    assert equiangular_time(rho[2], 3, 10, start=0.1) == pytest.approx(1.0, rel=1e-9)
    slope = (equiangular_curve(0.4 + 1e-5, 3, 10, start=0.1) - equiangular_curve(0.4 - 1e-5, 3, 10, start=0.1)) / 2e-5
    assert slope == pytest.approx(equiangular_rate(rho[1], 3, 10), rel=1e-6)


def test_layers_tend_to_the_flow_and_lag_behind_it():
    exact = float(equiangular_curve(1.0, 2, 32))
    lags = [exact - equiangular_layers(round(1 / step), step, 2, 32)[-1] for step in (0.1, 0.05, 0.025)]
    assert lags[0] > 0.01
    assert 1.8 < lags[0] / lags[1] < 2.2
    assert 1.8 < lags[1] / lags[2] < 2.2


def test_the_simplex_does_not_move():
    assert equiangular_rate(-1 / 3, 2, 4) == pytest.approx(0, abs=1e-15)
    assert math.isinf(equiangular_time(0.9, 2, 4, start=-1 / 3))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: equiangular_time(1.0, 1, 8), "level must lie in"),
        (lambda: equiangular_rate(-0.5, 1, 8), r"\[-0\.142857, 1\)"),
        (lambda: equiangular_rate(0, 1, 1), "n must be a whole number >= 2"),
        (lambda: equiangular_rate(0, -1, 4), "beta must be"),
        (lambda: equiangular_rate(0, 1, 4, "sofmax"), "unknown flow 'sofmax'"),
        (lambda: equiangular_rate(0, 1, 4, scheme="pots"), "did you mean 'post'"),
        (lambda: equiangular_rate(0, 800, 4, "usa"), "use 'usa-shifted'"),
        (lambda: equiangular_curve([1, 0.5], 1, 4), "increasing"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(InputError, match=text):
        call()


def test_any_number_of_tokens_and_equal_times():
    assert equiangular_rate(0.0, 1.0, 10**15) == pytest.approx(2 / (np.e + 1e15 - 1), rel=1e-12)
    once, again = equiangular_curve([1.0, 2.0], 1.0, 8), equiangular_curve([0.0, 1.0, 1.0, 2.0], 1.0, 8)
    np.testing.assert_allclose(again, [0.0, once[0], once[0], once[1]], atol=1e-11)
