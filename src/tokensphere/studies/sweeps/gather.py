"""All runs of a sweep as one xarray dataset, with the swept parameters as dimensions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError, suggest

from ..store import open_run
from .manifest import Manifest, finished

if TYPE_CHECKING:
    import xarray

__all__ = ["open_sweep"]

_LARGE = ("tokens", "cluster_position", "weights")


def open_sweep(folder: str | Path, variables: Sequence[str] | None = None) -> xarray.Dataset:
    """The results of a sweep, finished or not.

    **Arguments:** `folder` of the sweep; `variables` to read, by default every series of the frames but not the
    tokens, weights and positions, nor series of the steps.

    **Returns:** a dataset. A grid has its swept keys as dimensions (`beta`, `seed`, …), a list has the dimension
    `run` with the keys as coordinates. Series are stacked along these; runs that are not complete, and frames that a
    run does not have, are NaN. Where save times differ the dimension is `frame` and `time` a coordinate of every run.
    `state` says how far each run is; `verdict`, `predicted` and `measured` have a dimension `claim`.

    **Raises:** `InputError` if there is no sweep, or no such variable.
    """
    import xarray

    root = Path(folder)
    manifest = Manifest.read(root)
    names, shape, coordinates = _layout(manifest)
    places = [np.unravel_index(i, shape) for i in range(len(manifest.runs))]
    done = [i for i, entry in enumerate(manifest.runs) if finished(root / entry.folder)]
    states = np.array(["complete" if i in set(done) else e.state for i, e in enumerate(manifest.runs)], dtype=object)
    states = np.array(["pending" if s == "running" else s for s in states], dtype=object).reshape(shape)
    data: dict[str, Any] = {"state": (names, states.astype(str))}
    runs = {i: open_run(root / manifest.runs[i].folder) for i in done}
    data |= _series(runs, places, names, shape, variables)
    data |= _verdicts({i: root / manifest.runs[i].folder for i in done}, places, names, shape)
    return xarray.Dataset(data, coordinates, {"name": manifest.name, "study": manifest.study})


def _layout(manifest: Manifest) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, Any]]:
    """Dimensions of the sweep, their sizes and coordinates."""
    if manifest.axes:
        names = tuple(axis["name"] for axis in manifest.axes)
        values = {axis["name"]: _column(axis["values"]) for axis in manifest.axes}
        return names, tuple(len(values[name]) for name in names), {name: (name, values[name]) for name in names}
    keys = sorted({key for entry in manifest.runs for key in entry.parameters})
    short = [key.rpartition(".")[2] for key in keys]
    coordinates: dict[str, Any] = {"run": ("run", [entry.folder for entry in manifest.runs])}
    for key, name in zip(keys, short, strict=True):
        named = name if short.count(name) == 1 and name not in ("run", "time") else key
        coordinates[named] = ("run", _column([entry.parameters.get(key) for entry in manifest.runs]))
    return ("run",), (len(manifest.runs),), coordinates


def _column(values: list[Any]) -> np.ndarray:
    """Numbers as numbers (`None` as NaN), anything else as text."""
    if all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
        return np.array([np.nan if value is None else value for value in values])
    return np.array([str(value) for value in values])


def _series(
    runs: dict[int, xarray.Dataset],
    places: list[tuple[Any, ...]],
    names: tuple[str, ...],
    shape: tuple[int, ...],
    variables: Sequence[str] | None,
) -> dict[str, Any]:
    """Every variable stacked over the runs, shorter ones filled up with NaN."""
    known = sorted({str(name) for run in runs.values() for name in run.data_vars})
    if variables is not None:
        for name in variables:
            if runs and name not in known:
                raise InputError(f"the runs have no variable '{name}'{suggest(name, known)}")
    wanted = [n for n in known if n not in _LARGE and not n.startswith("step_")] if variables is None else variables
    found: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for run in runs.values():
        for dim, size in run.sizes.items():
            lengths[str(dim)] = max(size, lengths.get(str(dim), 0))
    times = {i: run.time.values for i, run in runs.items()}
    longest = max(times.values(), key=len, default=np.zeros(0))
    same = all(np.array_equal(own, longest) for own in times.values())
    rename = {} if same else {"time": "frame"}
    for name in wanted:
        stacked: np.ndarray | None = None
        for i, run in runs.items():
            if name not in run:
                continue
            values, dims = run[name].values, run[name].dims
            if stacked is None:
                stacked = np.full((*shape, *(lengths[str(dim)] for dim in dims)), np.nan)
                found[name] = ((*names, *(rename.get(str(dim), str(dim)) for dim in dims)), stacked)
            stacked[(*places[i], *(slice(0, size) for size in values.shape))] = values
    if runs:
        every = np.full((*shape, len(longest)), np.nan)
        for i, own in times.items():
            every[(*places[i], slice(0, len(own)))] = own
        found["time"] = ("time", longest) if same else ((*names, "frame"), every)
        degrees = [run.degree.values for run in runs.values() if "degree" in run]
        if degrees and "degree" in lengths and any("degree" in dims for dims, _ in found.values()):
            found["degree"] = ("degree", max(degrees, key=len))
    return found


def _verdicts(
    folders: dict[int, Path], places: list[tuple[Any, ...]], names: tuple[str, ...], shape: tuple[int, ...]
) -> dict[str, Any]:
    """Outcomes, predicted and measured numbers of every claim."""
    judged = {i: json.loads((f / "verdicts.json").read_text(encoding="utf-8"))["verdicts"] for i, f in folders.items()}
    claims = list(dict.fromkeys(verdict["name"] for verdicts in judged.values() for verdict in verdicts))
    outcome = np.full((*shape, len(claims)), "", dtype=object)
    numbers = {name: np.full((*shape, len(claims)), np.nan) for name in ("predicted", "measured")}
    for i, verdicts in judged.items():
        for verdict in verdicts:
            place = (*places[i], claims.index(verdict["name"]))
            outcome[place] = verdict["outcome"]
            for name, column in numbers.items():
                value = verdict[name]
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    column[place] = value
    dims = (*names, "claim")
    found: dict[str, Any] = {"verdict": (dims, outcome.astype(str)), "claim": ("claim", np.array(claims, dtype=str))}
    return found | {name: (dims, column) for name, column in numbers.items()}
