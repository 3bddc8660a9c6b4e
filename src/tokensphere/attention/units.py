"""Points that must lie on a sphere."""

from __future__ import annotations

import numpy as np

from tokensphere.errors import InputError
from tokensphere.threads import in_chunks

__all__ = ["UNIT_ERROR", "check_units"]

UNIT_ERROR = 1e-6  # how far the square of a length may be from 1


def check_units(points: np.ndarray, name: str, space: str) -> None:
    """Refuse points off the sphere.

    **Raises:** `InputError` naming the first row of `points` that is not finite or not of unit length.
    """
    good = np.empty(len(points), dtype=bool)

    def check(part: slice) -> None:
        square = sum(column * column for column in points[part].T)
        good[part] = np.abs(square - 1.0) <= UNIT_ERROR

    in_chunks(len(points), check)
    if not good.all():
        i = int(np.argmin(good))
        raise InputError(f"{space} attention needs {name} of unit length, got {points[i]} for token {i}")
