"""An ensemble as one flow: M independent copies of n tokens, none of which sees another copy.

tokens (M·n, dim), member after member;    dx_i/dt = the flow's velocity within the member of token i
"""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import jax

from .base import AbstractFlow
from .space import AbstractSpace

__all__ = ["EnsembleFlow"]


class EnsembleFlow(AbstractFlow):
    """`members` copies of `flow` (resolved, with an attention that can be mapped: `Dense`), as one flow."""

    flow: AbstractFlow
    members: int = eqx.field(static=True)

    @property
    def space(self) -> AbstractSpace:
        return self.flow.space

    @property
    def breaks(self) -> tuple[float, ...]:
        return self.flow.breaks

    @property
    def clock(self) -> str:
        return self.flow.clock

    @property
    def holds(self) -> bool:
        return self.flow.holds

    def check_run(self, start: float, step: float | None = None) -> None:
        self.flow.check_run(start, step)

    def _each(self, function: Any, tokens: Any) -> Any:
        split = tokens.reshape(self.members, -1, tokens.shape[-1])
        found = jax.vmap(function)(split)
        return found.reshape(-1, found.shape[-1])

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        flow = self.flow
        return self._each(lambda member: type(flow).field(flow, member, None, t), tokens)

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        flow = self.flow
        return self._each(lambda member: type(flow).attended(flow, member, None, t), tokens)

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        return self.flow.layer(points, attended, step, t)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        split = np.asarray(tokens).reshape(self.members, -1, np.shape(tokens)[-1])
        return np.concatenate([self.flow.velocity(member, t=t) for member in split])

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("an ensemble has no common energy; ask for that of a member")

    def resolve(self, n: int, dim: int) -> Self:
        return self
