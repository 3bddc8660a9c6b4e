"""Normalisation schemes, as rules for what one token of norm r does with its attention output A.

    y = rθ, |θ| = 1:     dθ/dt = P_θ A / s,     dr/dt as below
    layer: y' = cθ + eA, then r' = |y'|, or 1 if normalised

| scheme | s | dr/dt | (c, e) of a layer with step η at t = ηℓ |
|---|---|---|---|
| post | 1 | 0 | (1, η), normalised |
| pre | r | ⟨θ,A⟩ | (r, η) |
| mix | post for t ≤ switch, then pre | | post for t < switch, then pre |
| peri | r|A| | ⟨θ,A⟩/|A| | (r, η/|A|) |
| ngpt | |A|/α | 0 | (1, ηα/|A|), normalised; original form (1−ηα, ηα/|A|) |
| sqrt | √(t+1) | 0 | (1, η/√(t+1)), normalised |
| ln-scaling | r√(t+1) | ⟨θ,A⟩/√(t+1) | (r, η/√(t+1)) |

[2510.22026, table of schemes; the last row derived. One abstract calls the sqrt row "LN-Scaling", though it is Post-LN
with a decaying step: both are here, under separate names.]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError, suggest
from .growth import check_real

__all__ = ["SCHEMES", "Law", "Reading", "Scheme", "before_switch", "mix_scheme", "ngpt_scheme", "scheme_named"]


@dataclass(frozen=True)
class Reading:
    """What a token reads from the others: the weights `a` of itself and `b` of each other, ⟨θ,A⟩ and |A|²."""

    a: float
    b: float
    along: float
    squared: float

    @property
    def length(self) -> float:
        """|A|. **Raises:** `InputError` where it is zero and a scheme divides by it."""
        if self.squared <= 0:
            raise InputError("the attention output is zero, and this scheme divides by its length")
        return math.sqrt(self.squared)


@dataclass(frozen=True)
class Law:
    """How 1 − ρ ends: `kind` and `formula`; `rate`, the slope of log(1 − ρ) against `against`, per SA rate 1."""

    kind: Literal["exponential", "stretched", "power"]
    formula: str
    against: str
    rate: float


@dataclass(frozen=True)
class Scheme:
    """A normalisation scheme on tokens of common norm r.

    `slowdown(reading, r, t)` is s in dθ/dt = P A/s; `growth(reading, r, t)` is dr/dt; `layer(reading, r, step, t)`
    gives (c, e) of y' = cθ + eA; `normalised(t)` says that the layer at t ends on the unit sphere. `law` is the end of
    1 − ρ; `starts` names the scheme whose rate it has at t = 0; `breaks` are times where the rules jump.
    """

    name: str
    slowdown: Callable[[Reading, float, float], float]
    growth: Callable[[Reading, float, float], float]
    layer: Callable[[Reading, float, float, float], tuple[float, float]]
    normalised: Callable[[float], bool]
    law: Law
    breaks: tuple[float, ...] = ()


_POWER = Law("power", "C/r², r ~ t", "log t", -2.0)

POST = Scheme(
    "post",
    lambda reading, r, t: 1.0,
    lambda reading, r, t: 0.0,
    lambda reading, r, step, t: (1.0, step),
    lambda t: True,
    Law("exponential", "C e^{-2t}", "t", -2.0),
)
PRE = Scheme(
    "pre",
    lambda reading, r, t: r,
    lambda reading, r, t: reading.along,
    lambda reading, r, step, t: (r, step),
    lambda t: False,
    _POWER,
)
PERI = Scheme(
    "peri",
    lambda reading, r, t: r * reading.length,
    lambda reading, r, t: reading.along / reading.length,
    lambda reading, r, step, t: (r, step / reading.length),
    lambda t: False,
    _POWER,
)
SQRT = Scheme(
    "sqrt",
    lambda reading, r, t: math.sqrt(t + 1.0),
    lambda reading, r, t: 0.0,
    lambda reading, r, step, t: (1.0, step / math.sqrt(t + 1.0)),
    lambda t: True,
    Law("stretched", "C e^{-4 sqrt(t+1)}", "sqrt(t+1)", -4.0),
)
LN_SCALING = Scheme(
    "ln-scaling",
    lambda reading, r, t: r * math.sqrt(t + 1.0),
    lambda reading, r, t: reading.along / math.sqrt(t + 1.0),
    lambda reading, r, step, t: (r, step / math.sqrt(t + 1.0)),
    lambda t: False,
    Law("power", "C/r², r ~ 2 sqrt(t+1)", "log t", -1.0),
)


def mix_scheme(switch: float = 1.0) -> Scheme:
    """Mix-LN: Post-LN until t = `switch`, Pre-LN with r = 1 from there on.

    **Raises:** `InputError` for a negative switch.
    """
    switch = check_real(switch, "switch", 0.0)

    def at(t: float) -> Scheme:
        return POST if t <= switch else PRE

    def layer(reading: Reading, r: float, step: float, t: float) -> tuple[float, float]:
        return (POST if before_switch(t, switch) else PRE).layer(reading, r, step, t)

    return Scheme(
        "mix",
        lambda reading, r, t: at(t).slowdown(reading, r, t),
        lambda reading, r, t: at(t).growth(reading, r, t),
        layer,
        lambda t: before_switch(t, switch),
        _POWER,
        (switch,) if switch > 0 else (),
    )


def before_switch(t: Any, switch: Any) -> Any:
    """Whether a layer at t = ηℓ, which carries rounding, comes before the switch of Mix-LN (any kind of numbers)."""
    return t < switch - 1e-9 * (1.0 + switch)


def ngpt_scheme(alpha: float | Callable[[float], float] = 1.0, *, original: bool = False) -> Scheme:
    """nGPT with step α, a number or a function of t: N(y + ηα N(A)), or in its original form N(y + ηα(N(A) − y)); one
    limit for both.

    **Raises:** `InputError` for an alpha that is not positive.
    """
    if callable(alpha):
        at, law = alpha, Law("exponential", "C exp(-2 int alpha)", "int alpha", -2.0)
    else:
        number = check_real(alpha, "alpha", 0.0)
        if number == 0:
            raise InputError("alpha must be > 0, got 0")
        at, law = lambda t: number, Law("exponential", f"C e^{{-{2 * number:g} t}}", "t", -2.0 * number)
    return Scheme(
        "ngpt",
        lambda reading, r, t: reading.length / at(t),
        lambda reading, r, t: 0.0,
        lambda reading, r, step, t: (1.0 - step * at(t) if original else 1.0, step * at(t) / reading.length),
        lambda t: True,
        law,
    )


# By name, with the default switch and alpha. A further scheme is one entry here.
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme for scheme in (POST, PRE, mix_scheme(), PERI, ngpt_scheme(), SQRT, LN_SCALING)
}


def scheme_named(scheme: str | Scheme) -> Scheme:
    """The scheme of this name, or the scheme itself.

    **Raises:** `InputError` for an unknown name.
    """
    if isinstance(scheme, Scheme):
        return scheme
    if scheme not in SCHEMES:
        raise InputError(f"unknown scheme {scheme!r}{suggest(str(scheme), list(SCHEMES))}")
    return SCHEMES[scheme]
