"""The causal item with fewer repeats, and what it says when a claim does not hold."""

import numpy as np
from experiments.reproduce.judged import none_disagrees, outcomes, run

from tokensphere.experiments.reproduce import ITEMS, causal


def test_causal_tokens(monkeypatch):
    monkeypatch.setattr(causal, "_STREAMS", 60)
    monkeypatch.setattr(causal, "_COUNT_TOLERANCE", 1.0)  # four standard errors of 60 streams
    monkeypatch.setattr(causal, "_RUNS", 1)
    monkeypatch.setattr(causal, "_TIMES", np.array([0.0, 10.0, 300.0]))
    outcome = run(ITEMS["C18"].load().run)
    none_disagrees(outcome)
    assert len(outcomes(outcome, "two tokens")) == 6
    assert outcome.data["counts"].shape[:2] == (2, 60)
    assert outcome.data["share_near"][0, -1].min() > outcome.data["share_near"][0, 0].max() + 0.2


def test_tokens_that_have_not_gathered_are_reported(monkeypatch):
    monkeypatch.setattr(causal, "_STREAMS", 5)
    monkeypatch.setattr(causal, "_RUNS", 1)
    monkeypatch.setattr(causal, "_TIMES", np.array([0.0, 0.1, 0.2]))
    found = outcomes(run(causal.causal_tokens), "tokens gather")
    assert set(found.values()) == {"disagrees"}
