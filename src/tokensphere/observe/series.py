"""Reading a time series: checks and the time at which a level is crossed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_times

__all__ = ["check_series", "crossing_time", "positive_level"]


def check_series(times: Any, values: Any, name: str, *, ndim: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return increasing times (m,) and finite values with m rows, or an :class:`InputError` naming `name`."""
    t = check_times(times)
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != ndim or v.shape[0] != t.size:
        shape = f"({t.size},)" if ndim == 1 else f"({t.size}, degrees)"
        raise InputError(f"{name} must have shape {shape}, one row a time, got {v.shape}")
    finite = np.isfinite(v).reshape(t.size, -1).all(axis=1)
    if not finite.all():
        raise InputError(f"{name} is not finite at time {t[int(np.argmin(finite))]:g}")
    return t, v


def positive_level(value: Any, name: str) -> float:
    """Return `value` as a finite float > 0, or raise :class:`InputError` naming `name`."""
    level = float(value)
    if not math.isfinite(level) or level <= 0:
        raise InputError(f"{name} must be a finite number > 0, got {value!r}")
    return level


def crossing_time(times: np.ndarray, values: np.ndarray, level: float, *, rising: bool = True) -> float | None:
    """Return the first time the positive series reaches `level`, by log-linear interpolation; None if never.

    ln(value) is taken linear in time between two samples (linear in value when one of them is zero). A
    series that starts beyond the level crosses it at its first time.
    """
    beyond = values >= level if rising else values <= level
    if not beyond.any():
        return None
    i = int(np.argmax(beyond))
    if i == 0:
        return float(times[0])
    low, high = float(values[i - 1]), float(values[i])
    logarithmic = low > 0 and high > 0
    fraction = math.log(level / low) / math.log(high / low) if logarithmic else (level - low) / (high - low)
    return float(times[i - 1] + fraction * (times[i] - times[i - 1]))
