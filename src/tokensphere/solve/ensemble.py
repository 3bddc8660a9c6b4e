"""Ensembles: M independent draws of n tokens evolved together, of which only measured series are kept.

In layer mode all members take the same number of equal steps, so blocks of them go through many layers and frames in
one compiled loop, with the measurement inside; blocks run side by side on the cores. A block has a fixed size
whatever the number of cores and members, so results do not depend on either. Other methods step the whole ensemble
as one flow: its largest error sets the common step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import AbstractFlow, EnsembleFlow
from tokensphere.jaxsetup import jax, jnp
from tokensphere.threads import available_threads

from .loop import Integrator, SolveError, State, as_leaf

__all__ = ["Ensemble", "Rows"]

_BLOCK = 64  # members: a block of 64 x 32 tokens stays in the second-level cache
_FRAMES = 32  # frames in one compiled call
Rows = dict[str, np.ndarray]  # series (frames, members) by name
Series = Callable[[Any], dict[str, Any]]


class Ensemble:
    """Integrates M members from `times[0]` through the save times and measures `series` at each.

    **Arguments:** `flow`, resolved, with dense attention; `members` M; `times`, `method`, `rtol`, `error_norm`,
    `step_size`, `max_steps` as :class:`tokensphere.solve.Integrator`; `series`, a compilable function of the tokens
    (n, dim) of one member giving scalars by name.

    The tokens of its states are (M·n, dim), member after member.

    **Raises:** `InputError` as the integrator does.
    """

    def __init__(
        self,
        flow: AbstractFlow,
        members: int,
        times: np.ndarray,
        series: Series,
        *,
        method: str,
        rtol: float = 1e-8,
        error_norm: str = "largest",
        step_size: float | None = None,
        max_steps: int = 1_000_000,
    ) -> None:
        self.members, self.times, self.series = members, times, series
        whole = EnsembleFlow(flow, members)
        self._integrator = Integrator(
            whole,
            None,
            times,
            method=method,
            rtol=rtol,
            error_norm=error_norm,
            step_size=step_size,
            max_steps=max_steps,
        )
        self._flow = jax.tree.map(as_leaf, flow)
        self._layers: np.ndarray | None = None
        if self._integrator.method.layered:
            assert step_size is not None
            self._layers = np.round((times - times[0]) / step_size).astype(np.int64)
            if self._layers[-1] > max_steps:
                raise InputError(f"{self._layers[-1]} layers are more than solve.max_steps = {max_steps}; raise it")

    def start(self, tokens: np.ndarray) -> State:
        """The state before the first step, for `tokens` (M, n, dim)."""
        flat = tokens.reshape(-1, tokens.shape[-1])
        if self._layers is None:
            return self._integrator.start(flat)
        size = self._integrator.step_size
        assert size is not None
        nothing = np.zeros((0, flat.shape[1]))  # a layer needs no velocity from the one before
        return State(
            float(self.times[0]), flat, nothing, size, saved=1, finished=len(self.times) == 1, space=self._flow.space
        )

    def measure(self, tokens: Any) -> Rows:
        """The series of every member, one frame: (1, M)."""
        split = np.asarray(tokens).reshape(self.members, -1, np.shape(tokens)[-1])
        found = [
            {name: np.asarray(column)[None, :real] for name, column in _measure(self.series, block).items()}
            for block, real in _blocks(split)
        ]
        return _join(found)

    def run(self, state: State) -> Iterator[tuple[State, Rows]]:
        """Go on from `state`: yields states as it advances, each with the frames (maybe none) reached on the way.

        **Raises:** :class:`SolveError` if the integration cannot go on.
        """
        if self._layers is not None:
            yield from self._run_layers(state, self._layers)
            return
        while not state.finished:
            before, state = state.saved, self._integrator.advance(state)
            yield state, self.measure(state.tokens) if state.saved > before else {}

    def _run_layers(self, state: State, layers: np.ndarray) -> Iterator[tuple[State, Rows]]:
        width, begin = np.shape(state.points)[-1], jnp.asarray(float(self.times[0]))
        step = jnp.asarray(self._integrator.step_size)
        tokens = np.asarray(state.points).reshape(self.members, -1, width)
        with ThreadPoolExecutor(available_threads()) as pool:
            while not state.finished:
                last = min(state.saved + _FRAMES, len(layers))
                counts = np.zeros(_FRAMES, dtype=np.int64)
                counts[: last - state.saved] = np.diff(layers[state.saved - 1 : last])
                frames = last - state.saved

                def through(
                    block: tuple[np.ndarray, int],
                    counts: np.ndarray = counts,
                    frames: int = frames,
                    before: int = int(layers[state.saved - 1]),
                ) -> tuple[np.ndarray, Rows]:
                    points, real = block
                    new, found = _through(self._flow, self.series, begin, step, before, counts, points)
                    return np.asarray(new)[:real], {k: np.asarray(v)[:frames, :real] for k, v in found.items()}

                done = list(pool.map(through, _blocks(tokens)))
                tokens = np.concatenate([new for new, _ in done])
                if not np.isfinite(tokens).all():
                    member = int(np.argmin(np.isfinite(tokens).all(axis=(1, 2))))
                    raise SolveError(
                        f"a token of member {member} is not finite between t = {state.t:g} "
                        f"and t = {self.times[last - 1]:g}"
                    )
                state = dataclasses.replace(
                    state,
                    t=float(self.times[last - 1]),
                    points=tokens.reshape(-1, width),
                    steps=int(layers[last - 1]),
                    saved=last,
                    taken=state.size,
                    finished=last == len(layers),
                )
                yield state, _join([rows for _, rows in done])


def _blocks(tokens: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Members in blocks of one size, the last filled up with copies; each with the number of its real members."""
    size = min(_BLOCK, len(tokens))
    found = []
    for first in range(0, len(tokens), size):
        block = tokens[first : first + size]
        filler = np.repeat(block[:1], size - len(block), axis=0)
        found.append((np.concatenate([block, filler]), len(block)))
    return found


def _join(blocks: list[Rows]) -> Rows:
    return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}


@eqx.filter_jit
def _measure(series: Series, tokens: Any) -> dict[str, Any]:
    return dict(jax.vmap(series)(tokens))


@eqx.filter_jit
def _through(
    flow: AbstractFlow, series: Series, start: Any, step: Any, done: Any, counts: Any, points: Any
) -> tuple[Any, dict[str, Any]]:
    """From layer `done` on through counts[f] layers for every frame f: the points at the end and the series
    (frames, members).
    """

    def layer(index: Any, points: Any) -> Any:
        t = start + index * step
        return flow.layer(points, type(flow).attended(flow, points, None, t), step, t)

    def frame(reached: Any, count: Any) -> tuple[Any, dict[str, Any]]:
        done, points = reached
        end = done + count
        points = jax.lax.fori_loop(done, end, lambda i, p: jax.vmap(lambda x: layer(i, x))(p), points)
        return (end, points), jax.vmap(lambda member: series(flow.space.split(member)[0]))(points)

    (_, end), found = jax.lax.scan(frame, (jnp.asarray(done), jnp.asarray(points)), jnp.asarray(counts))
    return end, found
