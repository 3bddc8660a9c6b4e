"""Densities on the 2-sphere in the catalogue: M24 and M24b agree, and would not if a solver were wrong."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS
from tokensphere.experiments.reproduce import zonal as items


def outcomes(outcome):
    return {verdict.name: verdict.outcome for verdict in outcome.verdicts}


def test_the_reference_solution():
    item = ITEMS["M24"].load()
    seen = []
    outcome = item.run(lambda fraction, text: seen.append(fraction))
    assert set(outcomes(outcome).values()) == {"agrees"}
    assert seen == sorted(seen)
    assert outcome.data["means"][-1, 1:3] == pytest.approx([0.0102459, 0.0195752], abs=5e-8)
    assert len(outcome.panels) == 3


def test_three_solvers_agree(monkeypatch):
    """Half as long and at lower resolution than the item itself."""
    monkeypatch.setattr(items, "_RESOLUTION", 24)
    monkeypatch.setattr(items, "_FOLDS", 1.0)
    monkeypatch.setattr(items, "_LUMP_FOLDS", 1.5)
    outcome = ITEMS["M24b"].load().run(lambda fraction, text: None)
    assert set(outcomes(outcome).values()) == {"agrees"}
    assert np.abs(outcome.data["usa_zonal"] - outcome.data["usa_sphere"]).max() < 1e-10
    assert np.abs(outcome.data["usa_zonal"][-1] - outcome.data["usa_zonal"][0]).max() > 0.005


def test_a_wrong_start_is_seen(monkeypatch):
    """Tokens that start from another density than the solver disagree with it."""
    monkeypatch.setattr(items, "_tokens", lambda density: (items._places(), np.full(2 * items._NODES**2, 1 / 1152)))
    found = outcomes(items.zonal_reference(lambda fraction, text: None))
    assert found["largest distance of <P_k>, k = 1..4, tokens and density"] == "disagrees"
    assert found["<P_2> of the density at t = 0.1"] == "agrees"


@pytest.mark.slow
def test_the_whole_of_three_solvers():
    assert set(outcomes(ITEMS["M24b"].load().run(lambda fraction, text: None)).values()) == {"agrees"}
