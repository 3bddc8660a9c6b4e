"""When equiangular tokens reach a level of ρ: the depth to collapse, along the flow and in layers.

    flow     t = ∫ dw/(dw/dt),    w = −log(1 − ρ)
    layers   the first ℓ with ρ_ℓ ≥ level, and the same as a fraction, so that it is continuous in every parameter

[derived, exact]
"""

from __future__ import annotations

import math

import numpy as np

from .equiangular import Equiangular, check_gap, equiangular_path
from .schemes import Scheme

__all__ = ["equiangular_layer_count", "equiangular_layer_time", "equiangular_time"]


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

    **Returns:** float; infinity if the tokens do not move (ρ = −1/(n−1), or an interaction that underflows).
    """
    system = Equiangular(beta, n, flow, scheme, radius)
    first, last = -math.log(check_gap(start, n)), -math.log(check_gap(level, n, "level"))
    if last <= first:
        return 0.0

    from scipy.integrate import solve_ivp

    def slope(w: float, y: np.ndarray) -> tuple[float, float]:
        speed, growth = system.rates(w, y[1], y[0])
        return 1.0 / speed, growth / speed

    if system.rates(first, radius, 0.0)[0] < 1e-300:
        return math.inf
    state = np.array([0.0, float(radius)])
    for jump in system.rules.breaks:  # up to a jump of the rules the path is followed in time
        path = equiangular_path([jump], beta, n, flow, scheme, start=start, radius=radius)
        reached = -float(path.log_gap[0])
        if reached < last:
            first, state = reached, np.array([math.nextafter(jump, math.inf), float(path.radius[0])])
    return float(solve_ivp(slope, (first, last), state, "DOP853", rtol=1e-12, atol=1e-13).y[0, -1])


def _cross(level: float, step: float, system: Equiangular, start: float, most: int) -> tuple[int, float] | None:
    """The first layer with ρ ≥ `level`, and the same as a fraction: log(1 − ρ) interpolated within the layer."""
    before = gap = check_gap(start, system.n)
    wanted, r = check_gap(level, system.n, "level"), system.radius
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
