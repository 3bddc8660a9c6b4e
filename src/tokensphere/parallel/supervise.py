"""Start the processes of a team on this machine, watch over them, and say what happened when one fails.

A process of a team may be ended from outside at any moment, and JAX ends a process that has lost touch with the
others; neither can explain itself. So every process runs under a supervisor that is no part of the computation: with
`--processes N` one for all of them, under srun or mpirun one for each.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from .placement import Placement
from .seat import LOST_TOUCH, Seat

__all__ = ["local_team", "split_cores", "supervise"]

_GRACE_SECONDS = 10.0  # what the others get to notice by themselves that one has gone
_LOOK_SECONDS = 0.05
_PROGRAM = "from tokensphere.cli.worker import main; main()"


def local_team(processes: int) -> list[Placement]:
    """Placements of a team on this machine, with a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [Placement(rank, processes, f"127.0.0.1:{port}", rank, processes) for rank in range(processes)]


def split_cores(placement: Placement) -> tuple[int, ...]:
    """The cores of one process: its share of those of this machine, at least one; empty where that is unknown.

    Where a launcher has already bound this process to a part of the machine, all of that.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < (os.cpu_count() or 1):
        return tuple(cores)
    here, mine = placement.local_size, placement.local_rank
    if len(cores) < here:
        return (cores[mine % len(cores)],)
    return tuple(cores[mine * len(cores) // here : (mine + 1) * len(cores) // here])


def supervise(placements: list[Placement], arguments: list[str], again: str) -> int:
    """Run `tokensphere ARGUMENTS` as the given members of a team, to their end.

    **Arguments:** `again`, the options with which the run is to be resumed.

    **Returns:** the exit code: 0 if all went well; else that of the process that failed first, after a message on
    standard error that says which it was, and how to go on.
    """
    with tempfile.TemporaryDirectory(prefix="tokensphere-") as notes, _leash() as (end, held):
        seats = [Seat(placement, split_cores(placement), Path(notes), end) for placement in placements]
        team = [
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *arguments],
                env=seat.environment(),
                pass_fds=[end],
                process_group=0,  # signals reach them through this process, all alike
            )
            for seat in seats
        ]
        try:
            with _passing_on(team):
                first = _first_failure(team)
                if first is not None:
                    _wait_for_the_others(team)
        finally:
            stopped = [process.poll() is None for process in team]
            for process in team:
                if process.poll() is None:
                    process.kill()  # what it was writing has a temporary name: nothing is lost
                process.wait()
            os.close(held)
        if first is None:
            return 0
        ends = [
            _End(seat, process.returncode, is_stopped)
            for seat, process, is_stopped in zip(seats, team, stopped, strict=True)
        ]
        return _explain(ends, ends[first], again)


@contextlib.contextmanager
def _leash() -> Iterator[tuple[int, int]]:
    """A pipe: the end that members read, and the one that is held as long as this process lives."""
    end, held = os.pipe()
    try:
        yield end, held
    finally:
        os.close(end)


@contextlib.contextmanager
def _passing_on(team: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """SIGINT and SIGTERM go to all processes, which save a checkpoint and end."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in team:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_failure(team: list[subprocess.Popen[bytes]]) -> int | None:
    """Wait until all have ended well (`None`) or one has failed: its place in the team."""
    while True:
        codes = [process.poll() for process in team]
        failed = [i for i, code in enumerate(codes) if code not in (None, 0)]
        if failed:
            return failed[0]
        if all(code == 0 for code in codes):
            return None
        time.sleep(_LOOK_SECONDS)


def _wait_for_the_others(team: list[subprocess.Popen[bytes]]) -> None:
    """Let them notice by themselves."""
    limit = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < limit and any(process.poll() is None for process in team):
        time.sleep(_LOOK_SECONDS)


class _End:
    """How one process ended: its exit code, whether it was stopped here, and what it has left behind."""

    def __init__(self, seat: Seat, code: int, stopped: bool) -> None:
        self.seat, self.code, self.stopped = seat, code, stopped
        self.failure = seat.failure()
        try:
            self.log = seat.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            self.log = ""

    @property
    def lost_touch(self) -> bool:
        """Whether it ended only because another one did."""
        ended_by_jax = self.code == -signal.SIGABRT and "distributed service" in self.log
        return ended_by_jax or self.code == LOST_TOUCH

    @property
    def common(self) -> bool:
        """Whether all processes find the same failure."""
        return self.failure is not None and self.failure[2]

    @property
    def blame(self) -> int:
        """0: killed, or failed by itself; 1: lost touch with another; 2: stopped here, or ended well."""
        if self.stopped or self.code == 0:
            return 2
        return int(self.lost_touch)

    @property
    def reason(self) -> str:
        """What happened, after "process 1 of 2"."""
        if not self.lost_touch:
            return f"was killed by {_signal_name(-self.code)}" if self.code < 0 else f"failed (exit code {self.code})"
        place = self.seat.placement
        if "RegisterTask" in self.log:
            others = "the others" if place.rank == 0 else f"process 0 at {place.coordinator}"
            return f"waited in vain for {others}: not all {place.size} processes have come"
        silent = re.search(r"stopped sending heartbeats\):\s*([0-9,\s]+)", self.log)
        if silent:
            return f"stopped: there is no sign of life from process {', '.join(silent.group(1).split())}"
        return f"stopped: {self.failure[0]}" if self.failure else "stopped: it lost touch with process 0"


def _explain(ends: list[_End], first: _End, again: str) -> int:
    """Print why the run stopped; returns the exit code."""
    # Of failures that all processes find alike, the leader's message is shown.
    end = min(ends, key=lambda one: (one.blame, one.common, one is not first or one.common, one.seat.placement.rank))
    place = end.seat.placement
    who = f"process {place.rank} of {place.size}"
    if end.failure is not None and not end.lost_touch:
        message, code, common = end.failure
        if not common or place.rank == 0 or len(ends) == place.size:
            _say(message if common else f"{who}: {message}")
        return code
    others = "; the others were stopped" if len(ends) > 1 else ""
    folder = _folder(end.seat)
    if folder is None:
        saved = "Nothing was saved yet; start the run again"
    else:
        saved = "What was saved up to the last checkpoint is intact; go on with: "
        saved += f"tokensphere run --resume {folder} {again}"
    _say(f"{who} {end.reason}{others}. {saved}")
    return 1


def _folder(seat: Seat) -> str | None:
    """The run folder, once it holds a checkpoint."""
    with contextlib.suppress(OSError):
        folder = (seat.notes / "folder").read_text(encoding="utf-8")
        if (Path(folder) / "checkpoint.bin").exists():
            return folder
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _say(message: str) -> None:
    print(f"tokensphere: {message}", file=sys.stderr, flush=True)
