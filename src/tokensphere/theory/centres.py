"""Rényi centres of causal attention: how many there are, and when tokens are sure to end at fixed ones [2411.04990].

δ = c β^{−1/2} (an angle),  p = mass of a cap of angle δ
strong centres among the first M tokens    (1 − (1−p)^M)/p → 1/p          (d = 2: π/δ, d = 3: 2/(1 − cos δ))  [derived]
centres on the circle after M tokens       L m(M/L),  L = 2π/δ,  m(τ) = ∫_0^τ exp(−2∫_0^t (1 − e^{−u})/u du) dt
                                           m(∞) = 0.7476: Rényi's parking constant                            [derived]
any d, δ → 0                               Θ(δ^{−(d−1)}) = Θ(β^{(d−1)/2})

A car of length δ parks on a street of length 2π as a centre finds its place: no two midpoints are closer than δ.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..errors import InputError, check_beta, check_dim, check_positive_int
from .growth import check_real
from .records import Hypothesis, Prediction

__all__ = ["cap_mass", "centre_angle", "centre_count", "parking_density", "strong_centre_count"]


def centre_angle(beta: float, separation: float) -> float:
    """δ = c β^{−1/2}, the angle between Rényi centres, for `separation` c > 0. **Raises:** `InputError`."""
    beta, c = check_beta(beta), check_real(separation, "separation", 0.0)
    if beta == 0 or c == 0 or c / math.sqrt(beta) >= math.pi:
        raise InputError(f"separation/sqrt(beta) must be an angle in (0, pi); got {separation!r} and beta = {beta:g}")
    return c / math.sqrt(beta)


def cap_mass(angle: float, dim: int) -> float:
    """The mass of a cap of geodesic radius `angle` in (0, π] under the uniform law. **Raises:** `InputError`."""
    from scipy.special import betainc

    dim, delta = check_dim(dim), check_real(angle, "angle", 0.0)
    if not 0.0 < delta <= math.pi:
        raise InputError(f"angle must lie in (0, pi], got {angle!r}")
    below = 0.5 * float(betainc(0.5 * (dim - 1), 0.5, math.sin(min(delta, math.pi - delta)) ** 2))
    return below if delta <= 0.5 * math.pi else 1.0 - below


def strong_centre_count(angle: float, dim: int, tokens: int | None = None) -> Prediction:
    """Expected number of strong Rényi centres among the first `tokens` of an independent uniform stream.

    **Arguments:** `angle` δ in (0, π); `dim` ≥ 2; `tokens` M ≥ 1, or `None` for an endless stream.

    **Returns:** :class:`Prediction`: token i is one if the i − 1 before it avoid its cap. **Source:** derived, exact.
    """
    p = cap_mass(angle, dim)
    if tokens is None:
        value = 1.0 / p
    else:
        value = -math.expm1(check_positive_int(tokens, "tokens") * math.log1p(-p)) / p if p < 1 else 1.0
    return Prediction(
        "strong Renyi centres",
        value,
        "",
        "(1 - (1-p)^M)/p, p the mass of a cap of angle delta",
        "derived",
        (Hypothesis("independent uniform tokens", None, "any order"),),
        "the mean over streams; exact",
    )


@functools.cache
def parking_density(time: float = math.inf) -> float:
    """m(τ) = ∫_0^τ exp(−2∫_0^t (1 − e^{−u})/u du) dt: the share of a long street that cars of length 1 have taken.

    **Arguments:** `time` τ ≥ 0, cars that came for each unit of length. **Returns:** float; Rényi's parking constant
    at infinity. **Source:** A. Rényi 1958.
    """
    from scipy.integrate import quad
    from scipy.special import exp1

    if not time >= 0:
        raise InputError(f"time must be >= 0, got {time!r}")

    def free(t: float) -> float:
        """exp(−2 Ein(t)), Ein(t) = E₁(t) + log t + γ, the chance that a car finds its place."""
        if t < 1e-3:
            return math.exp(-2.0 * t * (1.0 - t / 4.0 + t * t / 18.0))
        return math.exp(-2.0 * (float(exp1(t)) + math.log(t) + np.euler_gamma))

    split = min(float(time), 1.0)
    found = quad(free, 0.0, split, epsabs=1e-14, epsrel=1e-13)[0]
    if time > split:
        found += quad(free, split, time, epsabs=1e-14, epsrel=1e-13)[0]
    return float(found)


def centre_count(angle: float, dim: int, tokens: int | None = None) -> Prediction:
    """Expected number of Rényi centres (strong or not) among the first `tokens` of an independent uniform stream.

    **Arguments:** as :func:`strong_centre_count`.

    **Returns:** :class:`Prediction`. On the circle its value is L m(M/L); for dim > 2, where no such formula is known,
    it is `None`, and its validity gives the bounds of packing: 1/p(δ) ≤ count ≤ 1/p(δ/2) for an endless stream.

    **Source:** derived, by parking; up to effects of the ends of a street that are tiny for δ < 1.
    """
    delta = check_real(angle, "angle", 0.0)
    low, high = 1.0 / cap_mass(delta, dim), 1.0 / cap_mass(0.5 * delta, dim)
    street = 2.0 * math.pi / delta
    value = None
    if dim == 2:
        time = math.inf if tokens is None else check_positive_int(tokens, "tokens") / street
        value = street * parking_density(time)
    return Prediction(
        "Renyi centres",
        value,
        "",
        "(2 pi/delta) m(M delta/2 pi), m(t) -> Renyi's parking constant",
        "derived; the limit of an endless stream is stated as open in [2411.04990]",
        (
            Hypothesis("tokens on the circle", dim == 2, f"dim = {dim}"),
            Hypothesis("delta < 1, a long street", delta < 1.0, f"delta = {delta:.4g}"),
            Hypothesis("independent uniform tokens", None),
        ),
        f"endless stream: between {low:.6g} and {high:.6g} in any dimension, of the order delta^-(dim-1)",
    )
