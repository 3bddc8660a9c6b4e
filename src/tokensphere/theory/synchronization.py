"""Where all tokens end under a scheme of normalisation, and when radii grow on the way there.

one cluster   SA, V = B = I, almost every start: Post, nGPT, sqrt; Pre, Mix, Peri under a condition on the radii, which
              Pre and Peri do not need if n ≤ e^β: then dr_i/dt > 0 for all tokens        [2510.22026, Theorem 3.1]

The least radial velocity over all tokens of the sphere, in any d ≥ 2: with N = n − 1 and W the function of Lambert

    Pre:   min dr_i/dt = 1 − W(N/e)/β                          if W(N/e) + 1 ≤ 2β     (others at ⟨θ_i, θ_j⟩ = min − 1/β)
           min dr_i/dt = (1 − Ne^{−2β})/(1 + Ne^{−2β})         else                   (others opposite to token i)

so that dr_i/dt > 0 for all tokens if and only if n − 1 < βe^{β+1} (β ≥ 1) or n − 1 < e^{2β} (β < 1).        [derived]

Why: the minimum v of Σ_j w_j c_j/Σ_j w_j, w_j = e^{βc_j}, c_i = 1, solves Σ_j w_j(c_j − v) = 0, where each term
is least at c_j = max(v − 1/β, −1).
"""

from __future__ import annotations

import math

from ..errors import check_beta, check_dim, check_positive_int
from .growth import safe_exp
from .records import Hypothesis, Prediction
from .schemes import Scheme, scheme_named

__all__ = ["least_radial_velocity", "synchronization"]


def least_radial_velocity(beta: float, n: int) -> Prediction:
    """The least dr_i/dt of Pre-LN over all n tokens on the sphere; that of Peri and LN-Scaling has the same sign.

    **Arguments:** `beta` ≥ 0; `n` ≥ 2. **Returns:** :class:`Prediction`; a minimum, which is attained.

    **Raises:** `InputError`. **Source:** derived.
    """
    beta, n = check_beta(beta), check_positive_int(n, "n", least=2)
    return Prediction(
        "least radial velocity",
        _least(beta, n),
        "1/t",
        "1 - W((n-1)/e)/beta if W((n-1)/e) + 1 <= 2 beta, else (1 - (n-1) e^(-2 beta))/(1 + (n-1) e^(-2 beta))",
        "derived",
        (Hypothesis("query-key and value matrices are the identity, masses 1/n", True, "B = V = I"),),
        "SA under Pre-LN, any tokens in any dimension",
    )


def synchronization(beta: float, n: int, dim: int, scheme: str | Scheme = "post") -> Prediction:
    """Whether all tokens end in one cluster under a scheme, for almost every start.

    **Arguments:** `beta` ≥ 0; `n` ≥ 2; `dim` ≥ 2; `scheme`, a name of :data:`tokensphere.theory.SCHEMES` or a scheme.

    **Returns:** :class:`Prediction` of 1 cluster. Its hypothesis on the radii is known to hold under Pre, Peri if
    n ≤ e^β; also under Mix, which is Pre from its switch on, and LN-Scaling, a change of time of Pre [derived].

    **Raises:** `InputError`. **Source:** [2510.22026], Theorem 3.1; [2312.10794] for Post and its change of time, sqrt,
    on the circle.
    """
    beta, n, dim = check_beta(beta), check_positive_int(n, "n", least=2), check_dim(dim)
    law = scheme_named(scheme)
    found = [
        Hypothesis("query-key and value matrices are the identity", True, "B = V = I"),
        Hypothesis(
            "d >= 3, or d = 2 under post and sqrt",
            True if dim >= 3 or law.name in ("post", "sqrt") else None,
            f"d = {dim}, {law.name}",
        ),
        Hypothesis("almost every start", None),
    ]
    if not law.normalised(math.inf):
        found.insert(2, _radii_grow(beta, n))
    return Prediction(
        f"clusters at the end under {law.name}",
        1,
        "",
        "one",
        "[2510.22026], Theorem 3.1",
        tuple(found),
        "SA, long times, no noise",
    )


def _radii_grow(beta: float, n: int) -> Hypothesis:
    """n ≤ e^β; beyond, the published condition is on the run and not on its parameters."""
    least = _least(beta, n)
    sign = "all radii grow" if least > 0 else "radii of some tokens fall"
    return Hypothesis(
        "n <= e^beta, or the condition on the radii",
        True if n <= safe_exp(beta) else None,
        f"n = {n}, e^beta = {safe_exp(beta):.4g}; least dr/dt under pre {least:.4g}: {sign}",
    )


def _least(beta: float, n: int) -> float:
    from scipy.special import lambertw

    lambert = float(lambertw((n - 1) / math.e).real)
    if lambert + 1.0 <= 2.0 * beta:
        return 1.0 - lambert / beta
    opposite = (n - 1) * math.exp(-2.0 * beta)
    return (1.0 - opposite) / (1.0 + opposite)
