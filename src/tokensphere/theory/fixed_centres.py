"""Fixed centres: when free tokens are sure to end within ε β^{−1/2} of frozen ones, on the circle [2411.04990].

m frozen tokens of weight a_j ≥ 1, pairwise at least c β^{−1/2} apart, and n free tokens of weight 1;  N = n + Σ a_j
h(x) = e^{β(cos x − 1)} sin x,   g = h' = e^{β(cos x − 1)}(cos x − β sin² x)

c > 2 + 2ε,    N h((c−1−2ε)β^{−1/2}) < h(εβ^{−1/2}),    −N g((c−2ε)β^{−1/2}) < g(εβ^{−1/2})

The last inequality is printed with N g on its left, which is negative there, so that it would always hold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int
from .growth import check_real
from .records import Hypothesis, Prediction

__all__ = ["centre_force", "centre_stiffness", "fixed_centres"]


def centre_force(angle: Any, beta: float) -> np.ndarray:
    """h(x) = e^{β(cos x − 1)} sin x, the pull of a centre at the angle x (any shape)."""
    x = np.asarray(angle, dtype=np.float64)
    return np.asarray(np.exp(-2.0 * check_beta(beta) * np.sin(x / 2) ** 2) * np.sin(x))


def centre_stiffness(angle: Any, beta: float) -> np.ndarray:
    """g(x) = h'(x) = e^{β(cos x − 1)}(cos x − β sin² x)."""
    x, beta = np.asarray(angle, dtype=np.float64), check_beta(beta)
    return np.asarray(np.exp(-2.0 * beta * np.sin(x / 2) ** 2) * (np.cos(x) - beta * np.sin(x) ** 2))


def fixed_centres(
    beta: float, angles: Any, free: int, *, epsilon: float, separation: float | None = None, masses: Any = None
) -> Prediction:
    """How near to a centre every free token ends: the angle ε β^{−1/2}, if the hypotheses hold.

    **Arguments:** `beta` > 0; `angles` (m,) of the frozen tokens, m ≥ 2, radians; `free` n ≥ 1 tokens of weight 1;
    `epsilon` ε in (0, 1); `separation` c, by default the largest that these centres have, their smallest distance
    times √β; `masses` (m,) weights a_j of the frozen tokens, 1 each by default. They need not sum to 1: a run takes
    all of them divided by N.

    **Returns:** :class:`Prediction`. **Raises:** `InputError`. **Source:** [2411.04990], with its last inequality
    corrected.
    """
    beta, n, eps = check_beta(beta), check_positive_int(free, "free"), check_real(epsilon, "epsilon", 0.0)
    places = np.sort(np.mod(np.asarray(angles, dtype=np.float64), 2.0 * np.pi))
    if beta == 0 or not 0.0 < eps < 1.0:
        raise InputError(f"beta must be > 0 and epsilon in (0, 1), got {beta:g} and {epsilon!r}")
    if places.ndim != 1 or places.size < 2 or not np.isfinite(places).all():
        raise InputError("angles must be those of at least two frozen tokens, finite")
    weights = np.ones(places.size) if masses is None else np.asarray(masses, dtype=np.float64)
    if weights.shape != places.shape or not (np.isfinite(weights) & (weights > 0)).all():
        raise InputError(f"masses must be {places.size} finite numbers > 0")
    unit = 1.0 / math.sqrt(beta)
    nearest = float(np.diff(places, append=places[0] + 2.0 * np.pi).min())
    c = nearest / unit if separation is None else check_real(separation, "separation", 0.0)
    total = n + float(weights.sum())
    pull, kept = total * float(centre_force((c - 1 - 2 * eps) * unit, beta)), float(centre_force(eps * unit, beta))
    soft = -total * float(centre_stiffness((c - 2 * eps) * unit, beta))
    stiff = float(centre_stiffness(eps * unit, beta))
    return Prediction(
        "distance from the nearest centre at the end",
        eps * unit,
        "rad",
        "epsilon/sqrt(beta)",
        "[2411.04990], inequality for g corrected",
        (
            Hypothesis("weights of the frozen tokens >= 1", bool((weights >= 1).all()), f"least {weights.min():.4g}"),
            Hypothesis(
                "centres at least c/sqrt(beta) apart",
                c * unit <= nearest * (1 + 1e-12),
                f"c/sqrt(beta) = {c * unit:.4g}, smallest distance {nearest:.4g}",
            ),
            Hypothesis("c > 2 + 2 epsilon", c > 2 + 2 * eps, f"c = {c:.4g}, epsilon = {eps:.4g}"),
            Hypothesis("N h((c-1-2eps)/sqrt(beta)) < h(eps/sqrt(beta))", pull < kept, f"{pull:.4g} and {kept:.4g}"),
            Hypothesis("-N g((c-2eps)/sqrt(beta)) < g(eps/sqrt(beta))", soft < stiff, f"{soft:.4g} and {stiff:.4g}"),
            Hypothesis("almost every start", None, "no free token at a balance of all pulls"),
        ),
        "tokens on the circle, V = B = I, SA; long times",
    )
