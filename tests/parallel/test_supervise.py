"""What a supervisor tells its processes, and how it shares out the cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tokensphere.parallel import Placement
from tokensphere.parallel.seat import Seat
from tokensphere.parallel.supervise import local_team, split_cores


def members(size):
    return [Placement(rank, size, "127.0.0.1:7000", rank, size) for rank in range(size)]


@pytest.mark.parametrize(
    ("cores", "size", "shares"),
    [
        (4, 2, [(0, 1), (2, 3)]),
        (5, 2, [(0, 1), (2, 3, 4)]),
        (2, 3, [(0,), (1,), (0,)]),
        (1, 2, [(0,), (0,)]),
    ],
)
def test_cores_are_shared_out(monkeypatch, cores, size, shares):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert [split_cores(member) for member in members(size)] == shares


def test_a_binding_made_by_the_launcher_is_kept(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [split_cores(member) for member in members(4)] == [(4, 5)] * 4


def test_a_local_team_meets_at_one_free_port():
    team = local_team(3)
    assert [member.rank for member in team] == [0, 1, 2]
    assert len({member.coordinator for member in team}) == 1


def test_a_seat_goes_through_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("TOKENSPHERE_SEAT", raising=False)
    assert Seat.mine() is None
    seat = Seat(members(2)[1], (2, 3), tmp_path, 7)
    env = seat.environment()
    assert env["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("TOKENSPHERE_SEAT", env["TOKENSPHERE_SEAT"])
    assert Seat.mine() == seat


def test_notes(tmp_path):
    seat = Seat(members(2)[0], (), tmp_path, 7)
    assert not seat.has_folder
    assert seat.failure() is None
    seat.note_folder(Path("runs/x"))
    seat.note_failure("no room", 1, common=False)
    assert seat.has_folder
    assert seat.failure() == ("no room", 1, False)


def test_what_libraries_print_goes_to_the_log_and_python_keeps_its_streams(tmp_path):
    """And the process ends when the other end of its leash closes."""
    end, held = os.pipe()
    seat = Seat(members(2)[0], (), tmp_path, end)
    code = (
        "import os, time\n"
        "from tokensphere.parallel.seat import Seat\n"
        "Seat.mine().sit_down()\n"
        "os.write(1, b'greeting of a library')\n"
        "print('result', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=seat.environment(), pass_fds=[end], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "result\n"
    assert seat.log.read_text() == "greeting of a library"
    assert process.poll() is None
    os.close(held)
    assert process.wait(timeout=20) == 75
    process.stdout.close()
    os.close(end)


def test_nothing_heavy_is_loaded_by_a_supervisor():
    code = (
        "import sys, tokensphere.parallel.supervise, tokensphere.cli.team; "
        "assert not {'jax', 'scipy', 'zarr'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
