"""Sqrt-scaling: Post-LN with steps that shrink like 1/√(t+1).

dθ_i/dt = P_{θ_i} A_i / √(t+1),     layer y ← N(y + ηA/√(t+1))

With any tokens this is Post-LN at the time 2√(t+1) − 2.             [2510.22026, table of schemes; time change derived]
"""

from __future__ import annotations

from typing import Any

from .base import AbstractNormalization

__all__ = ["SqrtScaling"]


class SqrtScaling(AbstractNormalization):
    """Unit tokens; 1 − ρ ~ C e^{−4√(t+1)}. One abstract calls this row "LN-Scaling", which is another scheme here."""

    @property
    def after(self) -> float:
        return -1.0

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return (t + 1.0) ** 0.5

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended / (t + 1.0) ** 0.5
