"""Starts that are not uniform: the samplers, the codes, the item with fewer seeds."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, starts
from tokensphere.observe import order_parameters


def silent(fraction, text):
    pass


def test_the_spiral_is_quiet():
    tokens = starts.spiral_lattice(1500)
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=1), 1.0, atol=1e-14)
    assert order_parameters(tokens, range(1, 7)).max() < 0.01 * 1500**-0.5


def test_normalised_gaussians():
    tokens = starts.power_law_gaussian(4000, 3, 2.0, 0)
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=1), 1.0, atol=1e-14)
    spread = (tokens**2).mean(axis=0)
    assert spread[0] > spread[1] > spread[2]
    flat = starts.power_law_gaussian(4000, 3, 0.0, 0)
    assert order_parameters(flat, [1, 2]).max() < 0.06


def test_codes_of_starts():
    far = starts.power_law_gaussian(1500, 3, 2.0, 1)
    assert "NOT_NEAR_UNIFORM" in starts._codes(far, 2.0, (1, 2))
    assert starts._coded("near", starts.spiral_lattice(1500), 5.0, range(1, 6), True).outcome == "disagrees"
    assert starts._coded("near", starts.spiral_lattice(1500), 5.0, range(1, 6), False).outcome == "agrees"


def test_harmonics_of_a_planted_degree_win_without_noise():
    panel, text = starts._without_noise(0.11249, 0.3)
    assert "brings degree 3 to 0.3 first" in text
    small, nothing = starts._without_noise(0.005, 0.3)
    assert "brings no degree" in nothing
    assert small.curves[0].y[20] == pytest.approx(small.curves[-1].y[20], rel=1e-3)  # linear while small
    assert len(panel.curves) == 4


@pytest.mark.slow
def test_robustness_to_the_start(monkeypatch):
    monkeypatch.setattr(starts, "_SEEDS", 2)
    monkeypatch.setattr(starts, "_TILTS", {0.3: np.array([0.5, 2.0]), 0.1: np.array([0.5, 1.6])})
    outcome = ITEMS["M14"].load().run(silent)
    made = [(v.name, v.outcome) for v in outcome.verdicts]
    assert [name for name, found in made if found == "disagrees"] == []
    assert made[-1] == ("(f) a trained model's tokens or weights", "not applicable")
