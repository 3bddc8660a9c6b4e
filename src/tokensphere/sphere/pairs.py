"""Blocked sums over pairs of tokens: every unordered pair once, never an n x n array."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["gram_blocks"]


def gram_blocks(tokens: np.ndarray, block: int = 512) -> Iterator[tuple[slice, slice, float, np.ndarray]]:
    """Yield `(rows, columns, factor, inner)` with inner = <x_i, x_j> clipped to [-1, 1], block by block.

    Only blocks on or above the diagonal come; `factor` is 2 off the diagonal and 1 on it, so that
    sum_ij w_i f(<x_i, x_j>) w_j = sum over blocks of factor * w[rows] @ f(inner) @ w[columns].

    **Arguments:** `tokens` (n, dim) unit rows; `block` rows a block, default 512. **Memory:** O(block^2).
    """
    n = tokens.shape[0]
    for i in range(0, n, block):
        rows = slice(i, min(i + block, n))
        for j in range(i, n, block):
            columns = slice(j, min(j + block, n))
            inner = tokens[rows] @ tokens[columns].T
            np.clip(inner, -1.0, 1.0, out=inner)
            yield rows, columns, 1.0 if i == j else 2.0, inner
