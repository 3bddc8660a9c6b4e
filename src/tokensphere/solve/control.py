"""Step-size control: a PI controller in plain numbers.

    factor = 0.9 · ε_n^{−(k_P + k_I)/p} · ε_{n−1}^{k_P/p},   ε = error / tolerance, k_P = 0.3, k_I = 0.4

clipped to [0.2, 10] (accepted steps never shrink, rejected ones never grow) [Gustafsson 1991; Hairer & Wanner II,
IV.2]. Its formula and limits are those of diffrax's `PIDController`; plain floats need no compilation and are kept
in a checkpoint bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Proposal", "StepControl"]

_PROPORTIONAL, _INTEGRAL = 0.3, 0.4
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


@dataclass(frozen=True)
class Proposal:
    """Whether a step is accepted, the size of the next attempt, and what the controller must remember."""

    accepted: bool
    size: float
    memory: float


@dataclass(frozen=True)
class StepControl:
    """Keeps the error of a step below `tolerance` for a method of the given `order`."""

    tolerance: float
    order: int

    def propose(self, size: float, error: float, memory: float) -> Proposal:
        """Judge a step of length `size` with the given error; `memory` is ε of the last accepted step (1 at first)."""
        ratio = error / self.tolerance
        accepted = ratio < 1.0
        if not math.isfinite(ratio):
            return Proposal(False, _LEAST * size, memory)
        ratio = max(ratio, 1e-30)
        factor = _SAFETY * ratio ** (-(_PROPORTIONAL + _INTEGRAL) / self.order) * memory ** (_PROPORTIONAL / self.order)
        low, high = (1.0, _MOST) if accepted else (_LEAST, _SAFETY)
        return Proposal(accepted, size * min(max(factor, low), high), ratio if accepted else memory)
