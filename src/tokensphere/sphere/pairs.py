"""Pairs of tokens: every unordered pair once, block by block, never an n x n array; the closest pair."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

__all__ = ["closest_pair", "gram_blocks"]

_TREE_DIM, _FEW = 8, 64  # beyond and below, inner products are faster than a tree


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


def closest_pair(tokens: np.ndarray) -> tuple[int, int, float]:
    """The closest two of n >= 2 tokens, i < j, and their chordal distance, accurate however close they are."""
    n, dim = tokens.shape
    if n > _FEW and dim <= _TREE_DIM:
        from scipy.spatial import cKDTree

        distances, others = cKDTree(tokens).query(tokens, k=2)
        every = np.arange(n)
        column = np.where(others[:, 0] == every, 1, 0)  # among repeats a token need not find itself first
        i = int(np.argmin(distances[every, column]))
        j = int(others[i, column[i]])
    else:
        best, i, j = -math.inf, 0, 1
        for rows, columns, _, inner in gram_blocks(tokens):
            if rows == columns:
                np.fill_diagonal(inner, -2.0)
            place = np.unravel_index(int(inner.argmax()), inner.shape)
            if inner[place] > best:
                best, i, j = float(inner[place]), rows.start + int(place[0]), columns.start + int(place[1])
    return min(i, j), max(i, j), float(np.linalg.norm(tokens[i] - tokens[j]))
