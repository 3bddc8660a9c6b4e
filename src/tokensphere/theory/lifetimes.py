"""How long two clusters stay apart: a metastable state whose life is exponential in β.

Masses p and 1 − p at angle φ, k = e^{β(cos φ − 1)}, exact in any dimension:

    SA            dφ/dt = −k sin φ [(1−p)/(p+(1−p)k) + p/(1−p+pk)]
    USA shifted   dφ/dt = −k sin φ                                        (USA: times e^β)

    T ≈ C e^{β(1−cos φ_0)}/(β sin² φ_0),   C = [(1−p)/p + p/(1−p)]^{−1} (SA), 1 (USA shifted)

log T against β has slope 1 − cos φ_0 − 1/β, not 1 − cos φ_0: fits must include −log β.                       [derived]

For equal masses this is the pairing law (:func:`pair_time`, in closed form).
"""

from __future__ import annotations

import itertools
import math

from ..errors import InputError, check_beta
from .growth import check_flow, check_real

__all__ = ["lifetime_constant", "log_two_cluster_lifetime", "two_cluster_lifetime"]


def _check(angle: float, until: float, mass: float) -> tuple[float, float, float]:
    first, last, p = check_real(angle, "angle"), check_real(until, "until"), check_real(mass, "mass")
    if not 0 < last <= first < math.pi:
        raise InputError(f"angles must satisfy 0 < until <= angle < pi, got until = {until!r}, angle = {angle!r}")
    if not 0 < p < 1:
        raise InputError(f"mass must lie between 0 and 1, got {mass!r}")
    return first, last, p


def log_two_cluster_lifetime(
    beta: float, angle: float, *, until: float = 0.1, mass: float = 0.5, flow: str = "sa"
) -> float:
    """Natural logarithm of the time from `angle` to `until`, by quadrature of dφ/(dφ/dt).

    **Arguments:** `beta` ≥ 0; `angle` φ_0 and `until` in (0, π), radians; `mass` p of one of the two; `flow` "sa",
    "usa" or "usa-shifted".

    **Returns:** float, finite where the time itself is no float; −inf if `until` equals `angle`. Relative error of
    the time about 1e-10.

    **Raises:** `InputError`. **Source:** derived, exact.
    """
    from scipy.integrate import quad

    beta, flow = check_beta(beta), check_flow(flow)
    first, last, p = _check(angle, until, mass)
    if first == last:
        return -math.inf
    top = beta * (1.0 - math.cos(first))  # the slowest moment is the first
    knee = 1.0 / (beta * math.sin(first)) if beta > 0 else math.inf  # there the time is spent

    def spent(phi: float) -> float:
        rest = beta * (1.0 - math.cos(phi))
        k = math.exp(-rest)
        pull = (1 - p) / (p + (1 - p) * k) + p / (1 - p + p * k) if flow == "sa" else 1.0
        return math.exp(rest - top) / (math.sin(phi) * pull)

    cuts = [first - knee * 2.0**j for j in range(8)]
    edges = [last, *sorted(c for c in cuts if last < c < first), first]
    parts = [quad(spent, a, b, epsabs=0, epsrel=1e-11, limit=200)[0] for a, b in itertools.pairwise(edges)]
    return top + math.log(math.fsum(parts)) - (beta if flow == "usa" else 0.0)


def two_cluster_lifetime(
    beta: float, angle: float, *, until: float = 0.1, mass: float = 0.5, flow: str = "sa"
) -> float:
    """The time itself; inf where it is no float. Arguments as :func:`log_two_cluster_lifetime`."""
    log = log_two_cluster_lifetime(beta, angle, until=until, mass=mass, flow=flow)
    return math.inf if log > 709.0 else math.exp(log)


def lifetime_constant(mass: float = 0.5, flow: str = "sa") -> float:
    """C of T ≈ C e^{β(1−cos φ_0)}/(β sin² φ_0), β → ∞ (for "usa" in the shifted clock, as "usa-shifted").

    **Raises:** `InputError`. **Source:** derived.
    """
    p = _check(1.0, 0.5, mass)[2]
    return 1.0 / ((1 - p) / p + p / (1 - p)) if check_flow(flow) == "sa" else 1.0
