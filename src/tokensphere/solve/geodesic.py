"""Steps along great circles, for tokens with independent noise.

    dx_i = P_{x_i} F_i dt + √(2τ) P_{x_i} ∘ dW_i,    Exp_x(v) = cos|v| x + sin|v| v/|v|

    geodesic:  x⁺ = Exp_x(h F(x) + ξ)                        ξ tangent Gaussian for a time h     weak order 1
    strang:    x⁺ = K ∘ R_h ∘ K,  K x = Exp_x(ξ')            ξ' tangent Gaussian for a time h/2  weak order 2
               R_h a Runge–Kutta step (RK4) of dx/dt = F

The generator is drift + τΔ, Δ of Laplace–Beltrami. With the Gaussians of :func:`tokensphere.solve.noise.deviation`
K is the heat flow up to O(h³) in law (exactly on the circle). Driven by the same W, paths have strong order 1 on the
circle, where noise is a sum of angles, and 1/2 above, where rotations do not commute.

Common noise, one W in R^d for all tokens: K is the flow of dx/ds = P_x ξ, a Möbius map of the sphere, in place of Exp,
and "geodesic" takes drift and noise one after the other. These maps commute on no sphere, the circle included: strong
order 1/2 and weak order 1 for both methods.
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

__all__ = ["conformal", "exponential", "step_with_noise"]


def exponential(tokens: Any, tangent: Any) -> Any:
    """Exp_x(v), row by row (NumPy or JAX arrays)."""
    xp = namespace(tokens)
    length = xp.sqrt(rowwise_dot(tangent, tangent))
    moved = xp.cos(length) * tokens + xp.sinc(length / np.pi) * tangent
    return moved / xp.sqrt(rowwise_dot(moved, moved))


def conformal(tokens: Any, pull: Any) -> Any:
    """The solution at s = 1 of dx/ds = P_x ξ, row by row: a Möbius map of the sphere (NumPy or JAX arrays).

        x⁺ = [x + ((cosh σ − 1)c + sinh σ) e]/(cosh σ + c sinh σ),    ξ = σe,  c = ⟨x, e⟩

    **Arguments:** `tokens` (n, dim); `pull` ξ (1, dim) or (n, dim).
    """
    xp = namespace(tokens)
    size = xp.sqrt(rowwise_dot(pull, pull))
    axis = pull / xp.where(size > 0, size, 1.0)
    along = (tokens * axis).sum(axis=1)[:, None]
    moved = tokens + (2.0 * xp.sinh(0.5 * size) ** 2 * along + xp.sinh(size)) * axis
    return moved / xp.sqrt(rowwise_dot(moved, moved))


class _Chart(NamedTuple):
    """Points as they are stepped: tokens (n, dim), or on the circle their angles (n,).

    `field(points, t)`; `follow(points, v)`, along great circles; `add(points, v)`, any map with the same first
    derivative that stays on the sphere, for stages; `tangent(points, kick)`, of a random displacement;
    `shove(points, kick)`, where one that is common to all leads.
    """

    field: Callable[[Any, Any], Any]
    follow: Callable[[Any, Any], Any]
    add: Callable[[Any, Any], Any]
    tangent: Callable[[Any, Any], Any]
    shove: Callable[[Any, Any], Any]


def step_with_noise(
    flow: AbstractFlow,
    method: Tableau,
    t: float,
    size: float,
    tokens: Any,
    velocity: Any,
    weights: Any,
    kicks: np.ndarray | None,
    common: bool = False,
) -> Attempt:
    """One step of length `size` from (`t`, `tokens`), whose velocity is known.

    **Arguments:** a resolved `flow`; `method` with `kicks`; `tokens` and `velocity` (n, dim); `weights` (n,) or
    `None`; `kicks` (method.kicks, n, width) as :meth:`tokensphere.solve.noise.Noise.kicks` draws them, `None` for none;
    `common`: they are (method.kicks, 1, dim), the same for all tokens.

    **Returns:** the new tokens and their velocity; there is no error estimate.
    """
    if flow.angular:
        return Attempt(*_on_circle(flow, method, t, size, tokens, velocity, weights, kicks, common))
    if flow.on_host:
        return Attempt(*_on_sphere(flow, method, t, size, tokens, velocity, weights, kicks, common))
    drawn = None if kicks is None else jnp.asarray(kicks)
    return Attempt(
        *_compiled(flow, method, jnp.asarray(t), jnp.asarray(size), tokens, velocity, weights, drawn, common)
    )


def _on_circle(
    flow: AbstractFlow,
    method: Tableau,
    t: float,
    size: float,
    tokens: Any,
    velocity: Any,
    weights: Any,
    kicks: Any,
    common: bool,
) -> tuple[Any, Any]:
    masses = np.full(len(tokens), 1.0 / len(tokens)) if weights is None else weights
    masses = masses.astype(np.complex128)  # once a step, as the transforms want it
    field = type(flow).angular_field  # unbound: see tokensphere.flows.base
    chart = _Chart(
        lambda angles, time: field(flow, angles, masses, time),
        np.add,
        np.add,
        lambda angles, kick: kick[:, 0],
        _shove_angles,
    )
    start = np.arctan2(tokens[:, 1], tokens[:, 0])
    rate = velocity[:, 1] * tokens[:, 0] - velocity[:, 0] * tokens[:, 1]
    angles, rate = _advance(chart, method, t, size, start, rate, kicks, common)
    new = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return new, np.stack([-new[:, 1] * rate, new[:, 0] * rate], axis=1)


def _on_sphere(
    flow: AbstractFlow,
    method: Tableau,
    t: Any,
    size: Any,
    tokens: Any,
    velocity: Any,
    weights: Any,
    kicks: Any,
    common: bool,
) -> tuple[Any, Any]:
    field = type(flow).field
    chart = _Chart(lambda points, time: field(flow, points, weights, time), exponential, _add, _tangent, conformal)
    return _advance(chart, method, t, size, tokens, velocity, kicks, common)


_compiled = eqx.filter_jit(_on_sphere)


def _add(tokens: Any, vectors: Any) -> Any:
    moved = tokens + vectors
    return moved / namespace(moved).sqrt(rowwise_dot(moved, moved))


def _shove_angles(angles: np.ndarray, kick: np.ndarray) -> np.ndarray:
    """`conformal` in angles from the axis: tan(φ⁺/2) = e^{−σ} tan(φ/2)."""
    axis, size = np.arctan2(kick[:, 1], kick[:, 0]), np.hypot(kick[:, 0], kick[:, 1])
    half = 0.5 * (angles - axis)
    return np.asarray(axis + 2.0 * np.arctan2(np.exp(-size) * np.sin(half), np.cos(half)))


def _tangent(tokens: Any, kick: Any) -> Any:
    if tokens.shape[1] == 2:
        return kick * namespace(tokens).stack([-tokens[:, 1], tokens[:, 0]], axis=1)
    return project(tokens, kick)


def _advance(
    chart: _Chart, method: Tableau, t: Any, size: Any, points: Any, velocity: Any, kicks: Any, common: bool
) -> tuple[Any, Any]:
    """New points and their velocity."""

    def kicked(points: Any, kick: Any) -> Any:
        return chart.shove(points, kick) if common else chart.follow(points, chart.tangent(points, kick))

    if method.kicks == 1:
        along = size * velocity
        if kicks is None or common:
            new = chart.follow(points, along)
            new = new if kicks is None else kicked(new, kicks[0])
        else:
            new = chart.follow(points, along + chart.tangent(points, kicks[0]))
        return new, chart.field(new, t + size)
    if kicks is not None:
        points = kicked(points, kicks[0])
        velocity = chart.field(points, t)
    stages = [velocity]
    for row, node in zip(method.rows, method.nodes[1:], strict=True):
        stages.append(chart.field(chart.add(points, size * _combine(row, stages)), t + node * size))
    new = chart.add(points, size * _combine(method.weights, stages))
    if kicks is not None:
        new = kicked(new, kicks[1])
    return new, chart.field(new, t + size)


def _combine(coefficients: tuple[float, ...], stages: list[Any]) -> Any:
    return sum(c * k for c, k in zip(coefficients, stages, strict=True) if c != 0.0)
