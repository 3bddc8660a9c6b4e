"""Clocks for metastability: times that differ by a factor e^β, or by one that grows exponentially as clusters meet.

    shifted       dt_shifted = e^β dt                             USA against USA with the kernel e^{β(c−1)}
    log           dt = e^{β(1−c)} ds                              c: *current* largest inner product of distinct tokens
    arc-length    dt = ds/|F|                                     |F|² = Σ_i |dx_i/dt|²
    staircase     dt = log β · min{e^{β(1−c_ij)}: θ_ij > 1/√(β log β)} ds

In the log clock a pair follows dc/ds = K(1 − c²) while the others stand still, K = m_j/m_i + m_i/m_j (SA) or m_i + m_j
(USA shifted); with the product at the *start* in place of the current one, as printed in [2512.01868, Theorem 6], the
time until they merge would shrink like 1/β instead.                                  [derived; staircase 2410.06833]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_tokens, suggest
from ..sphere.pairs import closest_pair, gram_blocks
from .growth import check_flow, check_real

__all__ = [
    "CLOCKS",
    "clock_reading",
    "convert_log_time",
    "log_clock_rate",
    "log_pair_time",
    "meeting_angle",
    "pair_clock_time",
    "pair_constant",
]

CLOCKS = ("real", "log", "arc-length", "staircase")


def convert_log_time(log_time: Any, beta: float, source: str, target: str) -> np.ndarray:
    """log t of USA in the clock `target`, from that in the clock `source`: "usa" or "usa-shifted".

        t_shifted = e^β t

    **Arguments:** `log_time` natural logarithms, any shape (−inf for t = 0); `beta` ≥ 0.

    **Returns:** float64, of the same shape: logarithms, since e^β may be no float.  **Raises:** `InputError`.

    **Source:** derived, exact.
    """
    shift = {"usa": 0.0, "usa-shifted": check_beta(beta)}
    for name in (source, target):
        if name not in shift:
            raise InputError(f"unknown clock of USA {name!r}{suggest(str(name), shift)}")
    return np.asarray(np.asarray(log_time, dtype=np.float64) + shift[target] - shift[source])


def log_clock_rate(tokens: Any, beta: float, clock: str = "log", *, speed: float | None = None) -> float:
    """log(dt/ds) of SA or USA shifted at these tokens (one for each cluster), s the time in `clock`.

    **Arguments:** `tokens` (n, dim), in two places at least: copies of a token count as one, as clusters that have
    merged do in a saved run; `beta` ≥ 0 (> 1 for "staircase"); `clock`, one of `CLOCKS`;
    `speed` |F| = √Σ_i |dx_i/dt|², for "arc-length" only.

    **Returns:** float: e^{rate} itself may be no float.  "staircase" without any pair that is far enough apart has
    the rate log log β.

    **Raises:** `InputError`.  **Source:** [2410.06833]; log clock derived.
    """
    points, b = check_tokens(tokens), check_beta(beta)
    if clock not in CLOCKS:
        raise InputError(f"unknown clock {clock!r}{suggest(str(clock), CLOCKS)}")
    if len(points) < 2:
        raise InputError("a clock needs at least two tokens")
    if clock == "real":
        return 0.0
    if clock == "arc-length":
        if speed is None or not math.isfinite(speed) or speed <= 0:
            raise InputError(f"the arc-length clock needs the speed |F| > 0, got {speed!r}")
        return -math.log(speed)
    if clock == "staircase" and b <= 1:
        raise InputError(f"the staircase clock needs beta > 1, got {beta!r}")
    places = np.unique(points + 0.0, axis=0)  # + 0.0: no −0.0, which is at the place of 0.0
    if len(places) < 2:
        raise InputError(
            f"all {len(points)} tokens are at one place, where no clock goes on; give one for each cluster"
        )
    if clock == "log":
        return 0.5 * b * closest_pair(places)[2] ** 2
    return math.log(math.log(b)) + staircase_barrier(places, b)


def staircase_barrier(points: np.ndarray, beta: float) -> float:
    """min β(1 − c_ij) over pairs of rows farther apart than 1/√(β log β), β > 1; 0 without such a pair."""
    level, best = math.cos(min(1.0 / math.sqrt(beta * math.log(beta)), math.pi)), -math.inf
    for _, _, _, inner in gram_blocks(points):
        far = inner[inner < level]
        best = max(best, float(far.max())) if far.size else best
    return beta * (1.0 - best) if best > -math.inf else 0.0


def clock_reading(log_times: Any, log_rates: Any) -> np.ndarray:
    """s(t) = ∫ dt/(dt/ds) along a saved run, by the trapezoidal rule: 0 at its first time.

    **Arguments:** `log_times` (m,) increasing, natural logarithms (the first may be −inf); `log_rates` (m,), of
    :func:`log_clock_rate`.

    **Returns:** (m,) float64; as accurate as the rate is smooth between two saved times.

    **Raises:** `InputError`.
    """
    log_t, rates = np.asarray(log_times, dtype=np.float64), np.asarray(log_rates, dtype=np.float64)
    if log_t.ndim != 1 or log_t.shape != rates.shape or log_t.size < 1:
        raise InputError(f"log_times and log_rates must have one length, got {log_t.shape} and {rates.shape}")
    if np.isnan(log_t).any() or (np.diff(log_t) <= 0).any() or not np.isfinite(rates).all():
        raise InputError("log_times must increase and log_rates must be finite")
    # t_{k+1} − t_k = e^{log t_{k+1}} (1 − e^{−difference}), never formed: it may be no float
    log_span = log_t[1:] + np.log(-np.expm1(log_t[:-1] - log_t[1:]))
    steps = 0.5 * (np.exp(log_span - rates[:-1]) + np.exp(log_span - rates[1:]))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _masses(first: float, second: float) -> tuple[float, float]:
    a, b = check_real(first, "mass"), check_real(second, "mass")
    if not (a > 0 and b > 0 and a + b <= 1 + 1e-12):
        raise InputError(f"masses must be positive, with a sum of at most 1, got {first!r} and {second!r}")
    return a, b


def pair_constant(first: float, second: float, flow: str = "sa") -> float:
    """K of dc/ds = K(1 − c²) in the log clock, for the closest two clusters, of these masses, while others stand still.

        K = m_j/m_i + m_i/m_j (SA),   m_i + m_j (USA shifted, and USA in the shifted clock)

    **Raises:** `InputError`.  **Source:** derived (β → ∞).
    """
    a, b = _masses(first, second)
    return b / a + a / b if check_flow(flow) == "sa" else a + b


def pair_clock_time(start: float, stop: float, constant: float) -> float:
    """s from the inner product `start` to `stop`, c = tanh(Ks + artanh c_0).  **Raises:** `InputError`."""
    low, high, k = check_real(start, "start"), check_real(stop, "stop"), check_real(constant, "constant")
    if not -1 < low <= high < 1 or k <= 0:
        raise InputError(f"need -1 < start <= stop < 1 and constant > 0, got {start!r}, {stop!r}, {constant!r}")
    return (math.atanh(high) - math.atanh(low)) / k


def log_pair_time(beta: float, inner_product: float, constant: float) -> float:
    """log of the time until the pair meets: log T ≈ β(1 − c_0) − log(Kβ(1 − c_0²)), β → ∞.

    **Raises:** `InputError`.  **Source:** derived.
    """
    b, c, k = check_beta(beta), check_real(inner_product, "inner_product"), check_real(constant, "constant")
    if b == 0 or not -1 < c < 1 or k <= 0:
        raise InputError(f"need beta > 0, -1 < c < 1 and K > 0, got {beta!r}, {inner_product!r}, {constant!r}")
    return b * (1.0 - c) - math.log(k * b * (1.0 - c * c))


def meeting_angle(first: float, second: float, first_mass: float, second_mass: float, flow: str = "sa") -> float:
    """Where two clusters on the circle meet, at large β.

        SA: (m_1²θ_1 + m_2²θ_2)/(m_1² + m_2²), up to O(β^{−1/2})        USA: (m_1θ_1 + m_2θ_2)/(m_1 + m_2), exactly

    Not the barycentre for SA: while they are far apart the lighter one is the faster by the *square* of the ratio.

    **Arguments:** angles less than π apart, without a turn between them; masses; `flow`.

    **Raises:** `InputError`.  **Source:** derived.
    """
    one, two = check_real(first, "first"), check_real(second, "second")
    if not abs(one - two) < math.pi:
        raise InputError(f"the angles must be less than pi apart, got {first!r} and {second!r}")
    a, b = _masses(first_mass, second_mass)
    if check_flow(flow) == "sa":
        a, b = a * a, b * b
    return (a * one + b * two) / (a + b)
