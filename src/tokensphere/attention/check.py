"""What every backend refuses when it sees numbers: one place, one wording."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced

__all__ = ["check_call"]


def check_call(queries: Any, keys: Any, values: Any, weights: Any, beta: Any) -> None:
    """Refuse arguments of an interaction sum that would give wrong numbers; what is traced is not looked at.

    **Raises:** `InputError` for shapes that do not fit, no keys, a token or value that is not finite, a mass that is
    negative or not finite, masses that are all 0, or a β that is not a finite number.
    """
    q, y, v = np.shape(queries), np.shape(keys), np.shape(keys if values is None else values)
    if len(q) not in (2, 3) or len(y) != len(q) or len(v) != len(q) or q[-1] != y[-1] or y[:-1] != v[:-1]:
        raise InputError(f"queries {q}, keys {y} and values {v} do not fit: give (m, d), (n, d) and (n, c)")
    if q[:-2] != y[:-2]:
        raise InputError(f"queries have {q[0]} heads, and keys have {y[0]}")
    if y[-2] == 0:
        raise InputError("there are no keys to attend to")
    if weights is not None and np.shape(weights) not in ((y[-2],), y[:-1]):
        raise InputError(f"weights have shape {np.shape(weights)}, but there are {y[-2]} keys")
    if not is_traced(beta) and not np.isfinite(float(beta)):
        raise InputError(f"beta must be a finite number, got {float(beta)!r}")
    seen: list[Any] = []
    for name, array in (("queries", queries), ("keys", keys), ("values", values)):
        if array is None or is_traced(array) or any(array is other for other in seen):
            continue
        seen.append(array)
        _check_finite(name, np.asarray(array))
    if weights is not None and not is_traced(weights):
        _check_masses(np.asarray(weights))


def _check_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array.sum()):  # the sum of finite numbers may overflow, so look closer
        good = np.isfinite(array).all(axis=-1)
        if not good.all():
            raise InputError(f"{name}: token {int(np.argmin(good) % good.shape[-1])} is not finite")


def _check_masses(weights: np.ndarray) -> None:
    total = np.abs(weights).sum(axis=-1)
    if not (np.isfinite(total).all() and (total > 0).all() and weights.min() >= 0):
        good = np.isfinite(weights) & (weights >= 0)
        if good.all():
            raise InputError("all masses are 0")
        bad = int(np.argmin(good) % good.shape[-1])
        raise InputError(
            f"weights must be finite and >= 0; token {bad} has mass {weights.reshape(-1)[np.argmin(good)]}"
        )
