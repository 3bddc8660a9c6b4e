"""Carry out a study: preflight, integrate, save frames and checkpoints, resume.

A run folder holds `study.json` (all settings), `run.zarr` (the store), `checkpoint.bin` (until complete) and what
the experiment and the faces add: `predictions.json`, `verdicts.json`, `figures/`, `report.html`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_weights
from tokensphere.flows import AttentionFlow
from tokensphere.observe import clusters
from tokensphere.parallel import TokenMesh
from tokensphere.solve import Integrator, SolveError, State, load_checkpoint, remove_checkpoint

from .build import build_degrees, build_events, build_flow, build_setting, build_times, build_tokens
from .interrupt import held_back
from .schema import Study
from .store import RunStore, largest_clusters
from .team import Crew, Solo, Store, Team

__all__ = ["Prepared", "Progress", "RunError", "disk_full", "free_folder", "prepare", "write_text"]

_BYTES_LEFT_FREE = 64 * 2**20
_COMMIT_SECONDS = 1.0


class RunError(RuntimeError):
    """A run had to stop; the message says what was saved and how to go on."""


@dataclass(frozen=True)
class Progress:
    """What is shown while a run goes on."""

    t: float
    t_end: float
    step_size: float
    steps: int
    order: np.ndarray
    frames: int
    seconds: float


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `parent/name-2`, … : the first that does not exist."""
    folder, count = parent / name, 1
    while folder.exists():
        count += 1
        folder = parent / f"{name}-{count}"
    return folder


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


class Prepared:
    """A study with its flow and tokens, checked, ready to run. Nothing has been written yet.

    `mesh`: a team of processes of which this is one. `tokens`, `weights` and `flow` are those of the whole study;
    `own_weights` and `own_flow` those that this process works with.
    """

    def __init__(self, study: Study, mesh: TokenMesh | None = None) -> None:
        self.study = study
        self.tokens, self.weights = build_tokens(study)
        n, dim = self.tokens.shape
        self.flow: AttentionFlow = build_flow(study).resolve(n, dim)
        self.crew: Crew = Solo() if mesh is None else Team(mesh, n)
        self.own_flow, self.own_weights = self.crew.share(self.flow), self.crew.masses(self.weights)
        self.times = build_times(study)
        self.degrees = build_degrees(study, dim)
        self.setting = build_setting(study, self.flow, self.degrees)
        spec = study.solve
        self.integrator = Integrator(
            self.own_flow,
            self.own_weights,
            self.times,
            method=spec.method,
            rtol=spec.rtol,
            step_size=spec.step_size,
            max_steps=spec.max_steps,
            events=build_events(study, self.degrees),
            shard=self.crew.shard,
        )
        self.order = self.crew.order(self.crew.take(self.tokens), self.degrees, self.own_weights)
        self.spectral = dim == 2
        matrix = 1.0 if self.flow.query_key is None else self.flow.query_key
        largest_logit = study.flow.beta * float(np.linalg.norm(np.atleast_2d(matrix), 2))
        self.shifted = study.flow.shifted or largest_logit > 500
        self.has_energy = self.flow.symmetric and largest_logit - study.flow.beta * self.shifted <= 700

    @property
    def key(self) -> str:
        """A hash of everything the numbers depend on: the study, the tokens, the matrices."""
        digest = hashlib.sha256(self.study.hash.encode())
        for array in (self.tokens, self.weights, self.flow.value, self.flow.query_key):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def frame_bytes(self) -> int:
        """Size of all frames on disk, about."""
        return len(self.times) * self.tokens.nbytes

    def run(self, folder: Path, *, resume: bool, report: Callable[[Progress], None] | None = None) -> State:
        """Integrate and store, from the start or from the checkpoint in `folder`.

        **Raises:** `InputError` if there is not enough room on the disk or `folder` holds another run;
        :class:`RunError` if the disk fills up on the way; `KeyboardInterrupt`, with a checkpoint saved, after the
        step in which SIGINT or SIGTERM came.
        """
        self.crew.same(self.key)
        with disk_full(folder, f"tokensphere run --resume {folder}"):
            recorder = self._open(folder) if resume else self._create(folder)
            return recorder.record(report)

    def check_folder(self, folder: Path, *, resume: bool) -> None:
        """Refuse a folder that cannot take this run, before any work: `InputError` or `CheckpointError`."""
        self.crew.lead(lambda: self._check_folder(folder, resume=resume))

    def _check_folder(self, folder: Path, *, resume: bool) -> None:
        if resume:
            if self._check_stored(folder):
                load_checkpoint(folder / "checkpoint.bin", self.key)
            return
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; choose another --out")
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; choose another --out, or continue it with --resume {folder}")

    def _create(self, folder: Path) -> _Recorder:
        self.check_folder(folder, resume=False)
        return self._begin(folder)

    def _begin(self, folder: Path) -> _Recorder:
        """Lay out the run folder and save the first frame and checkpoint."""
        self.crew.lead(lambda: _check_room(folder, self.frame_bytes + 6 * self.tokens.nbytes))
        start = self.integrator.start(self.crew.take(self.tokens))
        self.crew.lead(lambda: self._lay_out(folder))
        recorder = _Recorder(self, folder, self.crew.store(folder / "run.zarr"), start, first_frame=0)
        recorder.save_frame()
        recorder.save_checkpoint()
        return recorder

    def _lay_out(self, folder: Path) -> None:
        """A folder with the study and an empty store."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "study.json", json.dumps(self.study.model_dump(mode="json"), indent=2) + "\n")
        shard = self.crew.shard
        RunStore.create(
            folder / "run.zarr",
            times=self.times,
            weights=check_weights(self.weights, len(self.tokens)),
            dim=self.tokens.shape[1],
            degrees=self.degrees,
            spectral=self.spectral,
            attributes={
                "study": self.study.to_json(),
                "study_hash": self.study.hash,
                "key": self.key,
                "seed": self.study.seed,
                "attention": type(self.flow.attention).__name__,
                "versions": _versions(),
                "status": "running",
                "events": {},
            },
            **({} if shard is None else {"chunk": shard.chunk}),
        )

    def _open(self, folder: Path) -> _Recorder:
        crew, path = self.crew, folder / "run.zarr"
        if crew.together(lambda: not self._check_stored(folder)):
            crew.lead(lambda: shutil.rmtree(path, ignore_errors=True))
            return self._begin(folder)
        store, state = crew.store(path), crew.load(folder / "checkpoint.bin", self.key)
        crew.lead(lambda: self._make_ready(folder, store, state))
        return _Recorder(self, folder, store, state, first_frame=state.saved)

    def _make_ready(self, folder: Path, store: Store, state: State) -> None:
        marks = store.attributes
        if marks["n_frames"] < state.saved or marks["n_steps"] < state.steps:
            raise RunError(
                f"the store in {folder} has lost frames that its checkpoint was made after; "
                "the frames it still has can be read, but start the run again in a new folder"
            )
        _check_room(folder, (len(self.times) - state.saved + 6) * self.tokens.nbytes)
        for leftover in folder.glob("*.partial"):
            leftover.unlink()

    def _check_stored(self, folder: Path) -> bool:
        """Whether there is a checkpoint to go on from (the run may have been stopped before its first)."""
        path = folder / "run.zarr"
        if not (folder / "study.json").is_file():
            raise InputError(f"no run at {folder}: it has no study.json")
        if not (folder / "checkpoint.bin").exists() and not RunStore.has_progress(path):
            return False
        attributes = RunStore.open(path, clean=False).attributes
        if attributes["key"] != self.key:
            raise InputError(
                f"the study has changed since {folder} was started (its tokens or settings differ); "
                "resume with the original study, or start a new run"
            )
        if attributes["status"] == "complete":
            raise InputError(f"the run in {folder} is complete; to judge it again: tokensphere report {folder}")
        return True


class _Recorder:
    """Carries one run from its current state to its end, saving as it goes.

    Tokens of a frame are written at once, series are collected and committed about once a second.
    """

    def __init__(self, prepared: Prepared, folder: Path, store: Store, state: State, *, first_frame: int) -> None:
        self._prepared, self._store, self.state = prepared, store, state
        self._crew = prepared.crew
        self._checkpoint = folder / "checkpoint.bin"
        self._first_step, self._steps = state.steps, _Rows()
        self._first_frame, self._frames = first_frame, _Rows()
        self._committed_at = self._saved_at = time.monotonic()

    def record(self, report: Callable[[Progress], None] | None) -> State:
        started = time.monotonic()

        def after_step(state: State) -> None:
            self.state = state
            seen = self._measure()
            self._steps.append(self._step_row(seen))
            if state.finished or state.saved > self._first_frame + len(self._frames):
                self.save_frame(seen)
            now = time.monotonic()
            due = now - self._saved_at >= self._prepared.study.solve.checkpoint_seconds
            due, stop = self._crew.decide(due, interrupted() and not state.finished)
            if due:
                self.save_checkpoint()
            elif now - self._committed_at >= _COMMIT_SECONDS:
                self._commit()
            if report is not None:
                frames = self._first_frame + len(self._frames)
                end = float(self._prepared.times[-1])
                report(Progress(state.t, end, state.taken, state.steps, self._order, frames, now - started))
            if stop:
                self.save_checkpoint()
                raise KeyboardInterrupt

        self._order = self._prepared.order
        with held_back() as interrupted:
            try:
                self._prepared.integrator.run(self.state, after_step)
            except SolveError:
                self.save_checkpoint()
                raise
        self._commit()
        state = self.state
        self._store.finish(
            {
                "events": self._events,
                "steps": state.steps,
                "rejected": state.rejected,
                "status": "complete",
            }
        )
        self._crew.lead(lambda: remove_checkpoint(self._checkpoint))
        return state

    @property
    def _events(self) -> dict[str, float]:
        return {fired.name: fired.time for fired in self.state.fired}

    def _measure(self) -> dict[str, Any]:
        """Speed, and where it is cheap (dim 2) order parameters and energy, of the current state."""
        prepared = self._prepared
        seen: dict[str, Any] = {"speed": self._crew.speed(np.asarray(self.state.velocity), prepared.own_weights)}
        return seen | self._spectrum() if prepared.spectral else seen

    def _spectrum(self) -> dict[str, Any]:
        prepared, tokens = self._prepared, np.asarray(self.state.tokens)
        self._order = self._crew.order(tokens, prepared.degrees, prepared.own_weights)
        energy = float("nan")
        if prepared.has_energy:
            energy = prepared.own_flow.energy(tokens, prepared.own_weights, shifted=prepared.shifted)
        return {"order": self._order, "energy": energy}

    def _step_row(self, seen: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        row = {"step_time": state.t, "step_size": state.taken, "step_error": state.error}
        return row | {f"step_{name}": value for name, value in seen.items()}

    def save_frame(self, seen: dict[str, Any] | None = None) -> None:
        """Save the current state as the next frame."""
        prepared, measure = self._prepared, self._prepared.study.measure
        seen = self._measure() if seen is None else seen
        if "order" not in seen:
            seen = seen | self._spectrum()
        frame = self._first_frame + len(self._frames)
        tokens = self._crew.write_tokens(self._store, frame, np.asarray(self.state.tokens))
        row = {"time": self.state.t, **seen}
        if tokens is not None:  # on the leader of a team, and on a process alone
            found = clusters(tokens, measure.cluster_angle, prepared.weights)
            masses, positions = largest_clusters(found)
            row |= {
                "clusters": int(np.count_nonzero(found.masses >= measure.cluster_mass)),
                "cluster_mass": masses,
                "cluster_position": positions,
            }
        self._frames.append(row)

    def _commit(self) -> None:
        """Write the steps and frames collected so far, and the commit mark."""
        if len(self._steps):
            self._store.write_steps(self._first_step, self._steps.columns())
            self._first_step += len(self._steps)
            self._steps = _Rows()
        self._store.commit(self._first_frame, self._frames.columns(), self._first_step, self._events)
        self._first_frame += len(self._frames)
        self._frames = _Rows()
        self._committed_at = time.monotonic()

    def save_checkpoint(self) -> None:
        """Commit, then write the state from which the run can go on."""
        self._commit()
        self._store.flush()
        self._crew.save(self._checkpoint, self.state, self._prepared.key)
        self._saved_at = time.monotonic()


class _Rows(list[dict[str, Any]]):
    """Rows of equal keys, to be written as columns."""

    def columns(self) -> dict[str, np.ndarray]:
        return {name: np.array([row[name] for row in self]) for name in self[0]} if self else {}


def prepare(study: Study, mesh: TokenMesh | None = None) -> Prepared:
    """Check a study and build its flow and tokens. Paths of files become absolute, so that the run can go on anywhere.

    `mesh`: the team of processes that carries it out; all of them prepare the same study.

    **Raises:** `InputError` before any work is done.
    """
    paths = {
        "tokens.path": study.tokens.path,
        "flow.value": study.flow.value,
        "flow.query_key": study.flow.query_key,
    }
    absolute = {key: str(Path(path).absolute()) for key, path in paths.items() if isinstance(path, str)}
    return Prepared(study.with_settings(absolute) if absolute else study, mesh)


@contextlib.contextmanager
def disk_full(folder: Path, command: str) -> Iterator[None]:
    """Turn the error of a full disk into a :class:`RunError` that says how to go on: with `command`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise RunError(
            f"the disk is full; what was saved in {folder} is intact. Free some space, then: {command}"
        ) from None


def _check_room(folder: Path, needed: int) -> None:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + _BYTES_LEFT_FREE > free:
        raise InputError(
            f"this run needs about {needed / 1e9:.2f} GB, but {place} has {free / 1e9:.2f} GB free; "
            "use fewer solve.frames or another --out"
        )


def _versions() -> dict[str, str]:
    import importlib.metadata as metadata

    names = ("tokensphere", "jax", "jaxlib", "diffrax", "equinox", "ducc0", "numpy", "scipy", "zarr")
    return {name: metadata.version(name) for name in names}
