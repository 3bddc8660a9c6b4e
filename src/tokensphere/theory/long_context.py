"""Attention over long contexts: β_n = γ log n on n equiangular tokens, and the phase transition at γ_c = 1/(1 − ρ).

One layer x' = A + αθ on the simplex of inner product ρ, exact for every n:

    u = (n−1) n^{−γ(1−ρ)},   a = 1/(1+u),   b = u/((1+u)(n−1))
    ρ' = 1 − (1−ρ)(α+a−b)²/[ρ(1+α)² + (1−ρ)((a+α)² + (n−1)b²)]
    n → ∞:  ρ(1+α)²/[ρ(1+α)² + (1−ρ)(a_∞+α)²],   a_∞ = 0, ½, 1   for γ <, =, > γ_c

Below γ_c attention averages over everything and tokens collapse at once; above, every token sees itself only.
log u is what is computed, so that n = 1e15 is as exact as n = 10; 1 − ρ' is kept beside ρ', with all its digits.

Backward, without a residual, for tokens of norm² q that are normalised first (θ_j = √ρ e_0 + √(1−ρ) e_j, e = 1 − ρ,
S = Σ_j A_ij², o = 1 − a, and T = Σ_{jk} (δ_jk A_j − A_j A_k)² the squared covariance of the weights):

    q d g = a²(d−1) + 2aβ(e(1−S) − e²ao) + β²(e²T − e³a²(o²+ob))                       from the token itself
          + ob [(d−1) − 2βe(ρ+a−ρb) + β²e(1−2b+S)(1−ρ²)]                               from all others
    n → ∞:  0, (1−1/d)/(4q), (1−1/d)/q,   at γ_c like (log n)²/n only.                 [2510.05554; finite n derived]

Tokens with norm² in [q1, q2] and inner products in [ρ1, ρ2]: averaging below 1/(q2−ρ1), self above 1/(q1−ρ2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError, check_dim, check_positive_int
from .growth import check_real
from .records import Hypothesis, Prediction

__all__ = [
    "LongContext",
    "competing_beta",
    "critical_gamma",
    "critical_gradient_gap",
    "gradient_limit",
    "gradient_norm",
    "long_context",
    "phase_bounds",
]

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
    and on each other one; `beta` = γ log n; `error_scale`, the size of what is missing to the limit; `gap`, 1 − `after`
    with all its digits.
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
    gap: float

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


@dataclass(frozen=True)
class _Weights:
    """`own` a, `rest` 1 − a = (n−1)b without cancellation, `other` b, and `apart` = a − b likewise."""

    own: float
    rest: float
    other: float
    apart: float


def _weights(beta: float, n: float, rho: float) -> _Weights:
    lost = beta * (1.0 - rho)
    log_u = math.log(n - 1.0) - lost
    own = 1.0 / (1.0 + math.exp(log_u)) if log_u < 700 else math.exp(-log_u)
    rest = 1.0 / (1.0 + math.exp(-log_u)) if log_u > -700 else math.exp(log_u)
    return _Weights(own, rest, rest / (n - 1.0), own * -math.expm1(-lost))


def _phase(ratio: float) -> Literal["averaging", "critical", "self"]:
    """The phase of γ/γ_c."""
    if abs(ratio - 1.0) <= _CLOSE:
        return "critical"
    return "averaging" if ratio < 1 else "self"


_OWN = {"averaging": 0.0, "critical": 0.5, "self": 1.0}  # a as n → ∞


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
    found = _weights(gamma * log_n, count, rho)
    spread = (found.own + alpha) ** 2 + found.rest * found.other
    together = rho * (1.0 + alpha) ** 2
    gap = (1.0 - rho) * (alpha + found.apart) ** 2 / (together + (1.0 - rho) * spread)
    ratio = gamma * (1.0 - rho)
    phase = _phase(ratio)
    bottom = together + (1.0 - rho) * (_OWN[phase] + alpha) ** 2
    # Nothing in common and no residual: one's own weight a ~ n^{γ−1} against the spread 1/√n of the mean of the others.
    limit = together / bottom if bottom > 0 else 0.5 * (1.0 + math.copysign(gamma != 0.5, 0.5 - gamma))
    # below γ_c and without a residual the distance to the limit is the square of an own weight
    power = (2.0 if phase == "averaging" and alpha == 0 else 1.0) * abs(ratio - 1.0)
    scale = 1.0 / count if phase == "critical" else math.exp(-power * log_n)
    beta = gamma * log_n
    return LongContext(rho, 1.0 - gap, limit, 1.0 / (1.0 - rho), phase, found.own, found.other, beta, scale, gap)


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
    return _OWN[_phase(ratio)] ** 2 * (1.0 - 1.0 / check_dim(dim)) / q


def gradient_norm(gamma: float, n: float, rho: float, dim: float, squared_norm: float = 1.0) -> float:
    """g = ‖∂X'/∂X‖_F²/(nd) of one layer without residual over n equiangular tokens, exact for every n.

    X' = softmax(β θθᵀ) θ with θ = x/|x|, β = γ log n, |x|² = q. A network of such layers has vanishing gradients in
    the averaging phase and keeps them in the other; the limits are :func:`gradient_limit`.

    **Arguments:** `gamma` ≥ 0; `n` ≥ 2, up to 1e300; `rho` in [0, 1); `dim` d ≥ n, which n equiangular tokens need (at
    fixed d the value at γ_c would grow like (log n)²); `squared_norm` q > 0.

    **Returns:** float. **Raises:** `InputError`. **Source:** derived, exact.
    """
    gamma, rho, count, d = (
        check_real(gamma, "gamma", 0.0),
        _check_rho(rho),
        check_real(n, "n", 2.0),
        check_real(dim, "dim", 2.0),
    )
    if d < count:
        raise InputError(f"dim must be >= n = {n:g} for equiangular tokens, got {dim!r}")
    q = check_real(squared_norm, "squared_norm", 0.0)
    if q == 0:
        raise InputError("squared_norm must be > 0, got 0")
    beta, e = gamma * math.log(count), 1.0 - rho
    found = _weights(beta, count, rho)
    a, o, b = found.own, found.rest, found.other
    square = a * a + o * b  # S
    second = a * a * o * o + o * b * (1 - b) ** 2 + 2 * a * a * o * b + o * o * b * b * (count - 2) / (count - 1)  # T
    itself = (
        a * a * (d - 1)
        + 2.0 * a * beta * (e * o * (1.0 + a - b) - e * e * a * o)
        + beta**2 * (e * e * second - e**3 * a * a * (o * o + o * b))
    )
    others = (d - 1) - 2.0 * beta * e * (rho + a - rho * b) + beta**2 * e * (1.0 - 2.0 * b + square) * (1.0 - rho**2)
    return (itself + o * b * others) / (q * d)


def critical_gradient_gap(n: float, rho: float, squared_norm: float = 1.0) -> float:
    """g minus its limit at γ_c in the smallest dimension, d = n + O(1): how slowly the limit is reached.

        [ρ (log n)²/16 + (2+ρ)/4 · log n]/(nq) + O(1/n)

    **Arguments:** as :func:`gradient_norm`. **Raises:** `InputError`. **Source:** derived.
    """
    count, rho = check_real(n, "n", 2.0), _check_rho(rho)
    q = check_real(squared_norm, "squared_norm", 0.0)
    if q == 0:
        raise InputError("squared_norm must be > 0, got 0")
    log_n = math.log(count)
    return (rho * log_n**2 / 16.0 + (2.0 + rho) / 4.0 * log_n) / (count * q)


def phase_bounds(least: float, most: float, shortest: float = 1.0, longest: float = 1.0) -> tuple[float, float]:
    """γ1 and γ2 of tokens that are only nearly a simplex: below γ1 attention averages, above γ2 it keeps to itself.

        ρ1 ≤ ⟨x_i, x_j⟩ ≤ ρ2,  q1 ≤ |x_i|² ≤ q2:    γ1 = 1/(q2 − ρ1),   γ2 = 1/(q1 − ρ2)

    The weight of a token on itself against all others lies between n^{γ(q1−ρ2)−1} and n^{γ(q2−ρ1)−1}. In between
    there is a phase of its own, whose constants are not known.

    **Arguments:** `least` ρ1 ≤ `most` ρ2 < `shortest` q1 ≤ `longest` q2.

    **Returns:** (γ1, γ2); both are γ_c for a simplex of unit tokens.

    **Raises:** `InputError`. **Source:** [2510.05554], Theorem C.2 (existence); these bounds derived.
    """
    rho1, rho2 = check_real(least, "least"), check_real(most, "most")
    q1, q2 = check_real(shortest, "shortest", 0.0), check_real(longest, "longest", 0.0)
    if not rho1 <= rho2 < q1 <= q2:
        raise InputError(
            f"least <= most < shortest <= longest must hold, got {least!r}, {most!r}, {shortest!r}, {longest!r}"
        )
    return 1.0 / (q2 - rho1), 1.0 / (q1 - rho2)


def competing_beta(n: int, dim: int) -> float:
    """The other scale, n^{2/(d−1)}: for a fixed query and independent uniform keys the softmax is an average below
    it, sees finitely many keys at it and the nearest one above. How many keys count at a given beta:
    :func:`tokensphere.theory.key_regime`.

    **Raises:** `InputError`. **Source:** [2605.08505] (a scale: constants are not given).
    """
    return float(check_positive_int(n, "n", least=2)) ** (2.0 / (check_dim(dim) - 1.0))
