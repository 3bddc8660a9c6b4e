"""One accepted or rejected step of a projected Runge–Kutta method.

Stages are evaluated at normalised points and the new tokens are projected back, x⁺ ← x⁺/|x⁺|. The sphere is
invariant under the exact flow, so projection keeps the order of the method. The error is measured on the sphere:
the largest length over the tokens of the tangential part of the error estimate, in radians, against `rtol`.
That makes step sizes independent of rotations and of the number of tokens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import numpy as np

from tokensphere.flows import AbstractFlow, evaluate_field, project
from tokensphere.jaxsetup import jax, jnp, namespace, rowwise_dot

from .tableaus import Tableau

__all__ = ["Control", "StepOutcome", "initial_step", "step"]


class Control(eqx.Module):
    """How a step is taken: the method and, for adaptive methods, the step-size controller of diffrax."""

    method: Tableau = eqx.field(static=True)
    rtol: float | None = eqx.field(static=True)

    @property
    def controller(self) -> diffrax.PIDController:
        assert self.rtol is not None
        return diffrax.PIDController(
            rtol=0.0, atol=self.rtol, pcoeff=0.3, icoeff=0.4, dcoeff=0.0, norm=lambda error: error
        )

    def init(self) -> tuple[jax.Array, ...]:
        """The memory of the controller before the first step: its last two inverse errors and a flag."""
        return (jnp.asarray(1.0), jnp.asarray(1.0), jnp.asarray(False))


class StepOutcome(NamedTuple):
    """What one attempted step gives: new tokens and their velocity, the error in radians, acceptance, next size."""

    tokens: Any
    velocity: Any
    error: float
    accepted: bool
    next_step: float
    memory: Any


def step(
    flow: AbstractFlow,
    control: Control,
    t: Any,
    size: Any,
    tokens: Any,
    velocity: Any,
    weights: Any,
    memory: Any,
) -> StepOutcome:
    """Try one step of length `size` from (`t`, `tokens`), whose velocity is known (first same as last).

    Compiled as a whole, unless the flow works on the host: then the stages stay there, in NumPy, too.
    """
    attempt = _stages if flow.on_host else _compiled_stages
    return _decide(control, size, memory, *attempt(flow, control.method, t, size, tokens, velocity, weights))


def _normalize(tokens: Any) -> Any:
    return tokens / namespace(tokens).sqrt(rowwise_dot(tokens, tokens))


def _combine(coefficients: tuple[float, ...], stages: list[Any]) -> Any:
    return sum(c * k for c, k in zip(coefficients, stages, strict=True) if c != 0.0)


def _stages(
    flow: AbstractFlow, method: Tableau, t: Any, size: Any, tokens: Any, velocity: Any, weights: Any
) -> tuple[Any, Any, Any]:
    """New tokens, their velocity and the error of every token in radians (`None` without an estimate)."""
    field = type(flow).field  # unbound: see tokensphere.flows.base
    stages, point = [velocity], tokens
    for row, node in zip(method.rows, method.nodes[1:], strict=True):
        point = _normalize(tokens + size * _combine(row, stages))
        stages.append(field(flow, point, weights, t + node * size))
    if method.first_same_as_last:
        new, new_velocity = point, stages[-1]
    else:
        new = _normalize(tokens + size * _combine(method.weights, stages))
        new_velocity = field(flow, new, weights, t + size)
    if method.error is None:
        return new, new_velocity, None
    error = project(new, size * _combine(method.error, stages))
    return new, new_velocity, namespace(error).sqrt(rowwise_dot(error, error))


_compiled_stages = eqx.filter_jit(_stages)


def _decide(control: Control, size: Any, memory: Any, tokens: Any, velocity: Any, lengths: Any) -> StepOutcome:
    if control.rtol is None or lengths is None:
        return StepOutcome(tokens, velocity, np.nan, True, size, memory)
    error = lengths.max()
    accepted, proposed, memory = _adapt(control, jnp.asarray(size), jnp.asarray(error), memory)
    return StepOutcome(tokens, velocity, float(error), bool(accepted), float(proposed), memory)


@eqx.filter_jit
def _adapt(control: Control, size: Any, error: Any, memory: Any) -> tuple[Any, Any, Any]:
    """Whether diffrax's controller accepts the step, the size it proposes next and its new memory."""
    nothing = jnp.zeros_like(error)
    accepted, start, end, _, new_memory, _ = control.controller.adapt_step_size(
        jnp.zeros_like(size), size, nothing, nothing, None, error, control.method.order, memory
    )
    return accepted, end - start, new_memory


def initial_step(flow: AbstractFlow, control: Control, t: float, tokens: Any, velocity: Any, weights: Any) -> float:
    """A first step size from the sizes of dx/dt and its change (Hairer, Nørsett, Wanner, II.4)."""
    assert control.rtol is not None

    def largest(rows: Any) -> float:
        return float(np.sqrt((np.asarray(rows) ** 2).sum(axis=-1)).max())

    first = largest(velocity) / control.rtol
    trial = 0.01 / largest(velocity) if first > 1e-10 else 1e-3
    moved = _normalize(tokens + trial * velocity)
    change = largest(evaluate_field(flow, moved, weights, t + trial) - velocity) / (control.rtol * trial)
    slope = max(first, change)
    guess = (0.01 / slope) ** (1.0 / (control.method.order + 1)) if slope > 1e-15 else trial
    return min(100 * trial, guess)
