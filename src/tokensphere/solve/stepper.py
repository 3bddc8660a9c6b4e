"""One accepted or rejected step of a projected Runge–Kutta method.

Stages are evaluated at points put back into the space of the flow and so are the new points, on the sphere
x⁺ ← x⁺/|x⁺|. The space is invariant under the exact flow, so projection keeps the order of the method. The error is
measured in the space: on the sphere, the length for every token of the tangential part of the error estimate, in
radians; the largest, or the root mean square (:mod:`.agreement`), is held against `rtol`. That makes step sizes
independent of rotations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from tokensphere.flows import AbstractFlow, evaluate_field
from tokensphere.jaxsetup import jnp
from tokensphere.parallel import SERIAL, Mesh

from .layer import layer, layer_stages
from .tableaus import Tableau
from .turning import turn

__all__ = ["Attempt", "attempt", "attempt_lanes", "initial_step"]


class Attempt(NamedTuple):
    """What one attempted step gives: new points, their velocity, and every token's error in radians, if estimated."""

    points: Any
    velocity: Any
    errors: Any = None


def attempt(
    flow: AbstractFlow,
    method: Tableau,
    t: float,
    size: float,
    points: Any,
    velocity: Any,
    weights: Any,
) -> Attempt:
    """Try one step of length `size` from (`t`, `points`), whose velocity is known (first same as last).

    In layer mode `velocity` is the attention output before projection, on the way in and out.
    Compiled as a whole, unless the flow works on the host; on the circle the angles are stepped.
    """
    if method.layered:
        return Attempt(*layer(flow, t, size, points, velocity, weights))
    if flow.angular:
        new, new_velocity, lengths = turn(flow, method, t, size, points, velocity, weights)
    elif flow.on_host:
        new, new_velocity, lengths = _stages(flow, method, t, size, points, velocity, weights)
    else:
        new, new_velocity, lengths = _compiled_stages(
            flow, method, jnp.asarray(t), jnp.asarray(size), points, velocity, weights
        )
    return Attempt(new, new_velocity, lengths)


def _combine(coefficients: tuple[float, ...], stages: list[Any]) -> Any:
    return sum(c * k for c, k in zip(coefficients, stages, strict=True) if c != 0.0)


def _stages(
    flow: AbstractFlow, method: Tableau, t: Any, size: Any, points: Any, velocity: Any, weights: Any
) -> tuple[Any, Any, Any]:
    """New points, their velocity and the error of every token in radians (`None` without an estimate)."""
    field, space = type(flow).field, flow.space  # unbound: see tokensphere.flows.base
    stages, point = [velocity], points
    for row, node in zip(method.rows, method.nodes[1:], strict=True):
        point = space.retract(points + size * _combine(row, stages))
        stages.append(field(flow, point, weights, t + node * size))
    if method.first_same_as_last:
        new, new_velocity = point, stages[-1]
    else:
        new = space.retract(points + size * _combine(method.weights, stages))
        new_velocity = field(flow, new, weights, t + size)
    if method.error is None:
        return new, new_velocity, None
    return new, new_velocity, space.error(new, size * _combine(method.error, stages))


_compiled_stages = eqx.filter_jit(_stages)


def initial_step(
    flow: AbstractFlow,
    method: Tableau,
    rtol: float,
    t: float,
    points: Any,
    velocity: Any,
    weights: Any,
    mesh: Mesh = SERIAL,
) -> float:
    """A first step size from the sizes of dx/dt and its change (Hairer, Nørsett, Wanner, II.4)."""

    def largest(rows: Any) -> float:
        return float(mesh.max(np.asarray(flow.space.error(points, rows)).max()))

    first = largest(velocity) / rtol
    trial = 0.01 / largest(velocity) if first > 1e-10 else 1e-3
    moved = flow.space.retract(points + trial * velocity)
    change = largest(evaluate_field(flow, moved, weights, t + trial) - velocity) / (rtol * trial)
    slope = max(first, change)
    guess = (0.01 / slope) ** (1.0 / (method.order + 1)) if slope > 1e-15 else trial
    return min(100 * trial, guess)


def _lane(flow: AbstractFlow, method: Tableau, t: Any, size: Any, points: Any, velocity: Any) -> tuple[Any, Any, Any]:
    if method.layered:
        return *layer_stages(flow, t, size, points, velocity, None), None
    return _stages(flow, method, t, size, points, velocity, None)


@eqx.filter_jit
def attempt_lanes(
    flows: AbstractFlow, method: Tableau, t: Any, size: Any, points: Any, velocity: Any
) -> tuple[Any, Any, Any]:
    """Many attempts of equal shape in one compiled call; every argument but `method` has a leading lane axis.

    **Arguments:** `flows`, one flow whose numbers and matrices are stacked; `t`, `size` (lanes,); `points` and
    `velocity` (lanes, n, width).

    **Returns:** new points, their velocity and the error of every token (lanes, n), or `None`.
    """

    def one(flow: AbstractFlow, *numbers: Any) -> tuple[Any, Any, Any]:
        return _lane(flow, method, *numbers)

    found = eqx.filter_vmap(one)(flows, t, size, points, velocity)
    return found[0], found[1], found[2]
