"""Failure signatures: every code, with fewer runs at the tie."""

import pytest

from tokensphere.experiments.reproduce import ITEMS, failures


def silent(fraction, text):
    pass


def test_codes_of_few_tokens_and_layers():
    verdicts, _, data = failures._short(silent)
    assert {v.outcome for v in verdicts} == {"agrees"}
    assert data["depth_order"].shape == (failures._LAYERS + 1,)


def test_kernels():
    verdicts, _, _ = failures._kernels(silent)
    assert {v.outcome for v in verdicts} == {"agrees"}


def test_codes_must_match_exactly():
    assert failures._says("", {"TIE"}, {"TIE", "NONSMOOTH"}, "").outcome == "disagrees"
    assert failures._says("", {"TIE"}, {"TIE", "NONSMOOTH"}, "", ("NONSMOOTH",)).outcome == "agrees"
    assert failures._says("", {"TIE"}, set(), "").outcome == "disagrees"


@pytest.mark.slow
def test_failure_signatures(monkeypatch):
    monkeypatch.setattr(failures, "_TIE_SEEDS", 8)
    outcome = ITEMS["M19"].load().run(silent)
    assert [v.name for v in outcome.verdicts if v.outcome != "agrees"] == []
    assert len(outcome.panels) == 4
