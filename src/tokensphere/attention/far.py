"""Direct sums for queries that lie far from every key, by all processes that share the keys."""

from __future__ import annotations

import numpy as np

from tokensphere.parallel import Mesh

from .rows import direct_rows

__all__ = ["shared_rows"]


def shared_rows(
    mesh: Mesh,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    tangent: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean for a few queries of each process, over the keys of all.

    Every process sums all those queries over its keys; with log Z^(r) and mean^(r) from process r,

        Z_i = Σ_r Z_i^(r),      mean_i = Σ_r Z_i^(r) mean_i^(r) / Z_i,

    the largest Z_i^(r) taken out. All processes of `mesh` call together, also those without such a query.
    """
    count, dim = queries.shape
    rows = 2 ** int(np.ceil(np.log2(float(mesh.max(max(count, 1))))))  # few different shapes: few compilations
    padded = np.zeros((rows, dim))
    padded[:count] = queries
    asked = mesh.gather(padded).reshape(-1, dim)
    log_z, mean = direct_rows(asked, keys, values, masses, beta, False)
    top = mesh.max(log_z)
    share = np.exp(log_z - top)
    total = mesh.sum(np.concatenate([share[:, None], share[:, None] * mean], axis=1))
    own = slice(mesh.rank * rows, mesh.rank * rows + count)
    log_z, mean = top[own] + np.log(total[own, 0]), total[own, 1:] / total[own, :1]
    if tangent:
        mean = mean - np.sum(mean * queries, axis=1, keepdims=True) * queries
    return log_z, mean
