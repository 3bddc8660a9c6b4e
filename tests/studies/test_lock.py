"""Locks: one writer a folder, and none needed for a holder that has died."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from studies.small_runs import study

from tokensphere.studies import prepare
from tokensphere.studies.lock import LOCK, LockedError, locked

HOLD = """
import sys, time
from pathlib import Path
from tokensphere.studies.lock import locked
with locked(Path(sys.argv[1]), "the run"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of tmp_path/r."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "r")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_another_process_is_named(tmp_path, holder):
    with pytest.raises(LockedError, match=f"the run in .* is being written by process {holder.pid} on"):
        prepare(study()).run(tmp_path / "r", resume=False)


def test_a_killed_holder_stands_in_no_ones_way(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "r" / LOCK).read_text())["pid"] == holder.pid
    with locked(tmp_path / "r", "the run"):
        assert json.loads((tmp_path / "r" / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / "r" / LOCK).exists()


def test_waiting_for_a_holder_that_ends(tmp_path, holder):
    threading.Timer(0.3, holder.kill).start()
    started = time.monotonic()
    with locked(tmp_path / "r", "the run", wait=30):
        assert time.monotonic() - started > 0.2


def test_within_one_process_too(tmp_path):
    with locked(tmp_path / "r", "it"), pytest.raises(LockedError), locked(tmp_path / "r", "it"):
        pass
    assert not (tmp_path / "r").exists()  # nothing was written, so nothing stays


def test_a_finished_run_leaves_no_lock(tmp_path):
    prepare(study()).run(tmp_path / "r", resume=False)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["run.zarr", "study.json"]
