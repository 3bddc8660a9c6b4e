"""A flow under a normalisation scheme: tokens y = rθ, attention read off θ.

    dθ_i/dt = P_{θ_i} A_i / s_i,     dr_i/dt as the scheme says                      [2510.22026, table of schemes]

The schemes are in :mod:`tokensphere.flows.normalization`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from tokensphere.errors import InputError, check_weights
from tokensphere.jaxsetup import is_traced, jnp, namespace

from .base import AbstractFlow, AttentionFlow, evaluate_attended
from .multi_head import MultiHead
from .normalization import AbstractNormalization, normalization_named
from .space import SPHERE, STREAM, AbstractSpace, Sphere, lengths

__all__ = ["Normalized"]


class Normalized(AbstractFlow):
    """`flow` (its attention output) under a normalisation scheme.

    **Arguments:** `flow` on the sphere, with an attention output; `scheme`, an
    :class:`~tokensphere.flows.normalization.AbstractNormalization` or its name: "post", "pre", "mix", "peri", "ngpt",
    "sqrt", "ln-scaling".

    **Raises:** `InputError` for an unknown name or a flow that does not live on the sphere.
    """

    flow: AbstractFlow
    scheme: AbstractNormalization

    def __init__(self, flow: AbstractFlow, scheme: str | AbstractNormalization = "pre") -> None:
        if not isinstance(flow, AbstractFlow):
            raise InputError(f"flow must be a flow such as SelfAttention(beta=5.0), got {flow!r}")
        if not isinstance(flow.space, Sphere) or isinstance(flow, Normalized):
            raise InputError(f"a scheme normalises a flow on the sphere, and {type(flow).__name__} is none")
        self.flow = flow
        self.scheme = normalization_named(scheme)

    @property
    def space(self) -> AbstractSpace:
        return STREAM if self.scheme.keeps_radii else SPHERE

    @property
    def breaks(self) -> tuple[float, ...]:
        return (*self.flow.breaks, *self.scheme.breaks)

    @property
    def clock(self) -> str:
        return self.flow.clock

    @property
    def on_host(self) -> bool:
        return self.flow.on_host

    @property
    def holds(self) -> bool:
        return self.flow.holds

    def check_run(self, start: float, step: float | None = None) -> None:
        self.scheme.check_time(start)
        self.flow.check_run(start, step)

    def resolve(self, n: int, dim: int) -> Self:
        return dataclasses.replace(self, flow=self.flow.resolve(n, dim))

    def scaled(self, factor: Any) -> Normalized:
        return dataclasses.replace(self, flow=self.flow.scaled(factor))

    def attended(self, points: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """A_i (n, dim), read off the unit tokens."""
        factor = self.scheme.logit_factor(t)
        flow = self.flow if factor is None else self.flow.scaled(factor)
        return type(flow).attended(flow, self.space.split(points)[0], weights, t)

    def field(self, points: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return self._rates(points, self.attended(points, weights, t), t)

    def _rates(self, points: Any, attended: Any, t: Any) -> Any:
        tokens, radii = self._split(points)
        arguments = tokens, radii, attended, t
        with np.errstate(divide="ignore", invalid="ignore"):  # A_i = 0: steppers name the token
            slowdown = self.scheme.slowdown(*arguments)
            turning = self.space.tangent(tokens, attended) / (slowdown[:, None] if np.ndim(slowdown) else slowdown)
            return self.space.join(turning, self.scheme.radial_velocity(*arguments))

    def _split(self, points: Any) -> tuple[Any, Any]:
        """Tokens and radii, 1 where the scheme keeps none."""
        tokens, radii = self.space.split(points)
        return tokens, namespace(tokens).ones(len(tokens)) if radii is None else radii

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        if not is_traced(step, t):
            self.flow.check_run(float(t), float(step))
        tokens, radii = self._split(points)
        with np.errstate(divide="ignore", invalid="ignore"):
            states = self.scheme.layer(radii[:, None] * tokens, attended, step, t)
        length = lengths(states)
        after = namespace(states).where(self.scheme.normalised(t), 1.0, length[:, 0])
        return self.space.join(states / length, after)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dθ_i/dt (n, dim).

        **Arguments:** `tokens` (n, dim) unit rows θ; `weights` (n,) masses summing to 1, `None` for 1/n each; `radii`
        (n,) or a number, where the scheme keeps them (default 1); `t` time.

        **Raises:** `InputError` that names what is wrong with the input, or if the flow inside has layers only.
        """
        turning: np.ndarray = self.space.split(self._velocities(tokens, weights, radii, t))[0]
        return turning

    def radial_velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """dr_i/dt (n,), zero where the scheme keeps no radii. Arguments as :meth:`velocity`."""
        rates = self.space.split(self._velocities(tokens, weights, radii, t))[1]
        return np.zeros(len(tokens)) if rates is None else rates

    def _velocities(self, tokens: Any, weights: Any, radii: Any, t: Any) -> Any:
        if is_traced(tokens, weights, radii, t, self):
            inner = self.flow
            if isinstance(inner, AttentionFlow | MultiHead):
                inner = inner._differentiable(*np.shape(tokens))
            each = jnp.broadcast_to(jnp.asarray(1.0 if radii is None else radii), len(tokens))
            points = self.space.join(tokens, each)
            return dataclasses.replace(self, flow=inner).field(points, weights, t)
        self.check_run(float(t))
        points = self.check(tokens, radii, float(t))
        masses = None if weights is None else check_weights(weights, len(points))
        flow = self.resolve(len(points), np.shape(tokens)[1])
        rates = np.asarray(self._rates(points, np.asarray(evaluate_attended(flow, points, masses, t)), t))
        finite = np.isfinite(rates).all(axis=1)
        if not finite.all():
            i, name = int(np.argmin(finite)), type(self.scheme).__name__
            raise InputError(f"token {i} has the attention output 0, and {name} divides by its length")
        return rates

    def check(self, tokens: Any, radii: Any = None, t: float = 0.0) -> np.ndarray:
        """Points of tokens and radii that the scheme can have at time t. **Raises:** `InputError`."""
        points = self.space.check(tokens, radii)
        if self.scheme.keeps_radii:
            self.scheme.check_radii(points[:, -1], t)
        return points

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """The energy of the unit tokens: that of the flow inside."""
        return self.flow.energy(tokens, weights, shifted=shifted)

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt where the unit tokens move with `velocity` (n, dim)."""
        return self.flow.energy_along(tokens, velocity, weights, shifted=shifted)
