"""Some tokens held where they are, while the others see them as before.

dx_i/dt = 0 for frozen tokens, and the flow's velocity for the free ones                [2411.04990, fixed centres]
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import jnp, namespace

from .base import AbstractFlow, _like
from .space import AbstractSpace

__all__ = ["Frozen"]


class Frozen(AbstractFlow):
    """`flow` with the tokens of `mask` held fixed.

    **Arguments:** `flow`, any flow; `mask` (n,) of booleans, true for tokens that stay, or a list of their numbers
    with `n`, the number of all tokens. Layers hold them too; with a scheme that divides by |A|, freeze last:
    `Frozen(Normalized(flow, scheme), mask)`.

    The energy is that of `flow`. Where it grows token by token, it still does: dE/dt is the sum over the free ones.
    Noise, which would move frozen tokens too, is refused.

    **Raises:** `InputError` for a mask that is neither, or (when used) for another number of tokens.
    """

    flow: AbstractFlow
    free: Any  # (n, 1): 1 for free tokens, 0 for frozen ones

    def __init__(self, flow: AbstractFlow, mask: Any, n: int | None = None) -> None:
        given = np.asarray(mask)
        if n is not None and given.dtype != bool:
            numbers = given.astype(np.int64) if given.size else np.zeros(0, np.int64)
            if given.ndim != 1 or (numbers != given).any() or (numbers < 0).any() or (numbers >= n).any():
                raise InputError(f"numbers of frozen tokens must be whole and lie in 0..{n - 1}, got {mask!r}")
            given = np.isin(np.arange(n), numbers)
        if given.dtype != bool or given.ndim != 1 or (n is not None and len(given) != n):
            raise InputError("mask must be (n,) booleans, true for tokens that stay; for their numbers give n too")
        self.flow = flow
        self.free = jnp.asarray(~given[:, None], dtype=jnp.float64)

    @property
    def space(self) -> AbstractSpace:
        return self.flow.space

    def check(self, tokens: Any, radii: Any = None, t: float = 0.0) -> np.ndarray:
        return self.flow.check(tokens, radii, t)

    def check_run(self, start: float, step: float | None = None) -> None:
        self.flow.check_run(start, step)

    @property
    def holds(self) -> bool:
        return self.flow.holds or bool((np.asarray(self.free) == 0).any())

    @property
    def breaks(self) -> tuple[float, ...]:
        return self.flow.breaks

    @property
    def clock(self) -> str:
        return self.flow.clock

    @property
    def on_host(self) -> bool:
        return self.flow.on_host

    @property
    def gradient_sign(self) -> int | None:
        """As the flow's own."""
        return getattr(self.flow, "gradient_sign", None)

    def _held(self, rows: Any) -> Any:
        return rows * _like(rows, self.free)

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return self._held(type(self.flow).field(self.flow, tokens, weights, t))

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """A_i (n, dim) of the flow, 0 for frozen tokens: what a layer adds."""
        return self._held(type(self.flow).attended(self.flow, tokens, weights, t))

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        space, xp, free = self.flow.space, namespace(points, attended), _like(points, self.free) > 0
        tokens, _ = space.split(points)  # any output will do where it is thrown away, but 0 has no direction
        moved = type(self.flow).layer(self.flow, points, xp.where(free, attended, tokens), step, t)
        return xp.where(free, moved, points)

    def scaled(self, factor: Any) -> Frozen:
        return Frozen(self.flow.scaled(factor), np.asarray(self.free)[:, 0] == 0)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        self._check(len(tokens))
        return self._held(self.flow.velocity(tokens, weights, radii=radii, t=t))

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        return self.flow.energy(tokens, weights, shifted=shifted)

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        return self.flow.energy_along(tokens, velocity, weights, shifted=shifted)

    def resolve(self, n: int, dim: int) -> Self:
        self._check(n)
        return type(self)(self.flow.resolve(n, dim), np.asarray(self.free)[:, 0] == 0)

    def _check(self, n: int) -> None:
        if n != len(self.free):
            raise InputError(f"{len(self.free)} tokens are frozen or free, but there are {n} tokens")
