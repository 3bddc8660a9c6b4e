"""The race between degrees in one run: which one leaves the uniform law first, and when.

t_k = ln(delta / A_k(0)) / lambda_k,       exit = min_k t_k,       winner = argmin_k t_k
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..special import check_degrees
from .records import to_json

__all__ = ["RaceResult", "check_threshold", "race"]


def check_threshold(threshold: Any) -> float:
    """Return the exit threshold delta for A_k as a float in (0, 1), or raise InputError."""
    try:
        value = float(threshold)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 < value < 1.0:
        raise InputError(f"threshold must be between 0 and 1, got {threshold!r}")
    return value


@dataclass(frozen=True)
class RaceResult:
    """The race of one initial condition.

    **Fields:** `exit_time` (0 if a degree starts beyond the threshold, inf if none arrives); `winner` degree,
    or None; `degrees` and `times`, the arrival of every degree.
    """

    exit_time: float
    winner: int | None
    degrees: tuple[int, ...]
    times: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinite times become ``None``."""
        return to_json(self.__dict__)


def race(order_parameters: Any, degrees: Any, rates: Any, threshold: float) -> RaceResult:
    """Exit time and winner of one run from its measured initial order parameters.

        t_k = max(0, ln(delta / A_k) / lambda_k),     exit = min_k t_k

    **Arguments:** `order_parameters` (m,) A_k(0) in [0, 1]; `degrees` (m,) and `rates` (m,) lambda_k, per
    unit of time; `threshold` delta in (0, 1).

    **Returns:** :class:`RaceResult`, times in the unit of 1 / rates. A degree that does not grow never
    arrives.

    **Raises:** InputError for shapes that differ or values out of range.

    **Source:** derived.
    """
    delta, wanted = check_threshold(threshold), np.atleast_1d(check_degrees(degrees))
    amplitude = np.atleast_1d(np.asarray(order_parameters, dtype=np.float64))
    speed = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    if not amplitude.shape == wanted.shape == speed.shape or wanted.ndim != 1:
        raise InputError(
            "order_parameters, degrees and rates must have one shape (m,), "
            f"got {amplitude.shape}, {wanted.shape} and {speed.shape}"
        )
    if not ((amplitude >= 0) & (amplitude <= 1.0 + 1e-9)).all():
        raise InputError("order_parameters must be between 0 and 1")
    if np.isnan(speed).any():
        raise InputError("rates must be numbers, got NaN")
    with np.errstate(divide="ignore"):
        room = np.log(delta) - np.log(amplitude)
    times = np.full(wanted.shape, np.inf)
    moving = (speed > 0) & np.isfinite(room)
    times[moving] = np.maximum(room[moving], 0.0) / speed[moving]
    times[room <= 0] = 0.0
    # At t = 0 the largest excess over the threshold has won.
    first = int(np.argmin(np.where(room <= 0, room, times)))
    exit_time = float(times[first])
    winner = int(wanted[first]) if math.isfinite(exit_time) else None
    return RaceResult(exit_time, winner, tuple(wanted.tolist()), tuple(times.tolist()))
