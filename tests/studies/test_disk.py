"""A full disk: nothing lost, a message that says how to go on, the same bytes once there is room."""

import contextlib
import errno
import itertools
import os
import shutil
import subprocess
from collections import namedtuple

import pytest
import zarr.storage._local as local_store
from studies.small_runs import digests, settle, study

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.studies import RunError, open_run, prepare

Usage = namedtuple("Usage", "total used free")
LONG = {"tokens.n": 1000, "solve.frames": 25, "solve.t_end": 0.2}


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing_after(count, original):
    """The function `original`, which meets a full disk from its call number `count` on."""
    calls = itertools.count()
    return lambda *args, **options: full() if next(calls) >= count else original(*args, **options)


@pytest.mark.parametrize("part", ["frames", "checkpoint", "rename"])
def test_the_disk_fills_up(tmp_path, monkeypatch, part):
    settle(tmp_path / "whole", **LONG)
    prepared, folder = prepare(study(**LONG)), tmp_path / "r"
    with monkeypatch.context() as patch:
        if part == "frames":
            patch.setattr(local_store, "_put", failing_after(120, local_store._put))
        elif part == "checkpoint":
            patch.setattr(os, "fsync", failing_after(150, os.fsync))
        else:
            patch.setattr(os, "replace", failing_after(100, os.replace))
        with pytest.raises(RunError) as error:
            prepared.run(folder, resume=False)
        text = str(error.value)
        assert text.startswith("the disk is full")
        assert f"tokensphere run --resume {folder}" in text
        assert "\n" not in text
        # still no room: the same message, nothing lost
        with pytest.raises(RunError, match="the disk is full"):
            prepared.run(folder, resume=True)
    assert not list(folder.rglob("*.partial"))
    run, whole = open_run(folder), open_run(tmp_path / "whole")
    assert 2 <= run.sizes["time"] < 25
    assert run.tokens.values.tobytes() == whole.tokens.values[: run.sizes["time"]].tobytes()
    prepared.run(folder, resume=True)
    assert digests(folder) == digests(tmp_path / "whole")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "fsync", forbidden)
    with pytest.raises(PermissionError):
        prepare(study()).run(tmp_path / "r", resume=False)


def test_the_disk_fills_up_when_only_the_verdicts_are_missing(tmp_path, monkeypatch):
    prepared = prepare(study())
    prediction = studies.predict_study(prepared)
    with monkeypatch.context() as patch:
        patch.setattr("tokensphere.studies.outcome.write_text", full)
        with pytest.raises(RunError, match=f"the disk is full.*then: tokensphere report {tmp_path}/r"):
            studies.carry_out(prepared, tmp_path / "r", prediction=prediction)
    outcome = studies.read_outcome(prepared, tmp_path / "r", prediction)
    studies.write_outcome(prepared, outcome)
    settle(tmp_path / "whole")
    for name in ("predictions.json", "verdicts.json"):
        assert (tmp_path / "r" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_no_room_is_refused_before_any_work(tmp_path, monkeypatch):
    prepared = prepare(study(**LONG))
    needed = (25 + 6) * 1000 * 2 * 8 + 64 * 2**20
    asked = []

    def usage(free):
        def answer(place):
            asked.append(place)
            return Usage(10**12, 10**12 - free, free)

        return answer

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", usage(needed - 1))
        patch.setattr(prepared.integrator, "start", full)
        with pytest.raises(
            InputError, match=r"this run needs about .* GB, but .* has .* GB free; use fewer solve\.frames"
        ):
            prepared.run(tmp_path / "new" / "r", resume=False)
        assert not (tmp_path / "new").exists()
    assert asked == [tmp_path]
    monkeypatch.setattr(shutil, "disk_usage", usage(needed))
    prepared.run(tmp_path / "new" / "r", resume=False)


def test_a_resumed_run_asks_only_for_the_frames_that_are_missing(tmp_path, monkeypatch):
    prepared = prepare(study(**LONG))

    def stop(progress):
        if progress.frames == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared.run(tmp_path / "r", resume=False, report=stop)
    free = (5 + 6) * 1000 * 2 * 8 + 64 * 2**20
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, free - 1))
    with pytest.raises(InputError, match="this run needs about"):
        prepared.run(tmp_path / "r", resume=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 0, free))
    prepared.run(tmp_path / "r", resume=True)
    assert open_run(tmp_path / "r").sizes["time"] == 25


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk is not allowed here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_real_disk_fills_up(small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr("tokensphere.studies.folder._BYTES_LEFT_FREE", 0)
    settle(tmp_path / "whole", **LONG)
    prepared, folder = prepare(study(**LONG)), small_disk / "r"
    ballast = small_disk / "ballast"

    def fill(progress):
        if progress.frames == 10 and not ballast.exists():
            with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass

    with pytest.raises(RunError, match="the disk is full"):
        prepared.run(folder, resume=False, report=fill)
    assert shutil.disk_usage(small_disk).free < 2**17
    run, whole = open_run(folder), open_run(tmp_path / "whole")
    assert 10 <= run.sizes["time"] < 25
    assert run.tokens.values.tobytes() == whole.tokens.values[: run.sizes["time"]].tobytes()
    with pytest.raises((RunError, InputError), match=r"the disk is full|this run needs about"):
        prepared.run(folder, resume=True)
    ballast.unlink()
    prepared.run(folder, resume=True)
    assert digests(folder) == digests(tmp_path / "whole")
