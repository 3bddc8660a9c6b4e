"""Multi-head attention: the outputs of several heads add, each with its own matrices and its own softmax.

dx_i/dt = P_{x_i} Σ_h A_i^{(h)},    A_i^{(h)} of V_h, B_h, β_h                          [2512.01868, definition]

USA heads, V_h = c_h B_h, B_h symmetric: a gradient flow of E = Σ_h c_h E_{β_h,B_h}, dE/dt = Σ w_i |dx_i/dt|².
Softmax heads have different weights Z_i^{(h)} in their metrics, and no common energy is known.                [derived]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Self, cast

import numpy as np

from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.jaxsetup import is_traced
from tokensphere.parallel import TokenMesh

from .base import AbstractFlow, AttentionFlow, evaluate_field
from .space import Sphere, project
from .unnormalized import UnnormalizedSelfAttention

__all__ = ["MultiHead"]


class MultiHead(AbstractFlow):
    """The sum of the attention outputs of `heads`, not their mean: divide the values by the number of heads for that.

    **Arguments:** `heads`, one or more flows that have an attention output, as
    :class:`~tokensphere.flows.SelfAttention` or :class:`~tokensphere.flows.UnnormalizedSelfAttention`.

    **Raises:** `InputError` if there is no head, or one has no attention output.
    """

    heads: tuple[AbstractFlow, ...]

    def __init__(self, heads: Iterable[AbstractFlow]) -> None:
        self.heads = tuple(heads) if isinstance(heads, Iterable) else (heads,)
        if not self.heads:
            raise InputError("MultiHead needs at least one head")
        for h, head in enumerate(self.heads):
            if not isinstance(head, AbstractFlow) and not is_traced(head):
                raise InputError(f"head {h} must be a flow, as SelfAttention(beta), got {head!r}")
            if type(head).attended is AbstractFlow.attended or not isinstance(head.space, Sphere):
                raise InputError(f"head {h}, {type(head).__name__}, has no attention output on the sphere to add")

    @property
    def clock(self) -> str:
        """That of the heads; `"real"` where they differ."""
        clocks = {head.clock for head in self.heads}
        return clocks.pop() if len(clocks) == 1 else "real"

    @property
    def breaks(self) -> tuple[float, ...]:
        return tuple(sorted({t for head in self.heads for t in head.breaks}))

    @property
    def on_host(self) -> bool:
        return all(head.on_host for head in self.heads)

    @property
    def angular(self) -> bool:
        return all(head.angular for head in self.heads)

    def angular_field(self, angles: np.ndarray, masses: np.ndarray, t: float) -> np.ndarray:
        total: np.ndarray = sum(head.angular_field(angles, masses, t) for head in self.heads)  # type: ignore[assignment]
        return total

    @property
    def holds(self) -> bool:
        """Whether every head holds tokens: one that holds none moves them all."""
        return all(head.holds for head in self.heads)

    def check_run(self, start: float, step: float | None = None) -> None:
        for head in self.heads:
            head.check_run(start, step)

    def scaled(self, factor: Any) -> Self:
        return dataclasses.replace(self, heads=tuple(head.scaled(factor) for head in self.heads))

    def resolve(self, n: int, dim: int, **shared: bool) -> Self:
        """See :class:`AbstractFlow`: every head is resolved; `shared` as for an `AttentionFlow`."""
        return dataclasses.replace(self, heads=tuple(head.resolve(n, dim, **shared) for head in self.heads))

    def _differentiable(self, n: int, dim: int) -> Self:
        """The same flow for use inside transformed code."""
        heads = (h._differentiable(n, dim) if hasattr(h, "_differentiable") else h.resolve(n, dim) for h in self.heads)
        return dataclasses.replace(self, heads=tuple(heads))

    def shard(self, mesh: TokenMesh) -> Self:
        """The same resolved flow for a process of `mesh` that holds a slice of the tokens.

        **Raises:** `InputError` if a head cannot be shared.
        """
        for head in self.heads:
            if not hasattr(head, "shard"):
                raise InputError(f"{type(head).__name__} cannot be shared by many processes")
        return dataclasses.replace(self, heads=tuple(head.shard(mesh) for head in self.heads))  # type: ignore[attr-defined]

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """Σ_h A_i^{(h)} (n, dim)."""
        return sum(type(head).attended(head, tokens, weights, t) for head in self.heads)

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        if not is_traced(step, t):
            self.check_run(float(t), float(step))
        return super().layer(points, attended, step, t)

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        if len(self.heads) == 1:
            return type(self.heads[0]).field(self.heads[0], tokens, weights, t)
        return project(tokens, self.attended(tokens, weights, t))

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim).

        **Raises:** `InputError` naming the first token that is not finite or not of unit length, or a bad mass; or if
        a head has layers only.
        """
        if is_traced(tokens, weights, t, self):
            return self._differentiable(*np.shape(tokens)).field(tokens, weights, t)
        self.check_run(float(t))
        tokens = check_tokens(tokens)
        weights = None if weights is None else check_weights(weights, len(tokens))
        return np.asarray(evaluate_field(self.resolve(*tokens.shape), tokens, weights, t))

    # -- energy -----------------------------------------------------------------------------------------------

    def _factors(self) -> list[float] | None:
        """c_h of V_h = c_h B_h, B_h symmetric, for USA heads that see every token; `None` if a head is not so."""
        found = []
        for head in self.heads:
            if not isinstance(head, UnnormalizedSelfAttention) or head.gradient_sign is None:
                return None
            v, b = (1.0 if m is None else np.asarray(m, dtype=np.float64) for m in (head.value, head.query_key))
            size = max((*np.shape(v), *np.shape(b)), default=1)
            v, b = (m * np.eye(size) if np.ndim(m) == 0 else m for m in (v, b))
            found.append(float(np.sum(v * b) / np.sum(b * b)))
        return found

    @property
    def gradient_sign(self) -> int | None:
        """+1 if the flow ascends its energy, −1 if it descends (V_h = c_h B_h with all c_h < 0), else `None`."""
        if len(self.heads) == 1:
            return getattr(self.heads[0], "gradient_sign", None)
        factors = self._factors()
        return None if factors is None else -1 if max(factors) < 0 else 1

    def _parts(self) -> tuple[AbstractFlow, ...]:
        if len(self.heads) > 1 and self._factors() is None:
            raise InputError(
                "no energy is known for these heads: it needs unnormalised ones (UnnormalizedSelfAttention) with "
                "query_key symmetric and value a multiple of it; ask a single head for its own energy"
            )
        return self.heads

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """E = Σ_h |c_h| E_{β_h,B_h}(μ), or Σ_h c_h E_{β_h,B_h}(μ) where the signs of c_h differ; V_h = c_h B_h.

        E_{β,B} and `shifted` as in :meth:`AttentionFlow.energy`; one head alone has its own energy.

        **Raises:** `InputError` if a head is not USA, its B not symmetric or its V not a multiple of B.
        """
        parts = self._parts()
        energies = [head.energy(tokens, weights, shifted=shifted) for head in parts]
        if len(parts) == 1:
            return energies[0]
        return self._sign() * float(np.dot(self._factors() or [], energies))

    def energy_rate(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt along the flow: ±Σ w_i |dx_i/dt|², if `shifted` is that of the heads' own kernels.

        **Raises:** `InputError` as `energy` does.
        """
        parts = self._parts()
        if len(parts) == 1:
            return parts[0].energy_rate(tokens, weights, shifted=shifted)
        points, masses = cast(AttentionFlow, parts[0])._energy_input(tokens, weights)
        velocity = evaluate_field(self.resolve(*points.shape), points, masses, 0.0)
        return self.energy_along(points, np.asarray(velocity), masses, shifted=shifted)

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt where tokens move with any tangent `velocity` (n, dim).  **Raises:** `InputError` as `energy` does."""
        parts = self._parts()
        rates = [head.energy_along(tokens, velocity, weights, shifted=shifted) for head in parts]
        return rates[0] if len(parts) == 1 else self._sign() * float(np.dot(self._factors() or [], rates))

    def _sign(self) -> int:
        return self.gradient_sign or 1
