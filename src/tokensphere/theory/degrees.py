"""Which degree wins: the dominant degree, its runner-up and the betas where it switches.

    lambda_{k+1}/lambda_k = (k+1)(k+d-1) / (k(k+d-2)) * I_{k+1+nu}(beta)/I_{k+nu}(beta)

decreases in k and increases in beta. So lambda is unimodal, k_max is the first k with a ratio <= 1, it never
falls when beta grows, and each tie k -> k+1 happens at exactly one beta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import check_beta, check_dim, check_positive_int
from ..special import bessel_ratio, bessel_ratios, laplacian_eigenvalue
from .growth import _LOG_MAX, check_flow, check_real, log_normaliser, log_sa_rates
from .records import to_json

__all__ = ["DegreeSwitch", "RunnerUp", "degree_switches", "dominant_degree", "nearest_switch", "runner_up"]


@dataclass(frozen=True)
class DegreeSwitch:
    """The tie of `lower` and `upper` = lower + 1 at `beta`; `distance` = (tie - your beta) / your beta."""

    lower: int
    upper: int
    beta: float
    distance: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return to_json(self.__dict__)


@dataclass(frozen=True)
class RunnerUp:
    """The second fastest `degree`, its rate `ratio` to the fastest (<= 1) and `gap` = 1 - ratio."""

    degree: int
    ratio: float
    gap: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return to_json(self.__dict__)


def successive_ratios(beta: float, dim: int, count: int) -> np.ndarray:
    """lambda_{k+1}/lambda_k for k = 1 .. count, without noise (full relative accuracy)."""
    ratios = bessel_ratios(0.5 * dim - 1.0, beta, count + 1)[1:]
    eigenvalues = laplacian_eigenvalue(np.arange(1, count + 2), dim)
    return np.asarray(eigenvalues[1:] / eigenvalues[:-1] * ratios)


def _noiseless(beta: float, dim: int) -> tuple[int, np.ndarray]:
    """k_max and the successive ratios for k = 1 .. k_max + 1 (at least)."""
    nu = 0.5 * dim - 1.0
    # 2 beta / (nu + sqrt(nu^2 + 2 beta)) is -nu + sqrt(nu^2 + 2 beta) without the cancellation.
    guess = int(2.0 * beta / (nu + math.sqrt(nu * nu + 2.0 * beta))) if beta else 0
    count = guess + 8
    while True:
        ratios = successive_ratios(beta, dim, count)
        below = np.flatnonzero(ratios <= 1.0)
        if below.size and below[0] + 1 < count:
            return int(below[0]) + 1, ratios
        count *= 2


def _noisy_rates(beta: float, dim: int, noise: float, flow: str, top: int) -> np.ndarray:
    """Rates with noise for k = 0 .. top, in units of the flow's normaliser (those of SA)."""
    log_noise = math.log(noise) - log_normaliser(beta, dim, flow)
    # Beyond any float the noise wins everywhere: a finite stand-in keeps the order of the degrees.
    scaled = math.exp(min(log_noise, 600.0))
    return np.exp(log_sa_rates(beta, dim, top)) - scaled * laplacian_eigenvalue(np.arange(top + 1), dim)


def dominant_degree(beta: float, dim: int, noise: float = 0.0, flow: str = "sa") -> int:
    """Degree k_max >= 1 whose perturbations of the uniform law grow fastest.

        k_max = argmax_k lambda_k - noise * Lambda_k

    **Arguments:** `beta` >= 0; `dim` >= 2; `noise` tau >= 0 (default 0); `flow` "sa", "usa", "usa-shifted",
    which matters only with noise.

    **Returns:** int >= 1; the lower degree at an exact tie; 1 when noise damps every degree. A *degree*,
    which is a number of clusters only in dim 2.

    **Raises:** InputError.

    **Source:** derived; large beta: k_max ~ sqrt(nu^2 + 2 beta) - nu.
    """
    beta, dim, noise = check_beta(beta), check_dim(dim), check_real(noise, "noise", 0.0)
    check_flow(flow)
    k, _ = _noiseless(beta, dim)
    return k if noise == 0 else int(np.argmax(_noisy_rates(beta, dim, noise, flow, k)[1:])) + 1


def runner_up(beta: float, dim: int, noise: float = 0.0, flow: str = "sa") -> RunnerUp:
    """The second fastest degree and how close it comes.

    **Arguments, errors:** as :func:`dominant_degree`.

    **Returns:** :class:`RunnerUp`. With noise that damps every degree the ratio is NaN.

    **Source:** derived (unimodality: it is a neighbour of k_max).
    """
    beta, dim, noise = check_beta(beta), check_dim(dim), check_real(noise, "noise", 0.0)
    check_flow(flow)
    k, ratios = _noiseless(beta, dim)
    if noise == 0:
        degree, ratio = k + 1, float(ratios[k - 1])
        if k > 1 and 1.0 / float(ratios[k - 2]) > ratio:
            degree, ratio = k - 1, 1.0 / float(ratios[k - 2])
        return RunnerUp(degree, ratio, 1.0 - ratio)
    rates = _noisy_rates(beta, dim, noise, flow, k + 1)[1:]
    first, second = np.argsort(-rates, kind="stable")[:2]
    ratio = float(rates[second] / rates[first]) if rates[first] > 0 else math.nan
    return RunnerUp(int(second) + 1, ratio, 1.0 - ratio)


def _tie_betas(degrees: np.ndarray, dim: int) -> np.ndarray:
    """Solve r(beta) = k(k+d-2)/((k+1)(k+d-1)) by Newton, r = I_{mu+1}/I_mu with mu = k + nu."""
    mu = degrees + 0.5 * dim - 1.0
    target = degrees * (degrees + dim - 2.0) / ((degrees + 1.0) * (degrees + dim - 1.0))
    beta = target * (2.0 * mu + 2.0 - target**2) / (1.0 - target**2)
    for _ in range(30):
        r = bessel_ratio(mu, beta)
        # r is increasing and concave: Newton from anywhere converges, from the left after one step.
        step = (target - r) / (1.0 - r * r - (2.0 * mu + 1.0) / beta * r)
        beta = np.maximum(beta + step, 0.2 * beta)
        if (np.abs(step) <= 1e-13 * beta).all():
            break
    return np.asarray(beta)


def degree_switches(dim: int, count: int) -> np.ndarray:
    """The betas at which k_max passes from k to k + 1, for k = 1 .. count.

        (k+1)(k+d-1) I_{k+1+nu}(beta) = k(k+d-2) I_{k+nu}(beta)

    **Arguments:** `dim` >= 2; `count` >= 1.

    **Returns:** (count,) increasing float64 array, relative error about 1e-13 or better.

    **Raises:** InputError.

    **Source:** derived; large k: k(k+d-1)/2 + (d-1)/4, large d: d k(k+1)/(2k+1).
    """
    dim, count = check_dim(dim), check_positive_int(count, "count")
    return _tie_betas(np.arange(1, count + 1, dtype=np.float64), dim)


def nearest_switch(beta: float, dim: int) -> DegreeSwitch:
    """The switch of the dominant degree nearest to `beta` (in ratio), above or below.

    **Arguments:** `beta` >= 0; `dim` >= 2.  **Returns:** :class:`DegreeSwitch`.  **Raises:** InputError.

    **Source:** derived.
    """
    beta, dim = check_beta(beta), check_dim(dim)
    k = dominant_degree(beta, dim)
    lowers = np.arange(max(k - 1, 1), k + 1)
    ties = _tie_betas(lowers.astype(np.float64), dim)
    if beta == 0.0:
        return DegreeSwitch(1, 2, float(ties[0]), math.inf)
    i = int(np.argmin(np.abs(np.log(ties) - math.log(beta))))
    tie = float(ties[i])
    # Plain floats: a quotient beyond the float range is inf without a warning.
    distance = (tie - beta) / beta if math.log(tie) - math.log(beta) < _LOG_MAX else math.inf
    return DegreeSwitch(int(lowers[i]), int(lowers[i]) + 1, tie, distance)
