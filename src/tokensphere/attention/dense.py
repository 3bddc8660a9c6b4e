"""The direct sum over all pairs: any dimension, queries, keys, values, masses, masks, heads.

    log Z_i = log Σ_j w_j e^{β⟨q_i,y_j⟩},     mean_i = Σ_j w_j e^{β⟨q_i,y_j⟩} v_j / Z_i

Numbers on the host go through compiled loops (:mod:`.host`). Inside transformed code (`jit`, `grad`, `vmap`) and on
accelerators the same sum is JAX code over blocks of queries, with the largest logit of each row taken out. Either way
memory is O(n): an n×n array never exists; cost is O(m n d).
"""

from __future__ import annotations

import functools
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax, jnp
from tokensphere.parallel import TokenMesh

from .base import AbstractAttention, Attended
from .check import check_call

__all__ = ["Dense"]


class Dense(AbstractAttention):
    """All pairs, exactly (to rounding), in single precision if queries, keys and values are, else in double.

    **Fields:**

    - `causal`: query i sees keys j ≤ i only.
    - `mask` (m, n) of booleans: query i sees key j where it is true; `None` for all. A query that sees nothing
      has log Z = −∞ and mean 0.
    - `symmetric`: promises ⟨q_i, y_j⟩ = ⟨q_j, y_i⟩ (self-attention with a symmetric B), so that every exponential
      serves two tokens. Where queries and keys are the same array, this is known without a promise.
    - `block`: the number of logits that the JAX form holds at once (default 2^18, 2 MB in double precision).

    **Arguments** of a call: see :class:`~tokensphere.attention.AbstractAttention`. Heads are a leading axis:
    queries (h, m, d), keys (h, n, d), values (h, n, c), weights (n,) or (h, n) give log Z (h, m), mean (h, m, c).

    **Raises:** `InputError` naming a token that is not finite, or shapes that do not fit.
    """

    causal: bool = eqx.field(static=True, default=False)
    mask: Any = None
    symmetric: bool = eqx.field(static=True, default=False)
    block: int = eqx.field(static=True, default=2**18)

    @property
    def shareable(self) -> bool:  # type: ignore[override]
        """Whether many processes can share the sum: without a mask."""
        return self.mask is None and not self.causal

    @property
    def on_host(self) -> bool:  # type: ignore[override]
        """Whether numbers are summed by compiled loops on the host: always, unless JAX has an accelerator."""
        return _no_accelerator()

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
        symmetric = self.symmetric or queries is keys
        values = keys if values is None else values
        check_call(queries, keys, values, weights, beta)
        if self.mask is not None and np.shape(self.mask) != (np.shape(queries)[-2], np.shape(keys)[-2]):
            raise InputError(
                f"mask has shape {np.shape(self.mask)}, but there are {np.shape(queries)[-2]} queries "
                f"and {np.shape(keys)[-2]} keys"
            )
        heads = np.ndim(queries) == 3
        if is_traced(queries, keys, values, weights, beta, self.mask) or not _no_accelerator():
            one = functools.partial(_in_blocks, self, beta=beta)
            if not heads:
                return one(queries, keys, values, weights)
            return jax.vmap(one, in_axes=(0, 0, 0, 0 if np.ndim(weights) == 2 else None))(
                queries, keys, values, weights
            )
        if not heads:
            return _on_host(self, queries, keys, values, weights, beta, symmetric)
        count = len(queries)
        masses = [weights] * count if weights is None or np.ndim(weights) == 1 else weights
        parts = [_on_host(self, queries[h], keys[h], values[h], masses[h], beta, symmetric) for h in range(count)]
        return Attended(np.stack([part.log_z for part in parts]), np.stack([part.mean for part in parts]))

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
        """See :class:`AbstractAttention`: keys pass round a ring of all processes, or of all devices."""
        from .ring import host_ring_sums, ring_sums

        if mesh.local_devices == 1 and self.on_host:
            return Attended(
                *host_ring_sums(mesh, queries, keys, values, weights, beta, self.symmetric or queries is keys)
            )
        return Attended(*ring_sums(mesh, queries, keys, values, weights, beta, self.block))


@functools.cache
def _no_accelerator() -> bool:
    return bool(jax.default_backend() == "cpu")


# Plain functions: binding a method of an equinox module costs as much as the sum over 200 tokens.


def _on_host(
    attention: Dense, queries: Any, keys: Any, values: Any, weights: Any, beta: Any, symmetric: bool
) -> Attended:
    from .host import attend  # Numba is loaded when it is needed

    queries, keys, values = np.asarray(queries), np.asarray(keys), np.asarray(values)
    mask = None if attention.mask is None else np.asarray(attention.mask, dtype=bool)
    log_z, mean = attend(
        queries, keys, values, weights, float(beta), symmetric=symmetric, causal=attention.causal, mask=mask
    )
    return Attended(log_z, mean)


def _in_blocks(attention: Dense, queries: Any, keys: Any, values: Any, weights: Any, *, beta: Any) -> Attended:
    """The sum in JAX, `block` logits at a time."""
    queries, keys, values = jnp.asarray(queries), jnp.asarray(keys), jnp.asarray(values)
    m, n = queries.shape[0], keys.shape[0]
    log_w = jnp.full(n, -jnp.log(float(n))) if weights is None else jnp.log(jnp.asarray(weights))
    # One product returns the sum of the values and, in the last column, the sum of the weights.
    augmented = jnp.concatenate([values, jnp.ones((n, 1), values.dtype)], axis=1)

    def summed(rows: jax.Array, index: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        logits = (beta * rows) @ keys.T + log_w
        if attention.causal:
            logits = jnp.where(jnp.arange(n) <= index[:, None], logits, -jnp.inf)
        if mask is not None:
            logits = jnp.where(mask, logits, -jnp.inf)
        top = jnp.max(logits, axis=-1, keepdims=True)
        top = jnp.where(top == -jnp.inf, 0.0, top)  # a query that sees nothing
        sums = jnp.exp(logits - top) @ augmented
        z = sums[:, -1:]
        return top[:, 0] + jnp.log(z[:, 0]), sums[:, :-1] / jnp.where(z > 0, z, 1.0)

    rows = max(1, min(m, attention.block // n))
    index = jnp.arange(m)
    if rows >= m:
        return Attended(*summed(queries, index, attention.mask))
    blocks = -(-m // rows)

    def split(array: Any) -> Any:
        filler = jnp.zeros((blocks * rows - m, *array.shape[1:]), array.dtype)
        return jnp.concatenate([array, filler]).reshape(blocks, rows, *array.shape[1:])

    parts = jax.tree.map(split, (queries, index, attention.mask))
    # Gradients recompute a block instead of storing it, so that they need O(n) memory too.
    log_z, mean = jax.lax.map(lambda part: jax.checkpoint(summed)(*part), parts)
    return Attended(log_z.reshape(-1)[:m], mean.reshape(blocks * rows, -1)[:m])
