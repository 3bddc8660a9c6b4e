"""Random value matrices: V_ℓ with independent N(0, variance) entries in every layer, shared by all tokens.

    fresh    x⁺ = N(x + √η V_ℓ A)     V_ℓ anew in every layer ℓ = t/η: a random walk, √η as for Brownian motion
    tied     x⁺ = N(x + η V A)        one V for all layers: an ordinary flow dx/dt = P_x V A as η → 0

A is the attention output of another flow. With fresh matrices there is no velocity field, only layers; two tokens then
obey :func:`tokensphere.theory.random_value_drift` as η → 0. V_ℓ is a function of (seed, ℓ) and of nothing else: runs
that are resumed, or cut into pieces, draw the same matrices.                          [2601.21942, 2604.01978; derived]
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.sphere.streams import counted_normals

from .base import AbstractFlow, evaluate_attended
from .ensemble import EnsembleFlow
from .space import Sphere, project

__all__ = ["RandomValues"]

_STREAM = 0x76616C756573  # apart from whatever else is drawn from the same seed


class RandomValues(AbstractFlow):
    """`flow` with its attention output multiplied by random matrices.

    **Fields:** `flow`, whose output A the matrices act on; `seed`, a whole number ≥ 0; `step_size` η, with which fresh
    matrices must be run (`method="layer", step_size=η`); `tied`: one matrix for all layers, any method; `variance` of
    the entries (default 1; 1/d keeps |V A| of order |A|). Every member of an :class:`EnsembleFlow` has matrices of its
    own.

    >>> import tokensphere as ts
    >>> flow = ts.flows.RandomValues(ts.SelfAttention(beta=2.0), seed=0, step_size=0.01)
    >>> run = ts.simulate(flow, ts.sphere.uniform(16, 8, 0), [0, 1], method="layer", step_size=0.01)

    Normalisation schemes go around it: `ts.Normalized(flow, "pre")` is y ← y + √η V A.

    **Raises:** `InputError` for a bad seed, step or variance; when it is run with fresh matrices, for layers of another
    step, for times that are not whole numbers of layers, or if it is asked for a velocity.
    """

    flow: AbstractFlow
    seed: int = eqx.field(static=True)
    step_size: float | None = eqx.field(static=True, default=None)
    tied: bool = eqx.field(static=True, default=False)
    variance: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if not isinstance(self.flow.space, Sphere):
            raise InputError(f"value matrices act on unit tokens; put {type(self.flow).__name__} around RandomValues")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise InputError(f"seed must be a whole number >= 0, got {self.seed!r}")
        if self.step_size is None and not self.tied:
            raise InputError(
                "fresh value matrices are layers: give the step_size that the layers will have, or tied=True"
            )
        for name in ("step_size", "variance"):
            number = getattr(self, name)
            if number is not None and not (math.isfinite(number) and number > 0):
                raise InputError(f"{name} must be a positive number, got {number!r}")

    @property
    def breaks(self) -> tuple[float, ...]:
        return self.flow.breaks

    @property
    def clock(self) -> str:
        return self.flow.clock

    @property
    def on_host(self) -> bool:
        return True

    @property
    def holds(self) -> bool:
        return self.flow.holds

    def check_run(self, start: float, step: float | None = None) -> None:
        self.flow.check_run(start, step)
        if self.tied:
            return
        if step is None:
            raise InputError(
                "fresh value matrices have no velocity; use method='layer' with "
                f"step_size={self.step_size:g}, or tied=True"
            )
        assert self.step_size is not None
        if abs(step - self.step_size) > 1e-9 * self.step_size:
            raise InputError(
                f"layers have step {step:g}, but the value matrices were made for step_size = {self.step_size:g}; "
                "give both the same"
            )
        self.layer_number(start)

    def resolve(self, n: int, dim: int) -> Self:
        return dataclasses.replace(self, flow=self.flow.resolve(n, dim))

    def scaled(self, factor: Any) -> Self:
        return dataclasses.replace(self, flow=self.flow.scaled(factor))

    def layer_number(self, t: Any) -> int:
        """The layer ℓ = t/η that begins at time t; 0 where the matrix is tied. **Raises:** `InputError`."""
        if self.tied:
            return 0
        assert self.step_size is not None
        layers = float(t) / self.step_size
        number = round(layers)
        if number < 0 or abs(layers - number) > 1e-6 * max(1.0, number):
            raise InputError(
                f"t = {float(t):g} is not a whole number of layers of step {self.step_size:g}; "
                f"run with method='layer', step_size={self.step_size:g}"
            )
        return number

    def matrices(self, layer: int, dim: int) -> np.ndarray:
        """V of this layer, (members, dim, dim); one member unless `flow` is an ensemble."""
        members = self.flow.members if isinstance(self.flow, EnsembleFlow) else 1
        drawn = counted_normals(self.seed, _STREAM, 0 if self.tied else layer, 0, members, dim * dim)
        return drawn.reshape(members, dim, dim) * math.sqrt(self.variance)

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> np.ndarray:
        """V A_i where tied, V_ℓ A_i/√η where fresh, so that a layer of step η adds √η V_ℓ A_i; (n, dim)."""
        dim = np.shape(tokens)[-1]
        values = self.matrices(self.layer_number(t), dim)
        output = np.asarray(evaluate_attended(self.flow, tokens, weights, t)).reshape(len(values), -1, dim)
        moved = np.matmul(output, values.swapaxes(1, 2)).reshape(-1, dim)
        return moved if self.tied else moved / math.sqrt(self.step_size)  # type: ignore[arg-type]

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        self.check_run(float(t), float(step))
        return super().layer(points, attended, step, t)

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> np.ndarray:
        if not self.tied:
            self.check_run(float(t))
        return np.asarray(project(np.asarray(tokens), self.attended(tokens, weights, t)))

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim) of tied matrices. **Raises:** `InputError` where they are fresh."""
        self.check_run(float(t))
        points = check_tokens(tokens)
        masses = None if weights is None else check_weights(weights, len(points))
        return self.resolve(*points.shape).field(points, masses, t)

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("random value matrices have no energy that they ascend; ask the flow inside for its own")
