"""Peri-LN: what attention gives is normalised before it is added.

dθ_i/dt = P_{θ_i} A_i / (r_i |A_i|),   dr_i/dt = ⟨θ_i, A_i⟩/|A_i|,   layer y ← y + ηN(A(N(y)))       [2510.22026]
"""

from __future__ import annotations

from typing import Any

from tokensphere.jaxsetup import rowwise_dot

from .base import AbstractNormalization, attended_length

__all__ = ["PeriNorm"]


class PeriNorm(AbstractNormalization):
    """Starts faster than Pre-LN where |A| < 1, and ends like it: 1 − ρ ~ C/r², r ~ t."""

    @property
    def keeps_radii(self) -> bool:
        return True

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return radii * attended_length(attended)

    def radial_velocity(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return rowwise_dot(tokens, attended)[:, 0] / attended_length(attended)

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended / attended_length(attended)[:, None]
