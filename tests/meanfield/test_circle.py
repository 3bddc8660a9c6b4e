"""The mean-field equation on the circle: coefficients against sums over tokens, rates, symmetries, identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import CircleMeanField

FLOWS = ["sa", "usa", "usa-shifted"]


def smooth(equation, seed, size=0.3):
    """A positive density with rapidly decaying random modes."""
    rng = np.random.default_rng(seed)
    m = np.arange(1, 13)
    c = (rng.normal(size=12) + 1j * rng.normal(size=12)) * np.exp(-0.8 * m)
    c *= size / (2 * np.abs(c).sum())
    return equation.harmonics(dict(zip(m.tolist(), c, strict=True)))


def tokens_of(equation, c, count=256):
    """The density as weighted tokens on a grid: exact for products of fewer than `count` modes."""
    angles = 2 * np.pi * np.arange(count) / count
    weights = equation.density(c, angles) / count
    return ts.sphere.from_angles(angles), weights / weights.sum()


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("value", [1.0, -0.5])
def test_rate_is_the_weak_form_of_the_flow_of_tokens(flow, value):
    """d/dt ∫ e^{−imθ} dμ = −im ∫ e^{−imθ} χ dμ, with χ from the direct sum over a grid of weighted tokens."""
    equation = CircleMeanField(5.0, flow, value=value)
    c = smooth(equation, 1)
    tokens, weights = tokens_of(equation, c)
    family = ts.SelfAttention if flow == "sa" else ts.UnnormalizedSelfAttention
    options = {"shifted": True} if flow == "usa-shifted" else {}
    velocity = family(5.0, value=value, **options).velocity(tokens, weights)
    drift = velocity[:, 1] * tokens[:, 0] - velocity[:, 0] * tokens[:, 1]
    theta, m = np.arctan2(tokens[:, 1], tokens[:, 0]), np.arange(65)
    direct = -1j * m * (np.exp(-1j * np.outer(m, theta)) @ (weights * drift))
    assert np.allclose(equation.rate(c), direct, rtol=0, atol=1e-12 * np.abs(direct).max())
    assert equation.speed_squared(c) == pytest.approx(weights @ drift**2, rel=1e-12)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("beta", [0.5, 5.0, 50.0])
def test_linear_rates_are_the_growth_rates(flow, beta):
    equation = CircleMeanField(beta, flow, resolution=48)
    wanted = ts.theory.growth_rates(beta, 2, np.arange(1, 33), flow)
    for k in (1, 2, 3, 7, 20, 32):
        for amplitude in (1e-7, 1e-7j):
            rate = equation.rate(equation.harmonics({k: amplitude}))[k] / amplitude
            assert rate == pytest.approx(wanted[k - 1], rel=1e-8, abs=1e-9 * wanted.max())


def test_the_reflected_kernel_is_not_ours():
    """A cross-correlation in place of the convolution would make sine modes decay."""
    equation = CircleMeanField(5.0, "usa")
    sine = equation.rate(equation.harmonics({3: 1e-6j}))[3] / 1e-6j
    assert sine.real > 0
    assert abs(sine - -18.596) > 30


@given(st.integers(0, 1000), st.floats(-3, 3), st.sampled_from(FLOWS))
def test_rotations_turn_the_rate(seed, angle, flow):
    equation = CircleMeanField(4.0, flow, resolution=32)
    c = smooth(equation, seed)
    turn = np.exp(-1j * angle * np.arange(33))
    rate = equation.rate(c)
    assert np.allclose(equation.rate(turn * c), turn * rate, rtol=0, atol=1e-13 * max(1.0, np.abs(rate).max()))
    assert equation.energy(turn * c) == pytest.approx(equation.energy(c), rel=1e-13)
    assert equation.mass(c) == 1.0
    assert rate[0] == 0


@given(st.integers(0, 1000), st.sampled_from(FLOWS), st.sampled_from([1.0, -0.7]))
def test_energy_changes_as_the_dissipation_says(seed, flow, value):
    equation = CircleMeanField(3.0, flow, resolution=32, value=value)
    c = smooth(equation, seed)
    h = 1e-6
    rate = equation.rate(c)
    slope = (equation.energy(c + h * rate) - equation.energy(c - h * rate)) / (2 * h)
    assert slope == pytest.approx(equation.dissipation(c), rel=1e-7, abs=1e-10)
    assert equation.dissipation(c) * value >= 0


def test_energy_entropy_and_order_by_the_definitions():
    equation = CircleMeanField(2.0, "usa")
    c = smooth(equation, 3)
    tokens, weights = tokens_of(equation, c)
    kernel = np.exp(2.0 * tokens @ tokens.T)
    assert equation.energy(c) == pytest.approx(weights @ kernel @ weights / 4.0, rel=1e-13)
    u = weights * len(weights)
    assert equation.entropy(c) == pytest.approx(np.mean(u * np.log(u)), rel=1e-12)
    assert np.allclose(equation.order(c, [1, 2, 5, 99]), [*np.abs(c[[1, 2, 5]]), 0.0], atol=0)
    assert equation.least(c) == pytest.approx(u.min(), rel=1e-3)
    assert equation.energy(equation.harmonics({})) == pytest.approx(ts.theory.uniform_energy(2.0, 2), rel=1e-13)
    assert np.isinf(CircleMeanField(800.0).energy(CircleMeanField(800.0).harmonics({})))


def test_lift_keeps_what_it_can():
    coarse, fine = CircleMeanField(3.0, resolution=8), CircleMeanField(3.0, resolution=16)
    c = smooth(fine, 0)
    assert np.array_equal(coarse.lift(c), c[:9])
    assert np.array_equal(fine.lift(coarse.lift(c))[:9], c[:9])
    assert not fine.lift(coarse.lift(c))[9:].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CircleMeanField(0.0), "beta must be > 0"),
        (lambda: CircleMeanField(1.0, "softmax"), "softmax"),
        (lambda: CircleMeanField(1.0, resolution=2), "resolution must be a whole number >= 4, got 2"),
        (lambda: CircleMeanField(1.0, noise=-1.0), "noise"),
        (lambda: CircleMeanField(800.0, "usa"), "usa-shifted"),
        (lambda: CircleMeanField(1.0).harmonics({1: 0.7}), "negative"),
        (lambda: CircleMeanField(1.0).harmonics({65: 0.1}), "degree 65 is above the resolution 64"),
        (lambda: CircleMeanField(1.0).check(np.zeros(65)), "mass 1"),
        (lambda: CircleMeanField(1.0).check(np.ones(3)), "shape"),
        (lambda: CircleMeanField(1.0).check(np.full(65, np.nan)), "coefficient 0 is not finite"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
