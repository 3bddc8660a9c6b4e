"""Recorders carry one run from its current state to its end, saving as they go.

Tokens of a frame are written at once, series are collected and committed about once a second. What is common to
all runs, the rhythm of commits and checkpoints, is in `Ledger`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.observe import clusters
from tokensphere.solve import Ensemble, Integrator, SolveError, State, remove_checkpoint

from .interrupt import held_back
from .store import RunStore, largest_clusters
from .team import Store

if TYPE_CHECKING:
    from .run import Prepared

__all__ = ["EnsembleRecorder", "Progress", "TokensRecorder"]

_COMMIT_SECONDS = 1.0
Report = Callable[["Progress"], None]


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


class Ledger:
    """Frames and steps collected since the last commit, and the checkpoint."""

    def __init__(self, prepared: Prepared, folder: Path, store: Store, state: State, first_frame: int) -> None:
        self._store, self._crew, self.state = store, prepared.crew, state
        self._checkpoint, self._key = folder / "checkpoint.bin", prepared.key
        self._every = prepared.study.solve.checkpoint_seconds
        # Ensembles keep no series of steps.
        self._first_step, self.steps = 0 if prepared.experiment.ensembles else state.steps, _Rows()
        self._first_frame, self.frames = first_frame, _Rows()
        self._committed_at = self._saved_at = time.monotonic()

    @property
    def next_frame(self) -> int:
        """Number of the frame that comes next."""
        return self._first_frame + len(self.frames)

    @property
    def _events(self) -> dict[str, float]:
        return {fired.name: fired.time for fired in self.state.fired}

    def keep_up(self) -> None:
        """Save a checkpoint or commit, if it is time."""
        now = time.monotonic()
        if self._crew.due(now - self._saved_at >= self._every):
            self.save_checkpoint()
        elif now - self._committed_at >= _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write the steps and frames collected so far, and the commit mark."""
        if len(self.steps):
            self._store.write_steps(self._first_step, self.steps.columns())
            self._first_step += len(self.steps)
            self.steps = _Rows()
        self._store.commit(self._first_frame, self.frames.columns(), self._first_step, self._events)
        self._first_frame += len(self.frames)
        self.frames = _Rows()
        self._committed_at = time.monotonic()

    def save_checkpoint(self) -> None:
        """Commit, then write the state from which the run can go on."""
        self.commit()
        self._store.flush()
        self._crew.save(self._checkpoint, self.state, self._key)
        self._saved_at = time.monotonic()

    def close(self) -> State:
        """Commit what is left and mark the run as complete."""
        self.commit()
        state = self.state
        self._store.finish(
            {"events": self._events, "steps": state.steps, "rejected": state.rejected, "status": "complete"}
        )
        self._crew.lead(lambda: remove_checkpoint(self._checkpoint))
        return state


class TokensRecorder:
    """The run of one set of tokens: their frames, order parameters, energy, speed and clusters."""

    def __init__(self, prepared: Prepared, folder: Path, store: Store, state: State, *, first_frame: int) -> None:
        assert isinstance(prepared.integrator, Integrator)
        self._prepared, self._store, self.integrator = prepared, store, prepared.integrator
        self._crew = prepared.crew
        self.ledger = Ledger(prepared, folder, store, state, first_frame)
        self._order = prepared.order
        self._started = time.monotonic()

    @property
    def state(self) -> State:
        """The state that the run has reached."""
        return self.ledger.state

    def begin(self) -> None:
        """Save the state at the start as the first frame, with a checkpoint."""
        self.save_frame()
        self.ledger.save_checkpoint()

    def record(self, report: Report | None) -> State:
        """Run to the end. **Raises:** as :meth:`tokensphere.studies.run.Prepared.run`."""
        with held_back() as interrupted:

            def after_step(state: State) -> None:
                self.after_step(state, report)
                if self._crew.interrupted(interrupted() and not state.finished):
                    self.ledger.save_checkpoint()
                    raise KeyboardInterrupt

            try:
                self.integrator.run(self.state, after_step)
            except SolveError:
                self.ledger.save_checkpoint()
                raise
        return self.ledger.close()

    def after_step(self, state: State, report: Report | None = None) -> None:
        """Take down what an accepted step has led to."""
        ledger = self.ledger
        ledger.state = state
        seen = self._measure()
        ledger.steps.append(self._step_row(seen))
        if state.finished or state.saved > ledger.next_frame:
            self.save_frame(seen)
        ledger.keep_up()
        if report is not None:
            end, spent = float(self._prepared.times[-1]), time.monotonic() - self._started
            report(Progress(state.t, end, state.taken, state.steps, self._order, ledger.next_frame, spent))

    def _measure(self) -> dict[str, Any]:
        """Speed, and where it is cheap (dim 2) order parameters and energy, of the current state."""
        prepared = self._prepared
        velocity = self.integrator.velocity(self.state)
        seen: dict[str, Any] = {"speed": self._crew.speed(velocity, prepared.own_weights)}
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
        tokens = self._crew.write_tokens(self._store, self.ledger.next_frame, np.asarray(self.state.tokens))
        if self.state.radii is not None:
            assert isinstance(self._store, RunStore)  # a team takes no such flow
            self._store.write_radii(self.ledger.next_frame, np.asarray(self.state.radii))
        row = {"time": self.state.t, **seen}
        if tokens is not None:  # on the leader of a team, and on a process alone
            found = clusters(tokens, measure.cluster_angle, prepared.weights)
            masses, positions = largest_clusters(found)
            row |= {
                "clusters": int(np.count_nonzero(found.masses >= measure.cluster_mass)),
                "cluster_mass": masses,
                "cluster_position": positions,
            }
        self.ledger.frames.append(row)


class EnsembleRecorder:
    """The run of an ensemble: the measured series of all members, no tokens."""

    def __init__(self, prepared: Prepared, folder: Path, store: Store, state: State, *, first_frame: int) -> None:
        assert isinstance(prepared.integrator, Ensemble)
        self._prepared, self._ensemble = prepared, prepared.integrator
        self.ledger = Ledger(prepared, folder, store, state, first_frame)

    def begin(self) -> None:
        """Measure the start as the first frame, with a checkpoint."""
        self._add(self._ensemble.measure(self.ledger.state.tokens))
        self.ledger.save_checkpoint()

    def record(self, report: Report | None) -> State:
        """Run to the end. **Raises:** as :meth:`tokensphere.studies.run.Prepared.run`."""
        ledger, started = self.ledger, time.monotonic()
        with held_back() as interrupted:
            try:
                for state, rows in self._ensemble.run(ledger.state):
                    self._add(rows)
                    ledger.state = state
                    ledger.keep_up()
                    if report is not None:
                        end, spent = float(self._prepared.times[-1]), time.monotonic() - started
                        nothing = np.zeros(0)
                        report(Progress(state.t, end, state.taken, state.steps, nothing, ledger.next_frame, spent))
                    if interrupted() and not state.finished:
                        ledger.save_checkpoint()
                        raise KeyboardInterrupt
            except SolveError:
                ledger.save_checkpoint()
                raise
        return ledger.close()

    def _add(self, rows: dict[str, np.ndarray]) -> None:
        count = len(next(iter(rows.values()))) if rows else 0
        for i in range(count):
            time_of = float(self._prepared.times[self.ledger.next_frame])
            self.ledger.frames.append({"time": time_of} | {name: column[i] for name, column in rows.items()})


class _Rows(list[dict[str, Any]]):
    """Rows of equal keys, to be written as columns."""

    def columns(self) -> dict[str, np.ndarray]:
        return {name: np.array([row[name] for row in self]) for name in self[0]} if self else {}
