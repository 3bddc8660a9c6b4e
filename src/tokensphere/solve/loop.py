"""The loop of a run: steps, exact save times, events. All of its memory is one `State`.

A step that would pass a save time is shortened to land on it exactly; the proposed size is kept for the step
after it. Since `State` holds everything the next step depends on, a run continued from a stored `State` takes the
same steps, bit for bit, as one that was never stopped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import AbstractFlow, evaluate_field
from tokensphere.jaxsetup import jax, jnp
from tokensphere.parallel import SERIAL, Shard

from .agreement import agree, first_bad
from .control import StepControl
from .events import Event, Fired, Moment
from .stepper import Attempt, attempt, initial_step
from .tableaus import tableau

__all__ = ["Integrator", "SolveError", "State"]


class SolveError(RuntimeError):
    """The integration cannot go on; the message says where it stopped and why."""


@dataclass(frozen=True)
class State:
    """Everything the next step depends on.

    `t`, `tokens` (n, dim) and their `velocity`; `size`, the next step size; `memory` of the step controller;
    `steps` accepted and `rejected` so far; `saved` save times reached; `error` of the last step in radians;
    `values` of the events now and the events `fired`.
    """

    t: float
    tokens: Any
    velocity: Any
    size: float
    memory: float = 1.0
    steps: int = 0
    rejected: int = 0
    saved: int = 0
    error: float = 0.0
    taken: float = 0.0
    values: tuple[float, ...] = ()
    fired: tuple[Fired, ...] = ()
    finished: bool = False


def _as_leaf(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, float) else leaf


class Integrator:
    """Integrates a flow from tokens at `times[0]` through the save times `times`.

    **Arguments:** `flow`; `weights` (n,) or `None`; `times` increasing; `method` name; `rtol` for adaptive methods,
    the largest error of any token over one step in radians; `step_size` for fixed-step methods; `max_steps`;
    `events`; `shard`, where many processes integrate together: then `weights` are the masses of the slice, and
    all processes call the same methods.

    **Raises:** `InputError` for a method without error control and no `step_size`, a tolerance outside
    [1e-14, 0.1] or a step that is not positive.
    """

    def __init__(
        self,
        flow: AbstractFlow,
        weights: Any,
        times: np.ndarray,
        *,
        method: str = "tsit5",
        rtol: float = 1e-8,
        step_size: float | None = None,
        max_steps: int = 1_000_000,
        events: Sequence[Event] = (),
        shard: Shard | None = None,
    ) -> None:
        chosen = tableau(method)
        adaptive = step_size is None
        if adaptive and chosen.error is None:
            raise InputError(f"method '{method}' has no error control; give it a step_size")
        if adaptive and not 1e-14 <= rtol <= 0.1:
            raise InputError(f"rtol must lie in [1e-14, 0.1], got {rtol!r}")
        if step_size is not None and not (np.isfinite(step_size) and step_size > 0):
            raise InputError(f"step_size must be a positive number, got {step_size!r}")
        self.method = chosen
        self.control = StepControl(float(rtol), chosen.order) if adaptive else None
        self.step_size = None if step_size is None else float(step_size)
        self.times = times
        self.max_steps = max_steps
        self.events = tuple(events)
        names = [event.name for event in events]
        if len(set(names)) < len(names):
            raise InputError(f"two events have the same name: {', '.join(names)}; rename one")
        self.flow = flow
        self.shard = shard
        self._mesh = SERIAL if shard is None else shard.mesh
        # For compiled steps numbers become array leaves, so that one compilation serves every value of them.
        self._stepped = flow if flow.on_host else jax.tree.map(_as_leaf, flow)
        self._array = np.asarray if flow.on_host else jnp.asarray
        self._weights = None if weights is None else self._array(weights)

    def start(self, tokens: np.ndarray) -> State:
        """The state before the first step."""
        points = self._array(tokens)
        t = float(self.times[0])
        velocity = evaluate_field(self._stepped, points, self._weights, t)
        if self.control is not None:
            tolerance = self.control.tolerance
            size = initial_step(self._stepped, self.method, tolerance, t, points, velocity, self._weights, self._mesh)
        else:
            assert self.step_size is not None
            size = self.step_size
        state = State(t, points, velocity, size, saved=1, finished=len(self.times) == 1)
        state = dataclasses.replace(state, values=self._event_values(state))
        for event, value in zip(self.events, state.values, strict=True):
            if event.at_start and value >= 0:
                state = dataclasses.replace(state, fired=(*state.fired, Fired(event.name, t)))
                state = dataclasses.replace(state, finished=state.finished or event.terminal)
        return state

    def advance(self, state: State) -> State:
        """One accepted step (after as many rejected ones as it takes), with its events."""
        target = float(self.times[state.saved])
        size, rejected = state.size, state.rejected
        while True:
            if state.steps + rejected >= self.max_steps:
                raise SolveError(f"gave up at t = {state.t:g} after {self.max_steps} steps; raise max_steps or rtol")
            # A step that ends within 1 % of the target goes there, so that no sliver is left for the next.
            lands = state.t + 1.01 * size >= target
            taken = target - state.t if lands else size
            if state.t + taken <= state.t:
                raise SolveError(f"the step size vanished at t = {state.t:g} (size {taken:g}); is the field smooth?")
            outcome = self._attempt(state, taken)
            self._check_finite(outcome, state.t)
            if self.control is None:
                proposed, memory = size, state.memory
                break
            proposal = self.control.propose(taken, outcome.error, state.memory)
            proposed, memory = proposal.size, proposal.memory
            if proposal.accepted:
                break
            size, rejected = proposed, rejected + 1
        new = dataclasses.replace(
            state,
            t=target if lands else state.t + taken,
            tokens=outcome.tokens,
            velocity=outcome.velocity,
            size=max(proposed, size) if lands else proposed,
            memory=memory,
            steps=state.steps + 1,
            rejected=rejected,
            saved=state.saved + lands,
            error=outcome.error,
            taken=taken,
            finished=bool(lands and state.saved + 1 == len(self.times)),
        )
        return self._fire(state, new)

    def run(self, state: State, observe: Callable[[State], None]) -> State:
        """Advance to the last save time or to a terminal event, calling `observe` after every accepted step."""
        while not state.finished:
            state = self.advance(state)
            observe(state)
        return state

    def _attempt(self, state: State, taken: float) -> Attempt:
        count = None if self.shard is None else self.shard.count
        outcome = attempt(
            self._stepped, self.method, state.t, taken, state.tokens, state.velocity, self._weights, count
        )
        return outcome if self.shard is None else agree(self.shard, outcome)

    def _check_finite(self, outcome: Attempt, t: float) -> None:
        bad = first_bad(outcome, self.shard)
        if bad is not None:
            raise SolveError(f"the velocity of token {bad} is not finite in the step after t = {t:g}")

    # -- events -----------------------------------------------------------------------------------------------

    def _moment(self, t: float, tokens: Any, velocity: Any) -> Moment:
        tokens = np.asarray(tokens)
        weights = np.full(len(tokens), 1.0 / len(tokens)) if self._weights is None else np.asarray(self._weights)
        return Moment(t, tokens, np.asarray(velocity), weights, self.flow, self._mesh)

    def _event_values(self, state: State) -> tuple[float, ...]:
        """Every event's value; 0 for those that have fired, which need no watching."""
        fired = {fired.name for fired in state.fired}
        if all(event.name in fired for event in self.events):
            return (0.0,) * len(self.events)
        moment = self._moment(state.t, state.tokens, state.velocity)
        return tuple(0.0 if event.name in fired else float(event.value(moment)) for event in self.events)

    def _fire(self, old: State, new: State) -> State:
        values = self._event_values(new)
        names = {fired.name for fired in old.fired}
        found: list[tuple[float, Event]] = []
        for event, before, after in zip(self.events, old.values, values, strict=True):
            if event.name not in names and before < 0 <= after:
                found.append((self._locate(event, old, new.taken, before, after), event))
        new = dataclasses.replace(new, values=values)
        for fraction, event in sorted(found, key=lambda item: item[0]):
            time = new.t if fraction == 1.0 else old.t + fraction * new.taken
            new = dataclasses.replace(new, fired=(*new.fired, Fired(event.name, time)))
            if event.terminal:
                return self._stop_at(old, new, fraction, time)
        return new

    def _locate(self, event: Event, old: State, taken: float, before: float, after: float) -> float:
        """The fraction of the step at which the event's value crosses zero (Illinois method, to 1e-11)."""
        low, high, f_low, f_high = 0.0, 1.0, before, after
        last_side = 0
        while high - low > 1e-11:
            middle = high - f_high * (high - low) / (f_high - f_low)
            if not low < middle < high:
                middle = 0.5 * (low + high)
            part = self._attempt(old, middle * taken)
            value = float(event.value(self._moment(old.t + middle * taken, part.tokens, part.velocity)))
            side = 1 if value >= 0 else -1
            # An end that is kept twice in a row counts half, so that both ends close in.
            if side > 0:
                high, f_high = middle, value
                f_low = 0.5 * f_low if last_side > 0 else f_low
            else:
                low, f_low = middle, value
                f_high = 0.5 * f_high if last_side < 0 else f_high
            last_side = side
        return high

    def _stop_at(self, old: State, new: State, fraction: float, time: float) -> State:
        """The state at a terminal event, on the way from `old` to `new`."""
        if fraction == 1.0:
            return dataclasses.replace(new, finished=True)
        part = self._attempt(old, fraction * new.taken)
        return dataclasses.replace(
            new,
            t=time,
            tokens=part.tokens,
            velocity=part.velocity,
            taken=fraction * new.taken,
            saved=old.saved,
            finished=True,
        )
