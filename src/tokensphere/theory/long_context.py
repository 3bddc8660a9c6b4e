"""Attention over long contexts: β_n = γ log n on n equiangular tokens, and the phase transition at γ_c = 1/(1 − ρ).

One layer x' = A + αθ on the simplex of inner product ρ, exact for every n:

    u = (n−1) n^{−γ(1−ρ)},   a = 1/(1+u),   b = u/((1+u)(n−1))
    ρ' = 1 − (1−ρ)(α+a−b)²/[ρ(1+α)² + (1−ρ)((a+α)² + (n−1)b²)]
    n → ∞:  ρ(1+α)²/[ρ(1+α)² + (1−ρ)(a_∞+α)²],   a_∞ = 0, ½, 1   for γ <, =, > γ_c

Below γ_c attention averages over everything and tokens collapse at once; above, every token sees itself only.
log u is what is computed, so that n = 1e15 is as exact as n = 10.                        [2510.05554; finite n derived]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError, check_dim, check_positive_int
from .growth import check_real
from .records import Hypothesis, Prediction

__all__ = ["LongContext", "competing_beta", "critical_gamma", "gradient_limit", "long_context"]

_CLOSE = 1e-12  # relative distance to the critical value that counts as equal


def _check_rho(rho: float) -> float:
    value = check_real(rho, "rho", 0.0)
    if value >= 1:
        raise InputError(f"rho must lie in [0, 1), got {rho!r}")
    return value


def critical_gamma(rho: float) -> float:
    """γ_c = 1/(1 − ρ), for the inner product `rho` in [0, 1) of the tokens.

    **Raises:** `InputError`. **Source:** [2510.05554], Theorem 2.1.
    """
    return 1.0 / (1.0 - _check_rho(rho))


@dataclass(frozen=True)
class LongContext:
    """One layer over a long context.

    **Fields:** `rho` before and `after` the layer at this n, `limit` the same as n → ∞; `critical`, γ_c; `phase`:
    "averaging" (γ < γ_c), "critical" or "self" (γ > γ_c); `own` and `other`, the attention weights of a token on itself
    and on each other one; `beta` = γ log n; `error_scale`, the size of what is missing to the limit.
    """

    rho: float
    after: float
    limit: float
    critical: float
    phase: Literal["averaging", "critical", "self"]
    own: float
    other: float
    beta: float
    error_scale: float

    def prediction(self) -> Prediction:
        """The inner product after the layer, with its hypotheses."""
        far = self.error_scale < 0.1
        return Prediction(
            "inner product after one layer",
            self.after,
            "",
            "1-(1-rho)(alpha+a-b)^2/[rho(1+alpha)^2+(1-rho)((a+alpha)^2+(n-1)b^2)]",
            "2510.05554, Theorem 2.1; finite n derived",
            (
                Hypothesis("all inner products equal rho", None),
                Hypothesis("n is in the asymptotic range of its phase", far, f"error scale {self.error_scale:.2g}"),
            ),
            "exact at every n for equiangular tokens",
        )


def long_context(gamma: float, n: float, rho: float, residual: float = 0.0) -> LongContext:
    """What one layer with β = γ log n does to n equiangular tokens.

    **Arguments:** `gamma` ≥ 0; `n` ≥ 2 tokens, up to 1e300 (formula only); `rho` in [0, 1); `residual` α ≥ 0.

    **Returns:** :class:`LongContext`.

    **Raises:** `InputError` naming the bad argument.

    **Source:** [2510.05554], Theorem 2.1; finite n derived.
    """
    gamma, alpha, rho = check_real(gamma, "gamma", 0.0), check_real(residual, "residual", 0.0), _check_rho(rho)
    count = check_real(n, "n", 2.0)
    log_n = math.log(count)
    log_u = math.log(count - 1) - gamma * (1.0 - rho) * log_n
    own = 1.0 / (1.0 + math.exp(log_u)) if log_u < 700 else math.exp(-log_u)
    share = 1.0 / (1.0 + math.exp(-log_u)) if log_u > -700 else math.exp(log_u)  # of all others together
    other = share / (count - 1.0)
    spread = (own + alpha) ** 2 + share * other
    together = rho * (1.0 + alpha) ** 2
    after = 1.0 - (1.0 - rho) * (alpha + own - other) ** 2 / (together + (1.0 - rho) * spread)
    ratio = gamma * (1.0 - rho)
    critical = abs(ratio - 1.0) <= _CLOSE
    phase: Literal["averaging", "critical", "self"] = "critical" if critical else "averaging" if ratio < 1 else "self"
    weight = {"averaging": 0.0, "critical": 0.5, "self": 1.0}[phase]
    bottom = together + (1.0 - rho) * (weight + alpha) ** 2
    limit = together / bottom if bottom > 0 else math.nan
    scale = 1.0 / count if critical else math.exp(-abs(ratio - 1.0) * log_n)
    return LongContext(rho, after, limit, 1.0 / (1.0 - rho), phase, own, other, gamma * log_n, scale)


def gradient_limit(gamma: float, rho: float, dim: int, squared_norm: float = 1.0) -> float:
    """The limit n → ∞ of g = ‖∂X'/∂X‖_F²/(nd) of one layer without residual: 0, (1−1/d)/(4q) or (1−1/d)/q.

    **Arguments:** `gamma` ≥ 0; `rho` in [0, 1); `dim` d ≥ 2; `squared_norm` q > 0 of the tokens before they are
    normalised.

    **Raises:** `InputError`. **Source:** [2510.05554], Theorem 2.4; at γ_c it is reached like (log n)²/n only.
    """
    ratio = check_real(gamma, "gamma", 0.0) * (1.0 - _check_rho(rho))
    q = check_real(squared_norm, "squared_norm", 0.0)
    if q == 0:
        raise InputError("squared_norm must be > 0, got 0")
    share = 0.25 if abs(ratio - 1.0) <= _CLOSE else 0.0 if ratio < 1 else 1.0
    return share * (1.0 - 1.0 / check_dim(dim)) / q


def competing_beta(n: int, dim: int) -> float:
    """The other scale, n^{2/(d−1)}: for a fixed query and independent uniform keys the softmax is an average below
    it, sees finitely many keys at it and the nearest one above.

    **Raises:** `InputError`. **Source:** [2605.08505] (a scale: constants are not given).
    """
    return float(check_positive_int(n, "n", least=2)) ** (2.0 / (check_dim(dim) - 1.0))
