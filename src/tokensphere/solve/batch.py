"""Many small runs in one process: the attempts they ask for are evaluated together in one compiled call.

Each run keeps its own time, step size, controller, events and save times: its loop is a generator of attempts
(:meth:`tokensphere.solve.Integrator.advancing`), and only their evaluation is shared. A run keeps its lane and the
number of lanes never changes, so what a run sees does not depend on the others, nor on how many are still going.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import jax, jnp

from .loop import Integrator, Request, SolveError, State, as_leaf
from .stepper import Attempt, attempt_lanes

__all__ = ["run_batch"]


def run_batch(
    integrators: Mapping[int, Integrator],
    states: Mapping[int, State],
    lanes: int,
    observe: Callable[[int, State], None],
) -> dict[int, SolveError]:
    """Advance every run to its end, calling `observe(lane, state)` after each of its accepted steps.

    **Arguments:** `integrators` and `states` by lane (0 ≤ lane < `lanes`): no masses, flows of equal structure with
    an attention that can be mapped (`Dense`), one method, tokens of equal shape.

    **Returns:** the errors of those that could not go on, by lane. What `observe` raises ends the batch.

    **Raises:** `InputError` for runs that do not fit together.
    """
    if not integrators:
        return {}
    first = next(iter(integrators.values()))
    structure: Any = jax.tree.structure(first.flow)
    for lane, integrator in integrators.items():
        fits = structure == jax.tree.structure(integrator.flow) and integrator.method == first.method
        if not fits or not 0 <= lane < lanes or integrator.weighted:
            raise InputError("runs of one batch need the same flow, method and shape, equal masses, and a lane each")
        if integrator.method.kicks:
            raise InputError(f"method '{integrator.method.name}' cannot run in a batch; run it on its own")
    flows = [jax.tree.map(as_leaf, integrators.get(lane, first).flow) for lane in range(lanes)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *flows)

    errors: dict[int, SolveError] = {}
    loops = {lane: _loop(integrators[lane], states[lane], lane, observe) for lane in integrators}
    waiting: dict[int, Request] = {}

    def go_on(lane: int, outcome: Attempt | None) -> None:
        try:
            waiting[lane] = loops[lane].send(outcome)  # type: ignore[arg-type]
        except StopIteration:
            pass
        except SolveError as error:
            errors[lane] = error

    for lane in loops:
        go_on(lane, None)
    while waiting:
        asked, waiting = waiting, {}
        idle = next(iter(asked.values()))  # lanes with nothing to do repeat someone's attempt
        requests = [asked.get(lane, idle) for lane in range(lanes)]
        points, velocity, lengths = attempt_lanes(
            stacked,
            first.method,
            np.array([request.state.t for request in requests]),
            np.array([request.size for request in requests]),
            np.stack([np.asarray(request.state.points) for request in requests]),
            np.stack([np.asarray(request.state.velocity) for request in requests]),
        )
        points, velocity = np.asarray(points), np.asarray(velocity)
        found = None if lengths is None else np.asarray(lengths).reshape(lanes, -1)
        for lane in asked:
            go_on(lane, Attempt(points[lane].copy(), velocity[lane].copy(), None if found is None else found[lane]))
    return errors


def _loop(
    integrator: Integrator, state: State, lane: int, observe: Callable[[int, State], None]
) -> Generator[Request, Attempt, None]:
    while not state.finished:
        state = yield from integrator.advancing(state)
        observe(lane, state)
