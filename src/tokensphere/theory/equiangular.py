"""Equiangular tokens: all inner products equal ρ, and they stay equal, so that n tokens become one number.

    a = 1/Zn,  b = q/Zn,  q = e^{−β(1−ρ)},  Zn = 1 + (n−1)q          (USA: a = e^β/n, b = e^{βρ}/n)
    ⟨θ,A⟩ = a + (n−1)bρ,    |A|² = a² + 2a(n−1)bρ + (n−1)b²(1 + (n−2)ρ)
    flow    dρ/dt = 2b(1−ρ)(1+(n−1)ρ)/s
    layer   y' = cθ + eA:    r'² = c² + 2ce⟨θ,A⟩ + e²|A|²,    1−ρ' = (1−ρ)(c + e(a−b))²/r'²

In high dimension independent uniform tokens are nearly orthogonal, ρ = 0, and follow this curve.
[2312.10794, 2510.22026; derived, exact]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, suggest
from .growth import FLOWS, check_real

__all__ = [
    "SCHEMES",
    "Equiangular",
    "Reading",
    "Scheme",
    "equiangular_curve",
    "equiangular_layer_count",
    "equiangular_layer_time",
    "equiangular_layers",
    "equiangular_rate",
    "equiangular_time",
]


@dataclass(frozen=True)
class Reading:
    """What a token reads from the others: the weights `a` of itself and `b` of each other, ⟨θ,A⟩ and |A|²."""

    a: float
    b: float
    along: float
    squared: float


@dataclass(frozen=True)
class Scheme:
    """A normalisation scheme on equiangular tokens of common norm r.

    `slowdown(reading, r, t)` is s in dθ/dt = P A/s; `growth(reading, r, t)` is dr/dt; `layer(reading, r, step, t)`
    gives (c, e) of y' = cθ + eA; `normalised` says that a layer ends on the unit sphere.
    """

    slowdown: Callable[[Reading, float, float], float]
    growth: Callable[[Reading, float, float], float]
    layer: Callable[[Reading, float, float, float], tuple[float, float]]
    normalised: bool


# A further scheme is one entry here.
SCHEMES: dict[str, Scheme] = {
    "post": Scheme(
        slowdown=lambda reading, r, t: 1.0,
        growth=lambda reading, r, t: 0.0,
        layer=lambda reading, r, step, t: (1.0, step),
        normalised=True,
    ),
}


@dataclass(frozen=True)
class Equiangular:
    """n equiangular tokens under a flow and a scheme.

    **Arguments:** `beta` ≥ 0; `n` ≥ 2 tokens; `flow` "sa", "usa" or "usa-shifted"; `scheme` a name in
    :data:`SCHEMES`.

    **Raises:** `InputError` for a bad value or an unknown name.
    """

    beta: float
    n: int
    flow: str = "sa"
    scheme: str = "post"

    def __post_init__(self) -> None:
        check_beta(self.beta)
        check_positive_int(self.n, "n", least=2)
        for name, value, known in (("flow", self.flow, list(FLOWS)), ("scheme", self.scheme, list(SCHEMES))):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}{suggest(str(value), known)}")
        if self.flow == "usa" and self.beta > 700:
            raise InputError(f"beta = {self.beta:g} overflows in the USA clock; use 'usa-shifted'")

    @property
    def rules(self) -> Scheme:
        """The scheme itself."""
        return SCHEMES[self.scheme]

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
        return after, 1.0 if self.rules.normalised else math.sqrt(squared)


def _gap(start: Any, n: int, name: str = "start") -> float:
    """1 − ρ for a value of ρ."""
    check_positive_int(n, "n", least=2)
    rho = check_real(start, name)
    if not -1.0 / (n - 1) <= rho < 1:
        raise InputError(f"{name} must lie in [-1/(n-1), 1) = [{-1 / (n - 1):.6g}, 1), got {start!r}")
    return 1.0 - rho


def equiangular_rate(rho: float, beta: float, n: int, flow: str = "sa", scheme: str = "post") -> float:
    """dρ/dt at t = 0 and r = 1.

    **Arguments:** `rho` in [−1/(n−1), 1); the others as :class:`Equiangular`. **Source:** derived, exact.
    """
    gap = _gap(rho, n, "rho")
    return gap * Equiangular(beta, n, flow, scheme).rates(-math.log(gap), 1.0, 0.0)[0]


def equiangular_curve(
    times: Any, beta: float, n: int, flow: str = "sa", scheme: str = "post", *, start: float = 0.0
) -> np.ndarray:
    """The common inner product ρ(t) along the flow, from ρ(0) = `start` and r(0) = 1.

    **Arguments:** `times` ≥ 0, increasing, any number; the others as :class:`Equiangular`.

    **Returns:** float64 array of the shape of `times`; the error of log(1 − ρ) is about 1e-11.

    **Raises:** `InputError`. **Source:** derived, exact.
    """
    system = Equiangular(beta, n, flow, scheme)
    asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if asked.size and not (np.isfinite(asked).all() and asked[0] >= 0 and (np.diff(asked) >= 0).all()):
        raise InputError("times must be finite, >= 0 and increasing")
    begin = np.array([-math.log(_gap(start, n)), 1.0])
    if not asked.size or asked[-1] == 0:
        return np.full(np.shape(times), start)
    from scipy.integrate import solve_ivp

    distinct, place = np.unique(asked, return_inverse=True)
    found = solve_ivp(
        lambda t, y: system.rates(y[0], y[1], t), (0.0, asked[-1]), begin, "DOP853", distinct, rtol=1e-12, atol=1e-13
    )
    return np.asarray(-np.expm1(-found.y[0][place])).reshape(np.shape(times))


def equiangular_time(
    level: float, beta: float, n: int, flow: str = "sa", scheme: str = "post", *, start: float = 0.0
) -> float:
    """The time at which ρ reaches `level` along the flow: t = ∫ dw/(dw/dt), w = −log(1 − ρ).

    **Returns:** float; infinity if the tokens do not move (ρ = −1/(n−1), or an interaction that underflows).
    """
    system = Equiangular(beta, n, flow, scheme)
    first, last = -math.log(_gap(start, n)), -math.log(_gap(level, n, "level"))
    if last <= first:
        return 0.0

    from scipy.integrate import solve_ivp

    def slope(w: float, y: np.ndarray) -> tuple[float, float]:
        speed, growth = system.rates(w, y[1], y[0])
        return 1.0 / speed, growth / speed

    if system.rates(first, 1.0, 0.0)[0] < 1e-300:
        return math.inf
    found = solve_ivp(slope, (first, last), np.array([0.0, 1.0]), "DOP853", rtol=1e-12, atol=1e-13)
    return float(found.y[0, -1])


def equiangular_layers(
    count: int, step: float, beta: float, n: int, flow: str = "sa", scheme: str = "post", *, start: float = 0.0
) -> np.ndarray:
    """ρ before the first and after each of `count` layers of step η, t = ηℓ.

    **Returns:** (count + 1,) float64. **Source:** derived, exact to rounding.
    """
    system, gap, r = Equiangular(beta, n, flow, scheme), _gap(start, n), 1.0
    gaps = [gap]
    for index in range(check_positive_int(count, "count", least=0)):
        gap, r = system.layer(gap, r, step, index * step)
        gaps.append(gap)
    return np.asarray(1.0 - np.array(gaps))


def _cross(
    level: float, step: float, beta: float, n: int, flow: str, scheme: str, start: float, most: int
) -> tuple[int, float] | None:
    """The first layer with ρ ≥ `level`, and the same as a fraction: log(1 − ρ) interpolated within the layer."""
    system, gap, r = Equiangular(beta, n, flow, scheme), _gap(start, n), 1.0
    wanted, before = _gap(level, n, "level"), _gap(start, n)
    for index in range(most + 1):
        if gap <= wanted:
            inside = math.log(before / wanted) / math.log(before / gap) if index else 1.0
            return index, max(index - 1.0 + inside, 0.0)
        before = gap
        gap, r = system.layer(gap, r, step, index * step)
    return None


def equiangular_layer_count(
    level: float,
    step: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str = "post",
    *,
    start: float = 0.0,
    most: int = 100_000,
) -> int | None:
    """The first layer after which ρ ≥ `level`; `None` if `most` layers do not suffice."""
    found = _cross(level, step, beta, n, flow, scheme, start, most)
    return None if found is None else found[0]


def equiangular_layer_time(
    level: float,
    step: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str = "post",
    *,
    start: float = 0.0,
    most: int = 100_000,
) -> float:
    """t = ηℓ at which ρ reaches `level` in layers of step η, ℓ a fraction; infinity after `most` layers.

    Within a layer log(1 − ρ) is interpolated linearly, so that the time is continuous in every parameter.
    """
    found = _cross(level, step, beta, n, flow, scheme, start, most)
    return math.inf if found is None else step * found[1]
