"""Tokens in coordinates of the space they span: n tokens of dimension d > n are n tokens of dimension n.

X = L Q,  L (n, n) lower triangular, Q (n, d) with orthonormal rows;   ⟨x_i, x_j⟩ = ⟨L_i, L_j⟩
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import check_tokens

__all__ = ["in_span"]


def in_span(tokens: Any) -> np.ndarray:
    """The same tokens up to a rotation, with at most as many components as there are tokens.

    **Arguments:** `tokens` (n, d) unit rows.

    **Returns:** (n, min(n, d)) unit rows (for n = 1: (1, 2)) with the same inner products, to rounding; `tokens`
    themselves where d ≤ n.

    **Raises:** `InputError` for tokens that are not unit rows.
    """
    points = check_tokens(tokens)
    n, dim = points.shape
    if dim <= max(n, 2):
        return points
    rows = np.zeros((n, max(n, 2)))
    rows[:, :n] = np.asarray(np.linalg.qr(points.T, mode="r")).T
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
