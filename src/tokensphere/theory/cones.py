"""Normalisation schemes on tokens that are not equiangular: in a narrow cone, and uniform at the start.

Cone: ⟨θ_i, θ_j⟩ ≥ 1 − δ for all pairs; SA, V = B = I, masses 1/n. With Var = (1/n) Σ |θ_i − mean|²

    δ < 1/(100 n²β²)  and  δ < 1/(100 n²):     Var' = −Θ(Var/scale),     r_k ≥ (1 − δ)t (Pre)

    scale   1 (Post)    t (Pre, Mix, Peri)    1/α_t (nGPT)    √t (sqrt)               [2510.22026, Theorem 4.3]

It is printed with the first condition on δ alone, which for β < 1/(15n) any tokens meet, and with the scale α_t of
nGPT. Constants, for every δ < 1, with s_i of the scheme:

    2 [(1 − δ)/s_max − (e^{βδ} − 1)/s_min] ≤ −Var'/Var ≤ 2e^{βδ}/s_min                                       [derived]

Each token moves into the convex hull of all, where no pair is farther apart than the farthest two tokens: the cone
stays. Then n a_ij lies within e^{±βδ}, and ⟨θ, A⟩, ⟨θ, A⟩/|A| and |A|² between 1 − δ and 1: all bounds follow.

Uniform: β = 1, |B|, |V| ≤ 1: max_j |A_j(0)| ≤ C (√(log n/n) + log n/d), probability ≥ 1 − n^{−c}    [Theorem 4.2]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim, check_positive_int
from .growth import check_real, safe_exp
from .records import Hypothesis, Prediction
from .schemes import Reading, Scheme, scheme_named

__all__ = ["cone_opening", "cone_radii", "cone_variance_rate", "uniform_attention_scale"]

_SOURCE = "[2510.22026], Theorem 4.3"
_SCALES = {"post": "1", "pre": "t", "mix": "t", "peri": "t", "ngpt": "1/alpha_t", "sqrt": "sqrt t", "ln-scaling": "t"}


def cone_opening(beta: float, n: int) -> float:
    """The δ below which the theorem on cones applies: min(1, β^{−2})/(100 n²).

    **Arguments:** `beta` ≥ 0; `n` ≥ 2. **Returns:** float. **Raises:** `InputError`.

    **Source:** [2510.22026], Theorem 4.3, with the condition for β < 1 that it needs.
    """
    beta, n = check_beta(beta), check_positive_int(n, "n", least=2)
    return 0.01 / (n * max(1.0, beta)) ** 2


def cone_radii(
    t: float, beta: float, n: int, delta: float, scheme: str | Scheme = "pre", *, radius: Any = 1.0
) -> Prediction:
    """The radii at time t of tokens that start in a cone.

        r_k(0) + (1 − δ)t ≤ r_k(t) ≤ r_k(0) + t     (Pre, Peri; Mix from its switch on; 2√(t+1) − 2 for t: LN-Scaling)

    **Arguments:** `t` ≥ 0; `beta` ≥ 0; `n` ≥ 2 tokens; `delta` in [0, 1), the largest 1 − ⟨θ_i, θ_j⟩; `scheme` that
    keeps radii; `radius` > 0 at t = 0, a number or one for each token.

    **Returns:** :class:`Prediction` whose value is (least, most). **Raises:** `InputError`.

    **Source:** [2510.22026], Theorem 4.3; both sides, and all of δ < 1, derived.
    """
    parameters = _check(t, beta, n, delta)
    law = scheme_named(scheme)
    if law.normalised(math.inf):
        raise InputError(f"scheme {law.name!r} keeps no radii; use pre, mix, peri or ln-scaling")
    return Prediction(
        "radii in a cone",
        _radii(parameters, law, _check_radius(radius, law)),
        "",
        "r_k(0) + (1 - delta) t <= r_k(t) <= r_k(0) + t (Pre, Peri)",
        _SOURCE,
        _hypotheses(parameters),
        "SA; the bounds hold for every delta < 1, also where the theorem is not stated [derived]",
    )


def cone_variance_rate(
    t: float, beta: float, n: int, delta: float, scheme: str | Scheme = "post", *, radius: Any = 1.0
) -> Prediction:
    """How fast the variance of tokens in a cone decays at time t: −Var'/Var, Var = (1/n) Σ |θ_i − mean|².

    **Arguments:** as :func:`cone_radii`, with any scheme; `delta` may be that of the start, or the smaller one at t.

    **Returns:** :class:`Prediction` whose value is (least, most), 2/s with s the scale of the scheme up to δ, βδ and
    the spread of the radii; the least is negative, and says nothing, where βδ or that spread is large.

    **Raises:** `InputError`. **Source:** scale [2510.22026], Theorem 4.3, with 1/α_t for nGPT; constants derived.
    """
    parameters = _check(t, beta, n, delta)
    law = scheme_named(scheme)
    least, most = _radii(parameters, law, _check_radius(radius, law))
    time, beta, _, delta = parameters
    # s grows with r and |A|, and 1 − δ ≤ |A|² ≤ 1
    slowest = law.slowdown(_reading(1.0, 1.0), most, time)
    fastest = law.slowdown(_reading(1.0, 1.0 - delta), least, time)
    turned = math.expm1(min(beta * delta, 700.0))
    return Prediction(
        "decay rate of the variance in a cone",
        (2.0 * ((1.0 - delta) / slowest - turned / fastest), 2.0 * safe_exp(beta * delta) / fastest),
        "1/t",
        f"Var' = -Theta(Var/scale), scale {_SCALES.get(law.name, 's')}",
        _SOURCE + ", scale of nGPT corrected; constants derived",
        _hypotheses(parameters),
        "SA; the bounds hold for every delta < 1, also where the theorem is not stated [derived]",
    )


def uniform_attention_scale(
    n: int, dim: int, beta: float = 1.0, *, norms: tuple[float, float] = (1.0, 1.0)
) -> Prediction:
    """The scale of the largest attention output of n independent uniform tokens, √(log n/n) + log n/d.

    Peri-LN and nGPT divide by |A|: the smaller it is, the faster they start compared with the rest.

    **Arguments:** `n` ≥ 2; `dim` ≥ 2; `beta`; `norms` |B| and |V|, the largest singular values.

    **Returns:** :class:`Prediction`; max_j |A_j| is at most C times its value. **Raises:** `InputError`.

    **Source:** [2510.22026], Theorem 4.2. C and the exponent c of the probability are open: with B = V = I, n from 16
    to 2048 and d from 4 to 512, max_j |A_j| was 0.12 to 0.67 of the scale, least for large n and small d.
    """
    n, dim, beta = check_positive_int(n, "n", least=2), check_dim(dim), check_beta(beta)
    if len(norms) != 2:
        raise InputError(f"norms must be two numbers, those of B and V, got {norms!r}")
    query_key, value = (check_real(norm, "norms", 0.0) for norm in norms)
    return Prediction(
        "scale of the largest attention output of uniform tokens",
        math.sqrt(math.log(n) / n) + math.log(n) / dim,
        "",
        "max_j |A_j(0)| <= C (sqrt(log n/n) + log n/d)",
        "[2510.22026], Theorem 4.2",
        (
            Hypothesis("beta = 1", beta == 1, f"beta = {beta:g}"),
            Hypothesis("|B| <= 1 and |V| <= 1", max(query_key, value) <= 1, f"|B| = {query_key:g}, |V| = {value:g}"),
            Hypothesis("independent uniform tokens", None),
        ),
        "a scale, with probability at least 1 - n^(-c): the constants C and c are open",
    )


def _check(t: float, beta: float, n: int, delta: float) -> tuple[float, float, int, float]:
    time, beta = check_real(t, "t", 0.0), check_beta(beta)
    n, delta = check_positive_int(n, "n", least=2), check_real(delta, "delta", 0.0)
    if delta >= 1.0:
        raise InputError(f"delta must be < 1, all inner products positive, got {delta!r}")
    return time, beta, n, delta


def _check_radius(radius: Any, scheme: Scheme) -> tuple[float, float]:
    """The smallest and the largest radius at t = 0: 1 where the scheme normalises at the start."""
    if scheme.normalised(0.0):
        return 1.0, 1.0
    radii = np.asarray(radius, dtype=np.float64).ravel()
    if not radii.size or not (np.isfinite(radii) & (radii > 0)).all():
        raise InputError(f"radius must be > 0, got {radius!r}")
    return float(radii.min()), float(radii.max())


def _reading(along: float, squared: float) -> Reading:
    """A reading that says ⟨θ, A⟩ and |A|²; no scheme looks at single weights."""
    return Reading(math.nan, math.nan, along, squared)


def _radii(
    parameters: tuple[float, float, int, float], scheme: Scheme, start: tuple[float, float]
) -> tuple[float, float]:
    """Least and most radius at t. Growth is between its values at ⟨θ, A⟩ = 1 − δ and 1, |A| = 1, and free of r."""
    time, _, _, delta = parameters
    edges = [0.0, *sorted(b for b in scheme.breaks if 0 < b < time), time]

    def grown(along: float) -> float:
        def rate(t: float) -> float:
            return scheme.growth(_reading(along, 1.0), 1.0, t)

        return sum(_integral(rate, a, b) for a, b in itertools.pairwise(edges))

    return start[0] + grown(1.0 - delta), start[1] + grown(1.0)


def _integral(rate: Callable[[float], float], begin: float, end: float) -> float:
    from scipy.integrate import quad

    return float(quad(rate, begin, end, epsabs=0.0, epsrel=1e-12)[0]) if end > begin else 0.0


def _hypotheses(parameters: tuple[float, float, int, float]) -> tuple[Hypothesis, ...]:
    _, beta, n, delta = parameters
    flat = 0.01 / n**2
    steep = math.inf if beta == 0 else flat / beta**2
    return (
        Hypothesis("query-key and value matrices are the identity, masses 1/n", True, "B = V = I"),
        Hypothesis("delta < 1/(100 n^2 beta^2)", delta < steep, f"delta = {delta:.4g}, bound {steep:.4g}"),
        Hypothesis("delta < 1/(100 n^2)", delta < flat, f"delta = {delta:.4g}, bound {flat:.4g}"),
    )
