"""What a figure reads from a stored run: never more than one frame of tokens, and of that a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .style import short

if TYPE_CHECKING:
    import xarray

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = [
    "Instant",
    "Series",
    "clustered",
    "describe",
    "frame_rows",
    "instants",
    "last_time",
    "pair_histogram",
    "predicted_exit",
    "read_frame",
    "read_series",
    "sample",
    "time_label",
]

_BYTES_READ = 2**30
_FEWEST_FRAMES, _MOST_FRAMES, _MOST_STEPS = 24, 240, 4000


@dataclass(frozen=True)
class Series:
    """Scalar series at the finest resolution that was kept: `times` (m,), `order` (m, degrees), `energy`, `speed`."""

    times: np.ndarray
    order: np.ndarray
    energy: np.ndarray
    speed: np.ndarray


@dataclass(frozen=True)
class Instant:
    """A saved frame worth showing: its index, its time and what happens then."""

    frame: int
    time: float
    name: str


def read_series(run: xarray.Dataset) -> Series:
    """The step series if order parameters were kept for every step, else the frame series; at most 4000 samples."""
    if "step_order" not in run or run.sizes["step"] == 0:
        run = run.isel(time=_thin(run.sizes["time"], _MOST_STEPS))
        return Series(run.time.values, run.order.values, run.energy.values, run.speed.values)
    first = run.isel(time=0)
    steps = run.isel(step=_thin(run.sizes["step"], _MOST_STEPS))
    return Series(
        np.concatenate([[float(first.time)], steps.step_time.values]),
        np.concatenate([first.order.values[None], steps.step_order.values]),
        np.concatenate([[float(first.energy)], steps.step_energy.values]),
        np.concatenate([[float(first.speed)], steps.step_speed.values]),
    )


def _thin(count: int, most: int) -> np.ndarray:
    """At most `most` of 0, ..., count - 1, evenly, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def frame_rows(run: xarray.Dataset) -> np.ndarray:
    """Frames to go through when tokens are followed in time: all, unless there are many or they are large."""
    size = 8 * run.sizes["token"] * run.sizes["component"]
    most = min(_MOST_FRAMES, max(_FEWEST_FRAMES, _BYTES_READ // size))
    return _thin(run.sizes["time"], most)


def sample(run: xarray.Dataset, most: int) -> slice:
    """Every so-many-th token, at most `most` of them."""
    return slice(0, None, max(1, math.ceil(run.sizes["token"] / most)))


def read_frame(run: xarray.Dataset, frame: int, tokens: slice | np.ndarray) -> np.ndarray:
    """Some tokens of one frame (m, dim)."""
    return np.asarray(run.tokens.isel(time=frame, token=tokens).values)


def last_time(run: xarray.Dataset) -> float:
    """Time of the last frame."""
    return float(run.time[-1])


def clustered(setting: Setting, seen: EmergenceMeasurement) -> bool:
    """Whether clusters formed: the tokens left the uniform law, then came to rest, and do not repel each other."""
    phases = seen.phases
    return phases.linear_exit is not None and phases.clusters_formed is not None and setting.flow.gradient_sign != -1


def time_label(setting: Setting) -> str:
    """Label of a time axis."""
    return "time $t$" if setting.flow.clock == "real" else f"time $t$ ({setting.flow.clock} clock)"


def describe(run: xarray.Dataset, setting: Setting) -> str:
    """The parameters in one line."""
    name = {"sa": "SA", "usa": "USA", "usa-shifted": "USA (shifted)"}[setting.kind]
    name += "" if setting.scheme == "post" else f" under '{setting.scheme}'"
    sizes = run.sizes
    number = f"{sizes['token']:,}".replace(",", "\N{THIN SPACE}")
    name += " (causal)" * setting.flow.causal
    text = f"{name},  $\\beta$ = {short(setting.flow.beta)},  $d$ = {sizes['component']},  $n$ = {number}"
    for symbol, matrix in (("V", setting.flow.value), ("B", setting.flow.query_key)):
        if matrix is not None:
            text += (
                f",  ${symbol}$ = {short(float(matrix))}\N{THIN SPACE}$I$"
                if np.ndim(matrix) == 0
                else f",  ${symbol}$ given"
            )
    return text if "seed" not in run.attrs else f"{text},  seed {run.attrs['seed']}"


def predicted_exit(prediction: EmergencePrediction | None) -> float | None:
    """Predicted end of the linear phase of this start, or `None` if there is no such phase or no prediction."""
    race = None if prediction is None else prediction.measured
    return race.exit_time if race is not None and 0 < race.exit_time < math.inf else None


def instants(run: xarray.Dataset, prediction: EmergencePrediction | None, seen: EmergenceMeasurement) -> list[Instant]:
    """Start, exit, end of the quasi-linear phase, peak of the speed, end: the nearest frames, each named once."""
    times = run.time.values
    expected = predicted_exit(prediction)
    exit_name, exit_time = ("predicted exit", expected) if expected is not None else ("exit", seen.exit_time)
    wanted = [
        ("start", float(times[0])),
        ("end", float(times[-1])),
        (exit_name, exit_time),
        ("end of quasi-linear phase", seen.phases.quasi_linear_exit),
        ("fastest", seen.phases.peak),
    ]
    found: dict[int, str] = {}
    for name, time in wanted:
        if time is None or not times[0] <= time <= times[-1]:
            continue
        frame = int(np.abs(times - time).argmin())
        found[frame] = f"{found[frame]}, {name}" if frame in found else name
    return [Instant(frame, float(times[frame]), found[frame]) for frame in sorted(found)]


def pair_histogram(tokens: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Density of the inner products of two different tokens, one value a bin; tokens (m, dim), weights (m,)."""
    rows, columns = np.triu_indices(len(tokens), 1)
    inner = np.clip((tokens @ tokens.T)[rows, columns], -1.0, 1.0)
    mass, _ = np.histogram(inner, edges, weights=weights[rows] * weights[columns])
    total = mass.sum()
    return np.asarray(mass / (total * np.diff(edges))) if total > 0 else np.zeros(len(edges) - 1)
