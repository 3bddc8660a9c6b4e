"""Emergence under noise: real runs agree, altered ones and wrong rates do not."""

import dataclasses

import numpy as np
import pytest
from studies.small_runs import settle

from tokensphere.experiments import emergence
from tokensphere.theory import critical_noise

RACE = (
    "exit of the linear phase, this start",
    "winning degree, this start",
    "exit of the linear phase, law",
    "winning degree, law",
)
STABLE, STATE, RATE = "stability of the uniform law", "order parameters under noise", "growth rate of the winner"
CRITICAL = critical_noise(5.0, 2, "usa")


def run(folder, noise, t_end, n=20_000):
    return settle(
        folder,
        tokens__n=n,
        flow__noise=noise,
        solve__method="strang",
        solve__step_size=0.01,
        solve__t_end=t_end,
        solve__checkpoint_seconds=60.0,
    )


def by_name(verdicts):
    return {verdict.name: verdict for verdict in verdicts}


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    """Noise 1, where degrees 1 to 3 grow at 3.9, 10 and 9.6, to its end at t = 0.6."""
    return run(tmp_path_factory.mktemp("below") / "r", 1.0, 0.6)


@pytest.fixture(scope="module")
def above(tmp_path_factory):
    """Noise above the critical one."""
    return run(tmp_path_factory.mktemp("above") / "r", 1.1 * CRITICAL, 0.5)


def test_below_the_critical_noise_the_run_leaves_as_predicted(below):
    prepared, outcome = below
    verdicts = by_name(outcome.verdicts)
    assert prepared.setting.noise == outcome.prediction.noise == 1.0
    assert "NOISE_STABILISES" not in outcome.prediction.codes
    assert outcome.prediction.times.rate == pytest.approx(10.0, abs=0.1)
    assert {verdicts[name].outcome for name in (*RACE, STABLE)} == {"agrees"}
    assert verdicts["energy is monotone"].outcome == "not applicable"
    assert verdicts["number of clusters"].sentence == "the prediction is for clusters without noise"
    assert "uncertain" in verdicts[RATE].sentence


def test_above_the_critical_noise_nothing_leaves(above):
    _, outcome = above
    verdicts = by_name(outcome.verdicts)
    assert "NOISE_STABILISES" in outcome.prediction.codes
    assert verdicts[STABLE].predicted == "stable"
    assert verdicts[STABLE].outcome == verdicts[STATE].outcome == "agrees"
    assert all("NOISE_STABILISES" in verdicts[name].sentence for name in (*RACE, RATE))


def again(case, t_end, noise=None, **changes):
    prepared, outcome = case
    setting = prepared.setting if noise is None else dataclasses.replace(prepared.setting, noise=noise)
    seen = dataclasses.replace(outcome.seen, **changes)
    return by_name(emergence.judge(setting, outcome.prediction, seen, t_end))


def test_altered_measurements_disagree(below, above):
    seen = below[1].seen
    late, early = again(below, 0.6, exit_time=0.6), again(below, 0.6, exit_time=0.03)
    for name in (RACE[0], RACE[2]):
        assert late[name].outcome == early[name].outcome == "disagrees"
    other = again(below, 0.6, winner=dataclasses.replace(seen.winner, degree=7))
    assert other[RACE[1]].outcome == other[RACE[3]].outcome == "disagrees"
    assert again(above, 0.5, exit_time=0.2)[STABLE].outcome == "disagrees"
    order = np.array(above[1].seen.last_order)
    order[2] *= 8.0
    assert again(above, 0.5, last_order=tuple(order))[STATE].outcome == "disagrees"


def test_another_noise_would_disagree(below, above):
    """The verdicts of a run judged as if its noise were another."""
    assert again(below, 0.6, noise=1.1 * CRITICAL)[STABLE].outcome == "disagrees"
    assert again(above, 0.5, noise=1.0)[STABLE].outcome == "disagrees"


def test_a_run_that_ends_early_is_judged_by_its_state(tmp_path):
    """Before any exit: order parameters against their law, the rest not applicable."""
    verdicts = by_name(run(tmp_path / "r", 1.0, 0.05)[1].verdicts)
    assert verdicts[STATE].outcome == "agrees"
    assert "too early to tell" in verdicts[STABLE].sentence
    assert "raise solve.t_end" in verdicts[RACE[0]].sentence


def test_few_tokens_are_carried_across_the_threshold_by_noise(tmp_path):
    verdicts = by_name(run(tmp_path / "r", 4.0, 3.0, n=1500)[1].verdicts)
    assert "noise alone carries amplitudes across the threshold" in verdicts[RACE[0]].sentence
