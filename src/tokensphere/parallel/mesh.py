"""The communicator of a team of processes: sums, maxima and gatherings over them, by JAX.

A :class:`Mesh` has a `rank` in 0..`size`−1. Every process calls the same methods in the same order; each returns
the same bits on every process, so that all take the same decisions. :data:`SERIAL` is the team of one.

Reductions are `jax.lax` collectives in a `jax.shard_map` over one axis named "tokens" (Gloo on CPUs).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from jax.sharding import Mesh as DeviceMesh
from jax.sharding import NamedSharding, PartitionSpec

from tokensphere.errors import InputError
from tokensphere.jaxsetup import jax

from .placement import Placement
from .seat import LOST_TOUCH

__all__ = ["SERIAL", "Mesh", "PeerLost", "Serial", "TokenMesh", "connect"]


class PeerLost(RuntimeError):
    """Another process of the team has gone, so that no common sum can be made any more."""

    exit_code = LOST_TOUCH


class MeetingError(RuntimeError):
    """The processes of a team could not meet; the message says where."""


class Mesh(Protocol):
    """What is common to a team of processes and the team of one."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def local_devices(self) -> int: ...
    def sum(self, partial: np.ndarray) -> np.ndarray: ...
    def max(self, numbers: Any) -> np.ndarray: ...
    def gather(self, array: np.ndarray) -> np.ndarray: ...
    def barrier(self) -> None: ...
    def agree(self, flag: bool) -> bool: ...


class Serial:
    """The team of one: nothing to add, nobody to wait for."""

    rank = 0
    size = 1
    local_devices = 1

    def sum(self, partial: np.ndarray) -> np.ndarray:
        """The array itself."""
        return partial

    def max(self, numbers: Any) -> np.ndarray:
        """The numbers themselves."""
        return np.asarray(numbers, dtype=np.float64)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The array as the only row of one more axis."""
        return array[None]

    def barrier(self) -> None:
        """Nobody to wait for."""

    def agree(self, flag: bool) -> bool:
        """The flag itself."""
        return flag


SERIAL = Serial()


class TokenMesh:
    """All processes that have called `jax.distributed.initialize`, and all their devices, on one axis "tokens".

    Host arrays are reduced over one device a process; `devices` is the mesh of all of them, on which
    :mod:`tokensphere.attention.ring` passes blocks round. In one process with many devices only the latter matters.

    `sent` counts the bytes that this process has handed to `sum`, `max`, `gather` and `pass_on`.
    """

    def __init__(self) -> None:
        self.rank = jax.process_index()
        self.size = jax.process_count()
        ordered = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        self.local_devices = len(jax.local_devices())
        self.devices = DeviceMesh(np.array(ordered), ("tokens",))
        firsts = [next(d for d in ordered if d.process_index == r) for r in range(self.size)]
        self._ranks = DeviceMesh(np.array(firsts), ("tokens",))
        self._split = NamedSharding(self._ranks, PartitionSpec("tokens"))
        self.sent = 0

    def sum(self, partial: np.ndarray) -> np.ndarray:
        """Σ over processes of an array of the same shape on each (real or complex)."""
        partial = np.asarray(partial)
        if np.iscomplexobj(partial):
            return self.sum(np.ascontiguousarray(partial).view(np.float64)).view(np.complex128)
        return self._collect(_sum, partial.astype(np.float64, copy=False))

    def max(self, numbers: Any) -> np.ndarray:
        """The largest of every entry over the processes; entries must not be NaN."""
        return self._collect(_max, np.asarray(numbers, dtype=np.float64))

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays of all processes, (size, *shape), on every process."""
        return self._collect(_gather, np.asarray(array, dtype=np.float64))

    def pass_on(self, array: np.ndarray) -> Callable[[], np.ndarray]:
        """Hand an array, of the same shape on all processes, to the next one round a ring.

        **Returns:** a function that waits for the array of the process before and returns it.
        """
        if self.size == 1:
            return lambda: array
        flat = np.zeros(_rounded_up(array.size))
        flat[: array.size] = array.reshape(-1)
        self.sent += flat.nbytes
        with watching():
            rows = jax.make_array_from_process_local_data(self._split, flat[None], (self.size, flat.size))
            passed = _compiled_ring(self._ranks)(rows)

        def wait() -> np.ndarray:
            with watching():
                out = np.asarray(passed.addressable_data(0))
            return out.reshape(-1)[: array.size].reshape(array.shape)

        return wait

    def barrier(self) -> None:
        """Return when every process has come here."""
        self.sum(np.zeros(1))

    def agree(self, flag: bool) -> bool:
        """Whether any process says yes."""
        return bool(self.max(float(flag)))

    def close(self) -> None:
        """Leave the team, all together: what follows is no longer watched by the others."""
        if self.size > 1:
            jax.distributed.shutdown()

    def _collect(self, collective: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
        if self.size == 1:
            return array[None] if collective is _gather else array
        flat = np.zeros(_rounded_up(array.size))
        flat[: array.size] = array.reshape(-1)
        self.sent += flat.nbytes
        with watching():
            rows = jax.make_array_from_process_local_data(self._split, flat[None], (self.size, flat.size))
            out = np.asarray(_compiled(self._ranks, collective)(rows).addressable_data(0))
        shape = (self.size, *array.shape) if collective is _gather else array.shape
        return np.ascontiguousarray(out[..., : array.size]).reshape(shape)


def _rounded_up(size: int) -> int:
    """A few lengths serve all arrays, since each is compiled once: at least 64, else three binary digits and zeros."""
    unit = max(64, 2 ** (size.bit_length() - 3))
    return unit * -(-size // unit)


class watching:
    """Turns the error of a broken connection inside a collective into :class:`PeerLost`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        # Gloo's errors arrive as ValueError or JaxRuntimeError, by how the program was dispatched.
        if isinstance(error, (ValueError, RuntimeError)) and any(
            sign in str(error) for sign in ("Gloo", "UNAVAILABLE", "DEADLINE_EXCEEDED", "NCCL")
        ):
            raise PeerLost(f"another process has gone ({' '.join(str(error).split())[-120:]})") from None


def _sum(row: Any) -> Any:
    return jax.lax.psum(row[0], "tokens")


def _max(row: Any) -> Any:
    return jax.lax.pmax(row[0], "tokens")


def _gather(row: Any) -> Any:
    return jax.lax.all_gather(row[0], "tokens")


@functools.lru_cache(maxsize=64)
def _compiled(ranks: DeviceMesh, collective: Callable[[Any], Any]) -> Any:
    mapped = jax.shard_map(
        collective, mesh=ranks, in_specs=PartitionSpec("tokens"), out_specs=PartitionSpec(), check_vma=False
    )
    return jax.jit(mapped)


@functools.lru_cache(maxsize=8)
def _compiled_ring(ranks: DeviceMesh) -> Any:
    size, split = ranks.size, PartitionSpec("tokens")
    ring = [(i, (i + 1) % size) for i in range(size)]

    def on_rank(row: Any) -> Any:
        return jax.lax.ppermute(row, "tokens", ring)

    return jax.jit(jax.shard_map(on_rank, mesh=ranks, in_specs=split, out_specs=split, check_vma=False))


def connect(placement: Placement) -> TokenMesh:
    """Join the team: returns when all its processes have come. Call it before any other use of JAX.

    A process that does not find the others within 30 seconds (`TOKENSPHERE_START_SECONDS` in the environment), or
    that loses touch with them for 20 seconds later (`TOKENSPHERE_SILENCE_SECONDS`), is ended by JAX.

    **Raises:** :class:`MeetingError` if process 0 cannot listen at the coordinator's address.
    """
    start, silence = (
        _seconds(f"TOKENSPHERE_{name}_SECONDS", usual) for name, usual in (("START", 30), ("SILENCE", 20))
    )
    try:
        _initialize(placement, start, silence)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise MeetingError(f"the processes cannot meet at {placement.coordinator}: {reason}") from None
    return TokenMesh()


def _seconds(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"{name} must be a whole number of seconds >= 1, got {text!r}")
    return int(text)


def _initialize(placement: Placement, start: int, silence: int) -> None:
    jax.distributed.initialize(
        placement.coordinator,
        placement.size,
        placement.rank,
        # Several processes on one host share its accelerators one by one; a process alone has them all.
        local_device_ids=[placement.local_rank] if placement.local_size > 1 else None,
        cluster_detection_method="deactivate",
        initialization_timeout=start,
        heartbeat_timeout_seconds=silence,
        shutdown_timeout_seconds=silence,
    )
