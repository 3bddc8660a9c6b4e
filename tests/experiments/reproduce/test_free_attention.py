"""C20b: attention in R^d without normalisation; and that the comparisons can fail."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import ITEMS, free_attention


@pytest.mark.slow
def test_attention_in_space():
    outcome = run(ITEMS["C20b"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 7


def test_attention_in_one_dimension(monkeypatch):
    monkeypatch.setattr(free_attention, "_END", 8.0)
    verdicts, panels, data = free_attention._line()
    assert [verdict.outcome for verdict in verdicts] == ["agrees"]
    early, late = panels[1].values, panels[2].values
    assert early.max() < 0.9
    assert np.sort(late, axis=1)[:-1, -1].min() > 0.99
    assert np.ptp(data["line_tokens"][-1]) > 1


def test_in_one_dimension_too_early_disagrees(monkeypatch):
    """At t = 1 more than one row is still soft."""
    monkeypatch.setattr(free_attention, "_END", 1.0)
    assert free_attention._line()[0][0].outcome == "disagrees"


def test_hyperplanes_and_a_double_eigenvalue(monkeypatch):
    """With a double leading eigenvalue the leading coordinate takes more than three values."""
    monkeypatch.setattr(free_attention, "_END", 6.0)
    assert free_attention._hyperplanes()[0][0].outcome == "agrees"
    diagonal = np.diag
    monkeypatch.setattr(np, "diag", lambda v: diagonal([1.0, 1.0, -0.2] if np.ndim(v) == 1 else v))
    assert free_attention._hyperplanes()[0][0].outcome == "disagrees"
