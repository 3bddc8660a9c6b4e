"""Self-attention (SA): the softmax flow.

dx_i/dt = P_{x_i} Z_i⁻¹ Σ_j w_j e^{β x_iᵀB x_j} V x_j,    Z_i = Σ_j w_j e^{β x_iᵀB x_j}        [2312.10794]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Circle, Sharded

from .base import AttentionFlow

__all__ = ["SelfAttention"]


class SelfAttention(AttentionFlow):
    """Softmax attention on the sphere; the self-term j = i is included in Z_i.

    For V = B symmetric the energy (1/2β)∬e^{β xᵀBy} increases: dE/dt = Σ w_i Z_i |dx_i/dt|².
    Fields and errors: see :class:`tokensphere.flows.AttentionFlow`.
    """

    def strength(self, log_z: Any) -> Any:
        return 1.0

    def turn(self, attention: Circle | Sharded, angles: np.ndarray, masses: np.ndarray, beta: float) -> np.ndarray:
        return attention.mean_pull(angles, masses, beta)
