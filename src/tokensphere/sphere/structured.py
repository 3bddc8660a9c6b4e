"""Frames: tokens whose pairwise inner products are all equal."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError, check_dim, check_positive_int
from .random import generator

__all__ = ["equiangular"]


def equiangular(n: int, dim: int, inner_product: float, seed: int | None = None) -> np.ndarray:
    """Return n tokens with <x_i, x_j> = rho for every i != j, to 1e-14.

    The Gram matrix (1 - rho) I + rho 11^T is positive semidefinite for -1/(n-1) <= rho <= 1. Its rank,
    which `dim` must reach, is n, except n-1 for the simplex rho = -1/(n-1) and 1 for rho = 1.

    **Arguments:** `n` >= 1; `dim` >= 2; `inner_product` rho; `seed` None for a fixed position, a whole
    number >= 0 for a random rotation.

    **Returns:** (n, dim) float64 unit rows.

    **Raises:** `InputError` when rho is out of range, dim is too small for it, or an argument is bad.
    """
    n, dim = check_positive_int(n, "n"), check_dim(dim)
    rho = float(inner_product)
    least = -1.0 / (n - 1) if n > 1 else -1.0
    simplex = n > 1 and abs(rho - least) <= 1e-14
    if not (simplex or least <= rho <= 1.0):
        raise InputError(f"inner_product of {n} tokens must be in [{least:.6g}, 1], got {inner_product!r}")
    if n == 1 or rho == 1.0:
        local = np.ones((n, 1))
    elif simplex:
        local = _simplex(n)
    else:
        # x_i = s e_i + c 1 with s^2 = 1 - rho and 2 s c + n c^2 = rho, written without cancellation.
        s = math.sqrt(1.0 - rho)
        local = np.full((n, n), rho / (s + math.sqrt(1.0 + (n - 1) * rho)))
        local[np.diag_indices(n)] += s
    rank = local.shape[1]
    if dim < rank:
        raise InputError(f"dim must be >= {rank} for {n} tokens with inner product {rho:.6g}, got {dim}")
    local /= np.linalg.norm(local, axis=1)[:, None]
    if seed is None:
        tokens = np.zeros((n, dim))
        tokens[:, :rank] = local
        return tokens
    frame, upper = np.linalg.qr(generator(seed).standard_normal((dim, rank)))
    return local @ (frame * np.sign(np.diag(upper))).T


def _simplex(n: int) -> np.ndarray:
    """Rows of the regular simplex in n-1 coordinates: e_i - 1/n seen in the hyperplane orthogonal to 1.

    The Householder reflection that sends 1/sqrt(n) to -e_n maps that hyperplane to the first n-1
    coordinates.
    """
    root = math.sqrt(n)
    rows = np.eye(n)[:, : n - 1]
    rows[: n - 1] -= 1.0 / (root * (root + 1.0))
    rows[n - 1] -= 1.0 / root
    return rows
