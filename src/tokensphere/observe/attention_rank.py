"""The attention matrix itself: is every row a single 1 (Boolean), and how low is its rank?

    P_ij = w_j e^{β x_iᵀB x_j} / Σ_k w_k e^{β x_iᵀB x_k}

In R without normalisation P tends to a Boolean matrix of rank at most two, except for at most one row   [2305.05465]
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_weights
from .polytope import _points

__all__ = ["AttentionRank", "attention_matrix", "attention_rank"]

_MOST = 20_000


@dataclasses.dataclass(frozen=True)
class AttentionRank:
    """How near to Boolean, and of which rank.

    **Fields:** `defects` (m,): 1 − the largest entry of every row, 0 for a Boolean row; `columns` (m,): where it is;
    `rank`: singular values above `tolerance` of the largest; `off`: the rows with a defect above `tolerance`;
    `boolean_rank`: the number of different columns among the other rows; `tolerance`.
    """

    defects: np.ndarray
    columns: np.ndarray
    rank: int
    off: np.ndarray
    boolean_rank: int
    tolerance: float


def attention_matrix(tokens: Any, beta: float, query_key: Any = None, weights: Any = None) -> np.ndarray:
    """P (n, n), rows summing to 1, at any β, for tokens anywhere in R^dim.

    **Arguments:** `tokens` (n, dim), n ≤ 20,000; `beta` ≥ 0; `query_key` B: `None` (identity), a number or (dim, dim);
    `weights` (n,) masses or `None`.

    **Raises:** `InputError`.
    """
    points, beta = _points(tokens), check_beta(beta)
    n, dim = points.shape
    if n > _MOST:
        raise InputError(f"the attention matrix of {n:,} tokens is too large; look at {_MOST:,} of them at most")
    b = np.asarray(1.0 if query_key is None else query_key, dtype=np.float64)
    if b.shape not in ((), (dim, dim)):
        raise InputError(f"query_key must be a number or a ({dim}, {dim}) matrix, got shape {b.shape}")
    masses = check_weights(weights, n)
    logits = (points @ b if b.ndim else b * points) @ points.T
    logits *= beta
    with np.errstate(divide="ignore"):
        logits += np.log(masses)
    logits -= logits.max(axis=1, keepdims=True)
    rows = np.exp(logits)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def attention_rank(matrix: Any, tolerance: float = 1e-6) -> AttentionRank:
    """Read an attention matrix (m, n) of rows that sum to 1.

    **Arguments:** `tolerance` in (0, 1), for defects and singular values.

    **Returns:** :class:`AttentionRank`. **Raises:** `InputError`.
    """
    rows = _points(matrix)
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance must lie in (0, 1), got {tolerance!r}")
    if rows.min() < -1e-12 or np.abs(rows.sum(axis=1) - 1.0).max() > 1e-9:
        raise InputError("the rows of an attention matrix are not negative and sum to 1")
    lengths = np.linalg.svd(rows, compute_uv=False)
    # 1 − the largest, without its cancellation: the sum of the others.
    columns = rows.argmax(axis=1)
    others = rows.copy()
    others[np.arange(len(rows)), columns] = 0.0
    defects = others.sum(axis=1)
    off = np.flatnonzero(defects > tolerance)
    kept = np.delete(columns, off)
    rank = int((lengths > tolerance * lengths[0]).sum())
    return AttentionRank(defects, columns, rank, off, int(np.unique(kept).size), float(tolerance))
