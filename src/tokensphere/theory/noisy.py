"""The noisy transformer dX = χ dt + √(2/κ) dW on the sphere (USA): when the uniform law gives way, and how.

    κ_c = β^{d/2}/(2^{d/2−1} Γ(d/2) I_{d/2}(β)) = 1/τ_c        the uniform law is unstable above it, degree 1 first
    β_*:  I_{d/2+1}(β)/I_{d/2}(β) = 1/d                        continuous transition up to it, discontinuous beyond
    β = 0:  R = I_{d/2}(κR)/I_{d/2−1}(κR)                       the order parameter of degree 1 at rest

κ = 1/τ is the noise of :func:`critical_noise` the other way up.                       [2604.16288, 2606.05140; derived]
"""

from __future__ import annotations

import math

from ..errors import check_beta, check_dim
from ..special import bessel_ratio, mean_resultant
from .growth import check_real
from .noise import critical_noise

__all__ = ["critical_kappa", "order_at_rest", "tricritical_beta"]


def critical_kappa(beta: float, dim: int) -> float:
    """κ_c above which the uniform law is unstable; → dim as β → 0.

    **Raises:** `InputError`; `RateOverflowError` where the USA rate is no float. **Source:** derived.
    """
    return 1.0 / critical_noise(check_beta(beta), check_dim(dim), "usa")


def tricritical_beta(dim: int) -> float:
    """β_* up to which clusters form continuously as κ passes κ_c; beyond it they appear by a jump, before κ_c.

    **Arguments:** `dim` ≥ 2. **Returns:** float, 1.5e-14 relative. **Raises:** `InputError`.
    **Source:** [2604.16288].
    """
    from scipy.optimize import brentq

    dim = check_dim(dim)

    def excess(beta: float) -> float:
        return float(bessel_ratio(0.5 * dim, beta)) - 1.0 / dim

    high = 2.0
    while excess(high) < 0:
        high *= 2.0
    return float(brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-14))


def order_at_rest(kappa: float, dim: int) -> float:
    """The stable R = |∫ x dμ| of the stationary law at β = 0: 0 up to κ = d, positive beyond.

    **Arguments:** `kappa` ≥ 0; `dim` ≥ 2. **Returns:** float in [0, 1). **Raises:** `InputError`.
    **Source:** [2604.16288]; the law is von Mises–Fisher with concentration κR.
    """
    from scipy.optimize import brentq

    kappa, dim = check_real(kappa, "kappa", 0.0), check_dim(dim)
    if kappa <= dim:
        return 0.0
    # R = A(κR) > 0 as a root in c = κR: A(c)/c falls from 1/d to 0.
    high = kappa
    low = min(1e-6, math.sqrt(kappa / dim - 1.0) * 1e-3)
    return float(brentq(lambda c: mean_resultant(dim, c) / c - 1.0 / kappa, low, high, xtol=1e-15, rtol=1e-14)) / kappa
