"""Heat, the second scale at large beta: the density obeys the heat equation, forward or backward, in a time ~ beta.

    V = gamma I:   beta chi -> gamma grad log mu        d mu/ds = -gamma Laplacian mu,    s = t/beta       (SA)
                                                        d mu/ds = -gamma Laplacian mu^2,  s = Z0 t/(2 beta) (USA)

V = -I smooths (forward heat); V = +I sharpens (backward heat, ill posed in the limit; at finite beta the rates stop
growing at degree k_max). Near the uniform law degree k has beta lambda_k^SA / Lambda_k = I_{k+nu}/I_nu = 1 -
Lambda_k/(2 beta) + ...: the error is O(k^2/beta).   [structure: 2509.25040; formulas derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim, check_positive_int
from ..special import check_degrees, laplacian_eigenvalue
from .degrees import dominant_degree
from .growth import check_flow, check_real, effective_neighbours, growth_rates, log_normaliser, safe_exp
from .records import Hypothesis, Prediction

__all__ = ["heat_clock", "heat_factors", "heat_ratios", "heat_regime", "heat_variance"]

_SMALL = 0.1  # largest Lambda_k/(2 beta) at which the limit is trusted


def _positive_beta(beta: Any) -> float:
    if check_beta(beta) == 0.0:
        raise InputError("beta must be > 0 in the heat regime")
    return float(beta)


def heat_clock(beta: float, dim: int, flow: str = "sa") -> float:
    """ds/dt of the heat clock: 1/beta for SA, Z0/(2 beta) for USA (whose limit is the equation for mu^2).

    **Raises:** InputError.  **Source:** derived.
    """
    beta, dim, flow = _positive_beta(beta), check_dim(dim), check_flow(flow)
    return safe_exp(log_normaliser(beta, dim, flow)) / beta * (1.0 if flow == "sa" else 0.5)


def heat_factors(degrees: Any, dim: int, clock: Any, value: float = -1.0) -> np.ndarray:
    """Factor e^{gamma Lambda_k s} by which the heat equation multiplies every coefficient of degree k up to clock s.

    **Arguments:** `degrees` >= 0, any shape; `dim` >= 2; `clock` s >= 0, a number or an array; `value` gamma, -1
    (forward, default) or +1 (backward).

    **Returns:** array of the shape of `clock`, then that of `degrees`.  **Raises:** InputError.

    **Source:** classical.
    """
    wanted, dim, gamma = check_degrees(degrees), check_dim(dim), check_real(value, "value")
    s = np.asarray(clock, dtype=np.float64)
    if not (np.isfinite(s) & (s >= 0)).all():
        raise InputError(f"clock must hold finite numbers >= 0, got {clock!r}")
    return np.exp(gamma * s.reshape(s.shape + (1,) * wanted.ndim) * laplacian_eigenvalue(wanted, dim))


def heat_ratios(beta: float, dim: int, degrees: Any) -> np.ndarray:
    """beta lambda_k^SA / Lambda_k = I_{k+nu}(beta)/I_nu(beta) for k >= 1, which tends to 1 as beta grows.

    **Returns:** array of the shape of `degrees`.  **Raises:** InputError.  **Source:** derived.
    """
    beta, dim, wanted = _positive_beta(beta), check_dim(dim), check_degrees(degrees)
    if (wanted < 1).any():
        raise InputError("degrees must be >= 1: degree 0 is the mass and does not move")
    return growth_rates(beta, dim, wanted) * beta / laplacian_eigenvalue(wanted, dim)


def heat_regime(
    beta: float, dim: int, degree: int, *, value: float = -1.0, n: int | None = None, error: float = _SMALL
) -> Prediction:
    """Growth rate of degree k per unit of the heat clock s = t/beta: gamma Lambda_k, with what it rests on (SA).

    **Arguments:** `beta` > 0; `dim`; `degree` k >= 1; `value` gamma, -1 (forward) or +1 (backward); `n` tokens, if
    there are finitely many; `error`, the relative error up to which the limit counts as reached (default 0.1).

    **Returns:** :class:`Prediction`; hypotheses: Lambda_k/(2 beta) small, enough neighbours, and for backward heat a
    degree at or below k_max, since the limit is ill posed.

    **Raises:** InputError.

    **Source:** derived, [2509.25040].
    """
    beta, dim, k = _positive_beta(beta), check_dim(dim), check_positive_int(degree, "degree")
    if value not in (-1, 1):
        raise InputError(f"value must be -1 (forward heat) or +1 (backward heat), got {value!r}")
    eigenvalue = float(laplacian_eigenvalue(np.array(k), dim))
    ratio = float(heat_ratios(beta, dim, k))
    hypotheses = [
        Hypothesis(
            "beta is large against k^2: Lambda_k/(2 beta) is small",
            1.0 - ratio <= error,
            f"Lambda_k/(2 beta) = {eigenvalue / (2 * beta):.3g}; the linear rate is {ratio:.6g} of the limit",
        )
    ]
    if n is not None:
        neighbours = effective_neighbours(n, beta, dim)
        hypotheses.append(
            Hypothesis("each token has many neighbours", neighbours >= 10, f"n Z0 e^-beta = {neighbours:.3g}")
        )
    if value > 0:
        top = dominant_degree(beta, dim)
        hypotheses.append(
            Hypothesis(
                "the density has no content above k_max, where the limit is ill posed",
                None if k <= top else False,
                f"k_max = {top}: at finite beta no rate exceeds {2 / math.e * beta:.4g} per unit of s",
            )
        )
    return Prediction(
        f"{'backward' if value > 0 else 'forward'} heat, degree {k}",
        float(value) * eigenvalue,
        "1/s, s = t/beta",
        "gamma Lambda_k",
        "derived, [2509.25040]",
        tuple(hypotheses),
        f"relative error about Lambda_k/(2 beta) = {eigenvalue / (2 * beta):.3g}",
    )


def heat_variance(beta: float, variance: float, times: Any, value: float = -1.0) -> np.ndarray:
    """Variance of a narrow Gaussian bump under SA with V = gamma I, at any beta: between linear collapse and heat.

        d v/dt = -2 gamma v/(1 + beta v),      y + ln y = y_0 + ln y_0 - 2 gamma t,  y = beta v

    A Gaussian stays one, exactly in flat space. For beta v >> 1 it is heat, v = v_0 - 2 gamma t/beta.

    **Arguments:** `beta` > 0; `variance` v_0 > 0 (square radians along each direction); `times` >= 0; `value` gamma.

    **Returns:** float64 array of the shape of `times`. On the sphere the relative error is about v + t/beta.

    **Raises:** InputError.

    **Source:** derived.
    """
    from scipy.special import wrightomega

    beta, gamma, first = _positive_beta(beta), check_real(value, "value"), check_real(variance, "variance")
    if first <= 0:
        raise InputError(f"variance must be > 0, got {variance!r}")
    t = np.asarray(times, dtype=np.float64)
    if not (np.isfinite(t) & (t >= 0)).all():
        raise InputError(f"times must hold finite numbers >= 0, got {times!r}")
    y = beta * first
    # w + ln w = z is solved by the Wright omega function.
    return np.asarray(wrightomega(y + math.log(y) - 2.0 * gamma * t)) / beta
