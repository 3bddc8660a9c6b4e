"""One Brownian motion W in R^d for all tokens: dx_i = χ_i dt + √(2τ) P_{x_i} ∘ dW. It pulls tokens together.

For a frozen dW the maps x ↦ x + P_x dW are conformal (Möbius maps of the sphere): they contract where they lead to. For
two tokens and χ = 0, with u = ⟨x_1, x_2⟩,

    d log(1−u) = −2τ(d−1) dt + √(4τ(1+u)) dB,      E log|x_1−x_2| = log|x_1(0)−x_2(0)| − (d−1)τt,  exactly

A common *rotation* would leave every u as it is. Independent noise drives tokens apart instead.              [derived]
"""

from __future__ import annotations

from ..errors import check_dim
from .growth import check_real

__all__ = ["common_noise_exponent"]


def common_noise_exponent(noise: float, dim: int, contraction: float = 0.0) -> float:
    """Lyapunov exponent of distances near one cluster under common noise: −(d−1)τ − `contraction`; < 0 contracts.

    **Arguments:** `noise` τ ≥ 0; `dim` ≥ 2; `contraction`, the rate at which attention alone contracts a cluster: 1 for
    SA and shifted USA, e^β for USA, −1 for SA with V = −I, whose tokens common noise holds together if (d−1)τ > 1.

    **Returns:** float. **Raises:** `InputError`. **Source:** derived; common noise in [2604.26898].
    """
    tau, dim = check_real(noise, "noise", 0.0), check_dim(dim)
    return -(dim - 1) * tau - check_real(contraction, "contraction")
