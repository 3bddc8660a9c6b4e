"""The distance between tokens on the circle and a density: how far a finite number is from its mean-field limit.

    W_1(μ_n, μ) = min_m ∫ |F_n − F − m| dθ,    attained at the median m of F_n − F over the circle

F_n is a staircase and F increases, so F_n − F falls between two tokens and crosses a level at most once there: at
F^{−1}(F_n − m), which splits the interval into two of one sign. Their integrals are values of the primitive of F.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.meanfield.distribution import CircleDistribution

__all__ = ["wasserstein_of_runs", "wasserstein_to_density"]

_ACCURACY = 1e-15  # of the distance, as far as the median decides it


def wasserstein_to_density(tokens: Any, coefficients: Any, weights: Any = None) -> float:
    """Return the geodesic W_1 between tokens on the circle and the density u = 1 + 2 Re Σ c_m e^{imθ}.

    Exact up to rounding: below 1e-12 absolute for up to 1e6 tokens. An error δc_m of the coefficients adds at most
    Σ_m 2|δc_m|/m, and where u dips below zero (to −1e-6 at most) 2π times the mass there. O((n + K) log(n + K)).

    n independent tokens of the density have √n E W_1 → a constant; n equal-mass quantiles about π/(2n).

    **Arguments:** `tokens` (n, 2) unit rows; `coefficients` (K+1,) complex c_m = ∫ e^{−imθ} dμ, c_0 = 1, or a
    :class:`tokensphere.meanfield.CircleDistribution`, which saves its preparation; `weights` (n,) masses summing to
    1, None = 1/n.

    **Returns:** float, radians.

    **Raises:** `InputError` for tokens that are bad or not on the circle, bad weights, or a density that is negative.
    """
    points = check_tokens(tokens)
    if points.shape[1] != 2:
        raise InputError(f"wasserstein_to_density needs tokens on the circle (dim = 2), got dim = {points.shape[1]}")
    masses = check_weights(weights, len(points))
    return float(_distances(points[None], masses[None], coefficients)[0])


def wasserstein_of_runs(tokens: Any, coefficients: Any) -> np.ndarray:
    """The distances of :func:`wasserstein_to_density` for many runs of n tokens of equal mass, all at once.

    **Arguments:** `tokens` (runs, n, 2) unit rows; `coefficients` as there.

    **Returns:** (runs,), radians.

    **Raises:** `InputError` as there.
    """
    points = np.asarray(tokens, dtype=np.float64)
    if points.ndim != 3 or points.shape[0] < 1 or points.shape[2] != 2:
        raise InputError(f"tokens must have shape (runs, n, 2), got {points.shape}")
    check_tokens(points.reshape(-1, 2))
    masses = np.full(points.shape[:2], 1.0 / points.shape[1])
    return _distances(points, masses, coefficients)


def _distances(points: np.ndarray, masses: np.ndarray, coefficients: Any) -> np.ndarray:
    """One distance for every row of `points` (runs, n, 2) and `masses` (runs, n)."""
    law = coefficients if isinstance(coefficients, CircleDistribution) else CircleDistribution(coefficients)
    theta = np.arctan2(points[..., 1], points[..., 0])
    order = np.argsort(theta, axis=1, kind="stable")
    steps = np.cumsum(np.take_along_axis(masses, order, axis=1), axis=1)
    # Intervals between neighbours; the one from the last token round to the first is cut at pi.
    side = np.full((len(theta), 1), np.pi)
    places = np.concatenate([-side, np.take_along_axis(theta, order, axis=1), side], axis=1)
    heights = np.concatenate([np.zeros_like(side), steps / steps[:, -1:]], axis=1)
    intervals = _Intervals(law, places, heights)
    return intervals.distances(intervals.medians())


class _Intervals:
    """The pieces of F_n − F of many runs: (runs, n + 1) intervals from `starts` to `ends` with F_n = `heights`."""

    def __init__(self, law: CircleDistribution, places: np.ndarray, heights: np.ndarray) -> None:
        self.law, self.heights = law, heights
        self.starts, self.ends = places[:, :-1], places[:, 1:]
        self.lengths = self.ends - self.starts
        mass, area = law.cumulative(places), law.integral(places)
        self.low, self.high = mass[:, :-1], mass[:, 1:]
        self.areas = area[:, :-1], area[:, 1:]
        self.top, self.bottom = heights - self.low, heights - self.high

    def distances(self, medians: np.ndarray) -> np.ndarray:
        """∫ |F_n − F − m| dθ of every run."""
        levels = self.heights - medians[:, None]
        crossing = np.where(levels <= self.low, self.starts, self.ends)
        inside = np.nonzero((levels > self.low) & (levels < self.high))
        crossing[inside] = self._crossings(inside, medians)
        middle = self.law.integral(crossing)
        above = levels * (crossing - self.starts) - (middle - self.areas[0])
        below = (self.areas[1] - middle) - levels * (self.ends - crossing)
        found: np.ndarray = np.maximum(np.sum(above + below, axis=1), 0.0)
        return found

    def medians(self) -> np.ndarray:
        """The m above which F_n − F is on half the circle: a decreasing equation, by Newton steps in a bracket.

        Only intervals crossed by m need F^{−1}, about √n of them; the first guess takes F_n − F for constant in each.
        """
        order = np.argsort(self.top + self.bottom, axis=1)
        covered = np.cumsum(np.take_along_axis(self.lengths, order, axis=1), axis=1)
        half = np.argmax(covered >= np.pi * (1.0 - 1e-12), axis=1)
        runs = np.arange(len(order))
        at_half = runs, order[runs, half]
        m = 0.5 * (self.top[at_half] + self.bottom[at_half])
        low, high = self.bottom.min(axis=1), self.top.max(axis=1)
        for attempt in range(200):
            value, slope = self._excess(m)
            low, high = np.where(value > 0.0, m, low), np.where(value > 0.0, high, m)
            # At m a distance is too large by at most 2 |excess| times the distance to the median: it is convex in m.
            settled = (2.0 * np.abs(value) * (high - low) <= _ACCURACY) | (2.0 * value**2 <= -_ACCURACY * slope)
            if settled.all():
                break
            newton = m - value / np.where(slope < 0.0, slope, -1.0)
            good = (slope < 0.0) & (newton > low) & (newton < high) & (attempt % 4 < 3)
            m = np.where(settled, m, np.where(good, newton, 0.5 * (low + high)))
        return m

    def _excess(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The length of {F_n − F > m} minus half the circle, and its derivative in m."""
        level, runs = m[:, None], len(m)
        crossed = np.nonzero((self.top > level) & (self.bottom < level))
        places = self._crossings(crossed, m)
        over = np.sum(self.lengths, axis=1, where=self.bottom >= level)
        over = over + np.bincount(crossed[0], places - self.starts[crossed], runs)
        inverse = 1.0 / np.maximum(self.law.density(places), 1e-12)
        return over - np.pi, -2.0 * np.pi * np.bincount(crossed[0], inverse, runs)

    def _crossings(self, which: Any, m: np.ndarray) -> np.ndarray:
        """Where F_n − F = m in these intervals."""
        # A level crossed inside an interval of (-pi, pi) lies in (0, 1), so the inverse is in that turn.
        found = self.law.inverse(self.heights[which] - m[which[0]])
        return np.clip(found, self.starts[which], self.ends[which])
