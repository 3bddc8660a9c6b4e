"""The error of a step as one number, the same for all processes that take it; no drift of what fills up a slice."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from tokensphere.errors import InputError
from tokensphere.parallel import Shard

from .stepper import Attempt

__all__ = ["ErrorNorm", "agree", "check_norm", "error_size", "first_bad"]

ErrorNorm = Literal["largest", "rms"]


def check_norm(norm: str) -> ErrorNorm:
    """The name of a norm.

    **Raises:** `InputError` for another name.
    """
    for known in get_args(ErrorNorm):
        if norm == known:
            return known
    raise InputError(f"error_norm must be one of {', '.join(get_args(ErrorNorm))}, got {norm!r}")


def error_size(errors: Any, norm: ErrorNorm, shard: Shard | None = None) -> float:
    """max_i e_i, or √(Σ_i e_i² / n), over the tokens of all processes; NaN where the method has no estimate."""
    if errors is None:
        return float("nan")
    own = np.asarray(errors).ravel()[: None if shard is None else shard.count]
    if norm == "largest":
        # a maximum over processes must not meet NaN: tokens that are not finite are reported by `first_bad`
        return float(own.max()) if shard is None else float(shard.mesh.max(np.nan_to_num(own.max(), nan=np.inf)))
    squares, n = float(own @ own), own.size
    if shard is not None:
        squares, n = float(shard.mesh.sum(np.array([squares]))[0]), shard.n
    return float(np.sqrt(squares / n))


def agree(shard: Shard, outcome: Attempt) -> Attempt:
    """The attempt with what fills up the slice equal to the token it repeats."""
    return Attempt(shard.refill(outcome.points), shard.refill(outcome.velocity), outcome.errors)


def first_bad(outcome: Attempt, shard: Shard | None) -> int | None:
    """The first token that is not finite or has no finite velocity, over all processes; `None` if all are well."""
    good = np.isfinite(np.asarray(outcome.velocity)).all(axis=-1) & np.isfinite(np.asarray(outcome.points)).all(axis=-1)
    first = None if good.all() else int(np.argmin(good))
    if shard is None:
        return first
    worst = float(shard.mesh.max(-np.inf if first is None else -float(shard.start + first)))
    return None if worst == -np.inf else int(-worst)
