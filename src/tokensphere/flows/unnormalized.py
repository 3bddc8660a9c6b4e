"""Unnormalised self-attention (USA), in its plain and its shifted clock.

dx_i/dt = P_{x_i} Σ_j w_j e^{β x_iᵀB x_j} V x_j                        [2312.10794; eq. 2 of 2410.23228]
shifted: the kernel is e^{β(x_iᵀB x_j − 1)}; same orbit, t_shifted = e^β t
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import AbstractAttention, Circle, Sharded
from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, namespace

from .base import AttentionFlow

__all__ = ["UnnormalizedSelfAttention"]


class UnnormalizedSelfAttention(AttentionFlow):
    """The exponential interaction without its normaliser: for V = B symmetric a gradient flow,
    dE/dt = Σ w_i |dx_i/dt|² with E = (1/2β)∬e^{β xᵀBy} (times e^{−β} when `shifted`).

    **Arguments:** those of :class:`tokensphere.flows.AttentionFlow`, and `shifted` (default False): use the
    clock in which the kernel is at most 1 for ‖B‖ ≤ 1, the only one that can be used at large β.

    **Raises:** `InputError` if the kernel could overflow: β‖B‖ > 700, or β(‖B‖ − 1) > 700 when `shifted`.
    """

    shifted: bool = False

    def __init__(
        self,
        beta: float,
        value: Any = None,
        query_key: Any = None,
        shifted: bool = False,
        attention: AbstractAttention | None = None,
        causal: bool = False,
    ) -> None:
        super().__init__(beta, value, query_key, attention, causal)
        self.shifted = bool(shifted)
        if not is_traced(self.beta, self.query_key):
            norm = 1.0 if self.query_key is None else float(np.linalg.norm(np.atleast_2d(self.query_key), 2))
            if self.beta * (norm - self.shifted) > 700:
                way_out = "scale query_key down" if self.shifted else "use the shifted one (shifted=True)"
                raise InputError(f"beta = {self.beta:g}: the kernel overflows in the {self.clock} clock; {way_out}")

    @property
    def clock(self) -> str:
        return "shifted" if self.shifted else "real"

    @property
    def log_scale(self) -> Any:
        return -self.beta if self.shifted else 0.0

    def strength(self, log_z: Any) -> Any:
        return namespace(log_z).exp(log_z + self.log_scale)[:, None]

    def turn(self, attention: Circle | Sharded, angles: np.ndarray, masses: np.ndarray, beta: float) -> np.ndarray:
        return np.exp(abs(beta) + self.log_scale) * attention.pull(angles, masses, beta)
