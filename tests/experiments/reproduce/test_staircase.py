"""C13: the staircase figure, its reference values, and runs that must not agree."""

import dataclasses

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

import tokensphere as ts
from tokensphere.experiments.reproduce import staircase as item


def test_the_figure(monkeypatch):
    monkeypatch.setattr(item, "_BETAS", (2000.0,))
    monkeypatch.setattr(item, "_PLAIN_TIME", 200.0)
    outcome = run(item.staircase_figure)
    none_disagrees(outcome)
    assert outcome.data["energy_2000"][0] == pytest.approx(0.2132, abs=5e-5)
    steps = next(v for v in outcome.verdicts if "steps to one cluster" in v.name)
    assert steps.measured == pytest.approx(10_080, abs=10)
    assert steps.predicted == pytest.approx(10_080, abs=1)


@pytest.mark.slow
def test_all_betas():
    outcome = run(item.staircase_figure)
    none_disagrees(outcome)
    assert len(outcome.panels[0].curves) == len(item._BETAS) + 5


def test_the_levels_of_a_chain_disagree():
    """Levels .2, .28, .44, .68, 1 are those of well-prepared tokens."""
    found = item.arc_length_run(2000.0, item._START)
    np.testing.assert_allclose(found.levels, [0.28, 0.44, 0.52, 1.0], atol=1e-6)
    chain = ts.theory.staircase(ts.sphere.from_angles([0, 0.05, 0.15, 0.4, 1.0]), 2000.0)
    wrong = {v.name: v.outcome for v in item._judge(2000.0, chain, found)}
    assert wrong["beta = 2000: who meets whom"] == "disagrees"
    assert wrong["beta = 2000: level after every glueing against the nearest predicted"] == "disagrees"
    assert wrong["beta = 2000: steps to one cluster"] == "disagrees"


def test_a_run_that_does_not_arrive_disagrees():
    theory = ts.theory.staircase(ts.sphere.from_angles(item._START), 2000.0)
    short = item.arc_length_run(2000.0, item._START, most=3000)
    assert not short.merged
    outcomes = [v.outcome for v in item._judge(2000.0, theory, dataclasses.replace(short))]
    assert outcomes[0] == "disagrees"
    assert outcomes[3] == "disagrees"


def test_glueing_keeps_the_mean():
    theta, label, groups = item._glue(np.array([0.0, 0.0005, 1.0]), np.arange(3))
    assert groups == [(0, 1)]
    np.testing.assert_allclose(theta, [0.00025, 0.00025, 1.0])
    assert label.tolist() == [0, 0, 2]
    assert item._glue(theta, label) is None
