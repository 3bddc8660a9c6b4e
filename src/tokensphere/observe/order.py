"""Order parameters, the growth rate read from their series, and the degree that wins."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError
from ..sphere import harmonic_power
from .records import Measurement
from .series import check_series, crossing_time, positive_level

__all__ = ["GrowthFit", "Winner", "fit_growth", "order_parameters", "winning_degree"]


def order_parameters(tokens: Any, degrees: Any, weights: Any = None) -> np.ndarray:
    """Return the order parameters A_k, one for every degree.

        A_k^2 = sum_ij w_i w_j P_k(<x_i, x_j>);   circle: A_k = |sum_j w_j e^{-i k theta_j}|

    A_k is 0 for the uniform law and 1 for one cluster; n independent uniform tokens have mean A_k^2 =
    1/n. Cost: O(n) on the circle, in dim 3 and for degrees 1 and 2; otherwise O(n^2) time and bounded
    memory.

    **Arguments:** `tokens` (n, dim) unit rows; `degrees` one or more whole numbers >= 0; `weights` (n,)
    masses summing to 1, None = 1/n.

    **Returns:** (len(degrees),) float64.

    **Raises:** `InputError` for bad tokens, degrees or weights.

    **Source:** Bruno, Pasqualotto, Agazzi, arXiv 2410.23228 (circle).
    """
    return np.sqrt(harmonic_power(tokens, degrees, weights))


@dataclasses.dataclass(frozen=True)
class GrowthFit:
    """The slope of ln A against time.

    **Fields:** `rate` and its standard error `stderr`; `start`, `stop` the times of the first and last
    sample used; `points` how many were used; `r_squared` of the line; `reason` "" or why there is no fit
    (the numbers are then nan).
    """

    rate: float
    stderr: float
    start: float
    stop: float
    points: int
    r_squared: float
    reason: str = ""

    def measurement(self) -> Measurement:
        """Return the rate as a :class:`Measurement` in 1/time."""
        used = f"least squares of ln A on [{self.start:.6g}, {self.stop:.6g}], {self.points} samples"
        return Measurement("growth rate", self.rate, self.stderr, "1/time", self.reason or used)


def fit_growth(times: Any, amplitudes: Any, lower: float, upper: float) -> GrowthFit:
    """Fit A(t) = A_0 e^{rate t} by least squares of ln A over one monotone stretch with lower <= A <= upper.

    Growth: the samples just before A first exceeds `upper` (or the last ones in the window), as far back
    as A stays above `lower` and increases. Decay (A never exceeds `upper` after entering the window, and
    falls): from the first sample in the window, as long as A decreases and stays in it.

    **Arguments:** `times` (m,) increasing; `amplitudes` (m,) >= 0; `lower`, `upper` with 0 < lower < upper.

    **Returns:** :class:`GrowthFit`. Fewer than 3 samples in the window give rate nan and a `reason`. The
    standard error is that of the residuals: for a noiseless series it measures curvature.

    **Raises:** `InputError` for a bad series or lower >= upper.
    """
    t, a = check_series(times, amplitudes, "amplitudes")
    low, high = positive_level(lower, "lower"), positive_level(upper, "upper")
    if low >= high:
        raise InputError(f"lower must be below upper, got {lower!r} and {upper!r}")
    inside = (a >= low) & (a <= high)
    nothing = GrowthFit(math.nan, math.nan, math.nan, math.nan, 0, math.nan)
    if not inside.any():
        return dataclasses.replace(nothing, reason=f"no amplitude lies between {low:g} and {high:g}")
    first = int(np.argmax(inside))
    above = np.flatnonzero(a[first:] > high)
    last = int(first + above[0] - 1) if above.size else int(np.flatnonzero(inside)[-1])
    if above.size or a[last] >= a[first]:
        begin = last
        while begin > 0 and inside[begin - 1] and a[begin - 1] < a[begin]:
            begin -= 1
        end = last + 1
    else:
        begin, end = first, first + 1
        while end < t.size and inside[end] and a[end] < a[end - 1]:
            end += 1
    points = end - begin
    if points < 3:
        return dataclasses.replace(
            nothing,
            points=points,
            reason=f"only {points} samples lie in the window {low:g} <= A <= {high:g}; save more times there",
        )
    x, y = t[begin:end] - t[begin:end].mean(), np.log(a[begin:end])
    y = y - y.mean()
    spread, total = float(x @ x), float(y @ y)
    rate = float(x @ y) / spread
    residual = float(np.sum((y - rate * x) ** 2))
    stderr = math.sqrt(residual / (points - 2) / spread)
    return GrowthFit(rate, stderr, float(t[begin]), float(t[end - 1]), points, 1.0 - residual / total)


@dataclasses.dataclass(frozen=True)
class Winner:
    """The degree whose order parameter reaches `threshold` first, and when (None and None if none does)."""

    degree: int | None
    time: float | None
    threshold: float


def winning_degree(times: Any, order: Any, degrees: Any, threshold: float = 0.3) -> Winner:
    """Return the degree k whose A_k reaches `threshold` first; crossing times by log-linear interpolation.

    **Arguments:** `times` (m,) increasing; `order` (m, c) order parameters; `degrees` (c,) their degrees;
    `threshold` > 0, default 0.3.

    **Returns:** :class:`Winner`; at equal times the larger A_k at the next sample wins.

    **Raises:** `InputError` for a bad series, threshold, or a number of degrees that is not c.
    """
    t, a = check_series(times, order, "order", ndim=2)
    names = [int(k) for k in np.atleast_1d(np.asarray(degrees)).ravel().tolist()]
    if len(names) != a.shape[1]:
        raise InputError(f"degrees must name the {a.shape[1]} columns of order, got {len(names)}")
    level = positive_level(threshold, "threshold")
    best: tuple[float, float, int] | None = None
    for column, degree in enumerate(names):
        time = crossing_time(t, a[:, column], level)
        if time is None:
            continue
        after = int(np.searchsorted(t, time))
        candidate = (time, -float(a[after, column]), degree)
        best = candidate if best is None else min(best, candidate)
    return Winner(None, None, level) if best is None else Winner(best[2], best[0], level)
