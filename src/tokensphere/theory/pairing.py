"""Pairing, the third scale at large beta: the closest two clusters merge, after a time exponential in beta.

    dc/dt = 2 a (1 - c^2),      c = <x_i, x_j>
    SA    a = e^{-beta(1-c)} / (1 + e^{-beta(1-c)})
    USA   a = e^{beta c}/n      (shifted: e^{-beta(1-c)}/n)

Exact for two tokens; for an isolated pair up to the pull of the others. In the clock dt = ds e^{beta(1-c)} (leading
order) or dt = ds/a (exact) it is dc/ds = 2(1 - c^2), c = tanh(2 s + artanh c_0). The time between two values of c is
a sum of exponential integrals.   [structure: 2509.25040; formulas derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, check_times, check_tokens
from .growth import _LOG_MAX, RateOverflowError, check_flow, check_real
from .records import Hypothesis, Prediction

__all__ = ["first_merger", "pair_in_clock", "pair_product", "pair_rate", "pair_time"]

_ANTIPODAL = 1e-15  # |x + y| of antipodal tokens, to rounding


def _inner(value: Any, name: str) -> float:
    c = check_real(value, name)
    if not -1.0 < c < 1.0:
        raise InputError(f"{name} must be an inner product in (-1, 1), got {value!r}")
    return c


def pair_rate(beta: float, inner_product: Any, flow: str = "sa", n: int = 2) -> np.ndarray:
    """The rate a(c) of an isolated pair among n tokens: dc/dt = 2 a (1 - c^2).

    **Arguments:** `beta` >= 0; `inner_product` c in [-1, 1], any shape; `flow`; `n` tokens of mass 1/n (USA only).

    **Returns:** float64 array of the shape of `inner_product`.  **Raises:** InputError; RateOverflowError (USA).

    **Source:** derived.
    """
    beta, flow, n = check_beta(beta), check_flow(flow), check_positive_int(n, "n", least=2)
    c = np.asarray(inner_product, dtype=np.float64)
    if not (np.abs(c) <= 1.0).all():
        raise InputError(f"inner_product must lie in [-1, 1], got {inner_product!r}")
    if flow == "usa" and beta > _LOG_MAX:
        raise RateOverflowError(f"the pull of USA overflows at beta = {beta:g}; use flow='usa-shifted'")
    weight = np.exp(-beta * (1.0 - c) + (beta if flow == "usa" else 0.0))
    return np.asarray(weight / (1.0 + weight) if flow == "sa" else weight / n)


def pair_in_clock(inner_product: float, clock: Any) -> np.ndarray:
    """c(s) = tanh(2 s + artanh c_0) in the pair's own clock ds = a dt.

    **Raises:** InputError.  **Source:** derived.
    """
    return np.asarray(np.tanh(2.0 * np.asarray(clock, dtype=np.float64) + math.atanh(_inner(inner_product, "c_0"))))


def pair_time(beta: float, start: float, stop: float, flow: str = "sa", n: int = 2) -> float:
    """Time for the inner product of an isolated pair to go from `start` to `stop`.

        t = integral dc / (2 a (1 - c^2)),      integral e^{beta(1-c)} dc / (1 - c^2) in exponential integrals Ei, E1

    **Arguments:** `beta` >= 0; `start` < `stop`, inner products in (-1, 1); `flow`; `n` (USA only).

    **Returns:** float, about e^{beta(1 - start)}.

    **Raises:** InputError; RateOverflowError when the time is larger than any float.

    **Source:** derived.
    """
    beta, flow, n = check_beta(beta), check_flow(flow), check_positive_int(n, "n", least=2)
    low, high = _inner(start, "start"), _inner(stop, "stop")
    if low >= high:
        raise InputError(f"start must be below stop: a pair comes nearer, got {start!r} and {stop!r}")
    near = np.array([1.0 - low, 1.0 - high])
    return _time(beta, near, 2.0 - near, flow, n)


def _time(beta: float, near: np.ndarray, far: np.ndarray, flow: str, n: int) -> float:
    """The time of a pair from 1 − c (2,), `near`, and 1 + c, `far`, at start and stop."""
    from scipy.special import expi, hyperu

    free = 0.25 * math.log(far[1] * near[0] / (near[1] * far[0]))
    shift = -beta if flow == "usa" else 0.0
    if beta * near[0] + shift > _LOG_MAX - 10:
        raise RateOverflowError(f"the time e^(beta(1 - c)) of this pair overflows at beta = {beta:g}")
    if beta < 1e-15:  # e^{beta(1-c)} is 1 to rounding; the arguments of the integrals could underflow
        held = free
    else:
        # e^{2 beta} E1(beta(1+c)) = e^{beta(1-c)} U(1, 1, beta(1+c)): nothing overflows before the time itself.
        terms = expi(beta * near) + np.exp(beta * near) * hyperu(1.0, 1.0, beta * far)
        held = 0.25 * float(terms[0] - terms[1])
    return held + free if flow == "sa" else n * held * math.exp(shift)


def pair_product(beta: float, inner_product: float, times: Any, flow: str = "sa", n: int = 2) -> np.ndarray:
    """c at the given times, for an isolated pair that starts with c_0 at times[0] (integrated to 1e-12).

    **Arguments:** `beta` >= 0; `inner_product` c_0 in (-1, 1); `times` increasing; `flow`; `n` (USA only).

    **Returns:** (len(times),) float64.  **Raises:** InputError; RateOverflowError (USA).  **Source:** derived.
    """
    from scipy.integrate import solve_ivp

    save, first = check_times(times), math.atanh(_inner(inner_product, "c_0"))
    pair_rate(beta, 0.0, flow, n)
    if save.size == 1:
        return np.tanh([first])

    def speed(_: float, y: np.ndarray) -> np.ndarray:
        return 2.0 * pair_rate(beta, np.tanh(y), flow, n)

    run = solve_ivp(speed, (save[0], save[-1]), [first], method="DOP853", rtol=1e-12, atol=1e-12, t_eval=save)
    return np.asarray(np.tanh(run.y[0]))


def first_merger(
    tokens: Any, beta: float, *, angle: float = 0.1, flow: str = "sa", isolation: float = 0.01
) -> Prediction:
    """Which two tokens (one for each cluster, of equal masses) merge first, and when they are within `angle`.

    **Arguments:** `tokens` (n, dim), n >= 2, all different; `beta` >= 0; `angle` in radians; `flow`; `isolation`, the
    pull of the second closest pair relative to the closest below which the pair counts as unique (default 0.01).

    **Returns:** :class:`Prediction` with value (i, j, time), i < j; time 0 if they are that close already, inf when
    it is larger than any float and for two antipodal tokens (to rounding), which rest.
    Hypothesis: a unique closest pair.

    **Raises:** InputError.

    **Source:** derived, [2509.25040].
    """
    from scipy.spatial import cKDTree

    points, beta, flow = check_tokens(tokens), check_beta(beta), check_flow(flow)
    n = len(points)
    if n < 2:
        raise InputError("there must be at least two tokens to merge")
    target = check_real(angle, "angle")
    if not 0.0 < target < math.pi:
        raise InputError(f"angle must lie in (0, pi), got {angle!r}")
    # The two closest pairs are among the two nearest neighbours of every token.
    distances, others = cKDTree(points).query(points, k=min(3, n))
    pairs = {
        (min(i, j), max(i, j)): float(distance)
        for i in range(n)
        for distance, j in zip(distances[i], others[i].tolist(), strict=True)
        if j != i
    }
    ranked = sorted(pairs.items(), key=lambda item: item[1])
    (i, j), closest = ranked[0]
    if closest <= 1e-12:
        raise InputError(f"tokens {i} and {j} coincide; give one token for each cluster")
    inner = 1.0 - 0.5 * closest**2
    pull = math.exp(0.5 * beta * (closest**2 - ranked[1][1] ** 2)) if n > 2 else 0.0
    detail = f"tokens {i}, {j} at c = {inner:.6g}"
    if n > 2:
        second = ranked[1][0]
        detail += f"; next {second[0]}, {second[1]} at c = {1 - 0.5 * ranked[1][1] ** 2:.6g}, pull ratio {pull:.3g}"
    opposite = float(np.linalg.norm(points[i] + points[j]))  # 1 + c is opposite²/2, to all digits near the antipode
    if opposite <= _ANTIPODAL:
        detail += ", antipodal: they rest"
    stop = math.cos(target)
    near, far = np.array([0.5 * closest**2, 1.0 - stop]), np.array([0.5 * opposite**2, 1.0 + stop])
    time = 0.0 if inner >= stop else math.inf
    try:
        if inner < stop and opposite > _ANTIPODAL:
            time = _time(beta, near, far, flow, n)
    except RateOverflowError:
        time = math.inf
    return Prediction(
        "first merger",
        (i, j, time),
        "tokens and time",
        "integral dc / (2 a (1 - c^2)), a the pull of one token on the other",
        "derived, [2509.25040]",
        (
            Hypothesis("the closest pair is unique", pull <= isolation, detail),
            Hypothesis("the clusters have equal masses", None, "one token for each cluster"),
        ),
        "isolated pair; the others move by about the pull ratio",
    )
