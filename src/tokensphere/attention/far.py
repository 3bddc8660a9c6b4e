"""Direct sums for a few queries that lie far from every key, on one process or on many."""

from __future__ import annotations

import numpy as np

from tokensphere.parallel import Mesh

__all__ = ["direct_rows", "shared_rows"]


def direct_rows(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    tangent: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean, term by term for a few queries, with their own largest term taken out."""
    values = keys if values is None else values
    log_z = np.empty(len(queries))
    mean = np.empty((len(queries), values.shape[1]))
    with np.errstate(divide="ignore"):
        log_masses = np.log(masses)
    rows = max(1, 2**21 // len(keys))
    for start in range(0, len(queries), rows):
        part = slice(start, start + rows)
        logits = beta * (queries[part] @ keys.T) + log_masses
        top = logits.max(axis=1)
        terms = np.exp(logits - top[:, None])
        total = terms.sum(axis=1)
        log_z[part], mean[part] = top + np.log(total), (terms @ values) / total[:, None]
    if tangent:
        mean -= np.sum(mean * queries, axis=1, keepdims=True) * queries
    return log_z, mean


def shared_rows(
    mesh: Mesh,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    tangent: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The same for a team of processes, each with its own queries and its own slice of the keys.

    Every process sums all those queries over its keys; with log Z^(r) and mean^(r) from process r,

        Z_i = Σ_r Z_i^(r),      mean_i = Σ_r Z_i^(r) mean_i^(r) / Z_i,

    the largest Z_i^(r) taken out. All processes of `mesh` call together, also those without such a query.
    """
    if mesh.size == 1:
        return direct_rows(queries, keys, values, masses, beta, tangent)
    count, dim = queries.shape
    rows = 2 ** int(np.ceil(np.log2(float(mesh.max(max(count, 1))))))  # few different shapes: few compilations
    padded = np.zeros((rows, dim))
    padded[:count] = queries
    asked = mesh.gather(padded).reshape(-1, dim)
    massive = masses > 0
    width = dim if values is None else values.shape[1]
    log_z, mean = np.full(len(asked), -np.inf), np.zeros((len(asked), width))
    if massive.any():
        part = None if values is None else values[massive]
        log_z, mean = direct_rows(asked, keys[massive], part, masses[massive], beta, False)
    top = mesh.max(log_z)
    share = np.exp(log_z - top)
    total = mesh.sum(np.concatenate([share[:, None], share[:, None] * mean], axis=1))
    own = slice(mesh.rank * rows, mesh.rank * rows + count)
    log_z, mean = top[own] + np.log(total[own, 0]), total[own, 1:] / total[own, :1]
    if tangent:
        mean = mean - np.sum(mean * queries, axis=1, keepdims=True) * queries
    return log_z, mean
