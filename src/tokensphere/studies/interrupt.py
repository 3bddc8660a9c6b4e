"""Ctrl-C and SIGTERM end a run between two steps, never in the middle of a write."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["held_back"]


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold back the first SIGINT or SIGTERM; yields a function that says whether one has come.

    A second signal acts at once. Outside the main thread, where signals never arrive, nothing is held back.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hold(number: int, frame: FrameType | None) -> None:
        came.set()
        restore()

    for number in before:
        signal.signal(number, hold)
    try:
        yield came.is_set
    finally:
        restore()
