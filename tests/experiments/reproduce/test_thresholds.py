"""C21: whole (slow), one density run on each side, and verdicts that can fail."""

import dataclasses

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import ITEMS, thresholds


@pytest.mark.slow
def test_the_whole_item():
    outcome = run(ITEMS["C21"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 8 + 7 + 2
    assert len(outcome.panels) == 5


def branches(beta, dim=2):
    law = np.array([thresholds._predicted(ratio, dim, beta) for ratio in thresholds._RATIOS.tolist()])
    return thresholds._Branches(dim, beta, law[:, 0], law[:, 1])


@pytest.mark.parametrize("beta", [2.0, 5.0])
def test_verdicts_follow_what_is_measured(beta):
    right = branches(beta)
    assert [verdict.outcome for verdict in thresholds._judge(right)] == ["agrees"] * 2
    assert right.split.any() == (beta > 2.44692)
    wrong = dataclasses.replace(branches(7.0 - beta), beta=beta)  # the other kind of transition
    assert thresholds._judge(wrong)[1].outcome == "disagrees"


def test_densities_from_both_sides(monkeypatch):
    """d = 3, β = 3 between the fold and κ_c: each start keeps its state."""
    monkeypatch.setattr(thresholds, "_RATIOS", np.array([0.94]))
    monkeypatch.setattr(thresholds, "_SPAN", 15.0)
    found = thresholds._densities(3, 3.0)
    assert found.split.all()
    assert found.up[0] < 0.02
    assert found.down[0] == pytest.approx(thresholds._predicted(0.94, 3, 3.0)[1], abs=0.01)


def test_tokens_at_beta_zero(monkeypatch):
    monkeypatch.setattr(thresholds, "_TOKENS", 1000)
    assert thresholds._tokens(0.0, 4.0, 2, True) == pytest.approx(thresholds.order_at_rest(4.0, 2), abs=0.05)
