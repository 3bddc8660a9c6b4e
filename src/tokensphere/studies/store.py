"""A run on disk: one zarr v3 group, written as the run goes on, read with xarray.

    tokens(time, token, component)   weights(token)            time(time)
    radii(time, token), where the scheme keeps them
    order(time, degree)              energy(time)              speed(time)
    clusters(time)                   cluster_mass(time, cluster)             cluster_position(time, cluster, component)
    step_time, step_size, step_error, step_speed (step)        [dim 2: step_order(step, degree), step_energy(step)]

The run of an ensemble keeps no tokens but the series of its experiment, NAME(time, member), beside time(time).

The attributes `n_frames` and `n_steps` are written after everything else of a frame or step: they are the commit
mark, and frames and steps beyond it do not exist for a reader. Nothing in the store depends on the wall clock, so
equal runs have equal bytes.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from tokensphere.errors import InputError
from tokensphere.observe import Clusters

if TYPE_CHECKING:
    import xarray

__all__ = ["MAX_CLUSTERS", "RunStore", "largest_clusters", "open_run"]

_TOKENS_PER_CHUNK = 2**20
_STEPS_PER_CHUNK = 1024
MAX_CLUSTERS = 32  # masses and positions of this many clusters are kept for every frame
_FRAME_SERIES = ("energy", "speed", "clusters")


class RunStore:
    """Writer of a run's zarr group."""

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        self._arrays: dict[str, Any] = {}
        self._flushed_at = 0

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        times: np.ndarray,
        weights: np.ndarray,
        dim: int,
        degrees: np.ndarray,
        spectral: bool,
        attributes: dict[str, Any],
        radii: bool = False,
        chunk: int = _TOKENS_PER_CHUNK,
    ) -> RunStore:
        """A new, empty store. `spectral`: order parameters and energy are kept for every step as well; `radii`: those
        of the tokens too; `chunk`: how many tokens are stored together."""
        group, array = _new_group(path, attributes)
        frames, n, top = len(times), len(weights), len(degrees)
        array("tokens", ("time", "token", "component"), (frames, n, dim), (1, min(n, chunk), dim))
        if radii:
            array("radii", ("time", "token"), (frames, n), (1, min(n, chunk)))
        array("weights", ("token",), (n,), (min(n, chunk),))
        array("time", ("time",), (frames,), (frames,))
        array("degree", ("degree",), (top,), (top,))
        array("cluster_mass", ("time", "cluster"), (frames, MAX_CLUSTERS), (frames, MAX_CLUSTERS))
        shape = (frames, MAX_CLUSTERS, dim)
        array("cluster_position", ("time", "cluster", "component"), shape, (1, MAX_CLUSTERS, dim))
        array("order", ("time", "degree"), (frames, top), (frames, top))
        for name in _FRAME_SERIES:
            array(name, ("time",), (frames,), (frames,))
        for name in ("step_time", "step_size", "step_error", "step_speed"):
            array(name, ("step",), (0,), (_STEPS_PER_CHUNK,))
        if spectral:
            array("step_order", ("step", "degree"), (0, top), (_STEPS_PER_CHUNK, top))
            array("step_energy", ("step",), (0,), (_STEPS_PER_CHUNK,))
        _array(group, "weights")[:] = weights
        _array(group, "degree")[:] = degrees
        return cls(path, group)

    @classmethod
    def create_ensemble(
        cls, path: Path, *, times: np.ndarray, members: int, series: list[str], attributes: dict[str, Any]
    ) -> RunStore:
        """A new, empty store for `series` (frames, members) by name."""
        group, array = _new_group(path, attributes)
        frames = len(times)
        array("time", ("time",), (frames,), (frames,))
        for name in series:
            array(name, ("time", "member"), (frames, members), (frames, members))
        return cls(path, group)

    @classmethod
    def open(cls, path: Path, *, clean: bool = True) -> RunStore:
        """An existing store, for appending; leftovers of an interrupted write are removed if `clean`."""
        if not (path / "zarr.json").is_file():
            raise InputError(f"no run at {path.parent}: {path.name} is missing; remove the folder and start again")
        for leftover in path.rglob("*.partial") if clean else ():
            leftover.unlink()
        return cls(path, zarr.open_group(store=str(path), mode="r+"))

    @staticmethod
    def status(path: Path) -> str | None:
        """ "running" or "complete"; `None` if there is no store at `path`."""
        if not (path / "zarr.json").is_file():
            return None
        return str(zarr.open_group(store=str(path), mode="r").attrs.get("status"))

    @staticmethod
    def has_progress(path: Path) -> bool:
        """Whether there is a store at `path` with more than its initial frame, or a complete one."""
        if not (path / "zarr.json").is_file():
            return False
        attributes = zarr.open_group(store=str(path), mode="r").attrs
        frames = attributes["n_frames"]
        return (isinstance(frames, int) and frames > 1) or attributes["status"] == "complete"

    @property
    def attributes(self) -> dict[str, Any]:
        """What the store says about itself."""
        return dict(self._group.attrs)

    def write_tokens(self, frame: int, tokens: np.ndarray, start: int = 0) -> None:
        """Write tokens of one frame, `start` and those after it; the frame does not exist for a reader before
        `commit`."""
        self._array("tokens")[frame, start : start + len(tokens)] = tokens

    def write_radii(self, frame: int, radii: np.ndarray) -> None:
        """Write the radii of one frame, as `write_tokens` does."""
        self._array("radii")[frame] = radii

    def read_tokens(self, frame: int) -> np.ndarray:
        """All tokens of a frame, committed or not."""
        return np.asarray(self._array("tokens")[frame])

    @property
    def chunk(self) -> int:
        """How many tokens are stored together."""
        return int(self._array("tokens").chunks[1])

    def commit(self, first: int, series: dict[str, np.ndarray], n_steps: int, events: dict[str, float]) -> None:
        """Write the series of frames `first`, `first` + 1, …, then the events so far and the commit mark.

        What a resumed run writes a second time stays committed meanwhile.
        """
        count = 0
        for name, values in series.items():
            count = len(values)
            self._array(name)[first : first + count] = values
        marks = {"n_frames": first + count, "n_steps": n_steps}
        before = self.attributes
        self._group.attrs.update({"events": events} | {name: max(mark, before[name]) for name, mark in marks.items()})

    def write_steps(self, first: int, rows: dict[str, np.ndarray]) -> None:
        """Write steps `first`, `first` + 1, … of every step series, replacing what was there."""
        for name, values in rows.items():
            array = self._array(name)
            if first + len(values) > array.shape[0]:
                array.resize((first + len(values), *array.shape[1:]))
            array[first : first + len(values)] = values

    def _array(self, name: str) -> zarr.Array:
        if name not in self._arrays:
            self._arrays[name] = _array(self._group, name)
        return self._arrays[name]

    def flush(self) -> None:
        """Make sure that everything written so far survives a loss of power."""
        for folder, _, names in os.walk(self.path):
            fresh = [os.path.join(folder, name) for name in names]
            fresh = [path for path in fresh if os.stat(path).st_mtime_ns > self._flushed_at]
            for path in (*fresh, folder) if fresh else ():
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        # Clocks of files tick coarsely: leave an overlap.
        self._flushed_at = time.time_ns() - 2 * 10**9

    def finish(self, attributes: dict[str, Any]) -> None:
        """Add the final attributes."""
        self._group.attrs.update(attributes)


def _new_group(path: Path, attributes: dict[str, Any]) -> tuple[zarr.Group, Callable[..., None]]:
    """An empty group, and what makes an array of NaN in it."""
    marks = {"n_frames": 0, "n_steps": 0}
    group = zarr.create_group(store=str(path), zarr_format=3, attributes=attributes | marks)

    def array(name: str, dims: tuple[str, ...], shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        group.create_array(name, shape=shape, chunks=chunks, dtype="float64", fill_value=np.nan, dimension_names=dims)

    return group, array


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def largest_clusters(found: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """Masses and positions of the largest clusters; beyond them, masses 0 and positions NaN."""
    masses = np.zeros(MAX_CLUSTERS)
    positions = np.full((MAX_CLUSTERS, found.positions.shape[1]), np.nan)
    kept = min(found.count, MAX_CLUSTERS)
    masses[:kept], positions[:kept] = found.masses[:kept], found.positions[:kept]
    return masses, positions


def open_run(folder: str | Path) -> xarray.Dataset:
    """The stored run in `folder` (or its zarr group), as an xarray dataset with the committed frames only.

    **Raises:** `InputError` if there is no run.
    """
    import xarray

    path = Path(folder)
    if (path / "run.zarr").is_dir():
        path = path / "run.zarr"
    if not (path / "zarr.json").is_file():
        raise InputError(f"no run at {folder}: it has no run.zarr")
    group = zarr.open_group(store=str(path), mode="r")
    # Until they are committed, step series may differ in length, so they are cut before xarray sees them.
    steps = {place.parent.name: _array(group, place.parent.name) for place in path.glob("step_*/zarr.json")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*partial is not recognized")  # an interrupted write
        dataset = xarray.open_zarr(str(path), consolidated=False, zarr_format=3, drop_variables=list(steps))
    dataset = dataset.isel(time=slice(0, int(dataset.attrs["n_frames"])))
    for name, array in sorted(steps.items()):
        dims = ("step", "degree")[: array.ndim]
        dataset[name] = (dims, np.asarray(array[: int(dataset.attrs["n_steps"])]))
    dataset = dataset.set_coords([name for name in ("time", "degree", "weights", "step_time") if name in dataset])
    dataset.attrs["study"] = json.loads(dataset.attrs["study"])
    return dataset
