"""Frozen centres with fewer starts, and the inequality told from the printed one."""

import dataclasses

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import ITEMS, fixed_centres


@pytest.mark.slow
def test_frozen_centres(monkeypatch):
    monkeypatch.setattr(fixed_centres, "_STARTS", np.array([0.4, 2.6]))
    outcome = run(ITEMS["C19"].load().run)
    none_disagrees(outcome)
    assert outcome.data["level"] == pytest.approx(0.0271, abs=5e-5)
    assert outcome.data["ends"].max() < outcome.data["level"]


def test_the_printed_inequality_is_told_from_ours(monkeypatch):
    assert fixed_centres._inequalities()[0].outcome == "agrees"
    ours = fixed_centres.fixed_centres

    def printed(*args, **options):
        found = ours(*args, **options)
        last = dataclasses.replace(found.hypotheses[-2], holds=True)
        return dataclasses.replace(found, hypotheses=(*found.hypotheses[:-2], last, found.hypotheses[-1]))

    monkeypatch.setattr(fixed_centres, "fixed_centres", printed)
    assert fixed_centres._inequalities()[0].outcome == "disagrees"
