"""The global picture: when all tokens end in one point, how fast at last, and what bounds are worth.

single cluster   SA, USA, V = B = I, almost every start: d ≥ 3 and β ≥ 0; d = 2 and β > −0.16  [2312.10794, Theorem 1]
hemisphere       exponentially fast; n uniform tokens lie in one with Wendel's probability    [Theorem 3, Corollary 4]
at last          1 − ρ decays at the rate 2 (SA, USA-shifted) or 2e^β (USA), distances at half of it;
                 at an eigenvector x of V with eigenvalue λ: distances at λ, times e^{β xᵀBx} (USA)            [derived]
β = 0, a density W2 ~ e^{−min(1,(d−1)/2)t}: mass near the antipode comes late; n tokens have e^{−t}            [derived]
small |β|        W2(μ_t, point) ≤ C_0 e^{−t/100} for a density in L² with a mean that is not 0              [2504.14697]

The same under a scheme of normalisation is in :mod:`tokensphere.theory.synchronization`.
"""

from __future__ import annotations

import contextlib
import math

from ..errors import InputError, check_beta, check_dim, check_positive_int
from .collapse import hemisphere_probability
from .growth import RateOverflowError, check_flow, check_real, safe_exp
from .records import Hypothesis, Prediction

__all__ = [
    "collapse_predictions",
    "gap_bound",
    "high_dimension_bound",
    "mean_field_collapse",
    "mean_field_rate",
    "terminal_rate",
]

_CIRCLE_BETA = -0.16  # [2312.10794, Remark 2]


def terminal_rate(
    beta: float, flow: str = "sa", *, value: float = 1.0, logit: float = 1.0, quantity: str = "gap"
) -> Prediction:
    """The rate at which a cluster contracts to one point at last.

    **Arguments:** `beta` ≥ 0; `flow` "sa", "usa", "usa-shifted"; `value` λ > 0, the eigenvalue of V at the cluster's
    place x; `logit` xᵀBx there; `quantity` "gap" (1 − ρ, squares of distances) or "distance".

    **Returns:** :class:`Prediction`. **Raises:** InputError; RateOverflowError (USA). **Source:** derived.
    """
    beta, flow = check_beta(beta), check_flow(flow)
    eigenvalue, logit = check_real(value, "value"), check_real(logit, "logit")
    if quantity not in ("gap", "distance"):
        raise InputError(f"quantity must be 'gap' or 'distance', got {quantity!r}")
    exponent = 0.0 if flow == "sa" else beta * (logit - (flow == "usa-shifted"))
    if exponent > 700.0:
        raise RateOverflowError(f"the rate e^(beta) of USA overflows at beta = {beta:g}; use flow='usa-shifted'")
    rate = (2.0 if quantity == "gap" else 1.0) * eigenvalue * math.exp(exponent)
    return Prediction(
        f"rate of {'1 - rho' if quantity == 'gap' else 'distances'} at the end",
        rate,
        "1/t",
        "2 lambda e^(beta x^T B x) (USA), 2 lambda (SA)" + ("" if quantity == "gap" else ", halved"),
        "derived",
        (
            Hypothesis("the eigenvalue of V at the cluster is positive", eigenvalue > 0, f"lambda = {eigenvalue:.4g}"),
            Hypothesis("all tokens are close to one point, an eigenvector of V", None, "long times"),
        ),
        "the last phase",
    )


def mean_field_rate(beta: float, dim: int) -> Prediction:
    """The rate at which a positive density collapses at β = 0, in the distance W2 to a point mass.

    **Arguments:** `beta` ≥ 0; `dim` ≥ 2. **Returns:** :class:`Prediction`, min(1, (d−1)/2). **Source:** derived.
    """
    beta, dim = check_beta(beta), check_dim(dim)
    return Prediction(
        "rate of W2 to a point mass",
        min(1.0, 0.5 * (dim - 1)),
        "1/t",
        "min(1, (d-1)/2)",
        "derived",
        (
            Hypothesis("beta = 0", beta == 0, f"beta = {beta:g}"),
            Hypothesis("a positive density with a mean that is not 0", None, "mass near the antipode arrives late"),
        ),
        "long times, after the limit of many tokens: n tokens have rate 1; a factor log t at d = 3",
    )


def mean_field_collapse(beta: float, order: float | None = None) -> Prediction:
    """The collapse of a density for small |β|, in a theorem whose constants are not known:

        ∃ β_0, C_0, T_0:     |β| < β_0  ⇒  W2(μ_t, point) ≤ C_0 e^{−t/100}     for t ≥ T_0

    Large β is another matter: some densities in L² on the circle end in several clusters (which ones is open).

    **Arguments:** `beta`, any sign; `order` R_0 = |∫ x dμ_0| in [0, 1], `None` if it is not known.

    **Returns:** :class:`Prediction` without a value; :func:`mean_field_rate` has the true rate at β = 0.

    **Raises:** `InputError`. **Source:** [2504.14697].
    """
    beta, start = check_real(beta, "beta"), None if order is None else check_real(order, "order", 0.0)
    if start is not None and start > 1.0:
        raise InputError(f"order must lie in [0, 1], got {order!r}")
    return Prediction(
        "bound on W2 to a point mass",
        None,
        "",
        "W2(mu_t, delta) <= C_0 e^(-t/100), t >= T_0",
        "[2504.14697]",
        (
            Hypothesis("query-key and value matrices are the identity", True, "B = V = I"),
            Hypothesis("|beta| < beta_0", True if beta == 0 else None, f"beta = {beta:g}, beta_0 > 0 is not known"),
            Hypothesis("R_0 > 0", None if start is None else start > 0, "" if start is None else f"R_0 = {start:.4g}"),
            Hypothesis("the start has a density in L^2", None, "tokens have none: large n in its stead"),
        ),
        "constants open; rate 1/100 is not sharp",
    )


def gap_bound(t: float, beta: float, n: int) -> Prediction:
    """The bound of [2312.10794] on 1 − γ_β(t), γ_β the equiangular curve from ρ = 0:

        1 − γ_β(t) ≤ ½ exp(−n (t − ne^β/2)/(n + e^{β/2}))

    It is stated for t ≥ 0, but holds for t ≥ ne^β/2 only: at n = 2, β = 0, t = 0 the left side is 1, the right .974.

    **Arguments:** `t` ≥ 0; `beta` ≥ 0; `n` ≥ 2. **Returns:** :class:`Prediction`; infinite beyond the floats.
    """
    time, beta = check_real(t, "t", 0.0), check_beta(beta)
    n = check_positive_int(n, "n", least=2)
    begin = 0.5 * n * safe_exp(beta)
    share = 1.0 / (1.0 + safe_exp(0.5 * beta) / n)  # n/(n + e^{β/2})
    value = 0.5 * safe_exp(share * (begin - time)) if math.isfinite(begin) else math.inf
    return Prediction(
        "bound on 1 - gamma",
        value,
        "",
        "exp(n^2 e^beta/(2(n + e^(beta/2))) - n t/(n + e^(beta/2)))/2",
        "[2312.10794], with its range corrected",
        (Hypothesis("t >= n e^beta/2", time >= begin, f"t = {time:.4g}, n e^beta/2 = {begin:.4g}"),),
        "SA, equiangular tokens from rho = 0",
    )


def high_dimension_bound(t: float, beta: float, n: int, dim: int) -> Prediction:
    """The bound of [2312.10794] on |⟨x_i, x_j⟩ − γ_β(t)| for n independent uniform tokens in high dimension:

        2 c^{nt} √(log d/d),  c = e^{10 max(1, β)},     with probability at least 1 − 2n² d^{−1/64}

    Mostly it says nothing: the probability is positive for d > (2n²)^{64} only, and inner products differ by 2 at most.

    **Arguments:** `t` ≥ 0; `beta` ≥ 0; `n` ≥ 2; `dim` ≥ 2, a whole number of any size.

    **Returns:** :class:`Prediction` whose hypotheses say whether it is vacuous.
    """
    time, beta = check_real(t, "t", 0.0), check_beta(beta)
    n, dim = check_positive_int(n, "n", least=2), check_dim(dim)
    log_d = math.log(dim)
    chance = 1.0 - math.exp(min(math.log(2.0 * n * n) - log_d / 64.0, 700.0))
    value = safe_exp(math.log(2.0) + 10.0 * max(1.0, beta) * n * time + 0.5 * (math.log(log_d) - log_d))
    return Prediction(
        "distance of inner products from the equiangular curve",
        value,
        "",
        "2 c^(nt) sqrt(log d/d), c = e^(10 max(1, beta))",
        "[2312.10794]",
        (
            Hypothesis(
                "d > (2n^2)^64: the probability 1 - 2n^2 d^(-1/64) is positive", chance > 0, f"probability {chance:.4g}"
            ),
            Hypothesis("the bound is below 2, the most there can be", value < 2.0, f"bound {value:.4g}"),
        ),
        "SA, V = B = I, independent uniform tokens",
    )


def collapse_predictions(
    beta: float, dim: int, n: int | None = None, flow: str = "usa", *, inside: bool | None = None
) -> tuple[Prediction, ...]:
    """Where all tokens end, whether a hemisphere makes it exponentially fast, and the rate at last.

    **Arguments:** `beta` ≥ 0; `dim`; `n` tokens, if known; `flow`; `inside`, whether the tokens are known to lie in an
    open hemisphere (:func:`tokensphere.observe.in_hemisphere`), `None` for independent uniform ones.

    **Returns:** "clusters at the end" (1), "probability of an open hemisphere" (1 or 0 where it is known) if `n` is
    given, and the rate of 1 − ρ at last unless it is beyond the floats. **Source:** [2312.10794], derived.
    """
    beta, dim, flow = check_beta(beta), check_dim(dim), check_flow(flow)
    identity = Hypothesis("query-key and value matrices are the identity", True, "B = V = I")
    kind = Hypothesis(
        f"d >= 3, or d = 2 and beta > {_CIRCLE_BETA}", dim >= 3 or beta > _CIRCLE_BETA, f"d = {dim}, beta = {beta:g}"
    )
    almost = Hypothesis("almost every start", None)
    source = "[2312.10794], Theorem 1"
    found = [Prediction("clusters at the end", 1, "", "one", source, (identity, kind, almost), "long times, no noise")]
    if n is not None:
        certain = inside is not None
        value = float(bool(inside)) if certain else hemisphere_probability(n, dim)
        how = "known of these tokens" if certain else "independent uniform tokens"
        found.append(
            Prediction(
                "probability of an open hemisphere",
                value,
                "",
                "2^(1-n) sum_{k<d} C(n-1, k)",
                "Wendel 1962; [2312.10794], Theorem 3 and Corollary 4",
                (identity, Hypothesis(how, True if certain else None)),
                "inside: all tokens come to one point exponentially fast, |x_i - x*| <= C e^(-lambda t)",
            )
        )
    with contextlib.suppress(RateOverflowError):
        found.append(terminal_rate(beta, flow))
    return tuple(found)
