"""How many threads a transform over many points should use."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["in_chunks", "threads_for"]

_ALL_THREADS_FROM = 50_000  # below this many points a second thread costs more than it gives
_CHUNK = 2**15  # rows whose temporary arrays stay in the cache


def in_chunks(count: int, work: Callable[[slice], object]) -> None:
    """Call `work` for consecutive slices of `count` rows, on several threads if there are many.

    `work` must write to its own rows only, so that the result does not depend on the threads.
    """
    parts = [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    if threads_for(count) == 1 or len(parts) < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads_for(count)) as pool:
        for _ in pool.map(work, parts):
            pass


def threads_for(points: int) -> int:
    """One thread for few points, else all that this process may use."""
    if points < _ALL_THREADS_FROM:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
