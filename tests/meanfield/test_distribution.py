"""Distribution functions on the circle: against their Fourier series, and as inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere import InputError
from tokensphere.meanfield import CircleDistribution


def random_modes(highest, seed, fill=0.45):
    rng = np.random.default_rng(seed)
    c = np.zeros(highest + 1, dtype=complex)
    c[1:] = rng.normal(size=highest) + 1j * rng.normal(size=highest)
    c *= fill / max(np.abs(c).sum(), 1e-300)
    c[0] = 1.0
    return c


def series(c, theta):
    """u, F and G term by term."""
    m = np.arange(1, c.size)
    waves, edge = np.exp(1j * np.outer(theta, m)), np.exp(-1j * np.pi * m)
    turned = theta + np.pi
    first = c[1:] / (1j * np.pi * m)
    u = 1 + 2 * np.real(waves @ c[1:])
    f = turned / (2 * np.pi) + np.real((waves - edge) @ first)
    g = turned**2 / (4 * np.pi) - np.real(edge @ first) * turned + np.real((waves - edge) @ (first / (1j * m)))
    return u, f, g


@pytest.mark.parametrize("highest", [1, 3, 40, 500])
def test_against_the_series(highest):
    c = random_modes(highest, highest)
    law, theta = CircleDistribution(c), np.random.default_rng(0).uniform(-np.pi, np.pi, 700)
    u, f, g = series(c, theta)
    np.testing.assert_allclose(law.density(theta), u, atol=2e-14)
    np.testing.assert_allclose(law.cumulative(theta), f, atol=5e-16)
    np.testing.assert_allclose(law.integral(theta), g, atol=2e-15)


@given(st.integers(0, 60), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_inverse_meets_the_level(highest, seed):
    c = random_modes(highest, seed)
    law, s = CircleDistribution(c), np.random.default_rng(seed).random(50)
    theta = law.inverse(s)
    assert ((theta >= -np.pi) & (theta < np.pi)).all()
    assert np.abs(series(c, theta)[1] - s).max() < 1e-14
    np.testing.assert_allclose(law.inverse(s - 2), theta - 4 * np.pi, atol=1e-13)


def test_uniform_law():
    law = CircleDistribution([1.0])
    s = np.linspace(0, 1, 9)
    np.testing.assert_allclose(law.inverse(s), 2 * np.pi * s - np.pi, atol=1e-15)
    assert law.least == 1.0


def test_a_density_that_touches_zero():
    law = CircleDistribution([1.0, -0.5])  # u = 1 - cos θ, F flat at 0
    s = np.linspace(0, 1, 101)
    theta = law.inverse(s)
    assert np.abs((theta + np.pi - np.sin(theta)) / (2 * np.pi) - s).max() < 1e-15
    assert (np.diff(theta) > 0).all()


def test_bad_densities_are_named():
    with pytest.raises(InputError, match=r"reaches -0\.19"):
        CircleDistribution([1.0, 0.6])
    with pytest.raises(InputError, match="mass 1"):
        CircleDistribution([0.9, 0.1])
    with pytest.raises(InputError, match="coefficient 2 is not finite"):
        CircleDistribution([1.0, 0.1, np.nan])
    with pytest.raises(InputError, match="shape"):
        CircleDistribution([[1.0]])
