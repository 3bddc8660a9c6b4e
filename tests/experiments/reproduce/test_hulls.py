"""C20: hulls under hardmax attention; and that the comparisons can fail."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import ITEMS, hulls


@pytest.mark.slow
def test_hulls():
    outcome = run(ITEMS["C20"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 19


def test_corners_are_in_their_own_cells():
    for dim, corners in zip(hulls._DIMS, hulls._CORNERS, strict=True):
        tokens, b = hulls._ellipsoid(dim, corners)
        v = tokens[:corners]
        scores = v @ b @ tokens.T
        np.testing.assert_array_equal(scores.argmax(axis=1), np.arange(corners))
        assert np.linalg.eigvalsh(b)[0] > 0


def test_the_discrete_method_and_a_bound_that_is_too_low(monkeypatch):
    monkeypatch.setattr(hulls, "_LAYERS", 30)
    verdicts, _, data = hulls._discrete_method()
    assert [v.outcome for v in verdicts] == ["agrees", "agrees"]
    assert data["gaps"].shape == (30, hulls._CORNERS[1] + hulls._INSIDE)
    bound = hulls.frank_wolfe_gap_bound
    monkeypatch.setattr(hulls, "frank_wolfe_gap_bound", lambda *args: 0.3 * bound(*args))
    assert hulls._discrete_method()[0][1].outcome == "disagrees"


def test_the_wrong_step_disagrees(monkeypatch):
    """Leaders with α take the step α/(1+α), not α."""
    monkeypatch.setattr(hulls, "_LAYERS", 10)
    paths = hulls.vertex_paths

    class Wrong:
        def __init__(self, *args):
            self.right = paths(*args)

        def after(self, count, step):
            return self.right.after(count, step / (1 + step))

    monkeypatch.setattr(hulls, "vertex_paths", Wrong)
    assert hulls._discrete_method()[0][0].outcome == "disagrees"


def test_small_steps_contract(monkeypatch):
    monkeypatch.setattr(hulls, "_WAIT", 18.0)
    verdicts, _, data = hulls._finite_beta()
    assert [v.outcome for v in verdicts] == ["agrees", "agrees"]
    rate = np.diff(np.log(data["spread_soft"][[100, 160]]))[0] / -6.0
    assert rate == pytest.approx(-np.log(0.9) / 0.1, rel=0.02)  # (1 − γ) a layer near the end
