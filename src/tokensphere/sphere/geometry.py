"""Distances, projections and angles on the unit sphere, accurate for near and for antipodal tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, check_tokens

__all__ = ["angles", "chordal", "from_angles", "geodesic", "normalize", "project"]


def normalize(tokens: Any) -> np.ndarray:
    """Return the rows of `tokens` divided by their length: x_i / |x_i|.

    **Arguments:** `tokens` (n, dim), any finite rows of non-zero length (no overflow or underflow: each
    row is scaled by its largest entry first).

    **Returns:** (n, dim) float64 unit rows.

    **Raises:** `InputError` that names the first token that is not finite or has zero length.
    """
    array = check_tokens(tokens, unit_tolerance=None)
    largest = np.abs(array).max(axis=1)
    if not largest.all():
        raise InputError(f"token {int(np.argmin(largest))} has zero length and cannot be normalised")
    scaled = array / largest[:, None]
    return scaled / np.linalg.norm(scaled, axis=1)[:, None]


def project(tokens: Any, vectors: Any) -> np.ndarray:
    """Return the tangent part of `vectors` at `tokens`, row by row: P_x y = y - <x, y> x.

    **Arguments:** `tokens` (n, dim) unit rows; `vectors` (n, dim).

    **Returns:** (n, dim) float64 with <x_i, P y_i> = 0 to rounding.

    **Raises:** `InputError` when the shapes differ or a token is not a unit row.
    """
    points = check_tokens(tokens)
    y = np.asarray(vectors, dtype=np.float64)
    if y.shape != points.shape:
        raise InputError(f"vectors must have the shape of tokens {points.shape}, got {y.shape}")
    return y - np.einsum("ij,ij->i", points, y)[:, None] * points


def _pair(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim < 1 or y.ndim < 1 or x.shape[-1] != y.shape[-1]:
        raise InputError(f"the last axes of a and b must be the same dim, got shapes {x.shape} and {y.shape}")
    return x, y


def chordal(a: Any, b: Any) -> np.ndarray:
    """Return the chordal distance |a - b| in [0, 2].

    **Arguments:** `a`, `b` (..., dim) unit vectors; the leading axes broadcast.

    **Returns:** (...) float64.

    **Raises:** `InputError` when the last axes differ.
    """
    x, y = _pair(a, b)
    return np.linalg.norm(x - y, axis=-1)


def geodesic(a: Any, b: Any) -> np.ndarray:
    """Return the geodesic distance 2 arctan2(|a - b|, |a + b|) in [0, pi] radians.

    Relative accuracy is kept near 0 and absolute accuracy near pi, where the inverse cosine loses half
    the digits.

    **Arguments:** `a`, `b` (..., dim) unit vectors; the leading axes broadcast.

    **Returns:** (...) float64, radians.

    **Raises:** `InputError` when the last axes differ.
    """
    x, y = _pair(a, b)
    return 2.0 * np.arctan2(np.linalg.norm(x - y, axis=-1), np.linalg.norm(x + y, axis=-1))


def angles(tokens: Any) -> np.ndarray:
    """Return the angle arctan2(y, x) of every token on the circle, in [-pi, pi] radians.

    **Arguments:** `tokens` (n, 2) unit rows.

    **Returns:** (n,) float64.

    **Raises:** `InputError` when dim is not 2 or a token is not a unit row.
    """
    points = check_tokens(tokens)
    if points.shape[1] != 2:
        raise InputError(f"angles need tokens on the circle (dim = 2), got dim = {points.shape[1]}")
    return np.arctan2(points[:, 1], points[:, 0])


def from_angles(theta: Any) -> np.ndarray:
    """Return the tokens (cos theta, sin theta) on the circle.

    **Arguments:** `theta` (n,) finite angles in radians.

    **Returns:** (n, 2) float64 unit rows.

    **Raises:** `InputError` when theta is not a non-empty list of finite numbers.
    """
    t = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    if t.ndim != 1 or t.size < 1:
        raise InputError(f"theta must have shape (n,) with n >= 1, got {t.shape}")
    if not np.isfinite(t).all():
        i = int(np.argmin(np.isfinite(t)))
        raise InputError(f"theta[{i}] is not finite: {t[i]}")
    return np.stack([np.cos(t), np.sin(t)], axis=1)
