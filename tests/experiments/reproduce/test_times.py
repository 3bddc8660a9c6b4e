import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, outcomes, run

from tokensphere.experiments.reproduce import times
from tokensphere.experiments.reproduce.following import follow
from tokensphere.sphere import equispaced, uniform
from tokensphere.theory import exit_law, growth_rates


def test_a_history_can_go_on():
    tokens = uniform(400, 2, 3)
    whole = follow(5.0, tokens, 3.0, 0.25, 8)
    half = follow(5.0, tokens, 1.5, 0.25, 8)
    joined = follow(5.0, tokens, 3.0, 0.25, 8, half)
    assert len(joined.times) == len(whole.times) == 13
    np.testing.assert_allclose(joined.times, whole.times, rtol=1e-13)
    np.testing.assert_allclose(joined.moments, whole.moments, atol=1e-12)
    np.testing.assert_allclose(joined.speed, whole.speed, rtol=1e-11)
    assert whole.times[-1] == pytest.approx(3.0 / growth_rates(5.0, 2, 3, "usa"))


def test_the_steps_are_fine_enough():
    rate = float(growth_rates(5.0, 2, 3, "usa"))
    for step in (0.4, 0.25):
        history = follow(5.0, equispaced(1009, 1e-6, 3), 4.0, step, 8)
        slope = np.log(history.order[-1, 2] / history.order[0, 2]) / history.times[-1]
        assert slope == pytest.approx(rate, rel=step**4 / 120)


def test_histograms_are_judged_by_the_law():
    law = exit_law(5.0, 2, 2000, 0.3, "usa")
    rng = np.random.default_rng(0)
    drawn = rng.choice(law.degrees, size=400, p=law.probabilities / law.probabilities.sum())
    assert times._histogram_verdict("x", drawn, law, applies=True).outcome == "agrees"
    assert times._histogram_verdict("x", np.full(400, 3), law, applies=True).outcome == "disagrees"
    uniform_law = rng.choice([2, 3, 4], size=400)
    assert times._histogram_verdict("x", uniform_law, law, applies=True).outcome == "disagrees"
    assert times._histogram_verdict("x", drawn, law, applies=False).outcome == "not applicable"


def test_winner_law(monkeypatch):
    monkeypatch.setattr(times, "_LAW", ((5.0, 500, 10), (5.0, 2000, 40)))
    found = run(times.winner_law)
    none_disagrees(found)
    assert list(outcomes(found).values()) == ["not applicable", "agrees", "agrees"]
    assert found.data["winner_beta5_n2000"].shape == (40,)
    # within a few standard errors of the mean exit of the law
    law = exit_law(5.0, 2, 2000, 0.3, "usa")
    seen = found.data["time_beta5_n2000"]
    assert abs(seen.mean() - law.mean) < 4 * seen.std() / np.sqrt(40)


def test_positions(monkeypatch):
    monkeypatch.setattr(times, "_POSITIONS", ((500, 25, 0.1), (4000, 25, 0.06)))
    found = run(times.positions)
    assert set(outcomes(found, "median shift").values()) == {"agrees"}
    assert found.data["shift_n500"].max() < np.pi / 3
    monkeypatch.setattr(times, "_POSITIONS", ((500, 14, 1e-4), (500, 14, 1e-4)))
    assert set(outcomes(run(times.positions)).values()) == {"disagrees"}


@pytest.mark.slow
def test_phase_durations(monkeypatch):
    plan = ((5.0, 2, 500, 6), (5.0, 2, 2000, 6), (5.0, 3, 500, 2), (2.0, 4, 300, 2))
    monkeypatch.setattr(times, "_PHASES", plan)
    monkeypatch.setattr(times, "_MERGER_SEEDS", 1)
    found = run(times.phase_durations)
    none_disagrees(found)
    t1, t2, t3 = (found.data[f"t{i}_beta5_d2_n2000"] for i in (1, 2, 3))
    assert (t1 < t2).all()
    assert (t2 < t3).all()
    assert 0.04 < t1.mean() < 0.12  # known: 0.0774 ± 0.0020 over 100 seeds
    assert len(found.panels) == 4


def test_an_exit_that_misses_the_race_disagrees(monkeypatch):
    real = times.race
    monkeypatch.setattr(times, "race", lambda order, *rest: real(order * 0.8, *rest))
    monkeypatch.setattr(times, "_PHASES", ((5.0, 2, 2000, 3), (5.0, 2, 2001, 3)))
    monkeypatch.setattr(times, "_MERGER_SEEDS", 0)
    assert set(outcomes(run(times.phase_durations), "mean |T1 - race|").values()) == {"disagrees"}
