"""The kernel e^{βq} degree by degree, relative to its mean Z0 over the sphere, so that no β and no dim overflows.

    b_k = a_k / a_0 = I_{k+ν}(β) / I_ν(β),      a_0 = Z0 = ∫ e^{β⟨x,y⟩} dσ(y),      ν = d/2 − 1

A density u = Σ c_k p_k has ∫ e^{β⟨·,y⟩} dμ = Z0 Σ b_k c_k p_k and the potential (Z0/β) Σ b_k c_k p_k. SA needs b alone;
USA multiplies by Z0, USA-shifted by Z0 e^{−β}.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from tokensphere.errors import InputError
from tokensphere.special import bessel_ratios, laplacian_eigenvalue, log_scaled_partition
from tokensphere.theory.growth import safe_exp

__all__ = ["DegreeKernel", "degree_kernel", "heat_means", "von_mises_fisher_means"]


class DegreeKernel(NamedTuple):
    """`potential` b_k and `pull` b_k/β (0 for k = 0), k = 0..K; `log_mean`, log(Z0 e^{−β})."""

    potential: np.ndarray
    pull: np.ndarray
    log_mean: float

    def unit(self, scale: float) -> float:
        """Z0 e^{scale − β}, the mean of a kernel e^{β(q−1) + scale}; inf beyond the float range."""
        return safe_exp(self.log_mean + scale)


@functools.lru_cache(maxsize=64)
def degree_kernel(beta: float, dim: int, top: int) -> DegreeKernel:
    """The kernel of inverse temperature β > 0 for degrees 0..`top` in ambient dimension `dim`."""
    ratios = bessel_ratios(0.5 * dim - 1.0, beta, top + 1)
    potential = np.concatenate([[1.0], np.cumprod(ratios[:top])])
    # b_1/β = 1/(d + β r_1) has a limit at β = 0, where b_1 and β are lost one after the other
    pull = np.concatenate([[0.0], np.cumprod(np.append(1.0 / (dim + beta * ratios[1]), ratios[1:top]))])
    for part in (potential, pull):
        part.setflags(write=False)
    return DegreeKernel(potential, pull, log_scaled_partition(dim, beta))


def von_mises_fisher_means(concentration: float, dim: int, top: int) -> np.ndarray:
    """⟨P_k⟩ = I_{k+ν}(κ)/I_ν(κ), k = 0..`top`, of a density ∝ e^{κ⟨x,m⟩} about its mean m; κ < 0 turns it round."""
    if concentration == 0.0:
        return np.concatenate([[1.0], np.zeros(top)])
    means = degree_kernel(math.fabs(concentration), dim, top).potential
    return means * np.where(np.arange(top + 1) % 2 == 1, math.copysign(1.0, concentration), 1.0)


def heat_means(width: float, dim: int, top: int) -> np.ndarray:
    """⟨P_k⟩ = e^{−h²Λ_k/2}, k = 0..`top`, of the heat kernel of width h about its centre.

    **Raises:** `InputError` unless h > 0.
    """
    h = float(width)
    if not (math.isfinite(h) and h > 0):
        raise InputError(f"width must be a finite number > 0, got {width!r}")
    return np.asarray(np.exp(-0.5 * h * h * laplacian_eigenvalue(np.arange(top + 1), dim)))
