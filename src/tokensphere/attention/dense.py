"""The direct sum over all pairs, in blocks of queries: any dimension, keys, values and masses.

    log Z_i = m_i + log Σ_j e^{β⟨q_i,y_j⟩ + log w_j − m_i},   m_i = max_j (β⟨q_i,y_j⟩ + log w_j)

The row maximum keeps every exponential in [0, 1] at any β. One block holds `block` numbers, so memory is
O(n) and an n×n array never exists; cost is O(m n d).
"""

from __future__ import annotations

from typing import Any

import equinox as eqx

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax, jnp
from tokensphere.parallel import TokenMesh

from .base import AbstractAttention, Attended

__all__ = ["Dense"]


def _check_finite(**arrays: jax.Array) -> None:
    for name, array in arrays.items():
        good = jnp.isfinite(array).all(axis=1)
        if not bool(good.all()):
            raise InputError(f"{name}: token {int(jnp.argmin(good))} is not finite")


class Dense(AbstractAttention):
    """All pairs, exactly (to rounding). Differentiable, works under `jit`, `vmap` and `grad`.

    `block` is the number of logits held at once (default 2^18, 2 MB in float64, about the size of a
    second-level cache).
    """

    block: int = eqx.field(static=True, default=2**18)

    def __call__(
        self,
        queries: Any,
        keys: Any,
        values: Any = None,
        weights: Any = None,
        *,
        beta: Any,
        tangent: bool = False,
    ) -> Attended:
        queries, keys = jnp.asarray(queries), jnp.asarray(keys)
        values = keys if values is None else jnp.asarray(values)
        if not is_traced(queries, keys, values):
            _check_finite(queries=queries, keys=keys, values=values)
        m, n = queries.shape[0], keys.shape[0]
        log_w = jnp.full(n, -jnp.log(float(n))) if weights is None else jnp.log(jnp.asarray(weights))
        # One product returns the sum of the values and, in the last column, the sum of the weights.
        augmented = jnp.concatenate([values, jnp.ones((n, 1), values.dtype)], axis=1)

        def attend(block_queries: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = (beta * block_queries) @ keys.T + log_w
            top = jnp.max(logits, axis=-1, keepdims=True)
            sums = jnp.exp(logits - top) @ augmented
            return top[:, 0] + jnp.log(sums[:, -1]), sums[:, :-1] / sums[:, -1:]

        rows = max(1, min(m, self.block // n))
        if rows >= m:
            return Attended(*attend(queries))
        blocks = -(-m // rows)
        padded = jnp.concatenate([queries, jnp.zeros((blocks * rows - m, queries.shape[1]), queries.dtype)])
        # Gradients recompute a block instead of storing it, so that they need O(n) memory too.
        log_z, mean = jax.lax.map(jax.checkpoint(attend), padded.reshape(blocks, rows, -1))
        return Attended(log_z.reshape(-1)[:m], mean.reshape(blocks * rows, -1)[:m])

    def shared(
        self,
        mesh: TokenMesh,
        queries: Any,
        keys: Any,
        values: Any = None,
        weights: Any = None,
        *,
        beta: Any,
        tangent: bool = False,
    ) -> Attended:
        """See :class:`AbstractAttention`: blocks of keys pass round a ring of all devices."""
        from .ring import ring_sums

        return Attended(*ring_sums(mesh, queries, keys, values, weights, beta, self.block))
