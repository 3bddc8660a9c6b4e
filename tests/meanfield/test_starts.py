"""Initial densities: closed forms, quadrature, the statistics of white noise."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

import tokensphere as ts
from tokensphere import InputError, meanfield
from tokensphere.meanfield.starts import least_density


def values(c, theta):
    return 1 + 2 * np.real(np.exp(1j * np.outer(theta, np.arange(1, c.size))) @ c[1:])


def test_harmonics_are_the_coefficients():
    c = meanfield.uniform_plus({2: 0.1 - 0.2j, 5: 0.05}, 7)
    theta = np.linspace(0, 6, 50)
    expected = 1 + 0.2 * np.cos(2 * theta) + 0.4 * np.sin(2 * theta) + 0.1 * np.cos(5 * theta)
    np.testing.assert_allclose(values(c, theta), expected, atol=1e-14)
    np.testing.assert_array_equal(c, meanfield.CircleMeanField(5.0, resolution=7).harmonics({2: 0.1 - 0.2j, 5: 0.05}))


def test_von_mises_mixture_by_quadrature():
    c = meanfield.von_mises_mixture([0.4, -2.0], [3.0, 12.0], 60, proportions=[0.7, 0.3])

    def density(theta):
        parts = ((0.7, 0.4, 3.0), (0.3, -2.0, 12.0))
        return sum(p * np.exp(k * np.cos(theta - a)) / np.i0(k) for p, a, k in parts)

    theta = np.linspace(-np.pi, np.pi, 40)
    np.testing.assert_allclose(values(c, theta), density(theta), atol=1e-12)
    for m in (1, 7):
        real = quad(lambda t, m=m: density(t) * math.cos(m * t) / (2 * np.pi), -np.pi, np.pi, epsabs=1e-13)[0]
        assert c[m].real == pytest.approx(real, abs=1e-12)


def test_white_noise_is_that_of_its_equivalent_number_of_tokens():
    sigma, cells = 0.01, 9999
    draws = np.array([meanfield.white_noise(40, cells=cells, size=sigma, seed=s) for s in range(60)])
    n = ts.theory.white_noise_tokens(sigma, cells)
    assert n == pytest.approx(2.5328e6, rel=1e-4)
    power = n * np.abs(draws[:, 1:]) ** 2  # exponential law of mean 1
    assert power.mean() == pytest.approx(1.0, abs=4 / math.sqrt(power.size))
    assert np.mean(power > 1) == pytest.approx(math.exp(-1), abs=0.04)
    # cell by cell it is what was drawn, up to the mean that is taken off
    c = meanfield.white_noise(cells=201, size=sigma, seed=3)
    noise = (values(c, 2 * np.pi * np.arange(201) / 201) - 1) / (2 * np.pi)
    drawn = sigma * np.random.Generator(np.random.PCG64(3)).standard_normal(201)
    np.testing.assert_allclose(noise, drawn - drawn.mean(), atol=1e-14)
    np.testing.assert_array_equal(c[:11], meanfield.white_noise(10, cells=201, size=sigma, seed=3))


def test_smoothed_tokens_have_the_stated_bias():
    tokens = ts.sphere.uniform(30, 2, 1)
    weights = np.arange(1, 31) / 465
    c = meanfield.smoothed_tokens(tokens, 0.1, 80, weights)
    degrees = np.arange(1, 6)
    exact = ts.observe.order_parameters(tokens, degrees, weights)
    np.testing.assert_allclose(np.abs(c[1:6]), exact * np.exp(-0.005 * degrees**2), rtol=1e-12)
    theta = np.linspace(-3, 3, 9)
    angles = ts.sphere.angles(tokens)
    turns = 2 * np.pi * np.arange(-2, 3)
    apart = theta[:, None, None] - angles[:, None] - turns
    kernel = np.exp(-(apart**2) / 0.02).sum(axis=2) / math.sqrt(2 * np.pi) / 0.1
    np.testing.assert_allclose(values(c, theta), 2 * np.pi * kernel @ weights, atol=1e-11)
    assert ts.observe.wasserstein_to_density(tokens, c, weights) <= 0.1 * math.sqrt(2 / np.pi)


def test_what_is_no_density_is_refused_with_its_smallest_value():
    with pytest.raises(InputError, match=r"reaches -0\.2"):
        meanfield.uniform_plus({2: 0.6}, 4)
    with pytest.raises(InputError, match="above the resolution 4"):
        meanfield.uniform_plus({5: 0.1}, 4)
    with pytest.raises(InputError, match="make the noise smaller"):
        meanfield.white_noise(size=0.2, seed=0)
    with pytest.raises(InputError, match="raise the resolution"):
        meanfield.von_mises_mixture(0.0, 50.0, 8)
    with pytest.raises(InputError, match="raise the resolution to 60"):
        meanfield.smoothed_tokens(ts.sphere.uniform(3, 2, 0), 0.1, 20)
    with pytest.raises(InputError, match="odd"):
        meanfield.white_noise(cells=100, seed=0)
    with pytest.raises(InputError, match="proportions"):
        meanfield.von_mises_mixture([0.0, 1.0], 1.0, 16, proportions=[0.5, 0.6])
    with pytest.raises(InputError, match="width"):
        meanfield.smoothed_tokens(ts.sphere.uniform(3, 2, 0), 0.0, 20)
    assert least_density(np.array([1.0, 0.25])) == pytest.approx(0.5, abs=1e-12)
