"""Normal numbers that are a function of where they are used, and of nothing else.

Rows stand in blocks of 4096, each with a Philox stream of its own at counter (block, step), keyed by (seed, stream)
[Salmon, Moraes, Dror, Shaw, SC 2011]. A run continued from anywhere draws what the unbroken one would have drawn, and
a process with a slice of the rows draws what one process with all of them would.
"""

from __future__ import annotations

import numpy as np

__all__ = ["counted_normals"]

_BLOCK = 4096


def counted_normals(seed: int, stream: int, step: int, first: int, count: int, width: int) -> np.ndarray:
    """Standard normal numbers (count, width) of the rows `first` .. `first + count` in step number `step`.

    `stream` is a number that keeps apart what is drawn from one seed for different ends.
    """
    key = np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(2, np.uint64)
    rows = []
    for block in range(first // _BLOCK, -(-(first + count) // _BLOCK)):
        low, high = max(first - block * _BLOCK, 0), min(first + count - block * _BLOCK, _BLOCK)
        philox = np.random.Philox(counter=np.array([0, block, step, 0], dtype=np.uint64), key=key)
        rows.append(np.random.Generator(philox).standard_normal((high, width))[low:])
    return rows[0] if len(rows) == 1 else np.concatenate(rows)
