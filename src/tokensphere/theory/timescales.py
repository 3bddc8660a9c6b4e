"""Clocks of the emergence: exits, layers and the propagation-of-chaos constant.

    T_exit ~ ln(delta sqrt(n)) / lambda_max         slope 1/(2 lambda_max) per unit of ln n

The same duration is printed in time t, in e-folds (1/lambda_max), in ln n and in layers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim
from ..special import mean_resultant
from .degrees import dominant_degree
from .growth import (
    check_flow,
    check_real,
    growth_rates,
    log_growth_rates,
    log_normaliser,
    safe_exp,
)
from .race import check_threshold

__all__ = [
    "critical_tilt",
    "dobrushin_constant",
    "layer_factors",
    "layers_to_exit",
    "leading_exit_time",
    "linear_room",
    "usa_step",
    "white_noise_tokens",
]


def linear_room(n: float, threshold: float = 0.1) -> float:
    """Length ln(delta sqrt(n)) of the linear phase, in e-folds. At or below 0 there is no linear phase.

    **Arguments:** `n` >= 1 tokens; `threshold` delta in (0, 1).  **Returns:** float.  **Raises:** InputError.

    **Source:** derived; O(ln n) in [2410.23228].
    """
    return math.log(check_threshold(threshold)) + 0.5 * math.log(check_real(n, "n", 1.0))


def leading_exit_time(beta: float, dim: int, n: float, threshold: float = 0.1, flow: str = "usa") -> float:
    """Leading-order exit time ln(delta sqrt(n)) / lambda_max, not below 0.

    **Arguments:** as :func:`exit_law`.

    **Returns:** float, in the flow's time. Exact only as n -> infinity; :func:`exit_law` gives the finite-n
    law.

    **Raises:** InputError.

    **Source:** derived.
    """
    log_rate = float(log_growth_rates(beta, dim, dominant_degree(beta, dim), flow))
    return max(linear_room(n, threshold), 0.0) * safe_exp(-log_rate)


def dobrushin_constant(beta: float, flow: str = "usa") -> float:
    """Propagation-of-chaos constant C = e^beta, the Lipschitz norm of the interaction force in any dim.

        W1(mu^n_t, mu_t) <= W1(mu^n_0, mu_0) e^{L t}       (L = 2C by the standard coupling)

    **Arguments:** `beta` >= 0; `flow` "usa" or "usa-shifted" (then C = 1).

    **Returns:** float; inf above the float range.

    **Raises:** InputError for bad input and for flow="sa", whose constant is not known.

    **Source:** bound [2410.23228]; value derived. It is no rate: C / lambda_max is about 8 at beta = 5.
    """
    beta = check_beta(beta)
    if check_flow(flow) == "sa":
        raise InputError("flow must be 'usa' or 'usa-shifted': the constant of 'sa' is not known")
    return safe_exp(beta) if flow == "usa" else 1.0


def layer_factors(
    beta: float,
    dim: int,
    degrees: Any,
    step: float,
    flow: str = "sa",
    *,
    projected: bool = False,
    value: float = 1.0,
) -> np.ndarray:
    """Factor by which one layer multiplies a perturbation of each degree.

        x <- N(x + eta A):      1 + eta lambda_k / (1 + eta g),     g = v Z I_{nu+1}/I_nu
        x <- N(x + eta P_x A):  1 + eta lambda_k                    (projected=True)

    N normalises, A is the attention output, Z = 1 (SA), Z0 (USA) or Z0 e^{-beta}. Values below -1 are
    oscillations.

    **Arguments:** `step` eta > 0; `value` v of V = v I; the others as :func:`growth_rates`.

    **Returns:** float64 array of the shape of `degrees`.

    **Raises:** InputError (also when 1 + eta g <= 0: the layer sends tokens through the origin);
    RateOverflowError.

    **Source:** derived.
    """
    return np.asarray(1.0 + layer_increments(beta, dim, degrees, step, flow, projected, value))


def layer_increments(
    beta: float, dim: int, degrees: Any, step: float, flow: str, projected: bool = False, value: float = 1.0
) -> np.ndarray:
    """:func:`layer_factors` minus 1, which keeps its digits where the factor rounds to 1."""
    step = check_real(step, "step")
    if step <= 0:
        raise InputError(f"step must be > 0, got {step!r}")
    gain = step * growth_rates(beta, dim, degrees, flow, value=value)
    if projected:
        return np.asarray(gain)
    pull = value * mean_resultant(dim, beta)
    if flow != "sa":
        pull *= safe_exp(log_normaliser(beta, dim, flow))
    if 1.0 + step * pull <= 0:
        raise InputError(f"step = {step:g} with value = {value:g} sends tokens through the origin; take a smaller step")
    return np.asarray(gain / (1.0 + step * pull))


def layers_to_exit(
    beta: float,
    dim: int,
    n: float,
    step: float,
    threshold: float = 0.1,
    flow: str = "sa",
    *,
    projected: bool = False,
) -> float:
    """Depth ln(delta sqrt(n)) / ln(factor of k_max), not below 0: leading order, in layers (not rounded).

    **Arguments, errors:** as :func:`exit_law` and :func:`layer_factors`.  **Returns:** float; inf when the
    rate underflows to 0.  **Source:** derived.
    """
    growth = math.log1p(float(layer_increments(beta, dim, dominant_degree(beta, dim), step, flow, projected)))
    return depth(linear_room(n, threshold), growth)


def depth(folds: float, log_factor: float) -> float:
    """Layers folds / log_factor for `folds` e-folds, without division by 0: 0 for no folds, inf for no growth."""
    if folds <= 0.0:
        return 0.0
    # A quotient beyond the float range would be an error for plain floats.
    if log_factor <= 0.0 or math.log(folds) - math.log(log_factor) > 709.0:
        return math.inf
    return folds / log_factor


def critical_tilt(beta: float, degree: int, n: float, threshold: float = 0.3, dim: int = 2) -> float:
    """Tilt above which a planted degree m beats k_max.

        epsilon_c = delta (delta sqrt(n))^{-lambda_m/lambda_max}

    The density is 1 + 2 epsilon cos(m theta) on the circle, i.e. A_m(0) = epsilon.

    **Arguments:** `beta` >= 0; `degree` m >= 1; `n` iid tokens; `threshold` delta; `dim` >= 2.

    **Returns:** float.  **Raises:** InputError.  **Source:** derived.
    """
    logs = log_growth_rates(beta, check_dim(dim), [degree, dominant_degree(beta, dim)])
    return check_threshold(threshold) * math.exp(-linear_room(n, threshold) * math.exp(logs[0] - logs[1]))


def usa_step(beta: float, share: float = 0.1) -> float:
    """Step share/max(√β e^{β−1/2}, 1) of a layer of USA, whose force sin φ e^{β cos φ} has about this slope.

    **Arguments:** `beta` ≥ 0; `share` > 0 (default 0.1). **Raises:** `InputError`.

    **Source:** [2312.10794], its phase diagram.
    """
    beta, share = check_beta(beta), check_real(share, "share", 0.0)
    if share == 0:
        raise InputError("share must be > 0, got 0")
    return share / max(math.sqrt(beta) * safe_exp(beta - 0.5), 1.0)


def white_noise_tokens(sigma: float, cells: int) -> float:
    """Number n = M / (2 pi sigma)^2 of iid tokens that fluctuate like white noise on a grid of the circle.

    **Arguments:** `sigma` > 0, the standard deviation per cell of a density with respect to d theta; `cells`
    M >= 1.

    **Returns:** float.  **Raises:** InputError.  **Source:** derived.
    """
    if not sigma > 0 or not cells >= 1:
        raise InputError(f"sigma must be > 0 and cells >= 1, got {sigma!r} and {cells!r}")
    return cells / (2.0 * math.pi * sigma) ** 2
