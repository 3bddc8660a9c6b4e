"""When equiangular tokens reach a level of ρ: the depth to collapse, along the flow and in layers.

    flow     t = ∫ dw/(dw/dt),    w = −log(1 − ρ)
    layers   the first ℓ with ρ_ℓ ≥ level, and the same as a fraction, so that it is continuous in every parameter

[derived, exact]
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError
from .equiangular import Equiangular, check_gap, check_step
from .schemes import Scheme

__all__ = ["equiangular_layer_count", "equiangular_layer_time", "equiangular_time"]

_LOG_MAX = 700.0


def equiangular_time(
    level: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
) -> float:
    """The time at which ρ reaches `level` along the flow: t = ∫ dw/(dw/dt), w = −log(1 − ρ).

    **Arguments:** `level` of ρ in [−1/(n−1), 1); the others as :class:`tokensphere.theory.equiangular.Equiangular`.

    **Returns:** float; infinity if the tokens do not move (ρ = −1/(n−1)), or if the time or the radius is no float.

    **Raises:** `InputError`. **Source:** derived, exact.
    """
    return equiangular_reach(level, Equiangular(beta, n, flow, scheme, radius), start)[0]


def equiangular_reach(level: float, system: Equiangular, start: float = 0.0) -> tuple[float, float]:
    """The time and the radius at which ρ reaches `level`; both infinite if one is no float.

    log(1 + t) and log r are what is integrated, so that times up to the largest float keep their digits.
    """
    first, last = -math.log(check_gap(start, system.n)), -math.log(check_gap(level, system.n, "level"))
    if last <= first:
        return 0.0, system.radius
    state = (0.0, math.log(system.radius))
    for jump in system.rules.breaks:
        reached, there = _through(system, first, last, state, 0.0, math.log1p(jump))
        if reached >= last:
            return math.expm1(there[0]), math.exp(there[1])
        first, state = reached, (math.log1p(math.nextafter(jump, math.inf)), there[1])
    reached, there = _through(system, first, last, state, max(system.rules.breaks, default=0.0), _LOG_MAX)
    return (math.expm1(there[0]), math.exp(there[1])) if reached >= last else (math.inf, math.inf)


def _through(
    system: Equiangular, first: float, last: float, state: tuple[float, float], begin: float, until: float
) -> tuple[float, tuple[float, float]]:
    """From w = `first` towards `last`, as far as log(1 + t) < `until` and log r is a float: where it ends, and
    (log(1 + t), log r) there.
    """
    from scipy.integrate import solve_ivp

    latest, least = math.expm1(until), math.nextafter(begin, math.inf) if begin else 0.0

    def slopes(v: float, y: tuple[float, float]) -> tuple[float, float]:
        t = min(max(math.expm1(min(y[0], _LOG_MAX)), least), latest)
        r = math.exp(min(y[1], _LOG_MAX))
        speed, growth = system.rates(first + min(max(v, 0.0), last - first), r, t)
        return (1.0 / speed / (1.0 + t), growth / speed / r) if speed > 0.0 else (math.inf, math.inf)

    def along(_: float, y: np.ndarray) -> tuple[float, float, float]:
        # In units of the length of the curve: however slow the start is, log(1 + t) then grows by one a unit.
        later, wider = slopes(y[2], (y[0], y[1]))
        length = 1.0 + later + abs(wider)
        return (later / length, wider / length, 1.0 / length) if math.isfinite(length) else (1.0, 0.0, 0.0)

    def room(_: float, y: np.ndarray) -> float:
        return float(min(until - y[0], _LOG_MAX - y[1]))

    def left(_: float, y: np.ndarray) -> float:
        return float(last - first - y[2])

    room.terminal = left.terminal = True  # type: ignore[attr-defined]
    run = solve_ivp(
        along, (0.0, 1e5), [*state, 0.0], "DOP853", events=(room, left), rtol=1e-12, atol=1e-13, max_step=2.0
    )
    if run.status != 1:
        raise InputError(f"the time at beta = {system.beta:g} cannot be computed: {run.message}")
    end = (float(run.y[0, -1]), float(run.y[1, -1]))
    return (last if run.t_events[1].size else first + float(run.y[2, -1])), end


def _cross(level: float, step: float, system: Equiangular, start: float, most: int) -> tuple[int, float] | None:
    """The first layer with ρ ≥ `level`, and the same as a fraction: log(1 − ρ) interpolated within the layer."""
    before = gap = check_gap(start, system.n)
    wanted, r, step = check_gap(level, system.n, "level"), system.radius, check_step(step)
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
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
    most: int = 100_000,
) -> int | None:
    """The first layer after which ρ ≥ `level`; `None` if `most` layers do not suffice."""
    found = _cross(level, step, Equiangular(beta, n, flow, scheme, radius), start, most)
    return None if found is None else found[0]


def equiangular_layer_time(
    level: float,
    step: float,
    beta: float,
    n: int,
    flow: str = "sa",
    scheme: str | Scheme = "post",
    *,
    start: float = 0.0,
    radius: float = 1.0,
    most: int = 100_000,
) -> float:
    """t = ηℓ at which ρ reaches `level` in layers of step η, ℓ a fraction; infinity after `most` layers.

    Within a layer log(1 − ρ) is interpolated linearly, so that the time is continuous in every parameter.
    """
    found = _cross(level, step, Equiangular(beta, n, flow, scheme, radius), start, most)
    return math.inf if found is None else step * found[1]
