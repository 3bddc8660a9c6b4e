"""Mix-LN: Post-LN up to a time, Pre-LN from there on with r = 1.

dθ_i/dt = P_{θ_i} A_i / s_i,     s = 1, dr/dt = 0 for t ≤ τ;     s = r, dr/dt = ⟨θ, A⟩ after
layers of Post-LN for t < τ, of Pre-LN after                                         [2510.22026, table of schemes]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import namespace, rowwise_dot
from tokensphere.theory.schemes import before_switch

from .base import AbstractNormalization

__all__ = ["MixNorm"]


class MixNorm(AbstractNormalization):
    """**Fields:** `switch` τ ≥ 0 (default 1). **Raises:** `InputError` for a switch that is negative or not finite."""

    switch: float = 1.0

    def __check_init__(self) -> None:
        if isinstance(self.switch, (int, float)) and not 0 <= self.switch < np.inf:
            raise InputError(f"switch must be a finite number >= 0, got {self.switch!r}")

    @property
    def keeps_radii(self) -> bool:
        return True

    @property
    def breaks(self) -> tuple[float, ...]:
        return (float(self.switch),)

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return namespace(radii).where(t <= self.switch, 1.0, radii)

    def radial_velocity(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return namespace(radii).where(t <= self.switch, 0.0, rowwise_dot(tokens, attended)[:, 0])

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return states + step * attended

    def normalised(self, t: Any) -> Any:
        return before_switch(t, self.switch)

    def check_radii(self, radii: Any, t: float) -> None:
        other = np.asarray(radii)[np.asarray(radii) != 1.0]
        if t <= self.switch and other.size:
            raise InputError(
                f"Mix-LN starts as Post-LN, with radii 1, got {other[0]:g} at t = {t:g}; "
                f"start after the switch at t = {float(self.switch):g}, or leave radii out"
            )
