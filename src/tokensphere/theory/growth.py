"""Growth rates of the uniform law: how fast a perturbation of each degree grows.

    SA            lambda_k = (Lambda_k / beta) I_{k+nu}(beta) / I_nu(beta)
    USA           times Z0 = E e^{beta <x,y>}
    USA shifted   times Z0 e^{-beta}, for its kernel e^{beta(<x,y>-1)}

with Lambda_k = k(k+d-2) and nu = d/2 - 1. Every degree has D_k independent perturbations, all with the same
rate; the argmax over k is the same for the three flows. beta = 0 is the limit: lambda_1 = (d-1)/d and
lambda_k = 0 beyond.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim, suggest
from ..special import bessel_ratios, check_degrees, laplacian_eigenvalue, log_scaled_partition

__all__ = [
    "FLOWS",
    "RateOverflowError",
    "check_flow",
    "cluster_energy",
    "effective_neighbours",
    "growth_rates",
    "log_growth_rates",
    "log_normaliser",
    "partition",
    "self_term_factor",
    "self_term_slowdown",
    "uniform_energy",
]

FLOWS = ("sa", "usa", "usa-shifted")
_LOG_MAX = 709.78


class RateOverflowError(InputError, OverflowError):
    """The unnormalised quantity is larger than any float64; use the shifted flow or the logarithm."""


def check_flow(flow: Any) -> str:
    """Return the flow name ("sa", "usa" or "usa-shifted"), or raise InputError."""
    if flow not in FLOWS:
        raise InputError(f"unknown flow {flow!r}{suggest(str(flow), FLOWS)}")
    return str(flow)


def check_real(value: Any, name: str, least: float | None = None) -> float:
    """Return a finite float, at least `least`, or raise InputError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number) or (least is not None and number < least):
        raise InputError(f"{name} must be a finite number{'' if least is None else f' >= {least:g}'}, got {value!r}")
    return number


def safe_exp(log: float) -> float:
    """e^log, 0 or inf beyond the float range."""
    return math.inf if log > _LOG_MAX else math.exp(log)


def log_normaliser(beta: float, dim: int, flow: str = "sa") -> float:
    """Logarithm of (rate of `flow`) / (rate of SA): 0, log Z0, or log Z0 - beta.

    **Raises:** InputError.  **Source:** derived.
    """
    flow = check_flow(flow)
    if flow == "sa":
        return 0.0
    scaled = log_scaled_partition(dim, beta)
    return scaled + beta if flow == "usa" else scaled


def log_sa_rates(z: float, dim: int, top: int) -> np.ndarray:
    """log lambda_k of SA at inverse temperature z >= 0 for k = 0 .. top; -inf where the rate is 0."""
    nu = 0.5 * dim - 1.0
    ratios = bessel_ratios(nu, z, max(top, 1) + 1)
    logs = np.full(top + 1, -np.inf)
    if top:
        with np.errstate(divide="ignore"):
            steps = np.log(ratios[:top])
        # I_{nu+1}/(z I_nu) has the finite limit 1/(2 nu + 2) at z = 0.
        steps[0] = -math.log(2.0 * (nu + 1.0) + z * ratios[1])
        logs[1:] = np.cumsum(steps) + np.log(laplacian_eigenvalue(np.arange(1, top + 1), dim))
    return logs


def log_growth_rates(beta: float, dim: int, degrees: Any, flow: str = "sa") -> np.ndarray:
    """Natural logarithm of the growth rates: finite even where the rates of USA are not floats.

    **Arguments:** as :func:`growth_rates`.  **Returns:** float64 array of the shape of `degrees`, -inf for a
    zero rate.  **Raises:** InputError.  **Source:** derived.
    """
    beta, dim, wanted = check_beta(beta), check_dim(dim), check_degrees(degrees)
    return np.asarray(log_sa_rates(beta, dim, int(wanted.max()))[wanted] + log_normaliser(beta, dim, flow))


def growth_rates(
    beta: float,
    dim: int,
    degrees: Any,
    flow: str = "sa",
    *,
    noise: float = 0.0,
    value: float = 1.0,
    query_key: float = 1.0,
) -> np.ndarray:
    """Rates at which perturbations of each degree grow around the uniform law.

        lambda_k = v (Lambda_k / z) I_{k+nu}(z) / I_nu(z) * Z - noise * Lambda_k,     z = beta s

    with Z = 1 (SA), Z0(z) (USA), Z0(z) e^{-beta} (USA shifted, whose kernel is e^{beta(s <x,y> - 1)}), V = v I
    and B = s I. For s < 0 the factor I_{k+nu}(z)/I_nu(z) has the sign (-1)^k, so for v > 0 only odd degrees
    grow.

    **Arguments:** `beta` >= 0; `dim` >= 2 (tokens on S^(dim-1)); `degrees` whole numbers >= 0, any shape;
    `flow` "sa", "usa" or "usa-shifted"; `noise` tau >= 0 of the term sqrt(2 tau) dW on the sphere; `value` v;
    `query_key` s.

    **Returns:** float64 array of the shape of `degrees`, per unit of the flow's own time. Squared order
    parameters grow twice as fast.

    **Raises:** InputError for bad input; RateOverflowError (an InputError and OverflowError) when a rate is
    larger than any float (USA: beta above about 700; USA shifted: only for |s| > 1).

    **Source:** derived; the degrees' rates of [2410.23228] up to its normalisation (no 1/2 pi).
    """
    beta, dim, wanted, flow = check_beta(beta), check_dim(dim), check_degrees(degrees), check_flow(flow)
    noise, value = check_real(noise, "noise", 0.0), check_real(value, "value")
    z = beta * check_real(query_key, "query_key")
    unit = log_normaliser(abs(z), dim, flow)
    if flow == "usa-shifted":
        # The kernel is shifted by beta, whatever the query-key matrix.
        unit += abs(z) - beta
    logs = log_sa_rates(abs(z), dim, int(wanted.max()))[wanted] + unit
    if (logs > _LOG_MAX).any():
        way_out = "use flow='usa-shifted' or log_growth_rates" if flow == "usa" else "scale query_key down"
        raise RateOverflowError(f"the growth rates of flow='{flow}' at beta = {beta:g} overflow; {way_out}")
    rates = value * np.exp(logs)
    if z < 0:
        rates = np.where(wanted % 2 == 0, -rates, rates)
    if noise:
        rates = rates - noise * laplacian_eigenvalue(wanted, dim)
    return np.asarray(rates, dtype=np.float64)


def partition(dim: int, beta: float) -> float:
    """Partition function Z0 = E e^{beta <x,y>} of the uniform law; the SA denominator there.

    **Arguments:** `dim` >= 2; `beta` >= 0.  **Returns:** float >= 1.

    **Raises:** InputError; RateOverflowError above the float range (use special.log_scaled_partition).

    **Source:** classical.
    """
    log = log_scaled_partition(dim, beta) + beta
    if log > _LOG_MAX:
        raise RateOverflowError(f"Z0 overflows at beta = {beta:g}; use special.log_scaled_partition")
    return math.exp(log)


def effective_neighbours(n: float, beta: float, dim: int) -> float:
    """Effective number of neighbours n Z0 e^{-beta}: below 1, softmax attention sees only the token itself.

    **Arguments:** `n` >= 1 tokens; `beta` >= 0; `dim` >= 2.  **Returns:** float.  **Raises:** InputError.

    **Source:** derived; critical scale beta ~ n^{2/(d-1)} of [2605.08505].
    """
    return check_real(n, "n", 1.0) * math.exp(log_scaled_partition(dim, beta))


def self_term_factor(n: float, beta: float, dim: int, flow: str = "sa") -> float:
    """Factor of the initial growth rate of E A_k^2 due to n finite and to the self-term of softmax.

        USA: 1 - 1/n (exact in dim 2)         SA: (1 - 1/n) / (1 + (e^beta / Z0 - 1)/n)

    **Arguments:** `n` >= 1; `beta` >= 0; `dim` >= 2; `flow`.  **Returns:** float in [0, 1).  **Raises:**
    InputError.

    **Source:** derived (SA: within 6 % for n >= 30 at beta = 5).
    """
    finite = 1.0 - 1.0 / check_real(n, "n", 1.0)
    return finite * self_term_slowdown(n, beta, dim) if check_flow(flow) == "sa" else finite


def self_term_slowdown(n: float, beta: float, dim: int) -> float:
    """Factor 1 / (1 + (e^beta / Z0 - 1)/n) of the SA rates: the self-term enlarges the softmax denominator.

    It is :func:`self_term_factor` without the 1 - 1/n, which belongs to the initial slope of the mean square
    only; divide exit times by it.

    **Arguments:** `n` >= 1; `beta` >= 0; `dim` >= 2.  **Returns:** float in (0, 1].  **Raises:** InputError.

    **Source:** derived.
    """
    n = check_real(n, "n", 1.0)
    return 1.0 / (1.0 + (safe_exp(-log_scaled_partition(dim, beta)) - 1.0) / n)


def uniform_energy(beta: float, dim: int) -> float:
    """Energy Z0 / (2 beta) of the uniform law, for E = (1/2 beta) integral e^{beta <x,y>} dmu dmu.

    **Raises:** InputError (beta > 0 needed); RateOverflowError.  **Source:** [2410.23228], definition.
    """
    return partition(dim, _positive_beta(beta)) / (2.0 * beta)


def cluster_energy(beta: float, k: int = 1) -> float:
    """Energy (1 / 2 beta k) sum_j e^{beta cos(2 pi j / k)} of k equal clusters spread on a great circle.

    **Raises:** InputError (beta > 0 and k >= 1 needed); RateOverflowError.  **Source:** derived.
    """
    beta = _positive_beta(beta)
    if beta > _LOG_MAX:
        raise RateOverflowError(f"the cluster energy overflows at beta = {beta:g}")
    angles = 2.0 * np.pi * np.arange(k) / k
    return float(np.exp(beta * np.cos(angles)).mean() / (2.0 * beta))


def _positive_beta(beta: float) -> float:
    if check_beta(beta) == 0.0:
        raise InputError("beta must be > 0: the energy is defined with 1/beta")
    return float(beta)
