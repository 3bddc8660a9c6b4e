"""Steps along great circles, for tokens with independent noise.

    dx_i = P_{x_i} F_i dt + √(2τ) P_{x_i} ∘ dW_i,    Exp_x(v) = cos|v| x + sin|v| v/|v|

    geodesic:  x⁺ = Exp_x(h F(x) + ξ)                        ξ tangent Gaussian for a time h     weak order 1
    strang:    x⁺ = K ∘ R_h ∘ K,  K x = Exp_x(ξ')            ξ' tangent Gaussian for a time h/2  weak order 2
               R_h a Runge–Kutta step (RK4) of dx/dt = F

The generator is drift + τΔ, Δ of Laplace–Beltrami. With the Gaussians of :func:`tokensphere.solve.noise.deviation`
K is the heat flow up to O(h³) in law (exactly on the circle). Driven by the same W, paths have strong order 1 on the
circle, where noise is a sum of angles, and 1/2 above, where rotations do not commute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from tokensphere.flows import AbstractFlow, project
from tokensphere.jaxsetup import jnp, namespace, rowwise_dot

from .stepper import Attempt
from .tableaus import Tableau

__all__ = ["exponential", "step_with_noise"]


def exponential(tokens: Any, tangent: Any) -> Any:
    """Exp_x(v), row by row (NumPy or JAX arrays)."""
    xp = namespace(tokens)
    length = xp.sqrt(rowwise_dot(tangent, tangent))
    moved = xp.cos(length) * tokens + xp.sinc(length / np.pi) * tangent
    return moved / xp.sqrt(rowwise_dot(moved, moved))


class _Chart(NamedTuple):
    """Points as they are stepped: tokens (n, dim), or on the circle their angles (n,).

    `field(points, t)`; `follow(points, v)`, along great circles; `add(points, v)`, any map with the same first
    derivative that stays on the sphere, for stages; `tangent(points, kick)`, of a random displacement.
    """

    field: Callable[[Any, Any], Any]
    follow: Callable[[Any, Any], Any]
    add: Callable[[Any, Any], Any]
    tangent: Callable[[Any, Any], Any]


def step_with_noise(
    flow: AbstractFlow,
    method: Tableau,
    t: float,
    size: float,
    tokens: Any,
    velocity: Any,
    weights: Any,
    kicks: np.ndarray | None,
) -> Attempt:
    """One step of length `size` from (`t`, `tokens`), whose velocity is known.

    **Arguments:** a resolved `flow`; `method` with `kicks`; `tokens` and `velocity` (n, dim); `weights` (n,) or
    `None`; `kicks` (method.kicks, n, width) as :meth:`tokensphere.solve.noise.Noise.kicks` draws them, `None` for none.

    **Returns:** the new tokens and their velocity; there is no error estimate.
    """
    if flow.angular:
        return Attempt(*_on_circle(flow, method, t, size, tokens, velocity, weights, kicks))
    if flow.on_host:
        return Attempt(*_on_sphere(flow, method, t, size, tokens, velocity, weights, kicks))
    drawn = None if kicks is None else jnp.asarray(kicks)
    return Attempt(*_compiled(flow, method, jnp.asarray(t), jnp.asarray(size), tokens, velocity, weights, drawn))


def _on_circle(
    flow: AbstractFlow, method: Tableau, t: float, size: float, tokens: Any, velocity: Any, weights: Any, kicks: Any
) -> tuple[Any, Any]:
    masses = np.full(len(tokens), 1.0 / len(tokens)) if weights is None else weights
    masses = masses.astype(np.complex128)  # once a step, as the transforms want it
    field = type(flow).angular_field  # unbound: see tokensphere.flows.base
    chart = _Chart(
        lambda angles, time: field(flow, angles, masses, time), np.add, np.add, lambda angles, kick: kick[:, 0]
    )
    start = np.arctan2(tokens[:, 1], tokens[:, 0])
    rate = velocity[:, 1] * tokens[:, 0] - velocity[:, 0] * tokens[:, 1]
    angles, rate = _advance(chart, method, t, size, start, rate, kicks)
    new = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return new, np.stack([-new[:, 1] * rate, new[:, 0] * rate], axis=1)


def _on_sphere(
    flow: AbstractFlow, method: Tableau, t: Any, size: Any, tokens: Any, velocity: Any, weights: Any, kicks: Any
) -> tuple[Any, Any]:
    field = type(flow).field
    chart = _Chart(lambda points, time: field(flow, points, weights, time), exponential, _add, _tangent)
    return _advance(chart, method, t, size, tokens, velocity, kicks)


_compiled = eqx.filter_jit(_on_sphere)


def _add(tokens: Any, vectors: Any) -> Any:
    moved = tokens + vectors
    return moved / namespace(moved).sqrt(rowwise_dot(moved, moved))


def _tangent(tokens: Any, kick: Any) -> Any:
    if tokens.shape[1] == 2:
        return kick * namespace(tokens).stack([-tokens[:, 1], tokens[:, 0]], axis=1)
    return project(tokens, kick)


def _advance(
    chart: _Chart, method: Tableau, t: Any, size: Any, points: Any, velocity: Any, kicks: Any
) -> tuple[Any, Any]:
    """New points and their velocity."""
    if method.kicks == 1:
        along = size * velocity
        new = chart.follow(points, along if kicks is None else along + chart.tangent(points, kicks[0]))
        return new, chart.field(new, t + size)
    if kicks is not None:
        points = chart.follow(points, chart.tangent(points, kicks[0]))
        velocity = chart.field(points, t)
    stages = [velocity]
    for row, node in zip(method.rows, method.nodes[1:], strict=True):
        stages.append(chart.field(chart.add(points, size * _combine(row, stages)), t + node * size))
    new = chart.add(points, size * _combine(method.weights, stages))
    if kicks is not None:
        new = chart.follow(new, chart.tangent(new, kicks[1]))
    return new, chart.field(new, t + size)


def _combine(coefficients: tuple[float, ...], stages: list[Any]) -> Any:
    return sum(c * k for c, k in zip(coefficients, stages, strict=True) if c != 0.0)
