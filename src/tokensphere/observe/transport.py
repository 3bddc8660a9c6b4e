"""Wasserstein distances between clouds of tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_tokens, check_weights
from .circle_shift import best_shift, differences, masses_unless_equal, quantiles, unit_of

__all__ = ["wasserstein", "wasserstein_to_uniform"]

_MOST_ASSIGNED = 3000


def wasserstein(
    a: Any, b: Any, p: float = 2, metric: str = "geodesic", weights_a: Any = None, weights_b: Any = None
) -> float:
    """Return W_p(mu, nu) = (inf over couplings pi of int dist(x, y)^p d pi)^{1/p}, not its p-th power.

    | case | method | cost |
    |---|---|---|
    | circle, geodesic, p = 1, any masses and counts | int abs(F - G - median) d theta | O(n log n) |
    | circle, geodesic, p > 1, any masses and counts | optimal mass shift of quantiles | O(n log n) |
    | one token against any measure | the only coupling | O(n) |
    | equal counts and masses, at most 3000 tokens | linear assignment | O(n^3) |

    Masses are exact on the circle when they are all equal in each measure, otherwise resolved to 1e-14.

    **Arguments:** `a` (n, dim), `b` (m, dim) unit rows; `p` >= 1, default 2; `metric` "geodesic"
    (radians, default) or "chordal"; `weights_a` (n,), `weights_b` (m,) masses summing to 1, None = equal.

    **Returns:** float, in radians for "geodesic".

    **Raises:** `InputError` for bad tokens, weights, p or metric, and for a case that is not in the table.

    **Source:** Delon, Salomon, Sobolevski, SIAM J. Appl. Math. 70 (2010) 2239 (circle).
    """
    x, y = check_tokens(a), check_tokens(b)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"a and b must have the same dim, got {x.shape[1]} and {y.shape[1]}")
    power = float(p)
    if not (math.isfinite(power) and power >= 1):
        raise InputError(f"p must be a finite number >= 1, got {p!r}")
    if metric not in ("geodesic", "chordal"):
        raise InputError(f"metric must be 'geodesic' or 'chordal', got {metric!r}")
    mass_a = masses_unless_equal(weights_a, x.shape[0])
    mass_b = masses_unless_equal(weights_b, y.shape[0])
    if x.shape[1] == 2 and metric == "geodesic":
        return _circle(np.arctan2(x[:, 1], x[:, 0]), np.arctan2(y[:, 1], y[:, 0]), power, mass_a, mass_b)
    for one, many, masses in ((x, y, mass_b), (y, x, mass_a)):
        if one.shape[0] == 1:
            cost = _distances(one, many, metric)[0] ** power
            return float(np.mean(cost) if masses is None else masses @ cost) ** (1.0 / power)
    if x.shape[0] != y.shape[0] or mass_a is not None or mass_b is not None:
        raise InputError(
            f"wasserstein with unequal counts or masses ({x.shape[0]} and {y.shape[0]} tokens) needs "
            f"the circle (dim = 2) with metric='geodesic'; otherwise give equal counts and no weights"
        )
    if x.shape[0] > _MOST_ASSIGNED:
        raise InputError(
            f"wasserstein by assignment takes at most {_MOST_ASSIGNED} tokens, got {x.shape[0]}; take a "
            f"subsample, or use the circle (dim = 2) with metric='geodesic'"
        )
    from scipy.optimize import linear_sum_assignment

    cost = _distances(x, y, metric) ** power
    return float(np.mean(cost[linear_sum_assignment(cost)])) ** (1.0 / power)


def _distances(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    from scipy.spatial.distance import cdist

    apart = cdist(x, y)
    return apart if metric == "chordal" else 2.0 * np.arctan2(apart, cdist(x, -y))


def _circle(x: np.ndarray, y: np.ndarray, p: float, mass_x: np.ndarray | None, mass_y: np.ndarray | None) -> float:
    units, sliver = unit_of(x.size, y.size, mass_x is None and mass_y is None)
    f, g = quantiles(x, mass_x, units), quantiles(y, mass_y, units)
    if p > 1.0:
        lengths, gaps = differences(f, g, best_shift(f, g, p), sliver)
        return float(lengths @ np.abs(gaps) ** p) ** (1.0 / p)
    # F - G is constant between consecutive tokens; its weighted median over the circle is the best constant.
    places = np.concatenate([f.angles, g.angles])
    jumps = np.concatenate([np.diff(f.knots, prepend=0), -np.diff(g.knots, prepend=0)])
    order = np.argsort(places, kind="stable")
    places, height = places[order], np.cumsum(jumps[order])
    arcs = np.diff(places, append=places[0] + 2.0 * np.pi)
    by_height = np.argsort(height, kind="stable")
    covered = np.cumsum(arcs[by_height])
    median = int(height[by_height[min(int(np.searchsorted(covered, np.pi)), height.size - 1)]])
    excess = np.abs(height - median)
    excess[excess <= sliver] = 0
    return float(arcs @ excess) / units


def wasserstein_to_uniform(tokens: Any, p: int = 2, weights: Any = None) -> float:
    """Return the geodesic W_p between tokens on the circle and the uniform law, exactly.

    With D(s) = F^{-1}(s) - 2 pi s on the quantiles, W_2^2 is the variance of D over s in [0, 1], and W_1
    the mean of |D - median(D)|. n equispaced tokens have W_1 = pi/(2n) and W_2 = pi/(sqrt(3) n); n
    independent uniform tokens have E W_2^2 = pi^2/(3n).

    **Arguments:** `tokens` (n, 2) unit rows; `p` 1 or 2, default 2; `weights` (n,) masses summing to 1,
    None = 1/n.

    **Returns:** float, radians.

    **Raises:** `InputError` for tokens that are bad or not on the circle, bad weights, or another p.
    """
    points = check_tokens(tokens)
    if points.shape[1] != 2:
        raise InputError(f"wasserstein_to_uniform needs tokens on the circle (dim = 2), got dim = {points.shape[1]}")
    if p not in (1, 2):
        raise InputError(f"p must be 1 or 2, got {p!r}")
    theta = np.arctan2(points[:, 1], points[:, 0])
    masses = check_weights(weights, theta.size)
    order = np.argsort(theta, kind="stable")
    mass = masses[order] / masses.sum()
    knots = np.cumsum(mass)
    middle = theta[order] - 2.0 * np.pi * (knots - mass / 2.0)  # D is uniform on middle ± pi mass, with this mass
    middle -= mass @ middle
    if p == 2:
        return math.sqrt(float(mass @ (middle**2 + (np.pi * mass) ** 2 / 3.0)))
    ends = np.concatenate([middle - np.pi * mass, middle + np.pi * mass])
    cover = np.concatenate([np.ones(mass.size), -np.ones(mass.size)])
    by_end = np.argsort(ends, kind="stable")
    ends, cover = ends[by_end], np.cumsum(cover[by_end])
    below = np.concatenate([[0.0], np.cumsum(np.diff(ends) * cover[:-1])]) / (2.0 * np.pi)
    median = float(np.interp(0.5, below, ends))
    left, right = middle - np.pi * mass - median, middle + np.pi * mass - median
    # int over [left, right] of |v| dv = (right |right| - left |left|) / 2
    return float(np.sum(right * np.abs(right) - left * np.abs(left))) / (4.0 * np.pi)
