"""C12, C14 to C16: the items agree, and wrong formulas disagree."""

import math

import pytest

from tokensphere.experiments.reproduce import ITEMS, metastability


def run(item):
    steps = []
    outcome = ITEMS[item].load().run(lambda fraction, text: steps.append(fraction))
    assert steps == sorted(steps)
    assert 0 <= steps[0] <= steps[-1] <= 1
    return outcome


def outcomes(outcome):
    return {v.name: v.outcome for v in outcome.verdicts}


def test_staircase():
    outcome = run("C14")
    assert set(outcomes(outcome).values()) == {"agrees"}
    assert outcome.data["levels"][1:] == pytest.approx([0.28, 0.44, 0.68, 1.0], abs=1e-9)


def test_a_wrong_mass_disagrees(monkeypatch):
    """Mergers as fast as those of two tokens of mass one half."""
    law = metastability.log_two_cluster_lifetime
    monkeypatch.setattr(metastability, "log_two_cluster_lifetime", lambda *a, **k: law(*a, **k) + math.log(0.4))
    found = outcomes(run("C14"))
    assert found["log10 t of merger 1"] == "disagrees"
    assert found["energy with 3 clusters"] == "agrees"


def test_pairing():
    outcome = run("C16")
    assert set(outcomes(outcome).values()) == {"agrees"}
    assert outcome.data["clock"] == pytest.approx([0.31871, 0.30668, 0.30568], abs=6e-6)
    assert outcome.data["printed_clock"] == pytest.approx([0.0574, 0.0263, 0.0126], abs=5e-5)


def test_lifetimes(monkeypatch):
    monkeypatch.setattr(metastability, "_NEAR_BETAS", (10.0, 30.0, 50.0))
    monkeypatch.setattr(metastability, "_FAR_BETAS", (75.0, 100.0, 250.0, 400.0))
    assert set(outcomes(run("C12")).values()) == {"agrees"}


@pytest.mark.slow
def test_kinetic_example():
    outcome = run("C15")
    assert set(outcomes(outcome).values()) == {"agrees"}
    assert len(outcome.data["children"]) == 4
