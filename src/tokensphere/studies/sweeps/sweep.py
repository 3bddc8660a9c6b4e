"""Carry out a sweep: what is left of it, on an engine, with the manifest kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokensphere.errors import InputError

from ..folder import disk_full
from ..lock import LOCK, locked
from .engines import Engine
from .manifest import Entry, Manifest, finished
from .plan import Plan

__all__ = ["Summary", "SweepProgress", "run_sweep"]

_WRITE_SECONDS = 1.0


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is: runs in `total`, `complete`, `running` and `failed`; `computed` in these `seconds`."""

    total: int
    complete: int
    running: int
    failed: int
    computed: int
    seconds: float


@dataclass(frozen=True)
class Summary:
    """A sweep after a call: its `folder`, `manifest`, and how many runs were `computed` in this call."""

    folder: Path
    manifest: Manifest
    computed: int

    @property
    def failures(self) -> list[Entry]:
        """Runs that failed, or that could not be touched."""
        return [entry for entry in self.manifest.runs if entry.error is not None]


def run_sweep(
    plan: Plan,
    folder: Path,
    engine: Engine,
    *,
    retry_failed: bool = False,
    per_task: int = 1,
    begin: Callable[[], None] | None = None,
    report: Callable[[SweepProgress], None] | None = None,
) -> Summary:
    """Carry out all runs of `plan` in `folder` that are not complete; given again, it goes on where it was.

    **Arguments:** `retry_failed`: also runs that failed before; `per_task`: runs to a task (job) of the engine;
    `begin` is called once the folder has been checked, `report` whenever something has changed.

    **Raises:** `InputError` if `folder` holds something else or is being written; `KeyboardInterrupt` and
    :class:`tokensphere.studies.RunError` with all states saved.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --out")
    with locked(folder, "the sweep"), disk_full(folder, "give the same command again"):
        manifest = _manifest(plan, folder)
        todo = _todo(plan, manifest, folder, retry_failed)
        manifest.write(folder)
        if begin is not None:
            begin()
        tasks = plan.tasks(todo, per_task)
        started = written = time.monotonic()
        computed, running = 0, set[int]()

        def tell() -> None:
            if report is not None:
                spent = time.monotonic() - started
                counts = (len(manifest.runs), manifest.count("complete"), len(running), manifest.count("failed"))
                report(SweepProgress(*counts, computed, spent))

        tell()
        try:
            for event in engine.run(tasks, folder):
                if event.results is None:
                    indices = {point.index for point in tasks[event.task].points}
                    running |= indices
                    for index in indices:
                        manifest.runs[index].state = "running"
                else:
                    running -= {point.index for point in tasks[event.task].points}
                    for result in event.results:
                        entry = manifest.runs[result.index]
                        entry.state, entry.error = result.state, result.error
                        computed += 1
                tell()
                if time.monotonic() - written > _WRITE_SECONDS:
                    manifest.write(folder)
                    written = time.monotonic()
        finally:
            for index in running:
                manifest.runs[index].state = "pending"
            manifest.write(folder)
    return Summary(folder, manifest, computed)


def _manifest(plan: Plan, folder: Path) -> Manifest:
    """The manifest of this sweep, from the folder if it has begun."""
    if not (folder / "sweep.json").is_file():
        strange = [path.name for path in folder.iterdir() if path.name != LOCK and not path.name.endswith(".partial")]
        if set(strange) - {point.folder for point in plan.points}:
            raise InputError(f"{folder} holds something that is no sweep ({strange[0]}); choose another --out")
        return Manifest.of(plan)
    manifest = Manifest.read(folder)
    if manifest.key != plan.key:
        raise InputError(
            f"{folder} holds another sweep (its study, settings or values differ); choose another --out, "
            "or give the command it was started with"
        )
    return manifest


def _todo(plan: Plan, manifest: Manifest, folder: Path, retry_failed: bool) -> set[int]:
    """What is left to do, by the state of the run folders; the manifest is brought up to date."""
    todo = set()
    for point, entry in zip(plan.points, manifest.runs, strict=True):
        if point.error is not None:
            entry.state, entry.error = "failed", point.error
        elif finished(folder / entry.folder):
            entry.state, entry.error = "complete", None
        elif entry.state != "failed" or retry_failed:
            entry.state, entry.error = "pending", None
            todo.add(point.index)
    return todo
