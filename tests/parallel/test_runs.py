"""Runs by two processes: the same result as by one, broken off in many ways and resumed, and refused."""

import os
import signal
import time

import numpy as np
import pytest
from parallel.teams import members_of, run_members
from studies.small_runs import DIM3, SMALL, committed, digests, settle, start_process

from tokensphere import studies
from tokensphere.studies import open_run

pytestmark = pytest.mark.slow
LIMIT = 300  # seconds that a process may take, on a machine with much else to do

CIRCLE = {"tokens.n": 601, "solve.t_end": 0.1, "solve.frames": 6}
# long enough to be broken off four times
LONG = CIRCLE | {"solve.frames": 41}
KINDS = {
    "circle": CIRCLE,
    "long": LONG,
    "dense": DIM3 | {"flow.attention": "auto", "tokens.dim": 4, "tokens.n": 61, "solve.frames": 4},
    "harmonic": DIM3 | {"flow.attention": "harmonic", "tokens.n": 301, "solve.frames": 4},
    "noise": CIRCLE | {"flow.noise": 1.0, "solve.method": "strang", "solve.step_size": 0.01},
    "layers": CIRCLE | {"solve.method": "layer", "solve.step_size": 0.02},
    "dense layers": DIM3 | {"tokens.n": 61, "solve.method": "layer", "solve.step_size": 0.1, "solve.frames": 3},
}
REFUSED = {
    "series": CIRCLE | {"flow.attention": "circle-series"},
    "ensemble": {"experiment": "alignment", "tokens.ensemble": 4, "tokens.n": 8, "tokens.dim": 8},
}


def options(settings):
    """`--set` for the command line, without figures."""
    chosen = [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()]
    return [part for setting in chosen for part in ("--set", setting)] + ["--no-figures"]


def start(folder, settings):
    """A run by two processes in `folder`."""
    arguments = ("run", "emergence", *options(SMALL | settings), "--out", folder, "--processes", 2)
    return start_process(*arguments, cwd=folder.parent)


def resume(folder):
    """The same, where it was broken off."""
    return start_process("run", "--resume", folder, "--processes", 2, "--no-figures", cwd=folder.parent)


def finish(process, code=0):
    """Its standard output and error, after the exit code wanted."""
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == code, err
    return out, err


def close(run, reference, bound=1e-12):
    """The same frames, to `bound`."""
    assert run.sizes == reference.sizes
    for name in ("tokens", "time", "order", "clusters", "cluster_mass"):
        np.testing.assert_allclose(run[name].values, reference[name].values, rtol=0, atol=bound)
    for name in ("energy", "speed"):
        np.testing.assert_allclose(run[name].values, reference[name].values, rtol=bound)
    assert run.attrs["status"] == "complete"
    assert run.attrs["events"].keys() == reference.attrs["events"].keys()


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Studies of all kinds by one team, and what it said of each; "begun" by one process before."""
    root = tmp_path_factory.mktemp("whole")

    def crash(progress):
        if progress.steps == 3:
            raise Crash

    with pytest.raises(Crash):
        studies.prepare(studies.Study().with_settings(SMALL | CIRCLE)).run(root / "begun", resume=False, report=crash)
    chosen = {name: SMALL | settings for name, settings in (KINDS | REFUSED | {"begun": CIRCLE}).items()}
    said = run_members("studying", 2, root, studies=chosen, root=str(root), resumed=["begun"])
    return root, said


@pytest.mark.parametrize("name", KINDS)
def test_two_processes_give_the_result_of_one(tmp_path, whole, name):
    root, said = whole
    settle(tmp_path / "alone", **KINDS[name])
    close(open_run(root / name), open_run(tmp_path / "alone"))
    assert not list((root / name).glob("checkpoint*"))
    assert not (root / name / "lock").exists()
    wanted = {"long": "circle", "layers": "circle", "noise": "circle", "dense layers": "dense"}.get(name, name)
    assert [one[name].lower() for one in said] == [wanted] * 2


def test_what_cannot_be_shared_is_refused_before_work(whole):
    root, said = whole
    for one in said:
        assert "CircleSeries attention cannot be shared by many processes; use Circle" in one["series"]
        assert "experiment = 'alignment' cannot be shared by many processes" in one["ensemble"]
    assert not (root / "series").exists()
    assert not (root / "ensemble").exists()


def test_a_run_begun_by_one_goes_on_with_two(tmp_path, whole):
    settle(tmp_path / "alone", **CIRCLE)
    close(open_run(whole[0] / "begun"), open_run(tmp_path / "alone"))


def break_off(process, folder, act):
    """`act` on a process some frames further on; returns the seconds until it has ended, and its message."""
    limit, before = time.monotonic() + LIMIT, committed(folder)
    while committed(folder) < before + 4 and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    act(process)
    started = time.monotonic()
    _, err = finish(process, 1)
    assert committed(folder) < LONG["solve.frames"]
    return time.monotonic() - started, err


def signal_member(rank, number):
    return lambda process: os.kill(members_of(process.pid)[rank], number)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A run by the command line, broken off four times: its folder, its last output, what was said each time."""
    folder = tmp_path_factory.mktemp("broken") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENSPHERE_SILENCE_SECONDS", "5")
        said = {
            "member": break_off(start(folder, LONG), folder, signal_member(1, signal.SIGKILL)),
            "leader": break_off(resume(folder), folder, signal_member(0, signal.SIGKILL)),
            "hang": break_off(resume(folder), folder, signal_member(1, signal.SIGSTOP)),
        }
    said["term"] = break_off(resume(folder), folder, lambda process: process.send_signal(signal.SIGTERM))
    said["parts"] = len(list(folder.glob("checkpoint-*of2.bin")))
    return folder, finish(resume(folder)), said


def test_a_member_is_killed(broken):
    for name, rank in (("member", 1), ("leader", 0)):
        seconds, err = broken[2][name]
        assert seconds < 60
        assert f"process {rank} of 2 was killed by SIGKILL" in err
        assert f"tokensphere run --resume {broken[0]} --processes 2" in err


def test_a_member_that_hangs_is_given_up(broken):
    seconds, err = broken[2]["hang"]
    assert seconds < 90
    assert "no sign of life from process 1" in err


def test_a_signal_to_the_supervisor_saves_a_checkpoint(broken):
    _, err = broken[2]["term"]
    assert err.count("interrupted") == 1
    assert "process 0" not in err
    assert broken[2]["parts"] == 2


def test_a_run_that_was_broken_off_is_bitwise_that_of_one_piece(broken, whole):
    folder, (out, err), _ = broken
    assert digests(folder) == digests(whole[0] / "long")
    assert err == ""
    assert out.count("Verdicts") == 1  # only one of them speaks
    assert "2 processes" in out
    assert "Gloo" not in out
    assert {"predictions.json", "verdicts.json"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob("checkpoint*"))


def test_members_that_never_come_and_what_all_find_wrong(tmp_path):
    """Three teams at a time."""
    teams = []
    for rank in (0, 1):
        with pytest.MonkeyPatch.context() as patch:
            values = {"PMI_SIZE": 2, "PMI_RANK": rank, "TOKENSPHERE_START_SECONDS": 3}
            for name, value in values.items():
                patch.setenv(name, str(value))
            place = ("--distributed", "--coordinator", f"127.0.0.1:{61001 + rank}", "--out", tmp_path / f"r{rank}")
            teams.append(start_process("run", "emergence", *place, cwd=tmp_path))
    wrong = start(tmp_path / "wrong", {"tokens.n": 1})
    _, err = finish(teams[0], 1)
    assert "process 0 of 2 waited in vain for the others" in err
    assert "Nothing was saved yet" in err
    _, err = finish(teams[1], 1)
    assert "process 1 of 2 waited in vain for process 0 at 127.0.0.1:61002" in err
    _, err = finish(wrong, 2)
    assert err == "tokensphere: 1 tokens cannot be divided over 2 processes; use at most 1\n"
    assert not (tmp_path / "wrong").exists()
