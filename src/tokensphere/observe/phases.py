"""The times that separate the phases of clustering: linear, quasi-linear, clustering, metastable."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError
from .series import check_series, crossing_time

__all__ = ["Phases", "phases"]


@dataclasses.dataclass(frozen=True)
class Phases:
    """Phase times; None where a time was not reached in the series.

    **Fields:** `start` the first time of the series; `linear_exit` T1, first time max_k A_k >= 0.1;
    `quasi_linear_exit` T2, first time >= 0.5; `peak` Tp, the maximum of the mean squared speed;
    `clusters_formed` T3, first time after the peak with mean squared speed below 1 % of it;
    `first_merger` T4, the first saved time after T3 with fewer clusters than at T3; `clusters` their
    number at the first saved time from T3 on.
    """

    start: float
    linear_exit: float | None
    quasi_linear_exit: float | None
    peak: float | None
    clusters_formed: float | None
    first_merger: float | None
    clusters: int | None

    def durations(self) -> dict[str, float | None]:
        """Return the lengths of the phases: T1 - start, T2 - T1, T3 - T2 and T4 - T3 (None where unknown)."""
        ends = [self.start, self.linear_exit, self.quasi_linear_exit, self.clusters_formed, self.first_merger]
        names = ("linear", "quasi_linear", "clustering", "metastable")
        pairs = zip(names, ends[:-1], ends[1:], strict=True)
        return {name: None if a is None or b is None else b - a for name, a, b in pairs}


def phases(times: Any, order: Any, speed_squared: Any = None, clusters: Any = None) -> Phases:
    """Read the phase times from series of order parameters, mean squared speed and cluster counts.

    T1 and T2 come from max_k A_k, T3 from the speed, all by log-linear interpolation between samples; Tp
    is the top of the parabola through ln(speed^2) at the largest sample and its neighbours (None when the
    largest sample is the last one: the peak may be yet to come). T4 is a saved time, so it is late by at
    most one interval.

    **Arguments:** `times` (m,) increasing; `order` (m, degrees) order parameters >= 0; `speed_squared`
    (m,) mean squared speed sum_i w_i |dx_i/dt|^2, None = not known (Tp, T3, T4 are None); `clusters` (m,)
    counts, None = not known (T4 is None).

    **Returns:** :class:`Phases`.

    **Raises:** `InputError` for a series that is bad or not of length m, or negative.

    **Source:** phases after Bruno, Pasqualotto, Agazzi, arXiv 2410.23228.
    """
    t, a = check_series(times, order, "order", ndim=2)
    if a.shape[1] < 1 or (a < 0).any():
        raise InputError("order must hold at least one column of order parameters >= 0")
    largest = a.max(axis=1)
    peak = formed = merger = None
    count = None
    if speed_squared is not None:
        _, speed = check_series(t, speed_squared, "speed_squared")
        if (speed < 0).any():
            raise InputError(f"speed_squared must be >= 0, got {speed.min():g}")
        top = int(np.argmax(speed))
        if speed[top] > 0 and top < t.size - 1:
            peak = _peak_time(t, speed, top)
            formed = crossing_time(t[top:], speed[top:], 0.01 * float(speed[top]), rising=False)
    if clusters is not None:
        _, counts = check_series(t, clusters, "clusters")
        if formed is not None:
            first = int(np.searchsorted(t, formed))
            count = int(counts[first])
            fewer = np.flatnonzero(counts[first:] < count)
            merger = float(t[first + fewer[0]]) if fewer.size else None
    return Phases(
        start=float(t[0]),
        linear_exit=crossing_time(t, largest, 0.1),
        quasi_linear_exit=crossing_time(t, largest, 0.5),
        peak=peak,
        clusters_formed=formed,
        first_merger=merger,
        clusters=count,
    )


def _peak_time(t: np.ndarray, speed: np.ndarray, top: int) -> float:
    """Top of the parabola through ln(speed) at three samples, the middle one being the largest."""
    if top == 0 or speed[top - 1] <= 0 or speed[top + 1] <= 0:
        return float(t[top])
    left, right = float(t[top] - t[top - 1]), float(t[top + 1] - t[top])
    rise = math.log(speed[top] / speed[top - 1]) / left
    fall = math.log(speed[top + 1] / speed[top]) / right
    curvature = (fall - rise) / (left + right)
    if curvature >= 0:
        return float(t[top])
    shift = -(rise + curvature * left) / (2.0 * curvature)
    return float(t[top]) + min(max(shift, -left), right)
