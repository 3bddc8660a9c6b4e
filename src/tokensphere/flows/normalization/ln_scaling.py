"""LN-Scaling: Pre-LN whose normalised input is multiplied by 1/√(t+1).

dθ_i/dt = P_{θ_i} A_i / (r_i √(t+1)),     dr_i/dt = ⟨θ_i, A_i⟩/√(t+1),     layer y ← y + ηA(N(y))/√(t+1)

With any tokens this is Pre-LN at the time 2√(t+1) − 2.                                                  [derived]
"""

from __future__ import annotations

from typing import Any

import equinox as eqx

from tokensphere.jaxsetup import rowwise_dot

from .base import AbstractNormalization

__all__ = ["LayerNormScaling"]


class LayerNormScaling(AbstractNormalization):
    """1 − ρ ~ C/r², r ≈ 2√(t+1) + const.

    **Fields:** `scale_logits` (default False): in training practice the factor multiplies the normalised input, hence
    queries and keys as well as values, and β becomes β/(t+1); then it is no longer Pre-LN in another clock.
    """

    scale_logits: bool = eqx.field(static=True, default=False)

    @property
    def keeps_radii(self) -> bool:
        return True

    @property
    def after(self) -> float:
        return -1.0

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return radii * (t + 1.0) ** 0.5

    def radial_velocity(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return rowwise_dot(tokens, attended)[:, 0] / (t + 1.0) ** 0.5

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended / (t + 1.0) ** 0.5

    def logit_factor(self, t: Any) -> Any:
        return 1.0 / (t + 1.0) if self.scale_logits else None
