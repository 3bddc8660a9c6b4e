"""The published scheme does what its formula says, which is not what the equation says."""

import math

import numpy as np
import pytest

from tokensphere import InputError
from tokensphere.meanfield import CircleMeanField, lax_friedrichs, lax_friedrichs_rate, uniform_plus
from tokensphere.solve import evolve
from tokensphere.theory import growth_rates

CELLS = 400
STEP = 0.02 * 2 * math.pi / CELLS


def measured(wave, reflected):
    theta = 2 * np.pi * np.arange(CELLS) / CELLS
    frames = lax_friedrichs(1 + 1e-7 * wave(3 * theta), 5.0, [0.0, 100 * STEP], reflected=reflected)
    amplitude = np.abs(np.fft.rfft(frames, axis=1)[:, 3])
    return math.log(amplitude[1] / amplitude[0]) / (100 * STEP)


def test_rates_are_those_of_the_formula_and_not_of_the_equation():
    assert lax_friedrichs_rate(5.0, 3, CELLS) == pytest.approx(15.020, abs=5e-4)
    assert lax_friedrichs_rate(5.0, 3, CELLS, decaying=True) == pytest.approx(-22.200, abs=5e-4)
    for wave in (np.cos, np.sin):
        assert measured(wave, False) == pytest.approx(lax_friedrichs_rate(5.0, 3, CELLS), abs=1e-4)
    assert measured(np.cos, True) == pytest.approx(15.020, abs=5e-4)
    assert measured(np.sin, True) == pytest.approx(-22.200, abs=5e-4)
    assert growth_rates(5.0, 2, 3, "usa") == pytest.approx(18.5960703045, rel=1e-11)


def test_the_diffusion_vanishes_with_the_cell_size_at_first_order():
    missing = [growth_rates(5.0, 2, 3, "usa") - lax_friedrichs_rate(5.0, 3, cells) for cells in (10_000, 20_000)]
    assert missing[0] / missing[1] == pytest.approx(2.0, rel=0.02)
    assert missing[0] == pytest.approx(9 * 25 * 2 * np.pi / 10_000, rel=0.2)


def test_tends_to_the_equation_beyond_the_linear_phase():
    c = uniform_plus({3: 0.05 - 0.02j, 2: 0.03j}, 64)
    times = [0.0, 0.06]
    expected = evolve(CircleMeanField(5.0, flow="usa"), c, times).coefficients.values[-1][:6]

    def error(cells):
        start = np.fft.irfft(np.pad(c, (0, cells // 2 + 1 - c.size)), cells, norm="forward")
        modes = np.fft.rfft(lax_friedrichs(start, 5.0, times)[-1], norm="forward")
        return np.abs(modes[:6] - expected).max()

    coarse, fine = error(800), error(1600)
    assert coarse / fine == pytest.approx(2.0, rel=0.15)
    assert fine < 0.02


def test_mass_is_kept_and_the_reflected_kernel_makes_mirror_images():
    rng = np.random.default_rng(0)
    start = 1 + 0.1 * rng.normal(size=300)
    for reflected in (False, True):
        end = lax_friedrichs(start, 5.0, [0.0, 0.4], reflected=reflected)[-1]
        assert end.mean() == pytest.approx(start.mean(), rel=1e-12)
        mirrored = np.abs(end - np.roll(end[::-1], 1)).max() / np.ptp(end)
        assert (mirrored < 0.05) == reflected


def test_bad_input():
    with pytest.raises(InputError, match="make step_ratio smaller"):
        lax_friedrichs(1 + 0.9 * np.cos(2 * np.pi * np.arange(50) / 50), 5.0, [0.0, 1.0], step_ratio=0.5)
    with pytest.raises(InputError, match="at least 8"):
        lax_friedrichs(np.ones(5), 5.0, [0.0, 1.0])
    with pytest.raises(InputError, match="beta"):
        lax_friedrichs(np.ones(50), 0.0, [0.0, 1.0])
    with pytest.raises(InputError, match="too few"):
        lax_friedrichs_rate(5.0, 3, 8)
