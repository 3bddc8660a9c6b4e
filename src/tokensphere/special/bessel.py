"""Modified Bessel functions: ratios and the partition function of the uniform law.

    r_mu(beta) = I_{mu+1}(beta) / I_mu(beta),       r_{mu-1} = beta / (2 mu + beta r_mu)

The backward recurrence contracts every error by r_mu^2 < 1 and only adds positive numbers, so it keeps full
relative accuracy where the scaled functions ``ive`` underflow (high dimension) or lose the digits that decide
a near tie between two degrees.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim, check_positive_int

__all__ = ["bessel_ratio", "bessel_ratios", "log_scaled_partition", "mean_resultant"]

# Below this argument 0F1 fits in a float and its series is summed; above it the uniform expansion is exact to
# 1e-15.
_SERIES_LIMIT = 600.0


def _check_order(order: Any) -> float:
    value = float(order)
    if not math.isfinite(value) or value < 0:
        raise InputError(f"order must be a finite number >= 0, got {order!r}")
    return value


def _extra_steps(beta: float) -> int:
    # The start value is forgotten like prod r^2 ~ exp(-m^2 / beta) for m <= beta and faster beyond.
    return int(6.5 * math.sqrt(beta)) + 40


def bessel_ratios(order: float, beta: float, count: int) -> np.ndarray:
    """Consecutive ratios r_j = I_{order+j+1}(beta) / I_{order+j}(beta), j = 0 .. count-1.

    **Arguments:** `order` real >= 0 (half-integers welcome); `beta` >= 0; `count` >= 1.

    **Returns:** (count,) float64 array in [0, 1), decreasing. Relative error a few 1e-16, times beta^(1/4) at
    worst. The cost is O(count + sqrt(beta)).

    **Raises:** InputError for a negative or non-finite order or beta, or count < 1.

    **Source:** derived (backward recurrence for the minimal solution; Amos 1974).
    """
    order, beta, count = _check_order(order), check_beta(beta), check_positive_int(count, "count")
    mu = order + count + _extra_steps(beta)
    ratio = beta / (mu + 0.5 + math.hypot(mu + 1.5, beta))
    for step in range(_extra_steps(beta), 0, -1):
        ratio = beta / (2.0 * (order + count - 1 + step) + beta * ratio)
    out = np.empty(count)
    out[count - 1] = ratio
    for j in range(count - 1, 0, -1):
        ratio = beta / (2.0 * (order + j) + beta * ratio)
        out[j - 1] = ratio
    return out


def bessel_ratio(order: Any, beta: Any) -> np.ndarray:
    """The single ratio I_{order+1}(beta) / I_order(beta), for arrays of orders and arguments.

    **Arguments:** `order` >= 0 and `beta` >= 0, numbers or arrays that broadcast.

    **Returns:** float64 array of the broadcast shape (a 0-d array for two numbers).

    **Raises:** InputError for a negative or non-finite value.

    **Source:** derived, as :func:`bessel_ratios`.
    """
    mu, z = np.broadcast_arrays(np.asarray(order, dtype=np.float64), np.asarray(beta, dtype=np.float64))
    for name, array in (("order", mu), ("beta", z)):
        if not (np.isfinite(array) & (array >= 0)).all():
            raise InputError(f"{name} must be finite and >= 0, got {array[~(array >= 0) | ~np.isfinite(array)][0]}")
    if mu.size <= 16:
        pairs = zip(mu.ravel().tolist(), z.ravel().tolist(), strict=True)
        return np.array([bessel_ratios(m, b, 1)[0] for m, b in pairs]).reshape(mu.shape)
    steps = _extra_steps(float(z.max()))
    top = mu + steps
    ratio = z / (top + 1.5 + np.hypot(top + 2.5, z))
    for step in range(steps, -1, -1):
        ratio = z / (2.0 * (mu + step + 1.0) + z * ratio)
    return np.asarray(ratio)


def mean_resultant(dim: int, kappa: float) -> float:
    """Mean length A_d(kappa) = I_{d/2}(kappa) / I_{d/2-1}(kappa) of a von Mises-Fisher law on S^(dim-1).

    It is also |sum_j attention_ij x_j| for uniform tokens at inverse temperature kappa, and d log Z0 / d
    beta.

    **Arguments:** `dim` >= 2; `kappa` >= 0.  **Returns:** float in [0, 1).  **Raises:** InputError.

    **Source:** classical.
    """
    dim, kappa = check_dim(dim), check_beta(kappa)
    if kappa > 1e8 * dim:  # the recurrence takes sqrt(kappa) steps; what the expansion leaves out is (dim/kappa)^3
        return 1.0 - 0.5 * (dim - 1) / kappa * (1.0 - 0.25 * (dim - 3) / kappa)
    return float(bessel_ratio(dim / 2.0 - 1.0, kappa))


def log_scaled_partition(dim: int, beta: float) -> float:
    """log(Z0 e^{-beta}) with Z0 = E e^{beta <x,y>} for y uniform on S^(dim-1).

        Z0 = Gamma(d/2) (2/beta)^nu I_nu(beta) = 0F1(; d/2; beta^2/4),     nu = d/2 - 1

    **Arguments:** `dim` >= 2; `beta` >= 0 (0 gives 0).

    **Returns:** float <= 0. It neither overflows nor underflows (tested to beta = 1e6 and dim = 4096), with
    an absolute error of about 1e-15 times the larger of 1, min(beta, 600) and dim log(dim + beta).

    **Raises:** InputError for a bad dim or beta.

    **Source:** derived: power series below beta = 600, uniform (Debye) expansion above.
    """
    dim, beta = check_dim(dim), check_beta(beta)
    nu = 0.5 * dim - 1.0
    if beta <= _SERIES_LIMIT:
        m = np.arange(0.5 * beta + 10.0 * math.sqrt(beta) + 30.0)
        terms = np.cumprod((0.25 * beta * beta) / ((nu + 1.0 + m) * (m + 1.0)))
        return math.log1p(float(terms.sum())) - beta
    s = math.hypot(nu, beta)
    p, inv = nu / s, 1.0 / s
    p2 = p * p
    u1 = (3.0 - 5.0 * p2) / 24.0
    u2 = (81.0 + p2 * (-462.0 + 385.0 * p2)) / 1152.0
    u3 = (30375.0 + p2 * (-369603.0 + p2 * (765765.0 - 425425.0 * p2))) / 414720.0
    u4 = 4465125.0 + p2 * (-94121676.0 + p2 * (349922430.0 + p2 * (-446185740.0 + 185910725.0 * p2)))
    tail = inv * (u1 + inv * (u2 + inv * (u3 + inv * u4 / 39813120.0)))
    return (
        math.lgamma(nu + 1.0)
        + nu * math.log(2.0 / (nu + s))
        + nu * nu / (s + beta)
        - 0.5 * math.log(2.0 * math.pi * s)
        + math.log1p(tail)
    )
