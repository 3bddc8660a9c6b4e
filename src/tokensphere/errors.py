"""Errors and input checks shared by every room.

An :class:`InputError` says in one line which value is wrong and what would be right; it is raised before
any work starts, and the command line turns it into exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "InputError",
    "check_beta",
    "check_dim",
    "check_positive_int",
    "check_times",
    "check_tokens",
    "check_weights",
    "suggest",
]


class InputError(ValueError):
    """A value given by the user is wrong; the message names the value and the fix, in one line."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the list of known names."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(known))}"


def check_positive_int(value: Any, name: str, least: int = 1) -> int:
    """Return `value` as an int that is at least `least`, or raise :class:`InputError`."""
    try:
        whole = int(value)
        good = whole == value and whole >= least and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
    return whole


def check_dim(dim: Any) -> int:
    """Return the ambient dimension as an int >= 2 (tokens live on S^(dim-1)), or raise :class:`InputError`."""
    return check_positive_int(dim, "dim", least=2)


def check_beta(beta: Any) -> float:
    """Return the inverse temperature as a finite float >= 0, or raise :class:`InputError`."""
    import numpy as np

    try:
        value = float(beta)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value) or value < 0:
        raise InputError(f"beta must be a finite number >= 0, got {beta!r}")
    return value


def _numbers(values: Any, name: str) -> np.ndarray:
    import numpy as np

    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, got {type(values).__name__}") from None


def check_tokens(tokens: Any, *, unit_tolerance: float | None = 1e-8) -> np.ndarray:
    """Return tokens as a C-contiguous (n, dim) float64 array of unit rows.

    Raises :class:`InputError` that names the first bad token: wrong shape, NaN or infinity, zero length, or a
    norm further than `unit_tolerance` from 1 (``None`` skips the norm check).
    """
    import numpy as np

    array = _numbers(tokens, "tokens")
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 2:
        raise InputError(f"tokens must have shape (n, dim) with n >= 1 and dim >= 2, got {array.shape}")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        i = int(np.argmin(finite))
        raise InputError(f"token {i} is not finite: {array[i][:4]}")
    if unit_tolerance is not None:
        norms = np.linalg.norm(array, axis=1)
        off = np.abs(norms - 1.0) > unit_tolerance
        if off.any():
            i = int(np.argmax(off))
            what = "has zero length" if norms[i] == 0 else f"has length {norms[i]:.6g}, not 1"
            raise InputError(f"token {i} {what}; normalise with tokensphere.sphere.normalize")
    return array


def check_weights(weights: Any, n: int) -> np.ndarray:
    """Return masses as an (n,) float64 array: not negative, summing to 1 within 1e-9. ``None`` gives 1/n each."""
    import numpy as np

    if weights is None:
        return np.full(n, 1.0 / n)
    array = _numbers(weights, "weights")
    if array.shape != (n,):
        raise InputError(f"weights must have shape ({n},), one mass a token, got {array.shape}")
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"weight {i} must be a finite number >= 0, got {array[i]!r}")
    total = float(array.sum())
    if abs(total - 1.0) > 1e-9:
        raise InputError(f"weights must sum to 1, got a sum of {total:.12g}; divide them by their sum")
    return array


def check_times(times: Any) -> np.ndarray:
    """Return save times as an increasing (m,) float64 array with m >= 1, or raise :class:`InputError`."""
    import numpy as np

    array = np.atleast_1d(_numbers(times, "times"))
    if array.ndim != 1 or array.size < 1:
        raise InputError(f"times must be a non-empty list of numbers, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"times must be finite, got {array[~np.isfinite(array)][0]!r}")
    drop = np.flatnonzero(np.diff(array) <= 0)
    if drop.size:
        i = int(drop[0])
        raise InputError(f"times must increase, but times[{i}] = {array[i]:g} and times[{i + 1}] = {array[i + 1]:g}")
    return array
