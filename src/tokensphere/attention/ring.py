"""The direct sum over all pairs on many processes or devices: blocks of keys pass round a ring.

Process (or device) r begins with its own keys, sums its queries over them, hands them to r+1, and so on: after P turns
every query has met every key. Partial sums carry their largest logit, or log Z in its place,

    m' = max(m, m_b),    S' = S e^{m − m'} + S_b e^{m_b − m'},

so that they are safe at any β, and nobody ever holds more than two blocks of keys. Between processes that work on the
host (:func:`host_ring_sums`) each block is summed by the compiled loops of :mod:`.host`; between devices, by JAX.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from jax.sharding import Mesh as DeviceMesh
from jax.sharding import NamedSharding, PartitionSpec

from tokensphere.jaxsetup import jax, jnp
from tokensphere.parallel import TokenMesh
from tokensphere.parallel.mesh import watching

__all__ = ["host_ring_sums", "ring_sums"]

_SPLIT = PartitionSpec("tokens")


def host_ring_sums(
    mesh: TokenMesh,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    weights: np.ndarray,
    beta: float,
    symmetric: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z (m,) and mean (m, d_v) of this process's queries over the keys of all processes, on the host.

    `symmetric` promises ⟨q_i, y_j⟩ = ⟨q_j, y_i⟩ for the tokens of one process, which saves half of its own block.
    """
    from .host import attend

    dim = keys.shape[1]
    # Values behind the keys, masses last: one array travels.
    columns = [keys, weights[:, None]] if values is None else [keys, values, weights[:, None]]
    block = np.concatenate(columns, axis=1)
    lost = ~np.isfinite(queries).all(axis=1)

    def meet(block: np.ndarray, own: bool) -> tuple[np.ndarray, np.ndarray]:
        some = np.ascontiguousarray(block[:, :dim])
        theirs = some if values is None else np.ascontiguousarray(block[:, dim:-1])
        found = attend(queries, some, theirs, block[:, -1].copy(), beta, symmetric=symmetric and own)
        # The compiled loops do not carry NaN on.
        found[0][lost if np.isfinite(block).all() else slice(None)] = np.nan
        return found

    coming = mesh.pass_on(block) if mesh.size > 1 else None
    log_z, mean = meet(block, True)
    for turn in range(1, mesh.size):
        assert coming is not None
        block = coming()
        # The next block is asked for first, so that it may travel while this one is summed.
        coming = mesh.pass_on(block) if turn < mesh.size - 1 else None
        part, its_mean = meet(block, False)
        total = np.logaddexp(log_z, part)
        known = np.where(total == -np.inf, 0.0, total)  # a query that has met no mass yet
        mean *= np.exp(log_z - known)[:, None]
        mean += its_mean * np.exp(part - known)[:, None]
        log_z = total
    mean[np.isnan(log_z)] = np.nan
    return log_z, mean


def ring_sums(
    mesh: TokenMesh,
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    weights: np.ndarray,
    beta: float,
    block: int,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z (m,) and mean (m, d_v) of this process's queries over the keys of all processes.

    Slices are equally long on all processes; massless rows fill them up to a multiple of the devices.
    """
    devices = mesh.local_devices
    count = len(queries)
    with np.errstate(divide="ignore"):
        log_w = np.log(weights)
    # Values behind the keys, log masses last: one array travels.
    columns = [keys, log_w[:, None]] if values is None else [keys, values, log_w[:, None]]
    travelling = np.concatenate(columns, axis=1)
    if len(travelling) % devices:
        extra = np.repeat(travelling[-1:], -len(travelling) % devices, axis=0)
        extra[:, -1] = -np.inf
        travelling = np.concatenate([travelling, extra])
    if count % devices:
        queries = np.concatenate([queries, np.repeat(queries[-1:], -count % devices, axis=0)])
    split = NamedSharding(mesh.devices, _SPLIT)
    with watching():
        asked, passed = (jax.make_array_from_process_local_data(split, rows) for rows in (queries, travelling))
        program = _compiled(mesh.devices, keys.shape[1], values is not None, block)
        out = _local(program(asked, passed, jnp.asarray(beta, dtype=jnp.float64)))
    mesh.sent += (mesh.devices.size - 1) * travelling.nbytes // devices if mesh.size > 1 else 0
    return out[:count, 0], out[:count, 1:]


def _local(array: jax.Array) -> np.ndarray:
    """The rows of this process's devices."""
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return np.concatenate([np.asarray(shard.data) for shard in shards])


@functools.lru_cache(maxsize=32)
def _compiled(devices: DeviceMesh, dim: int, with_values: bool, block: int) -> Any:
    size = devices.size
    ring = [(i, (i + 1) % size) for i in range(size)]

    def on_device(queries: jax.Array, passed: jax.Array, beta: jax.Array) -> jax.Array:
        scaled = beta * queries
        width = passed.shape[1] - 1 - (dim if with_values else 0)
        empty = jnp.full(len(queries), -jnp.inf), jnp.zeros((len(queries), width + 1))

        def meet(sums: tuple[jax.Array, jax.Array], passed: jax.Array) -> tuple[jax.Array, jax.Array]:
            top, here = _block_sums(scaled, passed, dim, with_values, block)
            largest = jnp.maximum(sums[0], top)
            old, new = _share(sums[0], largest), _share(top, largest)
            return largest, sums[1] * old[:, None] + here * new[:, None]

        def turn(_: int, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            sums, passed = carry
            # The next block is asked for first, so that it may travel while this one is summed.
            coming = jax.lax.ppermute(passed, "tokens", ring)
            return meet(sums, passed), coming

        # The last block is summed where it is: P−1 passages suffice.
        sums, passed = jax.lax.fori_loop(0, size - 1, turn, (empty, passed))
        top, total = meet(sums, passed)
        log_z = top + jnp.log(total[:, -1])
        return jnp.concatenate([log_z[:, None], total[:, :-1] / total[:, -1:]], axis=1)

    mapped = jax.shard_map(
        on_device, mesh=devices, in_specs=(_SPLIT, _SPLIT, PartitionSpec()), out_specs=_SPLIT, check_vma=False
    )
    return jax.jit(mapped)


def _share(top: jax.Array, largest: jax.Array) -> jax.Array:
    """e^{top − largest}, and 0 where there is nothing yet (both −∞)."""
    return jnp.where(top == -jnp.inf, 0.0, jnp.exp(top - jnp.where(largest == -jnp.inf, 0.0, largest)))


def _block_sums(
    scaled: jax.Array, passed: jax.Array, dim: int, with_values: bool, block: int
) -> tuple[jax.Array, jax.Array]:
    """The largest logit (m,) and the sums of values and masses (m, d_v + 1) over one block of keys.

    Blocks of queries are taken one after another, each with about `block` logits at once.
    """
    keys, log_w = passed[:, :dim], passed[:, -1]
    values = passed[:, dim:-1] if with_values else keys
    augmented = jnp.concatenate([values, jnp.ones((len(keys), 1), values.dtype)], axis=1)

    def attend(some: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits = some @ keys.T + log_w
        top = jnp.max(logits, axis=-1)
        shift = jnp.where(top == -jnp.inf, 0.0, top)
        return top, jnp.exp(logits - shift[:, None]) @ augmented

    m, n = len(scaled), len(keys)
    rows = max(1, min(m, block // n))
    if rows >= m:
        return attend(scaled)
    blocks = -(-m // rows)
    padded = jnp.concatenate([scaled, jnp.zeros((blocks * rows - m, scaled.shape[1]), scaled.dtype)])
    top, sums = jax.lax.map(attend, padded.reshape(blocks, rows, -1))
    return top.reshape(-1)[:m], sums.reshape(blocks * rows, -1)[:m]
