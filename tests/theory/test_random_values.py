"""Random value matrices: thresholds, and layers drawn at random."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    alignment_probability,
    antipodal_exponent,
    antipodal_threshold,
    random_value_drift,
    random_value_motion,
)


def test_thresholds():
    assert antipodal_threshold(8) == pytest.approx(1.23894, abs=6e-6)
    assert antipodal_exponent(antipodal_threshold(8), 8) == pytest.approx(0.0, abs=1e-12)
    assert antipodal_exponent(1.0, 8) > 0 > antipodal_exponent(1.5, 8)
    assert antipodal_threshold(2) == 0.0
    assert alignment_probability(0.5) == pytest.approx(2 / 3)


def test_own_attention_only_is_the_law_of_two_dimensions():
    for dim in (2, 9):
        drift, noise = random_value_drift(0.3, 80.0, dim)
        assert drift == pytest.approx(-0.3 * 0.91, rel=1e-12)
        assert noise == pytest.approx(np.sqrt(2) * 0.91, rel=1e-12)


@pytest.mark.parametrize("u", [-0.6, 0.2, 0.9])
def test_layers_drawn_at_random_have_this_drift_and_diffusion(u):
    dim, beta, step, draws = 4, 1.0, 1e-3, 200_000
    x = np.array([[1.0, 0, 0, 0], [u, np.sqrt(1 - u * u), 0, 0]])
    weights = np.exp(beta * x @ x.T)
    attended = weights / weights.sum(axis=1, keepdims=True) @ x
    rng = np.random.default_rng(1)
    value = rng.standard_normal((draws, dim, dim))
    moved = x + np.sqrt(step) * np.einsum("sij,tj->sti", value, attended)
    moved /= np.linalg.norm(moved, axis=2, keepdims=True)
    change = (moved[:, 0] * moved[:, 1]).sum(axis=1) - u
    drift, noise = random_value_drift(u, beta, dim)
    assert change.var() / step == pytest.approx(noise**2, rel=0.03)
    error = change.std() / np.sqrt(draws) / step
    assert change.mean() / step == pytest.approx(drift, abs=4 * error + 0.02)


@pytest.mark.parametrize(("beta", "dim"), [(0.0, 2), (1.0, 8), (3.0, 3)])
def test_the_motion_of_artanh_is_ito_s_formula(beta, dim):
    for u in (-0.97, -0.2, 0.0, 0.6, 0.99):
        drift, noise = random_value_drift(u, beta, dim)
        own_drift, own_noise = random_value_motion(np.arctanh(u), beta, dim)
        slope = 1 / (1 - u * u)
        assert own_noise == pytest.approx(noise * slope, rel=1e-9)
        assert own_drift == pytest.approx(drift * slope + noise**2 * u * slope**2, rel=1e-9, abs=1e-9)
    assert 2 * random_value_motion(-30.0, beta, dim)[0] == pytest.approx(antipodal_exponent(beta, dim), rel=1e-12)
    assert -2 * random_value_motion(30.0, beta, dim)[0] == pytest.approx(-(dim - 1), rel=1e-12)


def test_probability_of_alignment():
    for u in (-0.9, 0.0, 0.5, 0.99):
        assert alignment_probability(u, 200.0, 2) == pytest.approx(alignment_probability(u), rel=1e-9)
    assert alignment_probability(0.3, 1.2, 8) == 1.0  # the antipodal pair does not attract
    assert alignment_probability(1.0, 2.0, 8) == 1.0
    assert alignment_probability(-1.0, 2.0, 8) == 0.0
    near = [alignment_probability(0.0, antipodal_threshold(8) + gap, 8) for gap in (0.5, 0.1, 0.01)]
    assert near == sorted(near)
    assert near[-1] == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize(("u", "beta", "dim"), [(0.2, 2.0, 3), (-0.6, 1.5, 8)])
def test_probability_is_harmonic(u, beta, dim):
    """drift p' + ½ noise² p'' = 0."""
    h = 1e-3
    low, here, high = (alignment_probability(u + k * h, beta, dim) for k in (-1, 0, 1))
    drift, noise = random_value_drift(u, beta, dim)
    first, second = drift * (high - low) / (2 * h), 0.5 * noise**2 * (high - 2 * here + low) / h**2
    assert abs(first) > 0.02
    assert first + second == pytest.approx(0.0, abs=1e-4)


def test_bad_input_is_named():
    for call in (lambda: random_value_drift(1.2, 1, 3), lambda: alignment_probability(-2)):
        with pytest.raises(InputError, match=r"u must lie in \[-1, 1\]"):
            call()
