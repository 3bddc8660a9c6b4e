"""Frank–Wolfe dynamics of tokens in R^d: which vertex each runs to, when, and how fast the gap closes.

    dx_i/dt = s_i − x_i,  s_i = argmax_{y ∈ hull} x_iᵀB y;      layers  x_i⁺ = x_i + γ (s_i − x_i)

A token with x_iᵀB(y − x_i) < 0 for all other tokens y is a *leader*: it is its own s_i and never moves, since the hull
only shrinks. A token whose s_i = v is a leader keeps it: x_i(t)ᵀB(v − y) is a mean of two positive numbers. So

    x_i(t) = e^{−t} x_i(0) + (1 − e^{−t}) v,        after ℓ layers  (1−γ)^ℓ x_i(0) + (1 − (1−γ)^ℓ) v,

exactly.                                                                               [2508.09628; exactness derived]

For B symmetric positive definite, J(y) = ½ yᵀBy is convex, J(x⁺) ≥ J(x) + γ g with the gap g = max_y ⟨Bx, y − x⟩, and
so  min_{τ<ℓ} g(x^τ) ≤ (max J − J(x⁰)) / Σ_{τ<ℓ} γ_τ,  O(1/ℓ) for constant steps.                              [derived]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_times
from .growth import check_real

__all__ = ["VertexPaths", "frank_wolfe_gap_bound", "vertex_paths"]

_TIE = 1e-13  # of |Bᵀx| max|y|, as attention counts ties


@dataclass(frozen=True)
class VertexPaths:
    """Where tokens go.

    **Fields:** `start` (n, dim); `target` (n,) the token that each runs to at first; `leader` (n,) whether it is one:
    its own only target; `known` (n,) whether the whole path is: its target is a leader, and the only one.
    """

    start: np.ndarray
    target: np.ndarray
    leader: np.ndarray
    known: np.ndarray

    def at(self, times: Any) -> np.ndarray:
        """Tokens (m, n, dim) of the flow at `times` (m,) ≥ 0; NaN where the path is not known."""
        elapsed = check_times(times)
        if elapsed[0] < 0:
            raise InputError(f"times must be >= 0, got {elapsed[0]:g}")
        return self._along(np.exp(-elapsed))

    def after(self, layers: Any, step: float) -> np.ndarray:
        """Tokens (m, n, dim) after these numbers of layers with step γ in (0, 1]; NaN where the path is not known."""
        gamma = check_real(step, "step", 0.0)
        if not 0 < gamma <= 1:
            raise InputError(f"step must lie in (0, 1], got {step!r}")
        return self._along((1.0 - gamma) ** np.atleast_1d(np.asarray(layers, dtype=np.float64)))

    def _along(self, left: np.ndarray) -> np.ndarray:
        path = left[:, None, None] * self.start + (1.0 - left)[:, None, None] * self.start[self.target]
        path[:, self.leader] = self.start[self.leader]
        path[:, ~self.known] = np.nan
        return path


def vertex_paths(tokens: Any, query_key: Any = None) -> VertexPaths:
    """Targets, leaders and exact paths of the Frank–Wolfe flow with V = I.

    **Arguments:** `tokens` (n, dim) anywhere in R^dim; `query_key` B, `None`, a number or (dim, dim), of any symmetry:
    scores are x_iᵀB x_j.

    **Returns:** :class:`VertexPaths`. Copies of a token count as one.

    **Raises:** `InputError`.

    **Source:** [2508.09628]; leaders [2407.01602, recalled]; exactness derived.
    """
    points, b = _checked(tokens, query_key)
    n = len(points)
    target, single = np.empty(n, dtype=np.int64), np.empty(n, dtype=bool)
    _, first, copy = np.unique(points, axis=0, return_index=True, return_inverse=True)
    different = points[np.sort(first)]
    names = np.sort(first)
    asked = points @ b
    radius = float(np.linalg.norm(points, axis=1).max())
    rows = max(1, 2**20 // len(names))
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        scores = asked[part] @ different.T
        best = scores.argmax(axis=1)
        limit = scores.max(axis=1) - _TIE * radius * np.linalg.norm(asked[part], axis=1)
        target[part] = names[best]
        single[part] = (scores >= limit[:, None]).sum(axis=1) == 1
    leader = single & (target == first[copy.reshape(-1)])
    return VertexPaths(points, target, leader, single & leader[target])


def frank_wolfe_gap_bound(tokens: Any, steps: Any, query_key: Any = None) -> np.ndarray:
    """The bound (max J − J(x_i)) / Σ_{τ<ℓ} γ_τ on the smallest gap of every token within ℓ layers.

    **Arguments:** `tokens` (n, dim) at the start; `steps` (ℓ_max,) the γ_τ in (0, 1]; `query_key` B, symmetric and
    positive definite.

    **Returns:** (ℓ_max, n), row ℓ−1 for ℓ layers.

    **Raises:** `InputError`, also if B is not symmetric positive definite (J must be convex).

    **Source:** derived; the rate O(1/t) [2508.09628].
    """
    points, b = _checked(tokens, query_key)
    if not np.allclose(b, b.T, rtol=0, atol=1e-13 * np.abs(b).max()) or np.linalg.eigvalsh(b)[0] <= 0:
        raise InputError("the bound needs a query_key that is symmetric and positive definite")
    gammas = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    if not ((gammas > 0) & (gammas <= 1)).all():
        raise InputError("steps must lie in (0, 1]")
    height = 0.5 * np.einsum("ij,jk,ik->i", points, b, points)
    return (height.max() - height)[None] / np.cumsum(gammas)[:, None]


def _checked(tokens: Any, query_key: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        points = np.ascontiguousarray(tokens, dtype=np.float64)
        b = np.asarray(1.0 if query_key is None else query_key, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("tokens and query_key must be arrays of numbers") from None
    if points.ndim != 2 or 0 in points.shape or not np.isfinite(points).all():
        raise InputError(f"tokens must be finite numbers of shape (n, dim), got shape {points.shape}")
    dim = points.shape[1]
    b = b * np.eye(dim) if b.ndim == 0 else b
    if b.shape != (dim, dim) or not np.isfinite(b).all():
        raise InputError(f"query_key must be a number or a finite ({dim}, {dim}) matrix, got shape {b.shape}")
    return points, b
