"""Causal items with fewer repeats, and what they say when a claim does not hold."""

import dataclasses

import numpy as np
import pytest
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


@pytest.mark.slow
def test_frozen_centres(monkeypatch):
    monkeypatch.setattr(causal, "_STARTS", np.array([0.4, 2.6]))
    outcome = run(ITEMS["C19"].load().run)
    none_disagrees(outcome)
    assert outcome.data["level"] == pytest.approx(0.0271, abs=5e-5)
    assert outcome.data["ends"].max() < outcome.data["level"]


def test_the_printed_inequality_is_told_from_ours(monkeypatch):
    assert causal._inequalities()[0].outcome == "agrees"
    ours = causal.fixed_centres

    def printed(*args, **options):
        found = ours(*args, **options)
        last = dataclasses.replace(found.hypotheses[-2], holds=True)
        return dataclasses.replace(found, hypotheses=(*found.hypotheses[:-2], last, found.hypotheses[-1]))

    monkeypatch.setattr(causal, "fixed_centres", printed)
    assert causal._inequalities()[0].outcome == "disagrees"
