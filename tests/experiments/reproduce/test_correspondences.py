"""C8 and C9: they agree, and wrong laws do not."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, outcomes, run

from tokensphere.experiments.reproduce import ITEMS, correspondences


@pytest.fixture
def fewer(monkeypatch):
    monkeypatch.setattr(correspondences, "_TOKENS", 1500)
    monkeypatch.setattr(correspondences, "_END", 0.98)
    monkeypatch.setattr(correspondences, "_FRAMES", 5)


def test_ott_antonsen(fewer):
    outcome = run(ITEMS["C8"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 3
    np.testing.assert_allclose(outcome.data["order"], outcome.data["order_law"], atol=1e-8)


def test_the_law_of_another_coupling_disagrees(fewer, monkeypatch):
    """R' = KR(1−R²), twice as fast, as it stands for the complex amplitude of order two."""
    law = correspondences.kuramoto_order
    monkeypatch.setattr(correspondences, "kuramoto_order", lambda t, start, coupling: law(t, start, 2 * coupling))
    assert set(outcomes(run(correspondences.ott_antonsen)).values()) == {"disagrees"}


def test_mean_shift():
    outcome = run(ITEMS["C9"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 4
    np.testing.assert_allclose(outcome.data["ratio"], outcome.data["beta"], rtol=1e-6)


def test_mean_shift_without_beta_disagrees(monkeypatch):
    """The printed identity, ∇ log (G ∗ μ) = SA."""
    model = correspondences.mean_shift
    monkeypatch.setattr(correspondences, "mean_shift", lambda h: type(model(h))("mean shift", model(h).flow, 1.0))
    assert (
        outcomes(run(correspondences.shift_of_means), "gradient less")["gradient less beta times attention, relative"]
        == "disagrees"
    )
