"""The published density runs: one noise against its race, and verdicts that can fail."""

import dataclasses
import math

import numpy as np
import pytest

from tokensphere.experiments.reproduce import notebook_density as notebook
from tokensphere.theory import exit_law, white_noise_tokens


def quiet(part, text):
    assert 0.0 <= part <= 1.0
    assert text


def outcomes(verdicts):
    return [verdict.outcome for verdict in verdicts]


def test_one_noise_follows_its_race():
    found = notebook.noise_exit(7.0, 0.08, 0, quantiles=512)
    assert abs(found.late) < 0.1 / 116.58
    assert 0.04 < found.time < 0.07
    assert found.bumps in (3, 4, 5)
    assert found.degree == found.bumps


def test_exits_that_do_not_fit_are_seen():
    law = exit_law(5.0, 2, white_noise_tokens(0.01, 9999), 0.3, "usa")
    assert law.median == pytest.approx(0.34019, abs=5e-6)
    assert law.probability(3) == pytest.approx(0.837, abs=5e-4)
    levels = (np.arange(20) + 0.5) / 20
    times = np.array([law.quantile(level) for level in levels])
    good = [notebook.Exit(t, 3 if i % 6 else 2, 3 if i % 6 else 2, 0.001) for i, t in enumerate(times)]
    assert outcomes(notebook._exit_verdicts(5.0, 0.5, good)) == ["agrees"] * 4
    late = [dataclasses.replace(exit, time=1.07 * exit.time, late=-0.01) for exit in good]
    assert outcomes(notebook._exit_verdicts(5.0, 0.5, late)) == ["disagrees", "disagrees", "agrees", "agrees"]
    other = [dataclasses.replace(exit, degree=2) for exit in good]
    assert outcomes(notebook._exit_verdicts(5.0, 0.5, other)) == ["agrees", "agrees", "disagrees", "disagrees"]
    none = [notebook.Exit(math.inf, 0, 0, math.nan) for _ in times]
    assert outcomes(notebook._exit_verdicts(5.0, 0.5, none))[:2] == ["disagrees", "not applicable"]


def test_rates_of_the_scheme():
    assert outcomes(notebook._coarse_verdicts()) == ["agrees"] * 4


@pytest.mark.slow
def test_the_item_with_fewer_noises(monkeypatch):
    monkeypatch.setattr(notebook, "_SETTINGS", {7.0: 0.08})
    monkeypatch.setattr(notebook, "_SEEDS", (0, 2))
    monkeypatch.setattr(notebook, "_QUANTILES", 512)
    monkeypatch.setattr(notebook, "_FINE_QUANTILES", 4096)
    monkeypatch.setattr(notebook, "_LARGEST", 512)
    monkeypatch.setattr(notebook, "_SCHEME_CELLS", 999)
    outcome = notebook.notebook_density(quiet)
    failed = [verdict.name for verdict in outcome.verdicts if verdict.outcome != "agrees"]
    # two noises have no median to speak of
    assert set(failed) <= {"β = 7: median exit of 2 noises"}
    assert len(outcome.panels) == 4
