"""Noise against attention: sqrt(2 tau) dW on the sphere.

    lambda_k -> r_k = lambda_k - tau Lambda_k

lambda_k / Lambda_k decreases with k, so degree 1 is the last to be stabilised and k_max falls as tau grows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, check_dim
from ..special import laplacian_eigenvalue
from .growth import check_real, growth_rates

__all__ = ["critical_noise", "noisy_order_parameter", "stationary_order_parameter"]

_MOST = 700.0  # largest exponent


def critical_noise(beta: float, dim: int, flow: str = "sa") -> float:
    """Noise intensity tau_c = lambda_1 / (d-1) above which the uniform law is stable.

    **Arguments:** `beta` >= 0; `dim` >= 2; `flow`.

    **Returns:** float, in units of the flow's time.

    **Raises:** InputError; RateOverflowError as :func:`growth_rates`.

    **Source:** derived; for USA 1/(2 tau_c) is the threshold K_# of [2606.05140].
    """
    return float(growth_rates(beta, dim, 1, flow)) / (check_dim(dim) - 1)


def noisy_order_parameter(
    times: Any, beta: float, dim: int, degree: int, noise: float, flow: str = "usa", *, start: float = 1.0
) -> np.ndarray:
    """n E A_k^2(t) with noise, in the linear phase.

        n E A_k^2 = s e^{2 r t} + tau Lambda_k (e^{2 r t} - 1)/r,      r = lambda_k - tau Lambda_k

    **Arguments:** `times` >= 0, any shape; `degree` >= 1; `noise` tau >= 0; the others as
    :func:`growth_rates`; `start` s = n A_k^2(0), 1 (default) in the mean over iid uniform tokens. Exponents are cut at
    700.

    **Returns:** float64 array of the shape of `times`.

    **Raises:** InputError.

    **Source:** derived (Ornstein-Uhlenbeck amplitudes; USA).
    """
    t = np.asarray(times, dtype=np.float64)
    if not (t >= 0).all():
        raise InputError("times must be >= 0")
    r = float(growth_rates(beta, dim, degree, flow, noise=noise))
    push = check_real(noise, "noise", 0.0) * float(laplacian_eigenvalue(degree, dim))
    grown = np.expm1(np.minimum(2.0 * r * t, _MOST))
    return np.asarray(check_real(start, "start", 0.0) * (1.0 + grown) + push * (grown / r if r else 2.0 * t))


def stationary_order_parameter(beta: float, dim: int, degree: int, noise: float, flow: str = "usa") -> float:
    """Long-time value of n E A_k^2: tau Lambda_k / (tau Lambda_k - lambda_k) if degree k is stable, else inf.

    **Arguments, errors:** as :func:`noisy_order_parameter`.  **Returns:** float.  **Source:** derived.
    """
    r = float(growth_rates(beta, dim, degree, flow, noise=noise))
    if r >= 0:
        return float("inf")
    return check_real(noise, "noise", 0.0) * float(laplacian_eigenvalue(degree, dim)) / -r
