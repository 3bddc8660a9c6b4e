"""The loop of a run: steps, exact save times, events. All of its memory is one `State`.

A step that would pass a save time is shortened to land on it exactly; the proposed size is kept for the step
after it. Since `State` holds everything the next step depends on, a run continued from a stored `State` takes the
same steps, bit for bit, as one that was never stopped.

The loop does not evaluate the flow itself: it asks for attempted steps (:class:`Request`) and goes on with what it is
given, so that one caller may answer the requests of many loops at once (:mod:`tokensphere.solve.batch`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import SPHERE, AbstractFlow, AbstractSpace, Sphere, evaluate_attended, evaluate_field
from tokensphere.jaxsetup import jax, jnp
from tokensphere.parallel import SERIAL, Shard

from .agreement import agree, check_norm, error_size, first_bad
from .control import StepControl
from .events import Event, Fired, Moment
from .geodesic import step_with_noise
from .noise import Noise, check_noise
from .stepper import Attempt, attempt, initial_step
from .tableaus import METHODS, tableau

__all__ = ["Integrator", "Request", "SolveError", "State", "Steps"]


class SolveError(RuntimeError):
    """The integration cannot go on; the message says where it stopped and why."""


@dataclass(frozen=True)
class State:
    """Everything the next step depends on.

    `t`, `points` (n, width) of the `space` and their `velocity` (in layer mode: the attention output before projection,
    see :meth:`Integrator.velocity`); `size`, the next step size; `memory` of the step controller;
    `steps` accepted and `rejected` so far; `saved` save times reached; `error` of the last step in radians;
    `values` of the events now and the events `fired`.
    """

    t: float
    points: Any
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
    space: AbstractSpace = SPHERE

    @property
    def tokens(self) -> Any:
        """Tokens (n, dim)."""
        return self.space.split(self.points)[0]

    @property
    def radii(self) -> Any:
        """Radii (n,), `None` where tokens have none."""
        return self.space.split(self.points)[1]


@dataclass(frozen=True)
class Request:
    """An attempted step that the loop asks for: of length `size` from `state`."""

    state: State
    size: float


Steps = Generator[Request, Attempt, State]


def as_leaf(leaf: Any) -> Any:
    """Numbers as arrays, so that one compilation serves every value of them."""
    return jnp.asarray(leaf) if isinstance(leaf, float) else leaf


class Integrator:
    """Integrates a flow from tokens at `times[0]` through the save times `times`.

    **Arguments:** `flow`; `weights` (n,) or `None`; `times` increasing; `method` name; `rtol` for adaptive methods,
    the error allowed over one step in radians, of any token (`error_norm="largest"`) or its root mean square over the
    tokens (`"rms"`); `step_size` for fixed-step methods and layers;
    `max_steps`; `events` (in layer mode and with noise they are looked for after every step, not within one);
    `shard`, where many processes integrate together: then `weights` are the masses of the slice, and all processes
    call the same methods; `noise` τ of √(2τ) P_x ∘ dW, for methods that take it, with random numbers from `seed`;
    `common_noise`: one W for all tokens.

    **Raises:** `InputError` for a method without error control and no `step_size`, a tolerance outside
    [1e-14, 0.1], a step that is not positive, noise that is negative or that `method` or `flow` does not take,
    `common_noise` without noise, times or layers that `flow` cannot have (`check_run`), or, in layer mode, save times
    that are not whole numbers of layers.
    """

    def __init__(
        self,
        flow: AbstractFlow,
        weights: Any,
        times: np.ndarray,
        *,
        method: str = "tsit5",
        rtol: float = 1e-8,
        error_norm: str = "largest",
        step_size: float | None = None,
        max_steps: int = 1_000_000,
        events: Sequence[Event] = (),
        shard: Shard | None = None,
        noise: float = 0.0,
        seed: int = 0,
        common_noise: bool = False,
    ) -> None:
        chosen = tableau(method)
        intensity, seed = check_noise(noise, seed)
        if intensity and not chosen.kicks:
            fitting = ", ".join(f"'{name}'" for name in METHODS if tableau(name).kicks)
            raise InputError(f"method '{method}' takes no noise; use one of {fitting}, with a step_size")
        if chosen.kicks and not isinstance(flow.space, Sphere):
            raise InputError(f"method '{method}' moves unit tokens, and the tokens of {type(flow).__name__} are not")
        if intensity and flow.holds:
            raise InputError(f"noise would move the tokens that {type(flow).__name__} holds; leave it out")
        if common_noise and not intensity:
            raise InputError("common_noise=True needs an intensity: give noise > 0, or leave common_noise out")
        self.noise = Noise(intensity, seed, bool(common_noise)) if intensity else None
        adaptive = step_size is None
        if adaptive and chosen.error is None:
            raise InputError(f"method '{method}' has no error control; give it a step_size")
        if adaptive and not 1e-14 <= rtol <= 0.1:
            raise InputError(f"rtol must lie in [1e-14, 0.1], got {rtol!r}")
        if step_size is not None and not (np.isfinite(step_size) and step_size > 0):
            raise InputError(f"step_size must be a positive number, got {step_size!r}")
        self.method = chosen
        self._norm = check_norm(error_norm)
        self.control = StepControl(float(rtol), chosen.order) if adaptive else None
        self.step_size = None if step_size is None else float(step_size)
        if chosen.layered:
            assert step_size is not None
            check_layers(times, step_size)
        flow.check_run(float(times[0]), self.step_size if chosen.layered else None)
        self.times = times
        self.max_steps = max_steps
        self.events = tuple(events)
        names = [event.name for event in events]
        if len(set(names)) < len(names):
            raise InputError(f"two events have the same name: {', '.join(names)}; rename one")
        self.flow = flow
        self._breaks = () if chosen.layered else flow.breaks
        self.shard = shard
        self._mesh = SERIAL if shard is None else shard.mesh
        self._stepped = flow if flow.on_host else jax.tree.map(as_leaf, flow)
        self._array = np.asarray if flow.on_host else jnp.asarray
        self._weights = None if weights is None else self._array(weights)

    def start(self, points: np.ndarray) -> State:
        """The state before the first step, at points of the flow's space (on the sphere: tokens)."""
        begin = self._array(points)
        t = float(self.times[0])
        evaluate = evaluate_attended if self.method.layered else evaluate_field
        velocity = evaluate(self._stepped, begin, self._weights, np.nextafter(t, np.inf) if t in self._breaks else t)
        self._check_finite(Attempt(begin, velocity), t)
        if self.control is not None:
            tolerance = self.control.tolerance
            size = initial_step(self._stepped, self.method, tolerance, t, begin, velocity, self._weights, self._mesh)
        else:
            assert self.step_size is not None
            size = self.step_size
        state = State(t, begin, velocity, size, saved=1, finished=len(self.times) == 1, space=self.flow.space)
        state = dataclasses.replace(state, values=self._event_values(state))
        for event, value in zip(self.events, state.values, strict=True):
            if event.at_start and value >= 0:
                state = dataclasses.replace(state, fired=(*state.fired, Fired(event.name, t)))
                state = dataclasses.replace(state, finished=state.finished or event.terminal)
        return state

    def advancing(self, state: State) -> Steps:
        """One accepted step (after as many rejected ones as it takes), with its events.

        A generator: it yields the attempts it needs, is sent their outcomes, and returns the new state.
        """
        target = float(self.times[state.saved])
        jump = min((t for t in self._breaks if t > state.t), default=np.inf)
        stop = min(target, jump)
        size, rejected = state.size, state.rejected
        while True:
            if state.steps + rejected >= self.max_steps:
                raise SolveError(
                    f"gave up at t = {state.t:g} after {self.max_steps} steps, the last of {size:.3g}; raise max_steps "
                    "or rtol, or where the velocity jumps (hardmax) use method='layer' or another fixed step"
                )
            # A step that ends within 1 % of the target goes there, so that no sliver is left for the next.
            lands = state.t + 1.01 * size >= stop
            taken = stop - state.t if lands and not self.method.layered else size
            if lands and stop == jump and state.t + taken > stop:
                taken = float(np.nextafter(taken, 0.0))  # no stage lies, by rounding, after the jump
            if state.t + taken <= state.t:
                raise SolveError(f"the step size vanished at t = {state.t:g} (size {taken:g}); is the field smooth?")
            outcome = yield Request(state, taken)
            self._check_finite(outcome, state.t)
            error = error_size(outcome.errors, self._norm, self.shard)
            if self.control is None:
                proposed, memory = size, state.memory
                break
            proposal = self.control.propose(taken, error, state.memory)
            proposed, memory = proposal.size, proposal.memory
            if proposal.accepted:
                break
            size, rejected = proposed, rejected + 1
        saves = lands and stop == target
        if lands and stop == jump:  # the next step starts under the rules that hold after the jump
            after = evaluate_field(self._stepped, outcome.points, self._weights, np.nextafter(jump, np.inf))
            outcome = outcome._replace(velocity=after)
        new = dataclasses.replace(
            state,
            t=stop if lands else state.t + taken,
            points=outcome.points,
            velocity=outcome.velocity,
            size=max(proposed, size) if lands else proposed,
            memory=memory,
            steps=state.steps + 1,
            rejected=rejected,
            saved=state.saved + saves,
            error=error,
            taken=taken,
            finished=bool(saves and state.saved + 1 == len(self.times)),
        )
        return (yield from self._fire(state, new))

    def advance(self, state: State) -> State:
        """`advancing`, with every attempt evaluated on its own."""
        steps = self.advancing(state)
        try:
            request = next(steps)
            while True:
                request = steps.send(self._attempt(request))
        except StopIteration as end:
            new: State = end.value
            return new

    def run(self, state: State, observe: Callable[[State], None]) -> State:
        """Advance to the last save time or to a terminal event, calling `observe` after every accepted step."""
        while not state.finished:
            state = self.advance(state)
            observe(state)
        return state

    @property
    def weighted(self) -> bool:
        """Whether the tokens have masses of their own."""
        return self._weights is not None

    def velocity(self, state: State) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim) at `state`; in layer mode the direction of the next layer, P_x A."""
        return self._tangent(state.points, state.velocity)

    def _tangent(self, points: Any, velocity: Any) -> np.ndarray:
        space = self.flow.space
        if self.method.layered:
            return np.asarray(space.tangent(np.asarray(space.split(points)[0]), np.asarray(velocity)))
        return np.asarray(space.split(velocity)[0])

    def _attempt(self, request: Request) -> Attempt:
        state = request.state
        arguments = self._stepped, self.method, state.t, request.size, state.points, state.velocity, self._weights
        common = self.noise is not None and self.noise.common
        outcome = (
            step_with_noise(*arguments, self._kicks(request), common) if self.method.kicks else attempt(*arguments)
        )
        return outcome if self.shard is None else agree(self.shard, outcome)

    def _kicks(self, request: Request) -> np.ndarray | None:
        """The random displacements of a step: the same whenever and wherever this step is taken."""
        if self.noise is None:
            return None
        n, dim = np.shape(request.state.points)
        return self.noise.kicks(request.state.steps, request.size, self.method.kicks, n, dim, self.shard)

    def _check_finite(self, outcome: Attempt, t: float) -> None:
        bad = first_bad(outcome, self.shard)
        if bad is not None:
            raise SolveError(f"the velocity of token {bad} is not finite in the step after t = {t:g}")

    # -- events -----------------------------------------------------------------------------------------------

    def _moment(self, t: float, points: Any, velocity: Any) -> Moment:
        tokens, velocity = np.asarray(self.flow.space.split(points)[0]), self._tangent(points, velocity)
        weights = np.full(len(tokens), 1.0 / len(tokens)) if self._weights is None else np.asarray(self._weights)
        return Moment(t, tokens, velocity, weights, self.flow, self._mesh)

    def _event_values(self, state: State) -> tuple[float, ...]:
        """Every event's value; 0 for those that have fired, which need no watching."""
        fired = {fired.name for fired in state.fired}
        if all(event.name in fired for event in self.events):
            return (0.0,) * len(self.events)
        moment = self._moment(state.t, state.points, state.velocity)
        return tuple(0.0 if event.name in fired else float(event.value(moment)) for event in self.events)

    def _fire(self, old: State, new: State) -> Steps:
        values = self._event_values(new)
        names = {fired.name for fired in old.fired}
        found: list[tuple[float, Event]] = []
        for event, before, after in zip(self.events, old.values, values, strict=True):
            if event.name not in names and before < 0 <= after:
                inside = not self.method.layered and self.noise is None
                found.append(
                    ((yield from self._locate(event, old, new.taken, before, after)) if inside else 1.0, event)
                )
        new = dataclasses.replace(new, values=values)
        for fraction, event in sorted(found, key=lambda item: item[0]):
            time = new.t if fraction == 1.0 else old.t + fraction * new.taken
            new = dataclasses.replace(new, fired=(*new.fired, Fired(event.name, time)))
            if event.terminal:
                return (yield from self._stop_at(old, new, fraction, time))
        return new

    def _locate(
        self, event: Event, old: State, taken: float, before: float, after: float
    ) -> Generator[Request, Attempt, float]:
        """The fraction of the step at which the event's value crosses zero (Illinois method, to 1e-11)."""
        low, high, f_low, f_high = 0.0, 1.0, before, after
        last_side = 0
        while high - low > 1e-11:
            middle = high - f_high * (high - low) / (f_high - f_low)
            if not low < middle < high:
                middle = 0.5 * (low + high)
            part = yield Request(old, middle * taken)
            value = float(event.value(self._moment(old.t + middle * taken, part.points, part.velocity)))
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

    def _stop_at(self, old: State, new: State, fraction: float, time: float) -> Steps:
        """The state at a terminal event, on the way from `old` to `new`."""
        if fraction == 1.0:
            return dataclasses.replace(new, finished=True)
        part = yield Request(old, fraction * new.taken)
        return dataclasses.replace(
            new,
            t=time,
            points=part.points,
            velocity=part.velocity,
            taken=fraction * new.taken,
            saved=old.saved,
            finished=True,
        )


def check_layers(times: np.ndarray, step: float) -> None:
    """Refuse save times that are not whole numbers of layers after the first."""
    layers = (times - times[0]) / step
    off = np.abs(layers - np.round(layers)) > 1e-6
    if off.any():
        raise InputError(
            f"in layer mode save times are whole numbers of layers, t = {step:g} * layer, "
            f"and {times[off][0]:g} is not; the nearest is {times[0] + step * round(float(layers[off][0])):g}"
        )
