"""Tokens in R^d and the polytope they span: its vertices, distances to them, depth inside, the Frank–Wolfe gap.

g_i = max_{y ∈ hull} x_iᵀB (y − x_i) ≥ 0,   0 exactly for tokens that maximise their own score    [2508.09628]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError

__all__ = ["frank_wolfe_gap", "hull_depth", "hull_vertices", "vertex_distance"]

_FLAT = 1e-12  # singular values below this, relative to the largest, are rounding
_MOST_FACETS_DIM = 7  # the number of facets explodes beyond
_BLOCK = 2**20


def hull_vertices(tokens: Any) -> np.ndarray:
    """Which tokens are vertices of the convex hull of all; of copies the first.

    The hull may be flat: it is taken in the affine space that the tokens span. Up to 7 dimensions by Qhull, beyond by
    one non-negative least-squares problem a token.

    **Arguments:** `tokens` (n, dim), dim ≥ 1. **Returns:** increasing indices, (k,). **Raises:** `InputError`.
    """
    points = _points(tokens)
    _, first = np.unique(points, axis=0, return_index=True)
    first = np.sort(first)
    flat = _flattened(points[first])
    dim = flat.shape[1]
    if dim == 0:
        return first[:1]
    if dim == 1:
        return np.sort(first[[int(flat.argmin()), int(flat.argmax())]])
    if dim <= _MOST_FACETS_DIM:
        from scipy.spatial import ConvexHull

        return np.sort(first[ConvexHull(flat).vertices])
    return first[[i for i in range(len(flat)) if not _is_mean(flat[i], np.delete(flat, i, axis=0))]]


def hull_depth(tokens: Any, corners: Any) -> np.ndarray:
    """How deep tokens lie inside the hull of `corners`: the distance to its boundary, negative outside.

    Outside it is minus the distance to the farthest facet plane that separates, which is at most the distance.

    **Arguments:** `tokens` (m, dim); `corners` (n, dim), which must span R^dim, dim ≤ 7. **Returns:** (m,).

    **Raises:** `InputError`.
    """
    from scipy.spatial import ConvexHull

    points, spanning = _points(tokens), _points(corners)
    dim = points.shape[1]
    if spanning.shape[1] != dim or dim > _MOST_FACETS_DIM:
        raise InputError(f"tokens have dim {dim} and corners {spanning.shape[1]}: they must be equal and at most 7")
    if _flattened(spanning).shape[1] < dim:
        raise InputError(f"the corners do not span R^{dim}: their hull has no inside")
    if dim == 1:
        return np.minimum(points - spanning.min(), spanning.max() - points)[:, 0]
    planes = ConvexHull(spanning).equations
    return np.concatenate([-(part @ planes[:, :-1].T + planes[:, -1]).max(axis=1) for part in _parts(points, planes)])


def vertex_distance(tokens: Any, vertices: Any) -> np.ndarray:
    """Distance of every token (m, dim) to the nearest of `vertices` (k, dim), (m,). **Raises:** `InputError`."""
    from scipy.spatial import KDTree

    points, places = _points(tokens), _points(vertices)
    if points.shape[1] != places.shape[1]:
        raise InputError(f"tokens have dim {points.shape[1]}, and vertices have dim {places.shape[1]}")
    return np.asarray(KDTree(places).query(points)[0])


def frank_wolfe_gap(tokens: Any, query_key: Any = None) -> np.ndarray:
    """max_y x_iᵀB(y − x_i) over the hull of the tokens, (n,).

    **Arguments:** `tokens` (n, dim); `query_key` B: `None` (identity), a number or (dim, dim).

    **Raises:** `InputError`.
    """
    points = _points(tokens)
    dim = points.shape[1]
    b = np.asarray(1.0 if query_key is None else query_key, dtype=np.float64)
    if b.shape not in ((), (dim, dim)):
        raise InputError(f"query_key must be a number or a ({dim}, {dim}) matrix, got shape {b.shape}")
    asked = points @ b if b.ndim else b * points
    best = np.concatenate([(part @ points.T).max(axis=1) for part in _parts(asked, points)])
    return np.maximum(best - np.einsum("ij,ij->i", asked, points), 0.0)


def _points(tokens: Any) -> np.ndarray:
    try:
        points = np.ascontiguousarray(tokens, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"tokens must be an array of numbers, got {type(tokens).__name__}") from None
    if points.ndim != 2 or 0 in points.shape:
        raise InputError(f"tokens must have shape (n, dim), got {points.shape}")
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise InputError(f"token {int(np.argmin(finite))} is not finite")
    return points


def _parts(rows: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
    """Rows in pieces, so that pieces times `others` stay small."""
    size = max(1, _BLOCK // len(others))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _flattened(points: np.ndarray) -> np.ndarray:
    """Coordinates in the affine space that the points span."""
    centred = points - points.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    return centred @ axes[lengths > _FLAT * max(float(np.abs(points).max()), 1e-300) * np.sqrt(len(points))].T


def _is_mean(point: np.ndarray, others: np.ndarray) -> bool:
    """Whether a point is a convex combination of others."""
    from scipy.optimize import nnls

    scale = float(np.abs(others).max())
    system = np.concatenate([others.T / scale, np.ones((1, len(others)))])
    return bool(nnls(system, np.append(point / scale, 1.0))[1] < 1e-9)
