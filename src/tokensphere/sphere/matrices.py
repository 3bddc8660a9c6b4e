"""Random query-key and value matrices; off the diagonal every entry has variance 1.

gaussian   G, independent standard normal entries
goe        (G + Gᵀ)/√2, the Gaussian orthogonal ensemble: symmetric
gram       GGᵀ/√d: positive                                                                     [2312.10794]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, check_dim, suggest
from .random import generator

__all__ = ["MATRIX_LAWS", "random_matrix"]

MATRIX_LAWS = ("gaussian", "goe", "gram")


def random_matrix(law: str, dim: int, seed: Any) -> np.ndarray:
    """A (dim, dim) matrix of this law.

    **Arguments:** `law` "gaussian", "goe" or "gram"; `dim` ≥ 2; `seed` a whole number ≥ 0.

    **Raises:** `InputError` for an unknown law or a bad argument.
    """
    if law not in MATRIX_LAWS:
        raise InputError(f"unknown law of a matrix {law!r}{suggest(str(law), MATRIX_LAWS)}")
    dim = check_dim(dim)
    drawn = generator(seed).standard_normal((dim, dim))
    if law == "goe":
        return np.asarray((drawn + drawn.T) / np.sqrt(2.0))
    return np.asarray(drawn @ drawn.T / np.sqrt(dim)) if law == "gram" else drawn
