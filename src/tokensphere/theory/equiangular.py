"""Equiangular tokens: all inner products equal ρ, and they stay equal, so that n tokens become one number.

    a = 1/Zn,  b = q/Zn,  q = e^{−β(1−ρ)},  Zn = 1 + (n−1)q          (USA: a = e^β/n, b = e^{βρ}/n)
    ⟨θ,A⟩ = a + (n−1)bρ,    |A|² = a² + 2a(n−1)bρ + (n−1)b²(1 + (n−2)ρ)
    flow    dρ/dt = 2b(1−ρ)(1+(n−1)ρ)/s
    layer   y' = cθ + eA:    r'² = c² + 2ce⟨θ,A⟩ + e²|A|²,    1−ρ' = (1−ρ)(c + e(a−b))²/r'²

In high dimension independent uniform tokens are nearly orthogonal, ρ = 0, and follow this curve.
[2312.10794, 2510.22026; derived, exact]
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, suggest
from .growth import FLOWS, check_real
from .schemes import Reading, Scheme, scheme_named

__all__ = [
    "Equiangular",
    "EquiangularPath",
    "equiangular_curve",
    "equiangular_invariant",
    "equiangular_layer_path",
    "equiangular_layers",
    "equiangular_path",
    "equiangular_rate",
]


@dataclass(frozen=True)
class Equiangular:
    """n equiangular tokens under a flow and a scheme.

    **Arguments:** `beta` ≥ 0; `n` ≥ 2 tokens; `flow` "sa", "usa" or "usa-shifted"; `scheme` a name in
    :data:`tokensphere.theory.SCHEMES` or a :class:`tokensphere.theory.Scheme`; `radius` r(0) > 0 (1 where the scheme
    normalises).

    **Raises:** `InputError` for a bad value or an unknown name.
    """

    beta: float
    n: int
    flow: str = "sa"
    scheme: str | Scheme = "post"
    radius: float = 1.0

    def __post_init__(self) -> None:
        check_beta(self.beta)
        check_positive_int(self.n, "n", least=2)
        if self.flow not in FLOWS:
            raise InputError(f"unknown flow {self.flow!r}{suggest(str(self.flow), FLOWS)}")
        scheme = scheme_named(self.scheme)
        if check_real(self.radius, "radius", 0.0) == 0 or (scheme.normalised(0.0) and self.radius != 1):
            kept = "1, for this scheme normalises" if scheme.normalised(0.0) else "> 0"
            raise InputError(f"radius must be {kept}, got {self.radius!r}")
        if self.flow == "usa" and self.beta > 700:
            raise InputError(f"beta = {self.beta:g} overflows in the USA clock; use 'usa-shifted'")

    @property
    def rules(self) -> Scheme:
        """The scheme itself."""
        return scheme_named(self.scheme)

    def reading(self, gap: float) -> Reading:
        """a, b, ⟨θ,A⟩ and |A|² at ρ = 1 − `gap`."""
        others, rho = self.n - 1, 1.0 - gap
        ratio = math.exp(-self.beta * gap)
        if self.flow == "sa":
            scale = 1.0 / (1.0 + others * ratio)
        else:
            scale = math.exp(0.0 if self.flow == "usa-shifted" else self.beta) / self.n
        a, b = scale, scale * ratio
        squared = a * a + 2.0 * a * others * b * rho + others * b * b * (1.0 + (self.n - 2) * rho)
        return Reading(a, b, a + others * b * rho, squared)

    def rates(self, w: float, r: float, t: float) -> tuple[float, float]:
        """dw/dt and dr/dt for w = −log(1 − ρ)."""
        reading = self.reading(math.exp(-w))
        others = -(self.n - 1) * math.expm1(-w)  # (n-1)ρ
        spread = 1.0 + others
        spread = 0.0 if others < 0 and abs(spread) < 4e-15 * self.n else spread  # the simplex rests, rounding or not
        return 2.0 * reading.b * spread / self.rules.slowdown(reading, r, t), self.rules.growth(reading, r, t)

    def layer(self, gap: float, r: float, step: float, t: float) -> tuple[float, float]:
        """1 − ρ and r after one layer."""
        reading = self.reading(gap)
        c, e = self.rules.layer(reading, r, step, t)
        squared = c * c + 2.0 * c * e * reading.along + e * e * reading.squared
        after = gap * (c + e * (reading.a - reading.b)) ** 2 / squared
        return after, 1.0 if self.rules.normalised(t) else math.sqrt(squared)


def check_gap(start: Any, n: int, name: str = "start") -> float:
    """1 − ρ for a value of ρ."""
    check_positive_int(n, "n", least=2)
    rho = check_real(start, name)
    if not -1.0 / (n - 1) <= rho < 1:
        raise InputError(f"{name} must lie in [-1/(n-1), 1) = [{-1 / (n - 1):.6g}, 1), got {start!r}")
    return 1.0 - rho


def check_step(step: Any) -> float:
    """The step η of a layer. **Raises:** `InputError` unless it is finite and positive."""
    if not check_real(step, "step", 0.0) > 0:
        raise InputError(f"step must be > 0, got {step!r}")
    return float(step)


def equiangular_rate(
    rho: float, beta: float, n: int, flow: str = "sa", scheme: str | Scheme = "post", *, radius: float = 1.0
) -> float:
    """dρ/dt at t = 0.

    **Arguments:** `rho` in [−1/(n−1), 1); the others as :class:`Equiangular`. **Source:** derived, exact.
    """
    gap = check_gap(rho, n, "rho")
    return gap * Equiangular(beta, n, flow, scheme, radius).rates(-math.log(gap), radius, 0.0)[0]


@dataclass(frozen=True, eq=False)
class EquiangularPath:
    """`rho` ρ, `log_gap` log(1 − ρ) (which keeps its digits) and `radius` r, all of the shape of `times`."""

    times: np.ndarray
    rho: np.ndarray
    log_gap: np.ndarray
    radius: np.ndarray


def equiangular_path(
    times: Any,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
) -> EquiangularPath:
    """ρ(t) and r(t) along the flow, from ρ(0) = `start` and r(0) = `radius`.

    **Arguments:** `times` ≥ 0, increasing, any number; the others as :class:`Equiangular`.

    **Returns:** :class:`EquiangularPath`; the error of log(1 − ρ) is about 1e-11.

    **Raises:** `InputError`, also where the rates are so fast or so different that no path can be computed.

    **Source:** derived, exact.
    """
    system = Equiangular(beta, n, flow, scheme, radius)
    shape = np.shape(times)
    asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if asked.size and not (np.isfinite(asked).all() and asked[0] >= 0 and (np.diff(asked) >= 0).all()):
        raise InputError("times must be finite, >= 0 and increasing")
    from scipy.integrate import solve_ivp

    distinct, place = np.unique(asked, return_inverse=True)
    found = np.empty((2, distinct.size))
    state, begin = np.array([-math.log(check_gap(start, n)), float(radius)]), 0.0
    last = float(asked[-1]) if asked.size else 0.0
    found[:, distinct == 0.0] = state[:, None]
    # From one break of the scheme to the next, so that no step crosses it.
    for end in sorted({*(t for t in system.rules.breaks if t < last), last} - {0.0}):
        inside = (distinct > begin) & (distinct <= end)
        wanted = np.append(distinct[inside], end)
        middle = math.nextafter(begin, math.inf) if begin > 0 else 0.0
        part = solve_ivp(
            lambda t, y, low=middle, high=end: system.rates(y[0], y[1], min(max(t, low), high)),
            (begin, end),
            state,
            "DOP853",
            np.unique(wanted),
            rtol=1e-12,
            atol=1e-13,
        )
        if not part.success:
            raise InputError(
                f"the path at beta = {beta:g} cannot be followed to t = {end:g} ({part.message.rstrip('.')}); "
                "take shorter times, or 'usa-shifted' instead of 'usa'"
            )
        found[:, inside] = part.y[:, : int(inside.sum())]
        state, begin = part.y[:, -1], end
    w, r = found[:, place].reshape(2, *shape)
    return EquiangularPath(asked.reshape(shape), -np.expm1(-w), -w, r)


def equiangular_curve(
    times: Any,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
) -> np.ndarray:
    """The common inner product ρ(t) along the flow: `rho` of :func:`equiangular_path`, with its arguments."""
    return np.asarray(equiangular_path(times, beta, n, flow, scheme, start=start, radius=radius).rho)


def equiangular_invariant(beta: float, n: int, flow: str = "sa", *, start: float = 0.0, radius: float = 1.0) -> float:
    """lim (1 − ρ) r² of Pre-LN, Peri-LN and LN-Scaling, which share their orbits in (ρ, r).

        log C = log((1 − ρ_0) r_0²) + ∫ [⟨θ,A⟩/(b(1+(n−1)ρ)) − 1] dw,     w = −log(1 − ρ)

    At β = 0 with SA the integrand vanishes: (1 − ρ) r² is constant.

    **Returns:** float; inf where it is no float, for log C grows like e^β (:func:`log_equiangular_invariant`).

    **Raises:** `InputError`, as :class:`Equiangular`, and for tokens at rest. **Source:** derived.
    """
    log = log_equiangular_invariant(beta, n, flow, gap=check_gap(start, n), radius=radius)
    return math.exp(log) if log < 709.0 else math.inf


def log_equiangular_invariant(beta: float, n: int, flow: str = "sa", *, gap: float, radius: float = 1.0) -> float:
    """Natural logarithm of :func:`equiangular_invariant`, from 1 − ρ(0) = `gap`; inf beyond floats."""
    from scipy.integrate import quad

    system = Equiangular(beta, n, flow, "pre", radius)
    if gap >= n / (n - 1) * (1 - 1e-15):
        raise InputError("the simplex rho = -1/(n-1) does not move, so there is no limit")

    def excess(w: float) -> float:
        rest = math.exp(-w)
        reading = system.reading(rest)
        # along − b(1+(n−1)ρ) = a − b, computed without cancellation
        return reading.a * -math.expm1(-beta * rest) / (reading.b * (n - (n - 1) * rest))

    if beta * gap > 650.0:
        return math.inf
    first = -math.log(gap)
    knees = [2.0**j / (1.0 + beta * gap) for j in range(-2, 12)]  # there the integrand falls
    edges = [first, *(first + k for k in knees if k < 60.0), first + 60.0]
    parts = (quad(excess, a, b, epsabs=1e-14, epsrel=1e-12, limit=200)[0] for a, b in itertools.pairwise(edges))
    return math.log(gap) + 2.0 * math.log(radius) + math.fsum(parts)


def equiangular_layer_path(
    count: int,
    step: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
) -> EquiangularPath:
    """ρ and r before the first and after each of `count` layers of step η, t = ηℓ.

    **Returns:** :class:`EquiangularPath` with count + 1 entries. **Source:** derived, exact to rounding.
    """
    system, gap, r = Equiangular(beta, n, flow, scheme, radius), check_gap(start, n), float(radius)
    step = check_step(step)
    states = [(gap, r)]
    for index in range(check_positive_int(count, "count", least=0)):
        gap, r = system.layer(gap, r, step, index * step)
        states.append((gap, r))
    gaps, radii = np.array(states).T
    with np.errstate(divide="ignore"):
        return EquiangularPath(step * np.arange(count + 1), 1.0 - gaps, np.log(gaps), radii)


def equiangular_layers(
    count: int,
    step: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
) -> np.ndarray:
    """`rho` of :func:`equiangular_layer_path`, with its arguments."""
    return equiangular_layer_path(count, step, beta, n, flow, scheme, start=start, radius=radius).rho
