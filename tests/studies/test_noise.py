"""Studies with noise: what fits together, and a run that is stopped and goes on."""

import numpy as np
import pytest
from studies.small_runs import DIM3, digests, settle, study
from studies.sweeps.small_sweeps import CIRCLE, LANES, plan, sweep

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.studies import open_run, parse_study
from tokensphere.studies.run import check_study
from tokensphere.studies.sweeps import Manifest

NOISY = {"flow.noise": 1.0, "solve.method": "strang", "solve.step_size": 0.01}
NOISY3 = DIM3 | NOISY | {"solve.step_size": 0.05, "solve.method": "geodesic"}


@pytest.mark.parametrize("method", ["dopri8", "tsit5", "rk4", "euler", "layer"])
def test_a_method_without_noise_is_refused(method):
    settings = {"flow": {"noise": 3.0}, "solve": {"method": method, "step_size": 0.1}}
    with pytest.raises(InputError, match=rf"flow.noise = 3: solve.method = '{method}' takes no noise; set it to"):
        parse_study(settings)


@pytest.mark.parametrize("method", ["strang", "geodesic"])
def test_a_method_with_noise_needs_a_step(method):
    with pytest.raises(InputError, match=f"solve: method = '{method}' has no error control and needs step_size"):
        parse_study({"flow": {"noise": 3.0}, "solve": {"method": method}})


def test_negative_noise_is_refused():
    with pytest.raises(InputError, match=r"flow.noise = -1"):
        parse_study({"flow": {"noise": -1}})


def test_an_ensemble_has_no_noise():
    settings = {"experiment": "alignment", "tokens.ensemble": 4, "tokens.n": 8, "tokens.dim": 8}
    with pytest.raises(InputError, match="experiment = 'alignment' follows tokens without noise"):
        check_study(study(**settings | {"flow.attention": "auto"} | NOISY))


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.parametrize("settings", [NOISY, NOISY3], ids=["circle", "dim 3"])
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path, settings):
    """At every third step; another seed gives other tokens."""
    prepared, outcome = settle(tmp_path / "whole", **settings)
    wanted = digests(outcome.folder)

    def crash(progress):
        if progress.steps % 3 == 0:
            raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "killed", resume=False, report=crash)
    for _ in range(100):
        try:
            studies.prepare(study(**settings)).run(tmp_path / "killed", resume=True, report=crash)
            break
        except Crash:
            pass
    assert digests(tmp_path / "killed") == wanted
    other = open_run(settle(tmp_path / "other", **settings | {"seed": 1})[1].folder)
    assert not np.allclose(other.tokens.values[-1], open_run(outcome.folder).tokens.values[-1], atol=0.1)


def test_noise_is_that_of_the_seed_of_the_study(tmp_path):
    """The run of a study is the one that `simulate` makes."""
    import tokensphere as ts

    prepared, outcome = settle(tmp_path / "r", **NOISY | {"seed": 5})
    run = open_run(outcome.folder)
    again = ts.simulate(
        prepared.flow, prepared.tokens, prepared.times, method="strang", step_size=0.01, noise=1.0, seed=5
    )
    np.testing.assert_array_equal(again.tokens.values, run.tokens.values)


def test_a_sweep_over_noise(tmp_path):
    """Runs that would share a compiled call without noise are planned each on their own; wrong ones are named."""
    settings = CIRCLE | {"solve.method": "geodesic", "solve.step_size": 0.01}
    assert sweep(tmp_path, settings, over=["noise=0,1", "seed=0:2"]).computed == 4
    assert [entry.state for entry in Manifest.read(tmp_path / "out").runs] == ["complete"] * 4
    ends = [open_run(tmp_path / "out" / f"run-{i}").tokens.values[-1] for i in range(4)]
    assert min(np.abs(ends[i] - ends[j]).max() for i in range(4) for j in range(i)) > 1e-2
    shared = plan(tmp_path, LANES, ["seed=0:2"]).points
    alone = plan(tmp_path, LANES | {"flow.noise": 0.5, "solve.method": "strang"}, ["seed=0:2"]).points
    assert [point.group is None for point in (*shared, *alone)] == [False, False, True, True]
    assert "takes no noise" in plan(tmp_path, LANES, ["noise=0,1"]).points[1].error
