"""What a process does with a task of a sweep: carry out its runs, alone or in lanes, and say how each ended."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokensphere.errors import InputError
from tokensphere.solve import CheckpointError, Integrator, SolveError, State, remove_checkpoint, run_batch

from ..folder import DiskFullError, RunError, disk_full
from ..interrupt import held_back
from ..lock import LockedError, locked
from ..outcome import carry_out, predict_study, read_outcome, write_outcome
from ..recorder import TokensRecorder
from ..run import Prepared, prepare
from ..schema import Study
from ..store import RunStore
from .manifest import finished
from .plan import Point, Task

__all__ = ["Result", "carry"]

_WAIT = 20.0  # seconds for a process of a sweep that was just killed to end
Ended = Literal["complete", "failed", "pending"]


@dataclass(frozen=True)
class Result:
    """How a run ended; `pending` runs could not be touched, and `error` says why."""

    index: int
    state: Ended
    error: str | None = None


def carry(task: Task, folder: str, tell: Callable[[Result], None] | None = None) -> list[Result]:
    """Carry out a task in the sweep folder; `tell` hears of every run as it ends.

    **Raises:** `KeyboardInterrupt` after SIGINT or SIGTERM, :class:`DiskFullError`; all that can be saved is saved.
    """
    root, results = Path(folder), []

    def done(result: Result) -> None:
        results.append(result)
        if tell is not None:
            tell(result)

    if task.lanes:
        _carry_lanes(task, root, done)
    else:
        for point in task.points:
            done(_guarded(point.index, lambda point=point: _carry_one(_study(point), root / point.folder)))  # type: ignore[misc]
    return results


def _guarded(index: int, work: Callable[[], None]) -> Result:
    """The result of `work`; errors of one run do not end the sweep, unless no run could go on."""
    try:
        work()
    except DiskFullError:
        raise
    except LockedError as error:
        return Result(index, "pending", str(error))
    except (InputError, SolveError, RunError, CheckpointError) as error:
        return Result(index, "failed", str(error))
    except Exception as error:
        return Result(index, "failed", f"{type(error).__name__}: {error}")
    return Result(index, "complete")


def _study(point: Point) -> Study:
    assert point.study is not None
    return point.study


def _carry_one(study: Study, folder: Path) -> None:
    """Start, continue or judge a run, whichever is due."""
    if finished(folder):
        return
    prepared = prepare(study, folder=folder)
    if _done_meanwhile(prepared, folder):
        return
    try:
        _carry(prepared, folder)
    except InputError:
        # Another process may have begun or completed this run since the folder was looked at.
        if not _done_meanwhile(prepared, folder):
            _carry(prepared, folder)


def _carry(prepared: Prepared, folder: Path) -> None:
    resume = _resumable(prepared, folder)
    try:
        carry_out(prepared, folder, prediction=predict_study(prepared), resume=resume, wait=_WAIT)
    except InputError:
        if not _done_meanwhile(prepared, folder):
            raise


def _done_meanwhile(prepared: Prepared, folder: Path) -> bool:
    """Whether the process that was waited for has completed the run; it may have died before judging it."""
    if RunStore.status(folder / "run.zarr") != "complete":
        return False
    if not finished(folder):
        _judge(prepared, folder)
    return True


def _resumable(prepared: Prepared, folder: Path) -> bool:
    """Whether there is a run to continue; what is too damaged for that is removed, for it can be computed again."""
    if not (folder / "study.json").is_file():
        return False
    try:
        prepared.check_folder(folder, resume=True)
    except (CheckpointError, RunError):
        with locked(folder, "the run", wait=_WAIT):
            try:  # again: another process may have gone on with it meanwhile
                prepared.check_folder(folder, resume=True)
            except (CheckpointError, RunError):
                shutil.rmtree(folder / "run.zarr", ignore_errors=True)
                remove_checkpoint(folder / "checkpoint.bin")
    return True


def _judge(prepared: Prepared, folder: Path) -> None:
    write_outcome(prepared, read_outcome(prepared, folder, predict_study(prepared)))


def _carry_lanes(task: Task, root: Path, done: Callable[[Result], None]) -> None:
    """Carry out small runs together: each with its own recorder, the attempted steps evaluated at once."""
    recorders: dict[int, TokensRecorder] = {}
    prepared: dict[int, Prepared] = {}
    of_lane = dict(zip(task.places, task.points, strict=True))
    with contextlib.ExitStack() as locks, held_back() as interrupted:

        def start(lane: int, point: Point) -> None:
            folder = root / point.folder
            if finished(folder):
                return
            ready = prepare(_study(point), folder=folder)
            if RunStore.status(folder / "run.zarr") == "complete":
                _judge(ready, folder)
                return
            resume = _resumable(ready, folder)
            with disk_full(folder, "give the same command again"):
                locks.enter_context(locked(folder, "the run", wait=_WAIT))
                recorder = ready.open(folder, resume=resume)
            assert isinstance(recorder, TokensRecorder)
            recorders[lane], prepared[lane] = recorder, ready

        for lane, point in of_lane.items():
            result = _guarded(point.index, lambda lane=lane, point=point: start(lane, point))  # type: ignore[misc]
            if lane not in recorders:
                done(result)

        def end(lane: int) -> None:
            recorders[lane].ledger.close()
            _judge(prepared[lane], root / of_lane[lane].folder)

        def observe(lane: int, state: State) -> None:
            recorders[lane].after_step(state)
            if state.finished:
                done(_guarded(of_lane[lane].index, lambda: end(lane)))
            if interrupted():
                raise KeyboardInterrupt

        going = {lane: recorder for lane, recorder in recorders.items() if not recorder.state.finished}
        for lane in recorders.keys() - going.keys():
            done(_guarded(of_lane[lane].index, lambda lane=lane: end(lane)))  # type: ignore[misc]
        integrators: dict[int, Integrator] = {lane: recorder.integrator for lane, recorder in going.items()}
        states = {lane: recorder.state for lane, recorder in going.items()}
        with disk_full(root, "give the same command again"):
            try:
                errors = run_batch(integrators, states, task.lanes, observe)
            except KeyboardInterrupt:
                for recorder in going.values():
                    if not recorder.state.finished:
                        recorder.ledger.save_checkpoint()
                raise
            for lane, error in errors.items():
                recorders[lane].ledger.save_checkpoint()
                done(Result(of_lane[lane].index, "failed", str(error)))
