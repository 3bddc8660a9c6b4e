"""Who carries out a run: one process, or a team of processes that each hold a slice of the tokens.

`Solo` and `Team` have the same methods, so that a recorder need not know which it works for. Decisions that depend on
the clock or on signals are taken by process 0, the leader, or when any process asks; what is written in one place is
written by the leader; tokens and checkpoints by all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import AttentionFlow
from tokensphere.observe import order_parameters
from tokensphere.parallel import Shard, TokenMesh
from tokensphere.parallel.seat import LOST_TOUCH
from tokensphere.solve import State, load_checkpoint, save_checkpoint
from tokensphere.sphere import shared_power

from .store import RunStore

__all__ = ["Crew", "Follower", "Solo", "Store", "Team"]

Result = TypeVar("Result")


class Follower(RuntimeError):
    """Another process of the team had to stop and says why; this one stops with it."""

    exit_code = LOST_TOUCH


class Store(Protocol):
    """What a recorder writes to."""

    @property
    def attributes(self) -> dict[str, Any]: ...
    def commit(self, first: int, series: dict[str, np.ndarray], n_steps: int, events: dict[str, float]) -> None: ...
    def write_steps(self, first: int, rows: dict[str, np.ndarray]) -> None: ...
    def flush(self) -> None: ...
    def finish(self, attributes: dict[str, Any]) -> None: ...


class Crew(Protocol):
    """What `Solo` and `Team` have in common."""

    @property
    def leader(self) -> bool: ...
    @property
    def shard(self) -> Shard | None: ...
    def share(self, flow: AttentionFlow) -> AttentionFlow: ...
    def take(self, tokens: np.ndarray) -> np.ndarray: ...
    def masses(self, weights: np.ndarray | None) -> np.ndarray | None: ...
    def order(self, tokens: np.ndarray, degrees: np.ndarray, weights: np.ndarray | None) -> np.ndarray: ...
    def speed(self, velocity: np.ndarray, weights: np.ndarray | None) -> float: ...
    def together(self, action: Callable[[], Result]) -> Result: ...
    def lead(self, action: Callable[[], None]) -> None: ...
    def due(self, own: bool) -> bool: ...
    def interrupted(self, own: bool) -> bool: ...
    def same(self, key: str) -> None: ...
    def tell(self, text: str) -> str: ...
    def store(self, path: Path) -> Store: ...
    def write_tokens(self, store: Store, frame: int, tokens: np.ndarray) -> np.ndarray | None: ...
    def save(self, path: Path, state: State, key: str) -> None: ...
    def load(self, path: Path, key: str) -> State: ...


class Solo:
    """One process with all tokens."""

    leader = True
    shard: Shard | None = None

    def share(self, flow: AttentionFlow) -> AttentionFlow:
        """The flow itself."""
        return flow

    def take(self, tokens: np.ndarray) -> np.ndarray:
        """All of them."""
        return tokens

    def masses(self, weights: np.ndarray | None) -> np.ndarray | None:
        """All of them."""
        return weights

    def order(self, tokens: np.ndarray, degrees: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The order parameters."""
        return order_parameters(tokens, degrees, weights)

    def speed(self, velocity: np.ndarray, weights: np.ndarray | None) -> float:
        """Σ_i w_i |dx_i/dt|²."""
        squares = np.einsum("ij,ij->i", velocity, velocity)
        return float(squares.mean() if weights is None else weights @ squares)

    def together(self, action: Callable[[], Result]) -> Result:
        """Do it."""
        return action()

    def lead(self, action: Callable[[], None]) -> None:
        """Do it."""
        action()

    def due(self, own: bool) -> bool:
        """The flag itself."""
        return own

    def interrupted(self, own: bool) -> bool:
        """The flag itself."""
        return own

    def same(self, key: str) -> None:
        """Nobody to differ from."""

    def tell(self, text: str) -> str:
        """The text itself."""
        return text

    def store(self, path: Path) -> RunStore:
        """The store at `path`."""
        return RunStore.open(path)

    def write_tokens(self, store: Store, frame: int, tokens: np.ndarray) -> np.ndarray | None:
        """Write the tokens of a frame; returns them."""
        assert isinstance(store, RunStore)
        store.write_tokens(frame, tokens)
        return tokens

    def save(self, path: Path, state: State, key: str) -> None:
        """Write a checkpoint."""
        save_checkpoint(path, state, key)

    def load(self, path: Path, key: str) -> State:
        """Read a checkpoint."""
        return load_checkpoint(path, key)


class Team:
    """One process of many. All of them call the same methods in the same order."""

    def __init__(self, mesh: TokenMesh, n: int) -> None:
        self._mesh = mesh
        self.shard = Shard.of(mesh, n)
        self.leader = mesh.rank == 0

    def share(self, flow: AttentionFlow) -> AttentionFlow:
        """The flow for a process with a slice of the tokens."""
        return flow.shard(self._mesh)

    def take(self, tokens: np.ndarray) -> np.ndarray:
        """The slice of this process, filled up with copies of its last token."""
        return self.shard.take(tokens)

    def masses(self, weights: np.ndarray | None) -> np.ndarray | None:
        """The masses of the slice, 0 for what fills it up."""
        return self.shard.masses(weights)

    def order(self, tokens: np.ndarray, degrees: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The order parameters of all tokens, from the slices."""
        assert weights is not None
        return np.sqrt(shared_power(self._mesh, tokens, [int(k) for k in degrees], weights))

    def speed(self, velocity: np.ndarray, weights: np.ndarray | None) -> float:
        """Σ_i w_i |dx_i/dt|² over all tokens."""
        assert weights is not None
        return float(self._mesh.sum(weights @ np.einsum("ij,ij->i", velocity, velocity)))

    def together(self, action: Callable[[], Result]) -> Result:
        """Do it on every process; if it fails on one, all stop: that one with its error, the others as followers."""
        error: BaseException | None = None
        try:
            result = action()
        except (InputError, RuntimeError, OSError) as caught:
            error = caught
        if self._mesh.agree(error is not None):
            raise error or Follower("another process had to stop")
        return result

    def lead(self, action: Callable[[], None]) -> None:
        """Do it on the leader, while the others wait."""
        self.together(action if self.leader else lambda: None)

    def due(self, own: bool) -> bool:
        """Whether the leader, whose clock is that of all, finds something due."""
        return self._mesh.agree(own and self.leader)

    def interrupted(self, own: bool) -> bool:
        """Whether any process is interrupted."""
        return self._mesh.agree(own)

    def same(self, key: str) -> None:
        """Refuse processes that do not have the same study and tokens. **Raises:** `InputError` on all of them."""
        keys = self._mesh.gather(np.frombuffer(key.encode(), dtype=np.uint8).astype(np.float64))
        others = np.flatnonzero((keys != keys[0]).any(axis=1))
        if others.size:
            raise InputError(
                f"process {others[0]} has other tokens or settings than process 0: give all the same study and "
                "files, the same packages, and hosts of one kind"
            )

    def tell(self, text: str) -> str:
        """The leader's text, on every process."""
        letters = np.frombuffer(text.encode() if self.leader else b"", dtype=np.uint8).astype(np.float64)
        length = int(self._mesh.max(letters.size))
        told = self._mesh.sum(np.pad(letters, (0, 4096 * (length // 4096 + 1) - letters.size)))
        return bytes(told[:length].astype(np.uint8)).decode()

    def store(self, path: Path) -> TeamStore:
        """The store at `path`, which the leader has made."""
        self.lead(lambda: _clean(path))
        return TeamStore(self._mesh, self.together(lambda: _seen(path)))

    def write_tokens(self, store: Store, frame: int, tokens: np.ndarray) -> np.ndarray | None:
        """Write the slice of a frame; returns all its tokens to the leader, `None` to the others."""
        assert isinstance(store, TeamStore)
        inner, shard = store.inner, self.shard
        # Where slices end inside a chunk (the run was begun by another number of processes), one after another.
        turns = 1 if shard.block % inner.chunk == 0 else self._mesh.size
        for turn in range(turns):
            if turns == 1 or turn == self._mesh.rank:
                inner.write_tokens(frame, tokens[: shard.count], shard.start)
            self._mesh.barrier()
        return inner.read_tokens(frame) if self.leader else None

    def save(self, path: Path, state: State, key: str) -> None:
        """Write a checkpoint, every process its part."""
        save_checkpoint(path, state, key, self.shard)

    def load(self, path: Path, key: str) -> State:
        """Read a checkpoint, every process its slice."""
        return self.together(lambda: load_checkpoint(path, key, self.shard))


def _clean(path: Path) -> None:
    RunStore.open(path)


def _seen(path: Path) -> RunStore:
    if not path.is_dir():
        raise InputError(f"process 0 writes {path}, but it is not seen here: all hosts must share the run folder")
    return RunStore.open(path, clean=False)


class TeamStore:
    """The store of a team: the leader writes the series and the commit mark, all make sure that it lasts."""

    def __init__(self, mesh: TokenMesh, inner: RunStore) -> None:
        self._mesh, self.inner = mesh, inner
        self._leader = mesh.rank == 0

    @property
    def attributes(self) -> dict[str, Any]:
        """What the store says about itself."""
        return self.inner.attributes

    def commit(self, first: int, series: dict[str, np.ndarray], n_steps: int, events: dict[str, float]) -> None:
        """See :class:`RunStore`."""
        if self._leader:
            self.inner.commit(first, series, n_steps, events)

    def write_steps(self, first: int, rows: dict[str, np.ndarray]) -> None:
        """See :class:`RunStore`."""
        if self._leader:
            self.inner.write_steps(first, rows)

    def flush(self) -> None:
        """Every host flushes what it has written, while nobody writes."""
        self._mesh.barrier()
        self.inner.flush()
        self._mesh.barrier()

    def finish(self, attributes: dict[str, Any]) -> None:
        """See :class:`RunStore`."""
        if self._leader:
            self.inner.finish(attributes)
