"""How far tokens on the circle are from the k-cluster states and from the k-periodic measures."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError, check_positive_int, check_tokens
from ..sphere import moments
from .circle_shift import differences, masses_unless_equal, quantiles, unit_of

__all__ = ["KClusterDistance", "k_cluster_distance", "k_periodic_defect", "periodic_defect"]


@dataclasses.dataclass(frozen=True)
class KClusterDistance:
    """The nearest k-cluster state: `distance` W_2 in radians, `angle` theta_0 in [0, 2 pi / k), `k`."""

    distance: float
    angle: float
    k: int


def _on_circle(tokens: Any) -> np.ndarray:
    points = check_tokens(tokens)
    if points.shape[1] != 2:
        raise InputError(f"k-cluster states need tokens on the circle (dim = 2), got dim = {points.shape[1]}")
    return np.arctan2(points[:, 1], points[:, 0])


def k_cluster_distance(tokens: Any, k: int, weights: Any = None, p: int = 2) -> KClusterDistance:
    """Return the least W_2 between tokens and k^{-1} sum_j delta_{theta_0 + 2 pi j / k} over theta_0.

    The metric is geodesic. With F^{-1} the quantile function of the tokens and G^{-1} that of the state
    at theta_0 = 0, W_2^2 is the least over the mass shift z of the variance over s of F^{-1}(s) -
    G^{-1}(s - z), and theta_0 the mean there. The variance is concave in z between the n places where a
    knot of F meets one of G, so only these are compared: O(n log n), exact, also far from the state.

    **Arguments:** `tokens` (n, 2) unit rows; `k` >= 1 clusters; `weights` (n,) masses summing to 1, None
    = 1/n; `p` must be 2.

    **Returns:** :class:`KClusterDistance`.

    **Raises:** `InputError` for tokens that are bad or not on the circle, a bad k or weights, or p other
    than 2.

    **Source:** states of Bruno, Pasqualotto, Agazzi, arXiv 2410.23228; the formula follows from the
    quantile form of transport on the circle.
    """
    theta = _on_circle(tokens)
    k = check_positive_int(k, "k")
    if p != 2:
        raise InputError(f"p must be 2 for k_cluster_distance, got {p!r}")
    n = theta.size
    masses = masses_unless_equal(weights, n)
    units, sliver = unit_of(n, k, masses is None)
    f = quantiles(theta, masses, units)
    g = quantiles(2.0 * np.pi * np.arange(k) / k, None, units)
    lengths, gaps = differences(f, g, _best_meeting(f.angles, f.knots, k, units), sliver)
    lengths = lengths / lengths.sum()
    angle = float(lengths @ gaps)
    distance = math.sqrt(float(lengths @ (gaps - angle) ** 2))
    return KClusterDistance(distance, angle % (2.0 * math.pi / k), k)


def _best_meeting(x: np.ndarray, knots: np.ndarray, k: int, units: int) -> int:
    """Return the shift in [0, units/k] that minimises the variance of D(s) = F^{-1}(s) - G^{-1}(s - z).

    int D^2 is piecewise linear in z with a slope that jumps by (4 pi / k)(x_{i+1} - x_i) where a knot of
    F, modulo 1/k, is met; (int D)^2 is the square of c + 2 pi z.
    """
    cell = units // k
    meet, jump = knots % cell, np.diff(x, append=x[0] + 2.0 * np.pi)
    order = np.argsort(meet, kind="stable")
    z = np.concatenate([[0], meet[order]]) / units
    # Right derivative at z = 0, before the jumps at 0: pairs (x at j/k from the left, y_j to y_{j-1}).
    edges = cell * np.arange(1, k + 1)
    left = x[np.searchsorted(knots, edges, side="left")]
    y = 2.0 * np.pi * np.arange(k) / k
    slope = (2.0 * np.pi / k) * float(np.sum(2.0 * (left - y) - 2.0 * np.pi / k))
    slopes = slope + (4.0 * np.pi / k) * np.concatenate([[0.0], np.cumsum(jump[order])])
    square = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(z))])
    mass = np.diff(knots, prepend=0) / units
    mean = float(mass @ x) - float(y.mean())
    variance = square - (mean + 2.0 * np.pi * z) ** 2
    best = int(np.argmin(variance))
    return 0 if best == 0 else int(meet[order[best - 1]])


def k_periodic_defect(tokens: Any, k: int, weights: Any = None, max_degree: int | None = None) -> float:
    """Return the relative distance to the k-periodic measures (invariant under rotation by 2 pi / k).

        (sum over m not divisible by k of A_m^2 / sum over m divisible by k of A_m^2)^{1/2},   1 <= m <=
        max_degree

    0 for a k-periodic measure, inf when no multiple of k is present. Independent tokens add 1/n to every
    A_m^2, so keep `max_degree` small.

    **Arguments:** `tokens` (n, 2) unit rows; `k` >= 1; `weights` (n,) masses summing to 1, None = 1/n;
    `max_degree` >= k, default 2 k.

    **Returns:** float >= 0.

    **Raises:** `InputError` for tokens that are bad or not on the circle, a bad k, weights or max_degree.
    """
    theta = _on_circle(tokens)
    k = check_positive_int(k, "k")
    highest = 2 * k if max_degree is None else check_positive_int(max_degree, "max_degree", least=k)
    return periodic_defect(moments(theta, highest, weights), k)


def periodic_defect(modes: np.ndarray, k: int) -> float:
    """The same from the moments mu_hat_m, m = 0..max_degree."""
    power = np.abs(modes[1:]) ** 2
    inside = np.arange(1, modes.size) % k == 0
    on, off = float(power[inside].sum()), float(power[~inside].sum())
    return math.sqrt(off / on) if on > 0 else math.inf
