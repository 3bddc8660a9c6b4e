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

__all__ = ["wasserstein_to_density"]

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
    law = coefficients if isinstance(coefficients, CircleDistribution) else CircleDistribution(coefficients)
    theta = np.arctan2(points[:, 1], points[:, 0])
    masses = check_weights(weights, theta.size)
    order = np.argsort(theta, kind="stable")
    steps = np.cumsum(masses[order])
    steps /= steps[-1]
    # Intervals between neighbours; the last one, from the last token round to the first, is cut at pi.
    places = np.concatenate([[-np.pi], theta[order], [np.pi]])
    starts, ends = places[:-1], places[1:]
    heights = np.concatenate([[0.0], steps])
    mass, area = law.cumulative(places), law.integral(places)
    low, high = mass[:-1], mass[1:]
    median = _median(law, starts, ends, heights, heights - low, heights - high)
    levels = heights - median
    crossing = np.clip(_crossings(law, levels, low, high, starts, ends), starts, ends)
    middle = law.integral(crossing)
    above = levels * (crossing - starts) - (middle - area[:-1])
    below = (area[1:] - middle) - levels * (ends - crossing)
    return max(float(np.sum(above + below)), 0.0)


def _crossings(
    law: CircleDistribution, levels: np.ndarray, low: np.ndarray, high: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Where F passes the level in each interval: its start or end if it is above or below throughout."""
    out = np.where(levels <= low, starts, ends)
    inside = np.flatnonzero((levels > low) & (levels < high))
    out[inside] = law.inverse(levels[inside])  # levels of an interval inside (0, 1) are those of angles in (-pi, pi)
    return out


def _median(
    law: CircleDistribution,
    starts: np.ndarray,
    ends: np.ndarray,
    heights: np.ndarray,
    top: np.ndarray,
    bottom: np.ndarray,
) -> float:
    """The m above which F_n − F is on half the circle: a decreasing equation, by Newton steps in a bracket.

    `top` and `bottom` are the values of F_n − F at both ends of each interval. Only intervals crossed by m need
    F^{−1}, about √n of them; the first guess takes F_n − F for constant in each.
    """
    lengths = ends - starts

    def excess(m: float) -> tuple[float, float]:
        crossed = np.flatnonzero((top > m) & (bottom < m))
        places = np.clip(law.inverse(heights[crossed] - m), starts[crossed], ends[crossed])
        value = float(lengths[bottom >= m].sum() + (places - starts[crossed]).sum()) - np.pi
        density = law.density(places)
        return value, -2.0 * np.pi * float(np.sum(1.0 / np.maximum(density, 1e-12)))

    order = np.argsort(top + bottom)
    m = 0.5 * float((top + bottom)[order[np.searchsorted(np.cumsum(lengths[order]), np.pi)]])
    low, high, slow = float(bottom.min()), float(top.max()), 0
    while high - low > 1e-17:
        value, slope = excess(m)
        width = high - low
        low, high = (m, high) if value > 0.0 else (low, m)
        # At m the distance is too large by at most 2 |excess| times the distance to the median, for it is convex.
        if 2.0 * abs(value) * (high - low) <= _ACCURACY:
            break
        slow = slow + 1 if high - low > 0.5 * width else 0
        newton = m - value / slope if slope < 0.0 else low
        if slope < 0.0 and 2.0 * value**2 <= -_ACCURACY * slope:
            break
        m = newton if low < newton < high and slow < 4 else 0.5 * (low + high)
    return m
