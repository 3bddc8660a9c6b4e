"""Random value matrices: thresholds, and layers drawn at random."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import alignment_probability, antipodal_exponent, antipodal_threshold, random_value_drift


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


def test_bad_input_is_named():
    for call in (lambda: random_value_drift(1.2, 1, 3), lambda: alignment_probability(-2)):
        with pytest.raises(InputError, match=r"u must lie in \[-1, 1\]"):
            call()
