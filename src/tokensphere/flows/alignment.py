"""The alignment limit: attention at β → ∞ over tokens that are everywhere looks at Bᵀx/|Bᵀx| itself.

dx_i/dt = P_{x_i} V Bᵀx_i / |Bᵀx_i|                                                         [2509.25040]

Tokens do not see each other. For V = cB it is a gradient flow of E = Σ w_i |Bᵀx_i|, dE/dt = Σ w_i |dx_i/dt|² / c.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.jaxsetup import is_traced, namespace, rowwise_dot

from .base import AbstractFlow, _matrix, _multiply
from .space import project

__all__ = ["AlignmentFlow"]


class AlignmentFlow(AbstractFlow):
    """The flow of the alignment phase; where it ends: :func:`tokensphere.theory.alignment_limit`.

    **Fields:** `value` V and `query_key` B, each `None` (identity), a number or a (dim, dim) matrix.

    **Raises:** `InputError` if a matrix is not square, finite or of the tokens' dimension, or B is zero.
    """

    value: Any = None
    query_key: Any = None

    def __init__(self, value: Any = None, query_key: Any = None) -> None:
        self.value = _matrix(value, "value")
        self.query_key = _matrix(query_key, "query_key")
        if not is_traced(self.query_key) and query_key is not None and not np.any(np.asarray(query_key)):
            raise InputError("query_key is zero: there is no direction Bᵀx to align with")

    @property
    def on_host(self) -> bool:
        return True

    def resolve(self, n: int, dim: int) -> Self:
        for name in ("value", "query_key"):
            matrix = getattr(self, name)
            if np.ndim(matrix) == 2 and matrix.shape != (dim, dim):
                raise InputError(f"{name} has shape {matrix.shape}, but the tokens have dim {dim}")
        return self

    def _looked_at(self, tokens: Any) -> tuple[Any, Any]:
        """Bᵀx_i (n, dim) and its length (n, 1)."""
        matrix = self.query_key
        pulled = _multiply(matrix.T if np.ndim(matrix) == 2 else matrix, tokens)
        return pulled, namespace(pulled).sqrt(rowwise_dot(pulled, pulled))

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """V Bᵀx_i/|Bᵀx_i| (n, dim); 0 where Bᵀx_i = 0."""
        pulled, length = self._looked_at(tokens)
        return _multiply(self.value, pulled / namespace(pulled).where(length > 0, length, 1.0))

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return project(tokens, self.attended(tokens, weights, t))

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim); `weights`, `radii` and `t` are unused here.

        **Raises:** `InputError` naming the first token that is not finite, not of unit length, or has Bᵀx = 0.
        """
        if is_traced(tokens, weights, self):
            return self.resolve(*np.shape(tokens)).field(tokens, weights, t)
        points = check_tokens(tokens)
        if weights is not None:
            check_weights(weights, len(points))
        flow = self.resolve(*points.shape)
        lengths = np.asarray(flow._looked_at(points)[1])
        if lengths.min() == 0.0:
            raise InputError(f"token {int(np.argmin(lengths))} has Bᵀx = 0: there is no direction to align with")
        return np.asarray(flow.field(points, weights, t))

    # -- energy -----------------------------------------------------------------------------------------------

    @property
    def gradient_sign(self) -> int | None:
        """+1 if the flow ascends its energy (V = cB, c > 0), −1 if it descends (c < 0), else `None`."""
        v, b = (1.0 if m is None else np.asarray(m) for m in (self.value, self.query_key))
        size = max(np.shape(v) or (1,), np.shape(b) or (1,))[0]
        v, b = (m * np.eye(size) if np.ndim(m) == 0 else m for m in (v, b))
        factor = np.sum(v * b) / np.sum(b * b)
        proportional = np.abs(v - factor * b).max() <= 1e-13 * np.abs(v).max()
        return int(np.sign(factor)) or None if proportional else None

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """E = Σ w_i |Bᵀx_i| (`shifted` makes no difference)."""
        points = check_tokens(tokens)
        return float(check_weights(weights, len(points)) @ np.asarray(self._looked_at(points)[1])[:, 0])

    def energy_rate(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt = Σ w_i ⟨B Bᵀx_i/|Bᵀx_i|, dx_i/dt⟩ along the flow."""
        return self.energy_along(tokens, self.velocity(tokens), weights)

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """The same where tokens move with any tangent `velocity` (n, dim)."""
        points = check_tokens(tokens)
        masses = check_weights(weights, len(points))
        pulled, length = self._looked_at(points)
        force = np.asarray(_multiply(self.query_key, pulled / length))
        return float(masses @ np.sum(force * velocity, axis=1))
