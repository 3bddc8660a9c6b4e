"""One step taken by many processes: the same error for all, and no drift of what fills up a slice."""

from __future__ import annotations

import math

import numpy as np

from tokensphere.parallel import Shard

from .stepper import Attempt

__all__ = ["agree", "first_bad"]


def agree(shard: Shard, outcome: Attempt) -> Attempt:
    """The attempt with the largest error over all processes, so that all of them judge it alike."""
    # A maximum must not meet NaN: without an estimate all errors are NaN, and tokens that are not finite are
    # reported by `first_bad`.
    error = float(shard.mesh.max(-1.0 if math.isnan(outcome.error) else outcome.error))
    return Attempt(
        shard.refill(outcome.tokens), shard.refill(outcome.velocity), float("nan") if error == -1.0 else error
    )


def first_bad(outcome: Attempt, shard: Shard | None) -> int | None:
    """The first token that is not finite or has no finite velocity, over all processes; `None` if all are well."""
    good = np.isfinite(np.asarray(outcome.velocity)).all(axis=-1) & np.isfinite(np.asarray(outcome.tokens)).all(axis=-1)
    first = None if good.all() else int(np.argmin(good))
    if shard is None:
        return first
    worst = float(shard.mesh.max(-np.inf if first is None else -float(shard.start + first)))
    return None if worst == -np.inf else int(-worst)
