"""Runs of which only the order parameters of every step are kept, and verdicts that many items share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tokensphere.attention import Circle
from tokensphere.experiments.verdicts import Verdict
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.observe import order_parameters
from tokensphere.solve import State, simulate
from tokensphere.sphere import angles, moments
from tokensphere.theory import growth_rates

__all__ = ["History", "all_hold", "angle_marks", "at_most", "follow", "order_at"]


@dataclass(frozen=True)
class History:
    """What was seen at the start and after every step: `times` (m,), `moments` (m, K) of degrees 1..K (complex on the
    circle, order parameters else), `speed` (m,) mean squared, and the `tokens` at the end."""

    times: np.ndarray
    moments: np.ndarray
    speed: np.ndarray
    tokens: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Order parameters (m, K)."""
        return np.abs(self.moments)

    @property
    def degrees(self) -> np.ndarray:
        """1..K."""
        return np.arange(1, self.moments.shape[1] + 1)


def order_at(tokens: np.ndarray, top: int) -> np.ndarray:
    """Moments of degrees 1..`top` on the circle (complex), order parameters on other spheres."""
    return moments(angles(tokens), top)[1:] if tokens.shape[1] == 2 else order_parameters(tokens, range(1, top + 1))


def follow(
    beta: float, tokens: np.ndarray, end: float, step: float, top: int, before: History | None = None
) -> History:
    """Move tokens by USA (V = B = I) with fourth-order Runge-Kutta steps of `step` / λ_max until about `end`.

    With `before`, the history of these tokens up to now, go on from it instead of from the start.

    **Arguments:** `tokens` (n, dim); `end` and `step` in units of 1/λ_max; `top`, the largest degree to follow. At
    `step` = 0.4 a step misses (0.4)^5/120 = 9e-5 of the amplitude of the fastest degree.
    """
    dim = tokens.shape[1]
    attention = Circle() if dim == 2 else None
    flow = UnnormalizedSelfAttention(beta, attention=attention)
    size = step / float(growth_rates(beta, dim, np.arange(1, top + 1), "usa").max())
    seen: list[tuple[float, np.ndarray, float]] = []

    def look(state: State) -> None:
        speed = float(np.mean(np.sum(np.asarray(state.velocity) ** 2, axis=1)))
        seen.append((state.t, order_at(np.asarray(state.tokens), top), speed))

    begun = 0.0 if before is None else float(before.times[-1])
    count = max(math.ceil(end / step) - round(begun / size), 1)
    first = tokens if before is None else before.tokens
    run = simulate(flow, first, [begun, begun + count * size], method="rk4", step_size=size, observe=look)
    times, order, speeds = (np.array(column) for column in zip(*seen, strict=True))
    new = History(times, order, speeds, np.asarray(run.tokens.values[-1]))
    if before is None:
        speed = float(np.mean(np.sum(run.velocity.values[0] ** 2, axis=1)))
        before = History(np.zeros(1), order_at(tokens, top)[None], np.array([speed]), tokens)
    return History(
        np.concatenate([before.times, new.times]),
        np.concatenate([before.moments, new.moments]),
        np.concatenate([before.speed, new.speed]),
        new.tokens,
    )


def at_most(name: str, value: float, limit: float, *, unit: str = "", source: str = "derived") -> Verdict:
    """A number that must not exceed a limit."""
    agrees = math.isfinite(value) and value <= limit
    sentence = f"{value:.3g} is {'at most' if agrees else 'not at most'} {limit:g}"
    return Verdict(name, "agrees" if agrees else "disagrees", f"<= {limit:g}", value, None, unit, sentence, source)


def all_hold(name: str, wanted: int, found: int, what: str, source: str = "derived") -> Verdict:
    """Every one of `wanted` cases must hold."""
    agrees = found == wanted
    return Verdict(
        name, "agrees" if agrees else "disagrees", wanted, found, None, "", f"{found} of {wanted} {what}", source
    )


def angle_marks(places: np.ndarray, top: float) -> tuple[np.ndarray, np.ndarray]:
    """x and y of vertical lines from 0 to `top` at these places, with gaps between them."""
    return np.repeat(np.sort(places), 3), np.tile([0.0, top, np.nan], len(places))
