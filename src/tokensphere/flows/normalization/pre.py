"""Pre-LN: attention reads normalised tokens and adds to the unnormalised ones.

dθ_i/dt = P_{θ_i} A_i / r_i,     dr_i/dt = ⟨θ_i, A_i⟩,     layer y ← y + ηA(N(y))    [2510.22026, table of schemes]

The radius grows by the inner product, not by a sum of components of A, which would depend on the axes.
"""

from __future__ import annotations

from typing import Any

from tokensphere.jaxsetup import rowwise_dot

from .base import AbstractNormalization

__all__ = ["PreNorm"]


class PreNorm(AbstractNormalization):
    """The residual stream keeps its radius; tokens slow down as it grows (1 − ρ ~ C/r², r ~ t)."""

    @property
    def keeps_radii(self) -> bool:
        return True

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return radii

    def radial_velocity(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return rowwise_dot(tokens, attended)[:, 0]

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended
