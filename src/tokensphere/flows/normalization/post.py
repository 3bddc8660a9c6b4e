"""Post-LN: every layer ends with a normalisation; its flow is the one on the sphere.

dθ_i/dt = P_{θ_i} A_i,     layer y ← N(y + ηA)                                       [2510.22026, table of schemes]
"""

from __future__ import annotations

from typing import Any

from .base import AbstractNormalization

__all__ = ["PostNorm"]


class PostNorm(AbstractNormalization):
    """Unit tokens; clusters form exponentially fast, 1 − ρ ~ C e^{−2t}."""

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return 1.0

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended
