"""Optimal transport on the circle: one convex function of the mass shift.

With F^{-1}, G^{-1} the quantile functions of two measures, continued by F^{-1}(s+1) = F^{-1}(s) + 2 pi,

    W_p^p = min_z C(z),   C(z) = int_0^1 |F^{-1}(s) - G^{-1}(s - z)|^p ds,   p >= 1,

and C is convex and, for tokens, piecewise linear in z [Delon, Salomon, Sobolevski, SIAM J. Appl. Math. 70
(2010)].

Masses are kept as whole numbers of a unit: equal masses exactly, any others to about 1e-14. Equal partial
sums then meet exactly, and no rounding sliver of mass travels across the circle.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import check_weights

__all__ = ["Quantiles", "best_shift", "differences", "masses_unless_equal", "quantiles", "unit_of"]

_GRID = 2**46
_SLIVER = 2


@dataclasses.dataclass(frozen=True)
class Quantiles:
    """A measure on the circle: sorted angles; the mass up to and including each, in units (last = all)."""

    angles: np.ndarray
    knots: np.ndarray

    @property
    def total(self) -> int:
        """The whole mass, in units."""
        return int(self.knots[-1])


def masses_unless_equal(weights: Any, n: int) -> np.ndarray | None:
    """Return checked masses (n,), or None when all are equal."""
    if weights is None:
        return None
    masses = check_weights(weights, n)
    return None if np.ptp(masses) <= 1e-15 * masses.max() else masses


def unit_of(n: int, m: int, equal: bool) -> tuple[int, int]:
    """Return (units in the whole mass, longest rounding sliver): exact if both measures have equal masses."""
    exact = math.lcm(n, m)
    if equal and exact <= 2**60:
        return exact, 0
    return m * (_GRID // m), _SLIVER


def quantiles(angles: np.ndarray, masses: np.ndarray | None, units: int) -> Quantiles:
    """Sort a measure; `masses` None means equal masses, exact when n divides `units`."""
    n = angles.size
    order = np.argsort(angles, kind="stable")
    if masses is None and units % n == 0:
        return Quantiles(angles[order], np.arange(1, n + 1, dtype=np.int64) * (units // n))
    sums = np.cumsum(np.full(n, 1.0 / n) if masses is None else masses[order])
    knots = np.rint(sums * (units / sums[-1])).astype(np.int64)
    knots[-1] = units
    return Quantiles(angles[order], np.minimum(knots, units))


def _slope(f: Quantiles, g: Quantiles, shift: int, p: float) -> tuple[float, int, int]:
    """Return (slope, start, stop): the right derivative of C at `shift`, the same on all of [start, stop).

    As z grows, every knot of G moves right and the mass next to it changes partner from y_{j+1} to y_j.
    """
    turns, place = np.divmod(g.knots + shift, f.total)
    index = np.searchsorted(f.knots, place, side="right")
    x = f.angles[index] + 2.0 * np.pi * turns
    y, after = g.angles, np.append(g.angles[1:], g.angles[0] + 2.0 * np.pi)
    if p == 2.0:
        slope = float(np.sum((after - y) * ((x - y) + (x - after))))
    else:
        slope = float(np.sum(np.abs(x - y) ** p - np.abs(x - after) ** p))
    since = int((place - np.where(index > 0, f.knots[index - 1], 0)).min())
    return slope, shift - since, shift + int((f.knots[index] - place).min())


def best_shift(f: Quantiles, g: Quantiles, p: float) -> int:
    """Return a minimiser of C in units: the first whole number at which the slope is >= 0.

    Secant steps on the slope inside a bracket, with a bisection after two steps that did not halve it.
    The slope is a nondecreasing step function, of which every trial settles one whole step, so the answer
    is exact.
    """
    low, high = -f.total, f.total
    slope_low, slope_high = _slope(f, g, low, p)[0], _slope(f, g, high, p)[0]
    if slope_low >= 0.0:
        return low
    trial, slow = 0, 0
    while high - low > 1:
        width = high - low
        slope, start, stop = _slope(f, g, trial, p)
        if slope >= 0.0:
            high, slope_high = max(start, low + 1), slope
        else:
            low, slope_low = min(stop, high) - 1, slope
        slow = slow + 1 if high - low > width // 2 else 0
        fraction = 0.5 if slow > 2 else slope_low / (slope_low - slope_high)
        step = round(fraction * (high - low))
        trial = low + min(max(step, 1), max(high - low - 1, 1))
    return high


def differences(f: Quantiles, g: Quantiles, shift: int, sliver: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (lengths, F^{-1}(s) - G^{-1}(s - shift)) on the pieces of constant quantiles.

    Lengths are fractions of the whole mass; pieces of at most `sliver` units are rounding and get length 0.
    """
    total = f.total
    starts = np.concatenate([f.knots, (g.knots + shift) % total, [0, total]])
    starts[starts == total] = 0
    starts.sort(kind="stable")
    lengths = np.diff(np.append(starts, total))
    x = f.angles[np.searchsorted(f.knots, starts, side="right")]
    turns, place = np.divmod(starts - shift, total)
    y = g.angles[np.searchsorted(g.knots, place, side="right")]
    lengths[lengths <= sliver] = 0
    return lengths / total, x - y - 2.0 * np.pi * turns
