"""C6 with few draws; particles at the reference values; and the curve of another n disagrees."""

import numpy as np
import pytest

from tokensphere.attention import Whole
from tokensphere.experiments.reproduce import ITEMS, phase_diagram
from tokensphere.flows import SelfAttention
from tokensphere.theory import equiangular_curve, usa_step

from .judged import none_disagrees, run


def silent(fraction, text):
    pass


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(phase_diagram, "_BETAS", np.array([1.0, 4.0]))
    monkeypatch.setattr(phase_diagram, "_DIMS", ((128, 48, 9.0),))
    monkeypatch.setattr(phase_diagram, "_FLOW_BETAS", (1.0,))
    monkeypatch.setattr(phase_diagram, "_USA_BETAS", (3.0,))
    monkeypatch.setattr(phase_diagram, "_OPTION_BETAS", np.array([0.5, 4.0]))
    monkeypatch.setattr(phase_diagram, "_OPTION_DRAWS", 3)


@pytest.mark.slow
def test_phase_diagram(small):
    outcome = run(ITEMS["C6"].load().run)
    none_disagrees(outcome)
    assert len(outcome.panels) == 3
    assert outcome.panels[0].over[0].label == "equiangular layers, n = 32"


def test_the_curve_of_another_number_of_tokens_disagrees(small, monkeypatch):
    """The overlay of n = 128 over the map of n = 32 lies 0.4 away at beta = 4."""
    verdicts, _, _ = phase_diagram._heat_maps(silent)
    assert [v.outcome for v in verdicts] == ["agrees"]
    exact = phase_diagram.equiangular_layer_time
    monkeypatch.setattr(
        phase_diagram,
        "equiangular_layer_time",
        lambda level, step, beta, n, *a, **k: exact(level, step, beta, 128, **k),
    )
    verdicts, _, _ = phase_diagram._heat_maps(silent)
    assert [v.outcome for v in verdicts] == ["disagrees"]


@pytest.mark.slow
def test_particles_at_the_reference_values():
    """n = 32, d = 128, beta = 1: half of the pairs aligned at 5.3; d = 1024: mean inner product at t = 2."""
    times = np.linspace(0, 7, 71)
    flow = SelfAttention(1.0, attention=Whole())
    aligned, _, _ = phase_diagram._run(flow, phase_diagram._starts(128, 24), times, method="tsit5", rtol=1e-6)
    assert phase_diagram._median(times, aligned) == pytest.approx(5.3, abs=0.1)
    _, inner, _ = phase_diagram._run(
        flow, phase_diagram._starts(1024, 24), np.array([0.0, 2.0]), method="tsit5", rtol=1e-6
    )
    assert inner[-1].mean() == pytest.approx(0.585, abs=0.008)
    assert equiangular_curve([2.0], 1.0, 32)[0] == pytest.approx(0.5898, abs=5e-5)


def test_the_step_of_usa():
    assert usa_step(0.0) == 0.1
    assert usa_step(9.0) == pytest.approx(0.1 / (3 * np.exp(8.5)))
    assert usa_step(0.1, 0.2) == 0.2
