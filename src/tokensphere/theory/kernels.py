"""Growth rates of any odd pair drift on the circle, and whether the kernel behind it is smooth enough.

    d theta_i/dt = (1/n) sum_j g(theta_i - theta_j),    g = h' odd
    lambda_k = -(k/pi) integral_0^pi g(t) sin(k t) dt

The phase theory needs sup |h''| (Dobrushin's constant) and rates that decay with k. Two published failures have
neither: the cutoff drift -sin(t) 1{|t| < R}, whose rates tend to -(1/pi) sin R cos kR, and h = -|t|, where every odd
degree ties at 2/pi.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import InputError, check_positive_int
from ..special import check_degrees
from .growth import check_real
from .records import Diagnosis, to_json

__all__ = ["CircleKernel", "circle_kernel", "kernel_rates"]

Drift = Callable[[np.ndarray], Any]

_GROWTH, _TAIL, _TIE = 1.3, 1e-3, 0.98
_FEW_DEGREES, _PER_PEAK = 128, 6  # rates must have decayed beyond max(128, 6 k_max)
_COARSEST, _FINEST = 10, 15  # cells of the grid of sup |h''|, as powers of two
_NODES, _BLOCK = 16, 8192


def _evaluate(drift: Drift, angles: np.ndarray) -> np.ndarray:
    """g at `angles`, or an InputError: not an array function, or not finite."""
    values = np.asarray(drift(angles), dtype=np.float64)
    if values.shape != angles.shape:
        raise InputError(f"drift must return one number an angle, got shape {values.shape} for {angles.shape}")
    if not np.isfinite(values).all():
        raise InputError(f"drift is not finite at the angle {angles[int(np.argmin(np.isfinite(values)))]:.6g}")
    return values


def _check_drift(drift: Drift, breaks: Sequence[float]) -> np.ndarray:
    """The break points inside (0, pi), sorted. **Raises:** InputError also for a drift that is not odd."""
    inside = np.unique([check_real(b, "breaks") for b in breaks]) if len(breaks) else np.empty(0)
    if inside.size and (inside[0] <= 0.0 or inside[-1] >= math.pi):
        raise InputError(f"breaks must lie in (0, pi), got {list(breaks)!r}")
    probe = (np.arange(64) + 0.5) * (math.pi / 64.0)
    there, back = _evaluate(drift, probe), _evaluate(drift, -probe)
    if np.abs(there + back).max() > 1e-9 * max(float(np.abs(there).max()), 1e-300):
        raise InputError("drift must be odd, g(-t) = -g(t), as the derivative of an even potential is")
    return inside


def _quadrature(drift: Drift, wanted: np.ndarray, inside: np.ndarray) -> np.ndarray:
    # Panels of at most a quarter of the shortest wave, and never more than 1/256 of the half circle.
    longest = min(math.pi / 256.0, math.pi / max(2.0 * float(wanted.max()), 1.0))
    edges = np.concatenate([[0.0], inside, [math.pi]])
    x, w = np.polynomial.legendre.leggauss(_NODES)
    # e^{ikt} = e^{i base a t} e^{ibt} with k = base a + b: two short tables and a matrix product.
    base = math.isqrt(int(wanted.max())) + 1
    table = np.zeros((base, base))
    for left, right in pairwise(edges.tolist()):
        count = math.ceil((right - left) / longest)
        ends = np.linspace(left, right, count + 1)
        width = np.diff(ends)
        t = (ends[:-1, None] + 0.5 * (x + 1.0) * width[:, None]).ravel()
        force = _evaluate(drift, t) * (0.5 * width[:, None] * w).ravel()
        for first in range(0, t.size, _BLOCK):
            part = t[first : first + _BLOCK]
            coarse = np.exp(1j * base * np.arange(base)[:, None] * part) * force[first : first + _BLOCK]
            table += (coarse @ np.exp(1j * part[:, None] * np.arange(base))).imag
    whole = wanted.astype(np.int64)
    total = table[whole // base, whole % base]
    return -wanted / math.pi * total


def kernel_rates(drift: Drift, degrees: Any, breaks: Sequence[float] = ()) -> np.ndarray:
    """Growth rates of the uniform law under an odd pair drift, by Gauss-Legendre quadrature between `breaks`.

        lambda_k = -(k/pi) integral_0^pi g(t) sin(k t) dt

    **Arguments:** `drift` g, a function of an array of angles in (-pi, pi), odd (its value at 0 is not used);
    `degrees` k >= 0, any shape; `breaks`, the angles in (0, pi) where g jumps or has a kink: with them the rates have
    about 12 digits, without them a jump costs all but 3 or 4.

    **Returns:** float64 array of the shape of `degrees`, per unit of time.

    **Raises:** InputError for a drift that is not odd, not finite or not an array function, bad degrees or breaks.

    **Source:** derived.
    """
    wanted = check_degrees(degrees)
    inside = _check_drift(drift, breaks)
    return _quadrature(drift, np.atleast_1d(wanted).ravel().astype(np.float64), inside).reshape(wanted.shape)


@dataclass(frozen=True)
class CircleKernel:
    """What the uniform law does under a kernel, and whether the phase theory may be asked.

    **Fields:** `k_max` and `rate` of the fastest degree, `second` the next fastest and `ratio` of their rates (NaN if
    nothing grows); `curvature`, sup |h''| on the finest grid, and `curvature_growth`, its factor in the last grid
    doubling; `tail`, the largest |lambda_k| beyond max(128, 6 k_max) relative to lambda_max, and its degree
    `tail_degree`; `diagnoses`.
    """

    k_max: int
    rate: float
    second: int
    ratio: float
    curvature: float
    curvature_growth: float
    tail: float
    tail_degree: int
    diagnoses: tuple[Diagnosis, ...]

    @property
    def smooth(self) -> bool:
        """Whether sup |h''| is finite and the rates decay, as far as the grid can tell."""
        return all(d.code != "NONSMOOTH" for d in self.diagnoses)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return to_json({**self.__dict__, "smooth": self.smooth})


def _curvature(drift: Drift, power: int) -> float:
    """sup |h''| by differences of g over 2^power cells of the circle, none of which ends at 0 or pi."""
    cells = 2**power
    t = (np.arange(cells + 1) + 0.5) * (2.0 * math.pi / cells) - math.pi
    # The last node is the first, one turn on: g has period 2 pi.
    g = _evaluate(drift, t[:-1])
    return float(np.abs(np.diff(np.append(g, g[0]))).max()) * cells / (2.0 * math.pi)


def circle_kernel(drift: Drift, breaks: Sequence[float] = (), max_degree: int = 1024) -> CircleKernel:
    """Rates, dominant degree and smoothness of the kernel of an odd pair drift on the circle.

        NONSMOOTH   sup |h''| grows by more than 1.3 per doubling of the grid, or some |lambda_k| with
                    k > max(128, 6 k_max) is above lambda_max / 1000: Dobrushin's constant is void
        TIE         lambda_2nd / lambda_max > 0.98

    k_max is looked for among k <= 128, where the rates of a drift with jumps are still ordered.

    **Arguments:** `drift` and `breaks` as :func:`kernel_rates`; `max_degree` >= 256, the last degree of the tail.

    **Returns:** :class:`CircleKernel`.  **Raises:** InputError.

    **Source:** failure signatures of [2410.23228]; the operational rules are derived.
    """
    highest = check_positive_int(max_degree, "max_degree", least=256)
    inside = _check_drift(drift, breaks)
    degrees = np.arange(1, highest + 1, dtype=np.float64)
    rates = _quadrature(drift, degrees, inside)
    # What rounding leaves of a zero rate must not be taken for growth.
    size = float(np.abs(_evaluate(drift, (np.arange(1024) + 0.5) * (math.pi / 1024.0))).max())
    rates[np.abs(rates) <= 1e-13 * size * degrees] = 0.0
    low = rates[:_FEW_DEGREES]
    # At an exact tie the lower degree leads: rounding must not decide.
    top = float(low.max())
    k_max = int(np.flatnonzero(low >= top - 1e-9 * abs(top))[0]) + 1
    others = np.delete(low, k_max - 1)
    place = int(np.flatnonzero(others >= others.max() - 1e-9 * abs(top))[0])
    second = place + 1 + (place + 1 >= k_max)
    grows = top > 0.0
    ratio = min(float(others[place]) / float(low[k_max - 1]), 1.0) if grows else math.nan

    begin = max(_FEW_DEGREES, _PER_PEAK * k_max)
    beyond = np.abs(rates[begin:]) if begin < highest else np.zeros(1)
    tail_degree = begin + 1 + int(np.argmax(beyond))
    tail = float(beyond.max()) / top if grows else math.nan
    sups = [_curvature(drift, power) for power in range(_COARSEST, _FINEST + 1)]
    growth = sups[-1] / sups[-2] if sups[-2] > 0.0 else 1.0

    found = []
    if ratio > _TIE:
        message = f"degrees {k_max} and {second} grow at {low[k_max - 1]:.6g} and {low[second - 1]:.6g}"
        found.append(Diagnosis("TIE", message))
    reasons = []
    if growth > _GROWTH:
        reasons.append(f"sup |h''| grows by {growth:.3g} per doubling of the grid")
    if tail > _TAIL:
        reasons.append(f"|lambda_{tail_degree}| is still {tail:.3g} of lambda_max")
    if reasons:
        found.append(Diagnosis("NONSMOOTH", f"{' and '.join(reasons)}: Dobrushin's constant is void"))
    return CircleKernel(k_max, top, second, ratio, sups[-1], growth, tail, tail_degree, tuple(found))
