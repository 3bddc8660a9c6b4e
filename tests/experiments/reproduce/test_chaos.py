"""Propagation of chaos: known constants with few runs, and verdicts that can fail."""

import dataclasses

import numpy as np
import pytest

from tokensphere.experiments.reproduce import chaos
from tokensphere.meanfield import uniform_plus


def quiet(part, text):
    assert 0.0 <= part <= 1.0
    assert text


def samples(scale, power=-0.5, runs=400, spread=0.05):
    rng = np.random.default_rng(0)
    growth = np.array([1.0, 1.2, 1.4, 2.0])
    return [
        chaos.Sample(n, scale(n) * n**power * growth * (1 + spread * rng.standard_normal((runs, 1))))
        for n in (10, 50, 100, 1000, 10_000)
    ]


def outcomes(verdicts):
    return [verdict.outcome for verdict in verdicts]


def test_quantiles_stay_quantiles(monkeypatch):
    monkeypatch.setattr(chaos, "_QUIET", 5000)
    start = uniform_plus(chaos._TILTED, 64)
    limits = chaos.limit_densities("usa", start)
    assert chaos._quiet_verdict(limits, start).outcome == "agrees"
    assert chaos._quiet_verdict([*limits[:3], limits[2]], start).outcome == "disagrees"


def test_what_does_not_scale_is_seen():
    assert outcomes(chaos._scaling_verdicts("x", samples(lambda n: 1.4))) == ["agrees", "agrees"]
    assert outcomes(chaos._scaling_verdicts("x", samples(lambda n: 1.4 * n**0.05))) == ["disagrees", "disagrees"]
    assert outcomes(chaos._scaling_verdicts("x", samples(lambda n: 1.4 + 0.3 * (n == 10)))) == ["agrees", "disagrees"]
    # one run of each size shows nothing, and is not held against the law
    assert chaos._scaling_verdicts("x", samples(lambda n: 1.4, runs=1))[0].outcome == "agrees"
    assert chaos._slope_verdict(samples(lambda n: 1.4)).outcome == "agrees"
    assert chaos._slope_verdict(samples(lambda n: 1.4, power=-0.45)).outcome == "disagrees"


def test_a_run_beyond_the_bound_is_seen():
    found = samples(lambda n: 1.4)
    assert outcomes(chaos._bound_verdicts({"USA, tilted": found, "SA, tilted": found})) == ["agrees", "not applicable"]
    far = found[0].values.copy()
    far[3, 1] = far[3, 0] * 50  # e^{2 e^2 / 4} = 40.2
    found[0] = dataclasses.replace(found[0], values=far)
    assert outcomes(chaos._bound_verdicts({"USA, tilted": found})) == ["disagrees"]


@pytest.mark.parametrize(("n", "known"), [(10, (1.423, 1.932)), (1000, (1.41, 2.03))])
def test_constants_of_the_spread(n, known, monkeypatch):
    monkeypatch.setattr(chaos, "_TOGETHER", 0)  # one after the other: nothing to compile
    start = uniform_plus(chaos._TILTED, 64)
    limits = chaos.limit_densities("usa", start)
    assert np.abs(limits[2][1:4]) == pytest.approx([0.22235, 0.43500, 0.17775], abs=5e-6)
    found = chaos.distances("usa", start, limits, n, 60, 7, quiet)
    for i, value in zip((0, 2), known, strict=True):
        assert abs(found.scaled[i] - value) < 4 * found.error[i]
        assert found.error[i] < 0.1 * value


def test_runs_together_and_one_by_one_are_the_same(monkeypatch):
    start = uniform_plus(chaos._TILTED, 64)
    limits = chaos.limit_densities("sa", start)
    together = chaos.distances("sa", start, limits, 12, 3, 0, quiet)
    monkeypatch.setattr(chaos, "_TOGETHER", 0)
    alone = chaos.distances("sa", start, limits, 12, 3, 0, quiet)
    np.testing.assert_allclose(together.values, alone.values, atol=1e-5)


@pytest.mark.slow
def test_the_item_with_fewer_runs(monkeypatch):
    monkeypatch.setattr(chaos, "_TOGETHER", 0)
    monkeypatch.setattr(chaos, "_RUNS", {10: 40, 50: 40, 100: 40, 1000: 8, 10_000: 2})
    monkeypatch.setattr(chaos, "_FEWER", {10: 16, 50: 16, 100: 16})
    monkeypatch.setattr(chaos, "_QUIET", 10_000)
    outcome = chaos.chaos(quiet)
    assert [verdict.name for verdict in outcome.verdicts if verdict.outcome == "disagrees"] == []
    assert [verdict.outcome for verdict in outcome.verdicts].count("not applicable") == 2
    assert len(outcome.panels) == 6
