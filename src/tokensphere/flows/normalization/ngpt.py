"""nGPT: unit tokens, moved by a normalised attention output with a step size of its own.

dθ_i/dt = α_t P_{θ_i} A_i / |A_i|,     layer y ← N(y + ηα_t N(A)),     original form N(y + ηα_t (N(A) − y))

Both layers have the same limit.                                                     [2510.22026, table of schemes]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced

from .base import AbstractNormalization, attended_length

__all__ = ["NGPT"]


class NGPT(AbstractNormalization):
    """**Fields:** `alpha` > 0, a number or a function of t made of arithmetic (default 1); `original`: layers in their
    original form.

    **Raises:** `InputError` for an alpha that is not positive and finite: a number at once, a function where a run
    starts and wherever its values can be seen.
    """

    alpha: float | Callable[[Any], Any] = 1.0
    original: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if isinstance(self.alpha, (int, float)) and not 0 < self.alpha < np.inf:
            raise InputError(f"alpha must be a finite number > 0, got {self.alpha!r}")

    def _at(self, t: Any) -> Any:
        if not callable(self.alpha):
            return self.alpha
        value = self.alpha(t)
        if not is_traced(value) and not 0 < value < np.inf:
            raise InputError(f"alpha must be a finite number > 0, got {value!r} at t = {float(t):g}")
        return value

    def check_time(self, t: float) -> None:
        super().check_time(t)
        self._at(t)

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        return attended_length(attended) / self._at(t)

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        share = step * self._at(t)
        kept = (1.0 - share) * states if self.original else states
        return kept + share * attended / attended_length(attended)[:, None]
