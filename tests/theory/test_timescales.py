"""Exits, layers and constants."""

import numpy as np
import pytest
from scipy.special import iv

from tokensphere.errors import InputError
from tokensphere.theory import (
    critical_tilt,
    dobrushin_constant,
    growth_rates,
    layer_factors,
    layers_to_exit,
    leading_exit_time,
    linear_room,
    self_term_slowdown,
)


def test_layer_factors():
    assert layer_factors(5, 2, 3, 1) == pytest.approx(1.36056006, rel=1e-8)
    assert layer_factors(5, 2, 3, 1, projected=True) == pytest.approx(1.68267833, rel=1e-8)
    g = iv(1, 5) / iv(0, 5)
    for flow, z in (("sa", 1), ("usa", iv(0, 5)), ("usa-shifted", iv(0, 5) * np.exp(-5))):
        rate = growth_rates(5, 2, 3, flow)
        assert layer_factors(5, 2, 3, 0.1, flow) == pytest.approx(1 + 0.1 * rate / (1 + 0.1 * z * g), rel=1e-13)


def test_a_layer_map_on_the_circle():
    """One layer of a weakly modulated grid multiplies the mode as predicted."""
    m, k, eps, eta = 240, 3, 1e-6, 0.7
    for sign in (1.0, -1.0):
        base = 2 * np.pi * np.arange(m) / m
        theta = base + eps * np.sin(k * base)
        x = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        weights = np.exp(5 * (x @ x.T - 1))
        y = x + eta * sign * (weights @ x) / weights.sum(axis=1, keepdims=True)
        after = np.arctan2(y[:, 1], y[:, 0])
        ratio = np.abs(np.exp(-1j * k * after).mean()) / np.abs(np.exp(-1j * k * theta).mean())
        assert ratio == pytest.approx(abs(float(layer_factors(5, 2, k, eta, value=sign))), rel=1e-6)


def test_negative_values_and_the_origin():
    assert layer_factors(5, 2, 3, 1, value=-1) < -1
    with pytest.raises(InputError, match="origin"):
        layer_factors(5, 2, 3, 2, value=-1)
    with pytest.raises(InputError, match="step"):
        layer_factors(5, 2, 3, 0)


def test_depth():
    assert layers_to_exit(5, 2, 20_000, 0.5) == pytest.approx(
        linear_room(20_000) / np.log(float(layer_factors(5, 2, 3, 0.5)))
    )
    small = layers_to_exit(5, 2, 20_000, 1e-6, projected=True) * 1e-6
    assert small == pytest.approx(leading_exit_time(5, 2, 20_000, flow="sa"), rel=1e-5)
    assert layers_to_exit(5, 2, 50, 0.5) == 0


def test_constants():
    assert dobrushin_constant(5) == pytest.approx(np.exp(5))
    assert dobrushin_constant(5, "usa-shifted") == 1
    with pytest.raises(InputError, match="not known"):
        dobrushin_constant(5, "sa")
    theta = np.linspace(0, 2 * np.pi, 100_001)
    curvature = (5 * np.sin(theta) ** 2 - np.cos(theta)) * np.exp(5 * np.cos(theta))
    assert np.abs(curvature).max() == pytest.approx(dobrushin_constant(5))


def test_structured_start():
    assert critical_tilt(5, 1, 20_000) == pytest.approx(0.11249, abs=5e-6)


def test_self_term_in_high_dimension():
    time = leading_exit_time(2, 64, 500, 0.3, "sa") / self_term_slowdown(500, 2, 64)
    assert time == pytest.approx(1.959, abs=5e-4)


def test_depth_where_the_factor_rounds_to_one():
    rate = float(growth_rates(50, 128, 1, "usa-shifted"))
    layers = layers_to_exit(50, 128, 1000, 0.1, flow="usa-shifted", projected=True)
    assert layers == pytest.approx(linear_room(1000) / (0.1 * rate), rel=1e-12)
    assert layers_to_exit(50, 128, 1000, 0.1, flow="usa-shifted") >= layers
    assert layers_to_exit(1e6, 4096, 1000, 0.1, flow="usa-shifted") == np.inf
    assert layers_to_exit(1e6, 4096, 50, 0.1, flow="usa-shifted") == 0
