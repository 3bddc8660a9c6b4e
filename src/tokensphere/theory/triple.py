"""Attention in R^d without normalisation: three tokens (−u, 0, u) in R solved, V = B = 1; coming to rest, V = −I.

    du/dt = 2u sinh(βu²) / (1 + 2cosh(βu²))

The middle token rests, the outer ones run away like e^t. In w = e^{−t}u this is d ln w/dt = −(h + 2h²)/(1 + h + h²)
with h = e^{−βu²}, which cannot overflow. Since a = βu² alone is autonomous, dt = (1 + h + h²)/(1 − h²) da/(2a), and

    ln e^{−t}u → ln u(0) − ∫_{βu(0)²}^∞ (h + 2h²)/(1 − h²) da/(2a),    h = e^{−a}.                        [derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, check_times
from .growth import check_real

__all__ = ["free_resting_speed", "free_triple", "free_triple_limit"]

_VANISHED = 745.0  # e^{−a} is 0 beyond


def free_triple(times: Any, beta: float, start: float) -> np.ndarray:
    """e^{−t} u(t) of three tokens (−u, 0, u) in R with V = B = 1.

    **Arguments:** `times` (m,) increasing, ≥ 0; `beta` ≥ 0; `start` u(0) > 0.

    **Returns:** (m,) float64, to about 1e-11.

    **Raises:** `InputError`. **Source:** derived, exact.
    """
    from scipy.integrate import solve_ivp

    elapsed, (beta, first) = check_times(times), _checked(beta, start)
    if elapsed[0] < 0:
        raise InputError(f"times must be >= 0, got {elapsed[0]:g}")

    def rate(t: float, y: np.ndarray) -> np.ndarray:
        h = np.exp(-beta * np.exp(np.minimum(2.0 * (y + t), 700.0)))
        return np.asarray(-(h + 2.0 * h * h) / (1.0 + h + h * h))

    if elapsed[-1] == 0.0:
        return np.array([first])
    found = solve_ivp(rate, (0.0, elapsed[-1]), [math.log(first)], "DOP853", elapsed, rtol=1e-13, atol=1e-14)
    return np.asarray(np.exp(found.y[0]))


def free_triple_limit(beta: float, start: float) -> float:
    """The limit of e^{−t} u(t) as t → ∞.

    **Arguments:** `beta` ≥ 0; `start` u(0) > 0. **Returns:** float, 0 for `beta` = 0 (all tokens receive the mean).

    **Raises:** `InputError`. **Source:** derived, exact.
    """
    from scipy.integrate import quad

    beta, first = _checked(beta, start)
    begin = beta * first**2
    if begin == 0 or begin > _VANISHED:
        return first if begin > 0 else 0.0

    def lost(log_a: float) -> float:
        h = math.exp(-math.exp(log_a))
        return (h + 2.0 * h * h) / (-2.0 * math.expm1(-2.0 * math.exp(log_a)))

    total = quad(lost, math.log(begin), math.log(_VANISHED), epsabs=0, epsrel=1e-12, limit=500)[0]
    return first * math.exp(-total)


def free_resting_speed(times: Any, beta: float, dim: int) -> np.ndarray:
    """Mean of |dx/dt|² of tokens in R^d with V = −I, B = I, at late times: d/(8βt³).

    The mean of the tokens dies out first. Then dx_i/dt = −βC x_i with C = Σ w x xᵀ, so that dC/dt = −2βC² and
    C → I/(2βt) where tokens span R^d. The integral of |dx/dt|² is finite, as [2305.05465] states.

    **Arguments:** `times` (m,) increasing, > 0; `beta` > 0; `dim` ≥ 1. **Returns:** (m,). **Raises:** `InputError`.

    **Source:** derived, leading order in 1/t.
    """
    elapsed, beta, dim = check_times(times), check_beta(beta), check_positive_int(dim, "dim")
    if elapsed[0] <= 0 or beta == 0:
        raise InputError(f"times and beta must be positive, got {elapsed[0]:g} and {beta:g}")
    return dim / (8.0 * beta * elapsed**3)


def _checked(beta: float, start: float) -> tuple[float, float]:
    first = check_real(start, "start", 0.0)
    if first == 0:
        raise InputError(f"start must be positive, got {start!r}")
    return check_beta(beta), first
