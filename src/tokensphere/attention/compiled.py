"""Compiled host loops: without the interpreter's lock, kept on disk where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["compiled"]


def compiled(freedoms: set[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for loops that may reorder arithmetic by the given LLVM `freedoms` (never to drop NaN).

    A division by zero gives ±∞ or NaN as in NumPy: a check in every step would keep a loop from being vectorised.
    The kept form is made anew when the loop's own file changes, so whatever a loop uses must stand there.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            made: Callable[..., Any] = njit(nogil=True, cache=True, fastmath=freedoms, error_model="numpy")(function)
        except RuntimeError:  # neither the package nor the user's cache folder can be written
            made = njit(nogil=True, fastmath=freedoms, error_model="numpy")(function)
        return made

    return decorate
