"""What a coarsened run is asked to do, checked before any work starts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from tokensphere.attention import AbstractAttention, Dense, Hardmax
from tokensphere.errors import InputError, check_positive_int, suggest
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention
from tokensphere.theory.clocks import CLOCKS
from tokensphere.theory.growth import check_real

__all__ = ["Plan", "default_delta", "save_times"]


def default_delta(beta: float) -> float:
    """δ = 0.1/√β, a tenth of the width of the kernel; at most 0.1."""
    return 0.1 / math.sqrt(max(beta, 1.0))


def save_times(times: Any, log10_times: Any) -> np.ndarray:
    """Natural logarithms of the times to save at."""
    if times is not None and log10_times is not None:
        raise InputError("give times or log10_times, not both")
    if times is None and log10_times is None:
        return np.empty(0)
    name, asked = ("times", times) if log10_times is None else ("log10_times", log10_times)
    try:
        given = np.atleast_1d(np.asarray(asked, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers, got {asked!r}") from None
    if given.ndim != 1 or not given.size or not np.isfinite(given).all() or (np.diff(given) <= 0).any():
        raise InputError(f"{name} must be finite and increase, got {given!r}")
    if log10_times is not None:
        return given * math.log(10.0)
    given = given[1:] if given[0] == 0 else given  # the start is saved anyway
    if (given <= 0).any():
        raise InputError(f"times must be positive: a coarsened run starts at t = 0, got {given[0]:g}")
    return np.log(given)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to run, in the unit V = B = I: β, the family, and log t of the flow over log t here."""

    beta: float
    normalised: bool
    log_unit: float
    clock: str
    delta: float
    until: int
    angle: tuple[int, int, float] | None

    @classmethod
    def of(cls, flow: Any, clock: str, delta: Any, merge_angle: Any, until: Any, angle: Any) -> Plan:
        if not isinstance(flow, SelfAttention | UnnormalizedSelfAttention):
            raise InputError(f"coarsening needs SelfAttention or UnnormalizedSelfAttention, got {type(flow).__name__}")
        if getattr(flow, "causal", False):
            raise InputError("coarsening is for attention without a causal order")
        _check_attention(flow.attention)
        scales = []
        for name in ("value", "query_key"):
            given = getattr(flow, name)
            if given is not None and (np.ndim(given) or not float(given) > 0):
                raise InputError(f"coarsening needs {name} to be a number > 0: otherwise clusters do not stand still")
            scales.append(1.0 if given is None else float(given))
        value, query_key = scales
        beta, sa = flow.beta * query_key, isinstance(flow, SelfAttention)
        # USA: e^{βbc} = e^{βb} e^{βb(c−1)}, and its own shift of −β.
        log_unit = -math.log(value) - (0.0 if sa else beta + float(flow.log_scale))
        if clock not in CLOCKS:
            raise InputError(f"unknown clock {clock!r}{suggest(str(clock), CLOCKS)}")
        if clock == "staircase" and beta <= 1:
            raise InputError(f"the staircase clock needs beta > 1, got {beta:g}")
        if delta is not None and merge_angle is not None:
            raise InputError("give delta or merge_angle, not both")
        chord = _chord(beta, delta, merge_angle)
        if angle is not None:
            angle = _until_angle(angle, chord)
        return cls(beta, sa, log_unit, clock, chord, check_positive_int(until, "until_clusters"), angle)


def _check_attention(attention: AbstractAttention | None) -> None:
    """Refuse what is no softmax over all tokens: coarsening sums over clusters itself, exactly."""
    if isinstance(attention, Hardmax):
        raise InputError(
            "coarsening follows softmax attention, got Hardmax (beta = inf, no such clock); "
            "simulate that flow, or use attention=None"
        )
    if isinstance(attention, Dense) and attention.mask is not None:
        raise InputError("coarsening needs attention over all tokens, got Dense with a mask; leave the mask out")


def _chord(beta: float, delta: Any, merge_angle: Any) -> float:
    """The distance at which clusters merge."""
    if merge_angle is not None:
        angle = check_real(merge_angle, "merge_angle")
        if not 1e-9 <= angle < math.pi / 3:
            raise InputError(f"merge_angle must lie in [1e-9, pi/3) radians, got {merge_angle!r}")
        return 2.0 * math.sin(0.5 * angle)
    chord = default_delta(beta) if delta is None else check_real(delta, "delta")
    if not 1e-9 <= chord < 1:
        raise InputError(f"tokens must merge at a distance delta in [1e-9, 1), got {delta!r}")
    return chord


def _until_angle(given: Any, chord: float) -> tuple[int, int, float]:
    try:
        first, second, size = given
    except (TypeError, ValueError):
        raise InputError(f"until_angle is two tokens and an angle, such as (0, 1, 0.1), got {given!r}") from None
    i, j = (check_positive_int(token, "a token of until_angle", least=0) for token in (first, second))
    angle = check_real(size, "the angle of until_angle")
    if i == j or not 0 < angle < math.pi or 2.0 * math.sin(0.5 * angle) <= chord:
        least = 2.0 * math.asin(0.5 * chord)
        raise InputError(
            f"until_angle is two different tokens and an angle in (0, pi) beyond that of mergers, {least:.4g}, got "
            f"{given!r}"
        )
    return i, j, angle
