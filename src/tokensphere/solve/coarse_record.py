"""What a coarsened run leaves behind: frames, steps and mergers, as one dataset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.flows import AbstractFlow
from tokensphere.sphere.pairs import closest_pair

from .clocked import ClockedFlow
from .loop import State
from .merging import Clustered, Merge

if TYPE_CHECKING:
    import xarray

__all__ = ["CoarseRecord"]

_LOG10 = math.log(10.0)


class CoarseRecord:
    """Collects; logarithms of times are natural and in the unit of V = B = I, `log_unit` below those of the flow."""

    def __init__(
        self, beta: float, delta: float, clock: str, log_unit: float, shape: tuple[int, ...], masses: np.ndarray
    ) -> None:
        self.beta, self.delta, self.clock, self.log_unit = beta, delta, clock, log_unit
        self.n, self.dim, self.masses = shape[0], shape[1], masses
        self.status: str | None = None
        self.last = -math.inf
        self.steps = self.rejected = 0
        self._frames: list[tuple[float, np.ndarray, np.ndarray]] = []
        self._steps: list[tuple[float, float, int, float, float]] = []
        self._merges: list[tuple[float, Merge]] = []

    def frame(self, log_t: float, clusters: Clustered) -> None:
        """Save a frame."""
        self._frames.append((log_t, clusters.labels, clusters.positions[clusters.labels]))
        self.last = log_t

    def step(self, log_t: float, clock: float, clusters: Clustered) -> None:
        """Note a step: its time, the clock, how many clusters, their energy and smallest angle."""
        energy = ClockedFlow.of(self.beta, False, clusters.count).energy(clusters.positions, clusters.masses)
        nearest = math.nan
        if clusters.count > 1:
            nearest = 2.0 * math.asin(min(0.5 * closest_pair(clusters.positions)[2], 1.0))
        self._steps.append((log_t, clock, clusters.count, energy, nearest))

    def merged(self, log_t: float, merges: list[Merge]) -> None:
        self._merges += [(log_t, merge) for merge in merges]

    def count(self, state: State) -> None:
        """Add the steps of a stretch that has ended."""
        self.steps += state.steps
        self.rejected += state.rejected

    def dataset(self, flow: AbstractFlow) -> xarray.Dataset:
        """Everything, with times of `flow`."""
        import xarray

        def log10(values: list[float]) -> np.ndarray:
            return (np.array(values, dtype=np.float64) + self.log_unit) / _LOG10

        frame_times = log10([frame[0] for frame in self._frames])
        with np.errstate(over="ignore"):
            plain = np.power(10.0, frame_times)
        steps = np.array(self._steps, dtype=np.float64).reshape(-1, 5)
        merges = [merge for _, merge in self._merges]
        two, dims = (len(merges), 2), ("time", "token", "component")
        data: dict[str, Any] = {
            "tokens": (dims, np.stack([frame[2] for frame in self._frames])),
            "label": (dims[:2], np.stack([frame[1] for frame in self._frames])),
            "clusters": ("time", np.array([frame[1].max() + 1 for frame in self._frames])),
            "step_log10_time": ("step", log10(steps[:, 0].tolist())),
            "step_clock": ("step", steps[:, 1]),
            "step_clusters": ("step", steps[:, 2].astype(np.int64)),
            "step_energy": ("step", steps[:, 3]),
            "step_nearest": ("step", steps[:, 4]),
            "merge_log10_time": ("merge", log10([log_t for log_t, _ in self._merges])),
            "merge_nodes": (("merge", "side"), np.array([m.nodes for m in merges], dtype=np.int64).reshape(two)),
            "merge_masses": (("merge", "side"), np.array([m.masses for m in merges]).reshape(two)),
            "merge_distance": ("merge", np.array([m.distance for m in merges])),
            "merge_position": (
                ("merge", "component"),
                np.array([m.position for m in merges]).reshape(len(merges), self.dim),
            ),
        }
        end = self._steps[-1][0] if self._steps else self.last
        return xarray.Dataset(
            data,
            coords={"time": plain, "log10_time": ("time", frame_times), "weights": ("token", self.masses)},
            attrs={
                "status": self.status,
                "log10_end": (max(end, self.last) + self.log_unit) / _LOG10,
                "steps": self.steps,
                "rejected": self.rejected,
                "delta": self.delta,
                "clock": self.clock,
                "beta": self.beta,
                "flow": repr(flow),
            },
        )
