"""Sweeps: complete, idempotent, unmoved by kills and failures, the same on every engine."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from studies.small_runs import killed, start_process
from studies.sweeps.small_sweeps import CIRCLE, LANES, OVER, all_digests, plan, stamps, sweep

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.studies import Study, open_run
from tokensphere.studies.lock import locked
from tokensphere.studies.sweeps import Dask, Manifest, Processes, Submitit, plan_sweep, run_sweep, work
from tokensphere.studies.sweeps.plan import LANES as MOST_LANES


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Sweeps that were never stopped: alone and in lanes."""
    root = tmp_path_factory.mktemp("whole")
    for name, settings in (("circle", CIRCLE), ("lanes", LANES)):
        summary = sweep(root, settings, out=name)
        assert summary.computed == 4
        assert not summary.failures
    return {name: all_digests(root / name) for name in ("circle", "lanes")}


def test_every_run_is_the_run_it_would_be_alone(tmp_path):
    """To rounding, for runs in lanes; and each has its folder, verdicts and place in the manifest."""
    sweep(tmp_path, LANES)
    manifest = Manifest.read(tmp_path / "out")
    assert [entry.state for entry in manifest.runs] == ["complete"] * 4
    assert manifest.runs[3].parameters == {"flow.beta": 2, "seed": 1}
    for entry in manifest.runs[::3]:
        study = Study().with_settings(LANES | entry.parameters)
        prepared = studies.prepare(study)
        single = studies.carry_out(prepared, tmp_path / "alone" / entry.folder, prediction=None)
        run = open_run(tmp_path / "out" / entry.folder)
        np.testing.assert_allclose(run.tokens, single.run.tokens, atol=1e-12)
        np.testing.assert_allclose(run.order, single.run.order, atol=1e-12)
        assert json.loads((tmp_path / "out" / entry.folder / "verdicts.json").read_text())["verdicts"]


@pytest.mark.parametrize("kind", ["circle", "lanes"])
def test_the_second_call_computes_nothing(tmp_path, kind):
    settings = {"circle": CIRCLE, "lanes": LANES}[kind]
    sweep(tmp_path, settings)
    before = stamps(tmp_path / "out")
    assert len(before) > 40
    time.sleep(0.02)
    again = sweep(tmp_path, settings)
    assert again.computed == 0
    assert stamps(tmp_path / "out") == before
    (tmp_path / "out" / "run-2" / "verdicts.json").unlink()
    third = sweep(tmp_path, settings)
    assert third.computed == 1
    changed = {path for path, stamp in stamps(tmp_path / "out").items() if before.get(path) != stamp}
    assert {path.parent.name for path in changed} == {"run-2"}  # judged again, not run again


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["circle", "lanes"])
def test_killed_sweeps_end_with_the_same_bytes(tmp_path, whole, kind):
    """SIGKILL at random moments, then the same command again, until it is through."""
    settings = {"circle": CIRCLE, "lanes": LANES}[kind]
    plan(tmp_path, settings)
    command = ["sweep", "small.toml", "--out", "out", *(word for text in OVER for word in ("--over", text))]
    draw, kills = random.Random(kind), 0
    for done in (1, 3):
        process = start_process(*command, cwd=tmp_path)
        limit = time.monotonic() + 120
        # The third checkpoint exists only in the middle of a batch, the first verdicts in the middle of a list.
        wanted = "run-*/verdicts.json" if kind == "circle" else "run-*/checkpoint.bin"
        while process.poll() is None and time.monotonic() < limit:
            if len(list((tmp_path / "out").glob(wanted))) >= done:
                break
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += killed(process.returncode)
    process = start_process(*command, cwd=tmp_path)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert kills >= 1
    assert "4 of 4 runs are complete" in out
    mine = all_digests(tmp_path / "out")
    assert mine == whole[kind]


def test_a_failing_run_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    settings = CIRCLE | {"solve.max_steps": 1000}
    over = ["max_steps=1,1000", "beta=-1,2"]
    summary = sweep(tmp_path, settings, over=over)
    states = [(e.parameters["solve.max_steps"], e.parameters["flow.beta"], e.state) for e in summary.manifest.runs]
    assert states == [(1, -1, "failed"), (1, 2, "failed"), (1000, -1, "failed"), (1000, 2, "complete")]
    assert [("flow.beta = -1" in e.error, "after 1 steps" in e.error) for e in summary.failures] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert sweep(tmp_path, settings, over=over).computed == 0
    assert sweep(tmp_path, settings, over=over, retry_failed=True).computed == 1


def test_an_unforeseen_error_is_one_run_s_own(tmp_path, monkeypatch):
    from tokensphere.studies.sweeps import work

    true = work.carry_out

    def sometimes(prepared, *arguments, **options):
        if prepared.study.seed == 1:
            raise ZeroDivisionError("no")
        return true(prepared, *arguments, **options)

    monkeypatch.setattr(work, "carry_out", sometimes)
    summary = sweep(tmp_path)
    assert [entry.error for entry in summary.failures] == ["ZeroDivisionError: no"] * 2
    monkeypatch.undo()
    assert sweep(tmp_path, retry_failed=True).manifest.count("complete") == 4


def test_a_failing_lane(tmp_path):
    over = ["max_steps=3,1000", "seed=0:2"]
    summary = sweep(tmp_path, LANES | {"solve.max_steps": 1000}, over=over)
    assert [entry.state for entry in summary.manifest.runs] == ["failed", "failed", "complete", "complete"]


def test_a_damaged_checkpoint_is_computed_again(tmp_path, whole, monkeypatch):
    from tokensphere.studies import recorder

    class Crash(BaseException):
        pass

    def crash(self, state, report=None):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(recorder.TokensRecorder, "after_step", crash)
        with pytest.raises(Crash):
            sweep(tmp_path)
    checkpoint = tmp_path / "out" / "run-0" / "checkpoint.bin"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    assert sweep(tmp_path).computed == 4
    assert all_digests(tmp_path / "out") == whole["circle"]


def test_worker_processes(tmp_path, whole):
    assert sweep(tmp_path, engine=Processes(2)).computed == 4
    assert all_digests(tmp_path / "out") == whole["circle"]


def test_dask(tmp_path, whole):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert sweep(tmp_path, engine=Dask(client)).computed == 4
    assert all_digests(tmp_path / "out") == whole["circle"]


def test_submitit(tmp_path, whole):
    pytest.importorskip("submitit")
    assert sweep(tmp_path, engine=Submitit("debug"), per_task=3).computed == 4
    assert all_digests(tmp_path / "out") == whole["circle"]


def test_two_commands_do_not_run_one_sweep(tmp_path):
    own = plan(tmp_path)
    with locked(tmp_path / "out", "the sweep"), pytest.raises(InputError, match=f"process {os.getpid()} on"):
        run_sweep(own, tmp_path / "out", Processes(1))


def test_another_sweep_in_the_folder_is_refused(tmp_path):
    sweep(tmp_path, over=["seed=0:2"])
    with pytest.raises(InputError, match="holds another sweep"):
        sweep(tmp_path, over=["seed=0:3"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"holds something that is no sweep \(thesis\.tex\)"):
        sweep(tmp_path, out="full")


def test_a_lost_manifest_is_made_anew(tmp_path):
    sweep(tmp_path)
    (tmp_path / "out" / "sweep.json").write_text('{"format": ')
    with pytest.raises(InputError, match="is damaged"):
        sweep(tmp_path)
    (tmp_path / "out" / "sweep.json").unlink()
    assert sweep(tmp_path).computed == 0


def test_points_are_checked_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"every point of the sweep is wrong; the first: .*flow\.beta = -2"):
        sweep(tmp_path, over=["beta=-2,-1"])
    with pytest.raises(InputError, match="nothing to sweep over"):
        plan(tmp_path, over=[])
    with pytest.raises(InputError, match=r"--set flow\.beta and a sweep over flow\.beta contradict"):
        plan_sweep(str(tmp_path / "small.toml"), over=["beta=1,2"], settings={"flow.beta": 3})
    assert not (tmp_path / "out").exists()


def test_lanes_follow_from_the_plan_not_from_what_is_left(tmp_path):
    own = plan(tmp_path, LANES, ["beta=1,2", "seed=0:10"])
    everything = own.tasks(set(range(20)))
    assert [(task.lanes, len(task.points)) for task in everything] == [(MOST_LANES, 16), (4, 4)]
    (left,) = own.tasks({5, 7})
    assert (left.lanes, left.places, [p.index for p in left.points]) == (MOST_LANES, (5, 7), [5, 7])
    mixed = plan(tmp_path, LANES, ["n=6,9,2000", "seed=0:2"])
    assert [task.lanes for task in mixed.tasks(set(range(6)))] == [2, 2, 0, 0]
    assert [len(task.points) for task in mixed.tasks(set(range(6)), 2)] == [2, 2, 2]


def test_a_worker_that_waited_for_another_finds_the_run_done(tmp_path):
    """Two workers on one run, as when jobs of a killed sweep outlive it: neither fails, and it is computed once."""
    point = plan(tmp_path).points[0]
    folder = tmp_path / "run"
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(work._guarded, 0, lambda: work._carry_one(point.study, folder)) for _ in range(2)]
        assert [result.result() for result in results] == [work.Result(0, "complete")] * 2
    assert work.finished(folder)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("over = 3", r"\[sweep\.over\] must be a table"),
        ('figure = "phase-diagrm"\n[sweep.over]\nseed = [1]', "unknown figure 'phase-diagrm'"),
        ('figure = ["x"]\n[sweep.over]\nseed = [1]', "unknown figure"),
    ],
)
def test_a_wrong_sweep_table_is_refused_at_once(tmp_path, table, said):
    path = tmp_path / "wrong.toml"
    path.write_text(f"[sweep]\n{table}\n")
    with pytest.raises(InputError, match=said):
        plan_sweep(str(path))
