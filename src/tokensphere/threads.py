"""How much of the machine one evaluation may use."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["available_threads", "in_chunks", "one_blas_thread", "run_all", "threads_for"]

_ALL_THREADS_FROM = 50_000  # below this many points a second thread costs more than it gives
_CHUNK = 2**15  # rows whose temporary arrays stay in the cache


def available_threads() -> int:
    """The cores that this process may run on, or fewer if `OMP_NUM_THREADS` says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdigit() and int(asked) > 0 else cores


def threads_for(points: int) -> int:
    """One thread for few points, else all that this process may use."""
    return 1 if points < _ALL_THREADS_FROM else available_threads()


@functools.lru_cache(maxsize=1)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="tokensphere")


def run_all(task: Callable[[Any], object], items: Iterable[Any], threads: int) -> None:
    """Call `task` on every item, on several threads; returns when all are done."""
    if threads <= 1:
        for item in items:
            task(item)
        return
    for _ in _pool(available_threads(), os.getpid()).map(task, items):
        pass


def in_chunks(count: int, work: Callable[[slice], object]) -> None:
    """Call `work` for consecutive slices of `count` rows, on several threads if there are many.

    `work` must write to its own rows only, so that the result does not depend on the threads.
    """
    parts = [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    run_all(work, parts, threads_for(count))


@functools.lru_cache(maxsize=1)
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _OneBlasThread:
    """Counts its users: the first limits, the last restores, whatever order they come and go in."""

    def __init__(self) -> None:
        self._lock, self._users, self._limit = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._limit = _blas().limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._limit is not None:
                self._limit.restore_original_limits()
                self._limit = None


_one_blas_thread = _OneBlasThread()


def one_blas_thread() -> AbstractContextManager[None]:
    """A context in which matrix products use one thread each, so that threads of ours do not compete with theirs."""
    return _one_blas_thread
