"""Runs by two processes, from the command line: the same result, resumed on other numbers, killed, and refused."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
from parallel.teams import members_of
from studies.small_runs import DIM3, SMALL, committed, digests, settle, start_process

from tokensphere import studies
from tokensphere.studies import open_run

CIRCLE = {"tokens.n": 601, "solve.t_end": 0.1, "solve.frames": 6}
KINDS = {
    "circle": CIRCLE,
    "dense": DIM3 | {"tokens.dim": 4, "tokens.n": 61, "solve.frames": 4},
    "harmonic": DIM3 | {"flow.attention": "harmonic", "tokens.n": 301, "solve.frames": 4},
}
# long enough to be caught in the middle
LONG = CIRCLE | {"solve.frames": 21}


def options(settings):
    """`--set` for the command line, without figures."""
    chosen = [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()]
    return [part for setting in chosen for part in ("--set", setting)] + ["--no-figures"]


def start(folder, settings, *more):
    """A run by two processes in `folder`."""
    arguments = ("run", "emergence", *options(SMALL | settings), "--out", folder, "--processes", 2, *more)
    return start_process(*arguments, cwd=folder.parent)


def finish(process, code=0):
    """Its standard output and error, after the exit code wanted."""
    out, err = process.communicate(timeout=180)
    assert process.returncode == code, err
    return out, err


def alone(folder, settings):
    """The same run by one process. The study has the name that the command line gives it."""
    settle(folder, **settings)
    return open_run(folder)


def close(run, reference, bound=1e-12):
    """The same frames, to `bound`."""
    assert run.sizes == reference.sizes
    for name in ("tokens", "time", "order", "clusters", "cluster_mass"):
        np.testing.assert_allclose(run[name].values, reference[name].values, rtol=0, atol=bound)
    for name in ("energy", "speed"):
        np.testing.assert_allclose(run[name].values, reference[name].values, rtol=bound)
    assert run.attrs["status"] == "complete"
    assert run.attrs["events"].keys() == reference.attrs["events"].keys()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of every kind by two processes."""
    root = tmp_path_factory.mktemp("whole")
    found = {}
    for name, settings in KINDS.items():
        process = start(root / name, settings)
        found[name] = root / name, *finish(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_two_processes_give_the_result_of_one(tmp_path, whole, name):
    folder, out, err = whole[name]
    close(open_run(folder), alone(tmp_path / "alone", KINDS[name]))
    assert err == ""
    assert out.count("Verdicts") == 1  # only one of them speaks
    assert "2 processes" in out
    assert "Gloo" not in out
    assert not list(folder.glob("checkpoint*"))
    assert {"predictions.json", "verdicts.json"} <= {path.name for path in folder.iterdir()}


def kill_member(process, folder, rank, number=signal.SIGKILL):
    """Signal one member in the middle of the run; returns the seconds until the whole team has ended."""
    limit = time.monotonic() + 120
    while committed(folder) < 4 and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    os.kill(members_of(process.pid)[rank], number)
    started = time.monotonic()
    _, err = finish(process, 1)
    return time.monotonic() - started, err


@pytest.mark.slow
def test_a_member_is_killed_and_the_run_goes_on(tmp_path):
    """By one process, and by two: both end with what a run that was never stopped gives."""
    folder, copy = tmp_path / "killed", tmp_path / "copy"
    seconds, err = kill_member(start(folder, LONG), folder, 1)
    assert seconds < 60
    assert "process 1 of 2 was killed by SIGKILL" in err
    assert f"tokensphere run --resume {folder} --processes 2" in err
    assert committed(folder) < 21
    shutil.copytree(folder, copy)
    reference = alone(tmp_path / "alone", LONG)
    prepared = studies.prepare(studies.read_study(folder))
    prepared.run(folder, resume=True)
    close(open_run(folder), reference)
    assert not list(folder.glob("checkpoint*"))
    out, _ = finish(start_process("run", "--resume", copy, "--processes", 2, "--json", "--no-figures", cwd=tmp_path))
    assert json.loads(out)["folder"] == str(copy)
    close(open_run(copy), reference)


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.slow
def test_a_run_begun_by_one_goes_on_with_two_and_is_bitwise_its_own(tmp_path, whole):
    """1 -> 2, and 2 -> 2 with the leader killed by a signal that leaves no time."""
    folder = tmp_path / "begun"
    prepared = studies.prepare(studies.Study().with_settings(SMALL | CIRCLE))

    def crash(progress):
        if progress.steps == 3:
            raise Crash

    with pytest.raises(Crash):
        prepared.run(folder, resume=False, report=crash)
    finish(start_process("run", "--resume", folder, "--processes", 2, "--no-figures", cwd=tmp_path))
    close(open_run(folder), alone(tmp_path / "alone", CIRCLE))

    again, limit = tmp_path / "again", time.monotonic() + 120
    process = start(again, CIRCLE)
    while not (again / "checkpoint.bin").exists() and time.monotonic() < limit:
        time.sleep(0.01)
    os.kill(members_of(process.pid)[0], signal.SIGKILL)
    _, err = finish(process, 1)
    assert "process 0 of 2 was killed by SIGKILL" in err
    finish(start_process("run", "--resume", again, "--processes", 2, "--no-figures", cwd=tmp_path))
    assert digests(again) == digests(whole["circle"][0])


@pytest.mark.slow
def test_a_member_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKENSPHERE_SILENCE_SECONDS", "5")
    folder = tmp_path / "hangs"
    seconds, err = kill_member(start(folder, LONG), folder, 1, signal.SIGSTOP)
    assert seconds < 60
    assert "no sign of life from process 1" in err
    assert (folder / "checkpoint.bin").exists()
    # a signal to the supervisor: a checkpoint, and a message
    process = start_process("run", "--resume", folder, "--processes", 2, "--no-figures", cwd=tmp_path)
    before = committed(folder)
    limit = time.monotonic() + 120
    while committed(folder) <= before and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = finish(process, 1)
    assert err.count("interrupted") == 1
    assert "process 0" not in err
    assert len(list(folder.glob("checkpoint-*of2.bin"))) == 2


@pytest.mark.slow
def test_a_member_that_never_comes(tmp_path, monkeypatch):
    for name, value in {"PMI_SIZE": "2", "PMI_RANK": "0", "TOKENSPHERE_START_SECONDS": "3"}.items():
        monkeypatch.setenv(name, value)
    place = ("--distributed", "--coordinator", "127.0.0.1:61001", "--out", tmp_path / "r")
    _, err = finish(start_process("run", "emergence", *place, cwd=tmp_path), 1)
    assert "process 0 of 2 waited in vain for the others" in err
    assert "Nothing was saved yet" in err
    monkeypatch.setenv("PMI_RANK", "1")
    _, err = finish(start_process("run", "emergence", *place, cwd=tmp_path), 1)
    assert "process 1 of 2 waited in vain for process 0 at 127.0.0.1:61001" in err


@pytest.mark.slow
def test_what_all_members_find_wrong_is_said_once(tmp_path):
    folder = tmp_path / "r"
    _, err = finish(start(folder, {"tokens.n": 1}), 2)
    assert err == "tokensphere: 1 tokens cannot be divided over 2 processes; use at most 1\n"
    assert not folder.exists()
