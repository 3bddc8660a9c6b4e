"""Hardmax: attention at β = ∞ over a finite set of tokens. Every query looks only at the keys that score highest.

    C_i = argmax_j β⟨q_i, y_j⟩,     mean_i = Σ_{j∈C_i} w_j v_j / Σ_{j∈C_i} w_j,
    log Z_i = max_j β⟨q_i, y_j⟩ + log Σ_{j∈C_i} w_j

The limit of the direct sum when β is multiplied by a factor s → ∞: the means converge, and log Z of the sum exceeds
the number returned here, taken at sβ, by less than e^{−s·gap}/(mass of C_i), which tends to 0. So of β only the sign
matters for the mean (at β = 0 all keys are equal), and log Z_i is the leading term of the logarithm. A mass is a
number of copies.                                                               [2312.10794, 2407.01602, 2508.09628]
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax, jnp
from tokensphere.threads import available_threads, one_blas_thread, run_all

from .base import AbstractAttention, Attended
from .check import check_call
from .dense import _no_accelerator

__all__ = ["Hardmax"]

_BLOCK = 2**19  # scores that a thread holds at once
_MOST_ROWS, _LEAST_ROWS = 512, 16
_ALL_THREADS_FROM = 500_000  # pairs times coordinates
_ROUNDING = 32.0  # units in the last place that a tie may be off in any case


class Hardmax(AbstractAttention):
    """Uniform weights (by mass) on the keys of the largest score, by matrix products over blocks of queries.

    **Fields:**

    - `self_attention`: whether a query may look at its own token. If not, queries and keys must be equally many, and
      query i does not see the keys at the place of key i: two keys are at one place if
      |y_i − y_j|² ≤ tolerance · (|y_i|² + |y_j|²). A query that sees nothing has log Z = −∞ and mean 0.
    - `causal`: query i sees keys j ≤ i only.
    - `tolerance`: keys within tolerance · |β||q_i| max_j|y_j| of the largest score tie with it (default 1e-13; never
      less than 32 rounding errors of the numbers given).

    Memory is O(n), cost O(m n d). Keys of mass 0 are not seen.

    **Arguments** of a call: see :class:`~tokensphere.attention.AbstractAttention`; heads are a leading axis as for
    `Dense`.

    **Raises:** `InputError` naming a token that is not finite, shapes that do not fit, or a tolerance outside [0, 1).
    """

    self_attention: bool = eqx.field(static=True, default=True)
    causal: bool = eqx.field(static=True, default=False)
    tolerance: float = eqx.field(static=True, default=1e-13)

    def __check_init__(self) -> None:
        if not 0.0 <= self.tolerance < 1.0:
            raise InputError(f"tolerance must lie in [0, 1), got {self.tolerance!r}")

    @property
    def on_host(self) -> bool:  # type: ignore[override]
        """Whether numbers are handled by NumPy on the host: always, unless JAX has an accelerator."""
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
        values = keys if values is None else values
        check_call(queries, keys, values, weights, beta)
        if not self.self_attention and np.shape(queries)[-2] != np.shape(keys)[-2]:
            raise InputError(
                f"without self-attention queries and keys are the same tokens, but there are {np.shape(queries)[-2]} "
                f"queries and {np.shape(keys)[-2]} keys"
            )
        on_host = _no_accelerator() and not is_traced(queries, keys, values, weights, beta)
        one: Any = functools.partial(_on_host if on_host else _in_blocks, self, beta=beta)
        if np.ndim(queries) == 2:
            return Attended(*one(queries, keys, values, weights))
        if not on_host:
            mapped = jax.vmap(one, in_axes=(0, 0, 0, 0 if np.ndim(weights) == 2 else None))
            return Attended(*mapped(queries, keys, values, weights))
        masses = weights if np.ndim(weights) == 2 else [weights] * len(queries)
        parts = [one(q, y, v, w) for q, y, v, w in zip(queries, keys, values, masses, strict=True)]
        return Attended(np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts]))


def _on_host(
    attention: Hardmax, queries: Any, keys: Any, values: Any, weights: Any, *, beta: Any
) -> tuple[np.ndarray, np.ndarray]:
    """log Z (m,) and the mean (m, c) in NumPy, some rows of scores at a time, on all threads."""
    work = np.dtype(np.float32 if np.result_type(queries, keys, values) == np.float32 else np.float64)
    queries, keys, values = (np.asarray(array, dtype=work) for array in (queries, keys, values))
    m, n = len(queries), len(keys)
    masses = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=np.float64)
    unseen = np.flatnonzero(masses == 0)
    tolerance = _tolerance(attention, work)
    squares = np.einsum("ij,ij->i", keys, keys, dtype=np.float64)
    asked = work.type(np.sign(beta)) * queries  # the size of β does not move the argmax, and may be subnormal
    slack = tolerance * np.sqrt(squares.max()) * np.sqrt(np.einsum("ij,ij->i", asked, asked, dtype=np.float64))
    log_z, mean = np.empty(m), np.zeros((m, values.shape[1]), work)

    def band(start: int) -> None:
        stop = min(start + rows, m)
        scores = asked[start:stop] @ keys.T
        scores[:, unseen] = -np.inf
        if attention.causal:
            scores[np.arange(n) > np.arange(start, stop)[:, None]] = -np.inf
        if not attention.self_attention:
            both = squares[start:stop, None] + squares
            scores[both - 2.0 * (keys[start:stop] @ keys.T) <= tolerance * both] = -np.inf
        first = scores.argmax(axis=1)
        top = scores[np.arange(stop - start), first].astype(np.float64)
        tied = scores >= (top - slack[start:stop]).astype(work)[:, None]
        mass = masses[first]
        mean[start:stop] = values[first]
        several = np.flatnonzero(np.count_nonzero(tied, axis=1) > 1)
        if several.size:
            shares = tied[several] * masses
            mass[several] = shares.sum(axis=1)
            mean[start + several] = shares @ values / mass[several, None]
        blind = top == -np.inf
        mean[start:stop][blind] = 0
        log_z[start:stop] = np.where(blind, -np.inf, abs(beta) * np.where(blind, 0.0, top) + np.log(mass))

    rows = int(np.clip(_BLOCK // n, _LEAST_ROWS, _MOST_ROWS))
    threads = available_threads() if m * n * keys.shape[1] > _ALL_THREADS_FROM else 1
    # Limiting BLAS takes longer than a small product.
    with one_blas_thread() if threads > 1 else contextlib.nullcontext():
        run_all(band, range(0, m, rows), threads)
    return log_z.astype(work, copy=False), mean


def _in_blocks(attention: Hardmax, queries: Any, keys: Any, values: Any, weights: Any, *, beta: Any) -> tuple[Any, Any]:
    """The same in JAX, for transformed code and accelerators."""
    queries, keys, values = jnp.asarray(queries), jnp.asarray(keys), jnp.asarray(values)
    m, n = queries.shape[0], keys.shape[0]
    masses = jnp.full(n, 1.0 / n) if weights is None else jnp.asarray(weights)
    tolerance = _tolerance(attention, np.result_type(queries.dtype, keys.dtype))
    squares = jnp.sum(keys * keys, axis=1)
    asked = _sign(beta).astype(queries.dtype) * queries
    slack = tolerance * jnp.sqrt(jnp.max(squares)) * jnp.sqrt(jnp.sum(asked * asked, axis=1))

    def banded(rows: Any, own: Any, own_square: Any, allowed: Any, index: Any) -> tuple[Any, Any]:
        scores = jnp.where(masses > 0, rows @ keys.T, -jnp.inf)
        if attention.causal:
            scores = jnp.where(jnp.arange(n) <= index[:, None], scores, -jnp.inf)
        if not attention.self_attention:
            both = own_square[:, None] + squares
            scores = jnp.where(both - 2.0 * (own @ keys.T) <= tolerance * both, -jnp.inf, scores)
        top = jnp.max(scores, axis=1)
        shares = jnp.where((scores >= (top - allowed)[:, None]) & (scores > -jnp.inf), masses, 0.0)
        mass = jnp.sum(shares, axis=1)
        some = jnp.where(mass > 0, mass, 1.0)
        seen = mass > 0
        log_z = jnp.abs(beta) * jnp.where(seen, top, 0.0) + jnp.log(some)
        return jnp.where(seen, log_z, -jnp.inf), (shares @ values) / some[:, None]

    index = jnp.arange(m)
    own, own_square = (queries, slack) if attention.self_attention else (keys, squares)  # unused with self-attention
    parts = (asked, own, own_square, slack, index)
    rows = max(1, min(m, _BLOCK // (4 * n)))
    if rows >= m:
        return banded(*parts)
    blocks = -(-m // rows)

    def split(array: Any) -> Any:
        filler = jnp.zeros((blocks * rows - m, *array.shape[1:]), array.dtype)
        return jnp.concatenate([array, filler]).reshape(blocks, rows, *array.shape[1:])

    log_z, mean = jax.lax.map(lambda part: banded(*part), jax.tree.map(split, parts))
    return log_z.reshape(-1)[:m], mean.reshape(blocks * rows, -1)[:m]


def _sign(beta: Any) -> Any:
    """−1, 0 or 1, from the bits: compiled code takes subnormal numbers for 0."""
    bits = jax.lax.bitcast_convert_type(jnp.asarray(beta, dtype=jnp.float64), jnp.int64)
    return jnp.where(bits << 1 == 0, 0.0, jnp.where(bits < 0, -1.0, 1.0))


def _tolerance(attention: Hardmax, work: Any) -> float:
    return max(attention.tolerance, _ROUNDING * float(np.finfo(work).eps))
