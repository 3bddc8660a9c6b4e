"""How many threads a transform over many points should use."""

from __future__ import annotations

import os

__all__ = ["threads_for"]

_ALL_THREADS_FROM = 50_000  # below this many points a second thread costs more than it gives


def threads_for(points: int) -> int:
    """One thread for few points, else all that this process may use."""
    if points < _ALL_THREADS_FROM:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
