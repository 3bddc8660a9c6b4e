"""Events: moments at which a number computed from the tokens crosses zero.

A crossing inside an accepted step is located by repeating that step with other lengths (bisection-safe root
finding on the step length), so its time is as accurate as the method itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import AbstractFlow
from tokensphere.parallel import SERIAL, Mesh
from tokensphere.sphere import harmonic_power, shared_power

__all__ = ["Event", "Fired", "Moment", "all_within", "energy_slope_below", "linear_exit"]


@dataclass(frozen=True)
class Moment:
    """What an event may look at: time, tokens (n, dim), velocities (n, dim), masses (n,) and the flow.

    Where many processes share the tokens these are the slice of this one, and `mesh` adds and compares numbers
    over all of them; every process must come to the same value.
    """

    t: float
    tokens: np.ndarray
    velocity: np.ndarray
    weights: np.ndarray
    flow: AbstractFlow
    mesh: Mesh = SERIAL


@dataclass(frozen=True)
class Event:
    """Fires the first time `value(moment)` goes from negative to non-negative; `terminal` events end the run.

    With `at_start` it fires at once if the value is not negative to begin with.
    """

    name: str
    value: Callable[[Moment], float]
    terminal: bool = False
    at_start: bool = False


@dataclass(frozen=True)
class Fired:
    """An event that has happened: its `name` and `time`."""

    name: str
    time: float


def linear_exit(threshold: float = 0.1, degrees: Sequence[int] = range(1, 9), *, terminal: bool = False) -> Event:
    """Exit of the linear phase: the first time max_k A_k ≥ `threshold` over `degrees`.

    A_k² = Σ_ij w_i w_j P_k(⟨x_i, x_j⟩). **Raises:** `InputError` unless 0 < threshold < 1.
    """
    if not 0 < threshold < 1:
        raise InputError(f"the exit threshold must lie in (0, 1), got {threshold!r}")
    wanted = list(degrees)

    def value(moment: Moment) -> float:
        if moment.mesh.size > 1:
            power = shared_power(moment.mesh, moment.tokens, wanted, moment.weights)
        else:
            power = harmonic_power(moment.tokens, wanted, moment.weights)
        return float(np.sqrt(power.max())) - threshold

    return Event("linear_exit", value, terminal, at_start=True)


def all_within(angle: float, *, terminal: bool = True) -> Event:
    """All tokens of positive mass within `angle` radians of their mean direction.

    **Raises:** `InputError` unless 0 < angle < π.
    """
    if not 0 < angle < np.pi:
        raise InputError(f"angle must lie in (0, pi) radians, got {angle!r}")

    def value(moment: Moment) -> float:
        mean = moment.mesh.sum(moment.weights @ moment.tokens)
        length = np.linalg.norm(mean)
        if length < 1e-12:
            return -np.pi
        axis = mean / length
        massive = moment.tokens[moment.weights > 0]
        distance = 0.0
        if len(massive):
            farthest = massive[np.argmin(massive @ axis)]
            chord, opposite = np.linalg.norm(farthest - axis), np.linalg.norm(farthest + axis)
            distance = 2.0 * float(np.arctan2(chord, opposite))
        return angle - float(moment.mesh.max(distance))

    return Event("all_within", value, terminal, at_start=True)


def energy_slope_below(threshold: float, *, terminal: bool = True) -> Event:
    """The flow has come to rest: dE/dt < `threshold` (after it was above), E the energy of the flow.

    **Raises:** `InputError` unless threshold > 0; at the first step if the flow has no energy.
    """
    if not threshold > 0:
        raise InputError(f"the slope threshold must be positive, got {threshold!r}")

    def value(moment: Moment) -> float:
        flow = moment.flow
        shifted = True if getattr(flow, "beta", 0.0) > 500 else None  # e^β would overflow
        rate = flow.energy_along(moment.tokens, moment.velocity, moment.weights, shifted=shifted)
        return threshold - abs(float(rate))

    return Event("energy_slope_below", value, terminal)
