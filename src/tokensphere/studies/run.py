"""Carry out a study: preflight, integrate, save frames and checkpoints, resume.

A run folder holds `study.json` (all settings), `run.zarr` (the store), `checkpoint.bin` (until complete), `lock`
(while a process writes it) and what the experiment and the faces add: `predictions.json`, `verdicts.json`,
`figures/`, `report.html`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tokensphere.attention import BACKENDS
from tokensphere.errors import InputError, check_weights
from tokensphere.experiments import AbstractExperiment, Facts, experiment
from tokensphere.flows import AbstractFlow, AttentionFlow, Normalized
from tokensphere.parallel import TokenMesh
from tokensphere.solve import Ensemble, Integrator, State, load_checkpoint

from .build import (
    build_degrees,
    build_events,
    build_flow,
    build_members,
    build_scheme,
    build_times,
    build_tokens,
    check_ensemble,
    is_matrix_name,
)
from .folder import RunError, check_room, disk_full, free_folder, versions, write_text
from .lock import LOCK, locked
from .recorder import EnsembleRecorder, Progress, TokensRecorder
from .schema import Study, read_study
from .store import RunStore
from .team import Crew, Solo, Store, Team

__all__ = ["Prepared", "Progress", "RunError", "check_study", "disk_full", "free_folder", "prepare", "write_text"]

Recorder = TokensRecorder | EnsembleRecorder


class Prepared:
    """A study with its flow and tokens, checked, ready to run. Nothing has been written yet.

    `tokens` are (n, dim); of an ensemble (members, n, dim) without masses, where dim may be that of the space which
    the tokens of a member span.

    `mesh`: a team of processes of which this is one. `tokens`, `weights` and `flow` are those of the whole study;
    `own_weights` and `own_flow` those that this process works with. `moving` is `own_flow` under the normalisation
    scheme of the study: what is integrated.
    """

    def __init__(self, study: Study, mesh: TokenMesh | None = None) -> None:
        self.study, self.attention_asked = study, study.flow.attention
        self.experiment: AbstractExperiment = experiment(study.experiment)
        if mesh is not None and self.experiment.ensembles:
            raise InputError(
                f"experiment = '{study.experiment}' cannot be shared by many processes: its members are small; "
                "run it by one process, or spread a sweep over many"
            )
        check_ensemble(study, self.experiment)
        self.scheme = build_scheme(study)
        if mesh is not None and self.scheme is not None:
            raise InputError(
                f"flow.scheme = '{study.flow.scheme}' cannot be shared by many processes; run it by one process"
            )
        self.weights: np.ndarray | None = None
        if self.experiment.ensembles:
            self.flow, self.tokens = build_members(study)
            n, dim = self.tokens.shape[1], study.tokens.dim
        else:
            self.tokens, self.weights = build_tokens(study)
            n, dim = self.tokens.shape
            self.flow = build_flow(study).resolve(n, dim, shared=mesh is not None)
            # Written down with the backend that was chosen, so that whoever repeats the study gets the same bits.
            chosen = next(name for name, kind in BACKENDS.items() if type(self.flow.attention) is kind)
            self.study = study.with_settings({"flow.attention": chosen})
        self.crew: Crew = Solo() if mesh is None else Team(mesh, n)
        self.own_flow, self.own_weights = self.crew.share(self.flow), self.crew.masses(self.weights)
        self.moving: AbstractFlow = self.own_flow if self.scheme is None else Normalized(self.own_flow, self.scheme)
        self.times = build_times(study)
        self.degrees = build_degrees(study, dim)
        self.setting = self.experiment.setting(_facts(study, self.flow, n, dim, self.times, self.degrees))
        spec = study.solve
        self.integrator: Integrator | Ensemble
        if self.experiment.ensembles:
            self.integrator = Ensemble(
                self.moving,
                len(self.tokens),
                self.times,
                self.experiment.series(self.setting),
                method=spec.method,
                rtol=spec.rtol,
                error_norm=spec.error_norm,
                step_size=spec.step_size,
                max_steps=spec.max_steps,
            )
            self.order = np.zeros(0)
        else:
            self.integrator = Integrator(
                self.moving,
                self.own_weights,
                self.times,
                method=spec.method,
                rtol=spec.rtol,
                error_norm=spec.error_norm,
                step_size=spec.step_size,
                max_steps=spec.max_steps,
                events=build_events(study, self.degrees),
                shard=self.crew.shard,
                noise=study.flow.noise,
                seed=study.seed,
            )
            self.order = self.crew.order(self.crew.take(self.tokens), self.degrees, self.own_weights)
        self.spectral = dim == 2
        matrix = 1.0 if self.flow.query_key is None else self.flow.query_key
        largest_logit = study.flow.beta * float(np.linalg.norm(np.atleast_2d(matrix), 2))
        self.shifted = study.flow.shifted or largest_logit > 500
        self.has_energy = self.flow.has_energy and largest_logit - study.flow.beta * self.shifted <= 700

    @property
    def keeps_radii(self) -> bool:
        """Whether tokens have radii."""
        return self.scheme is not None and self.scheme.keeps_radii

    def _points(self) -> np.ndarray:
        """Where this process starts: its tokens, with their radii where the scheme keeps them."""
        tokens = self.crew.take(self.tokens)
        if not self.keeps_radii:
            return tokens
        radius = 1.0 if self.study.tokens.radii is None else self.study.tokens.radii
        return np.concatenate([tokens, np.full((*tokens.shape[:-1], 1), radius)], axis=-1)

    @property
    def key(self) -> str:
        """A hash of everything the numbers depend on: the study, the tokens, the matrices."""
        digest = hashlib.sha256(self.study.hash.encode())
        for array in (self.tokens, self.weights, self.flow.value, self.flow.query_key):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def obstacle(self) -> str | None:
        """Why theory says nothing about this study, or `None`."""
        return self.experiment.obstacle(self.setting)

    @property
    def frame_bytes(self) -> int:
        """Size of all frames on disk, about."""
        if self.experiment.ensembles:
            return len(self.times) * len(self.tokens) * 8 * 2
        return len(self.times) * (self.tokens.nbytes + self.keeps_radii * 8 * len(self.tokens))

    def run(
        self, folder: Path, *, resume: bool, report: Callable[[Progress], None] | None = None, wait: float = 0.0
    ) -> State:
        """Integrate and store, from the start or from the checkpoint in `folder`.

        **Arguments:** `wait`, seconds to wait for another process that is still writing `folder`.

        **Raises:** `InputError` if there is not enough room on the disk, or `folder` holds another run or is being
        written; :class:`RunError` if the disk fills up on the way; `KeyboardInterrupt`, with a checkpoint saved,
        after the step in which SIGINT or SIGTERM came.
        """
        crew = self.crew
        crew.same(self.key)
        crew.lead(lambda: self._check_start(folder, resume=resume))
        with disk_full(folder, f"tokensphere run --resume {folder}"), contextlib.ExitStack() as held:
            if not resume:
                crew.lead(lambda: check_room(folder, self._room))
            crew.lead(lambda: held.enter_context(locked(folder, "the run", wait=wait)))
            if not resume:
                self.check_folder(folder, resume=False)  # again: it may have been waiting for another process
            return self.open(folder, resume=resume).record(report)

    def open(self, folder: Path, *, resume: bool) -> Recorder:
        """A recorder at the start of the run, or at its checkpoint; for a caller who holds the lock of `folder`."""
        crew, path = self.crew, folder / "run.zarr"
        if not resume:
            return self._begin(folder)
        if crew.together(lambda: not self._check_stored(folder)):
            crew.lead(lambda: shutil.rmtree(path, ignore_errors=True))
            return self._begin(folder)
        store, state = crew.store(path), crew.load(folder / "checkpoint.bin", self.key)
        crew.lead(lambda: self._make_ready(folder, store, state))
        return self._recorder(folder, store, state, state.saved)

    def check_folder(self, folder: Path, *, resume: bool) -> None:
        """Refuse a folder that cannot take this run, before any work: `InputError` or `CheckpointError`."""
        self.crew.lead(lambda: self._check_folder(folder, resume=resume))

    def _check_folder(self, folder: Path, *, resume: bool) -> None:
        if resume:
            if self._check_stored(folder):
                state = load_checkpoint(folder / "checkpoint.bin", self.key)
                self._check_marks(folder, RunStore.open(folder / "run.zarr", clean=False), state)
            return
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; choose another --out")
        if folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
            raise InputError(f"{folder} is not empty; choose another --out, or continue it with --resume {folder}")

    def _check_start(self, folder: Path, *, resume: bool) -> None:
        """What can be said before the folder is locked."""
        if not resume:
            self._check_folder(folder, resume=False)
        elif not (folder / "study.json").is_file():
            raise InputError(f"no run at {folder}: it has no study.json")
        else:
            self._refuse_complete(folder)

    @property
    def _room(self) -> int:
        return self.frame_bytes + 6 * self.tokens.nbytes

    def _recorder(self, folder: Path, store: Store, state: State, first_frame: int) -> Recorder:
        kind = EnsembleRecorder if self.experiment.ensembles else TokensRecorder
        return kind(self, folder, store, state, first_frame=first_frame)

    def _begin(self, folder: Path) -> Recorder:
        """Lay out the run folder and save the first frame and checkpoint."""
        self.crew.lead(lambda: check_room(folder, self._room))
        start = self.integrator.start(self._points())
        self.crew.lead(lambda: self._lay_out(folder, start))
        recorder = self._recorder(folder, self.crew.store(folder / "run.zarr"), start, 0)
        recorder.begin()
        return recorder

    def _lay_out(self, folder: Path, start: State) -> None:
        """A folder with the study and an empty store."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "study.json", json.dumps(self.study.model_dump(mode="json"), indent=2) + "\n")
        path, attributes, shard = folder / "run.zarr", self._attributes(), self.crew.shard
        if isinstance(self.integrator, Ensemble):
            names = sorted(self.integrator.measure(start.tokens))
            RunStore.create_ensemble(
                path, times=self.times, members=len(self.tokens), series=names, attributes=attributes
            )
            return
        RunStore.create(
            path,
            times=self.times,
            weights=check_weights(self.weights, len(self.tokens)),
            dim=self.tokens.shape[1],
            degrees=self.degrees,
            spectral=self.spectral,
            radii=self.keeps_radii,
            attributes=attributes,
            **({} if shard is None else {"chunk": shard.chunk}),
        )

    def _attributes(self) -> dict[str, object]:
        return {
            "study": self.study.to_json(),
            "study_hash": self.study.hash,
            "key": self.key,
            "seed": self.study.seed,
            "attention": type(self.flow.attention).__name__,
            "versions": versions(),
            "status": "running",
            "events": {},
        }

    @staticmethod
    def _refuse_complete(folder: Path) -> None:
        if RunStore.status(folder / "run.zarr") == "complete":
            raise InputError(f"the run in {folder} is complete; to judge it again: tokensphere report {folder}")

    def _check_stored(self, folder: Path) -> bool:
        """Whether there is a checkpoint to go on from (the run may have been stopped before its first)."""
        path = folder / "run.zarr"
        if not (folder / "study.json").is_file():
            raise InputError(f"no run at {folder}: it has no study.json")
        if not (folder / "checkpoint.bin").exists() and not RunStore.has_progress(path):
            return False
        if RunStore.open(path, clean=False).attributes["key"] != self.key:
            raise InputError(
                f"the study has changed since {folder} was started (its tokens or settings differ); "
                "resume with the original study, or start a new run"
            )
        self._refuse_complete(folder)
        return True

    def _check_marks(self, folder: Path, store: Store, state: State) -> None:
        """Refuse a store that ends before its checkpoint: `RunError`."""
        marks = store.attributes
        if marks["n_frames"] < state.saved or (marks["n_steps"] < state.steps and not self.experiment.ensembles):
            raise RunError(
                f"the store in {folder} has lost frames that its checkpoint was made after; "
                "the frames it still has can be read, but start the run again in a new folder"
            )

    def _make_ready(self, folder: Path, store: Store, state: State) -> None:
        self._check_marks(folder, store, state)
        check_room(
            folder, self.frame_bytes * (len(self.times) - state.saved) // len(self.times) + 6 * self.tokens.nbytes
        )
        for leftover in folder.glob("*.partial"):
            leftover.unlink()


def _facts(study: Study, flow: AttentionFlow, n: int, dim: int, times: np.ndarray, degrees: np.ndarray) -> Facts:
    layer = study.solve.step_size if study.solve.method == "layer" else None
    measure = study.measure.model_dump()
    law, ensemble, noise, radius = study.tokens.law, study.tokens.ensemble, study.flow.noise, study.tokens.radii
    scheme = build_scheme(study)
    radius = 1.0 if radius is None else radius
    return Facts(flow, law, n, dim, ensemble, times, layer, degrees, measure, noise, scheme, study.flow.scheme, radius)


def _absolute(study: Study) -> Study:
    """Paths of files become absolute, so that the run can go on anywhere."""
    paths = {
        "tokens.path": study.tokens.path,
        "flow.value": study.flow.value,
        "flow.query_key": study.flow.query_key,
    }
    absolute = {
        key: str(Path(path).absolute())
        for key, path in paths.items()
        if isinstance(path, str) and not is_matrix_name(path)
    }
    return study.with_settings(absolute) if absolute else study


def prepare(study: Study, mesh: TokenMesh | None = None, folder: Path | None = None) -> Prepared:
    """Check a study and build its flow and tokens.

    `mesh`: the team of processes that carries it out; all of them prepare the same study. `folder`: where the run may
    have been begun; a choice of backend that is left open is then the one made there.

    **Raises:** `InputError` before any work is done.
    """
    if folder is not None and study.flow.attention == "auto" and (folder / "study.json").is_file():
        name = read_study(folder).flow.attention
        if mesh is None or name == "auto" or BACKENDS[name].shareable:
            study = study.with_settings({"flow.attention": name})
    return Prepared(_absolute(study), mesh)


def check_study(study: Study) -> Study:
    """Check what can be checked without drawing tokens, and return the study with absolute paths.

    **Raises:** `InputError`.
    """
    study = _absolute(study)
    found = experiment(study.experiment)
    check_ensemble(study, found)
    n, dim, times = study.tokens.n, study.tokens.dim, build_times(study)
    flow = build_flow(study)
    if study.tokens.law != "file":
        flow = flow.resolve(n, dim)
    found.setting(_facts(study, flow, n, dim, times, np.zeros(0)))
    return study
