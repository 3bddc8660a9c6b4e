"""The first state from uniform: modes counted on samples, the two square roots, growth rates of reference."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import first_state, growth_rates, kernel_modes


def test_growth_of_reference():
    np.testing.assert_allclose(growth_rates(4.0, 2, [1, 2, 3], "sa"), [0.215881, 0.568239, 0.664389], atol=5e-7)


@pytest.mark.parametrize("beta", [20.0, 200.0])
def test_modes_of_samples(beta):
    """Maxima of the potential on a fine grid, 60 samples of 4000 points: within 4 standard errors."""
    rng, grid = np.random.default_rng(0), 4096
    k = np.fft.rfftfreq(grid, 1.0 / grid)
    from scipy.special import ive

    counts = []
    for _ in range(60):
        hits = np.bincount(rng.integers(0, grid, 4000), minlength=grid)
        potential = np.fft.irfft(np.fft.rfft(hits) * ive(k, beta), grid)
        rising = np.diff(np.append(potential, potential[0])) > 0
        counts.append(int(np.sum(rising & ~np.roll(rising, -1))))
    error = np.std(counts) / math.sqrt(60)
    assert np.mean(counts) == pytest.approx(kernel_modes(beta), abs=4 * error)
    assert abs(np.mean(counts) - math.sqrt(2 * beta)) > 4 * error
    assert abs(np.mean(counts) - math.sqrt(beta * math.log(beta))) > 4 * error


def test_the_square_roots():
    assert kernel_modes(1e4) == pytest.approx(math.sqrt(1.5e4), rel=1e-3)
    assert ts.theory.dominant_degree(1e4, 2) == pytest.approx(math.sqrt(2e4), rel=0.01)
    assert kernel_modes(1e-3) == pytest.approx(1.0, abs=1e-6)
    degree, circle, line = first_state(200.0, 4000)
    assert degree.value == ts.theory.dominant_degree(200.0, 2)
    assert circle.value == pytest.approx(17.3, abs=0.2)
    assert line.value == pytest.approx(math.sqrt(200 * math.log(200)))
    assert (degree.holds, circle.holds, line.holds) == (True, True, False)
    assert first_state(1e5, 100)[1].holds is False


@pytest.mark.parametrize("arguments", [(0.0, 10), (-1.0, 10), (2.0, 1)])
def test_bad_input(arguments):
    with pytest.raises(InputError):
        first_state(*arguments)
