"""What the two differentiable series share: coefficients of the kernel in JAX, masses, and rows far from every key.

    e^{β(t−1)} = Σ_l D_l a_l P_l(t),      a_l = a_{l−1} r_{l−1},      r_{l−1} = β / (2(ν+l) + β r_l),      ν = d/2 − 1

The backward recurrence only adds positive numbers; Σ_l D_l a_l = 1 (the kernel at t = 1) fixes a_0, so no special
function is called, β may be traced, and every formula has its limit at β = 0. With f_l = a_l/β the sum is

    Z = a_0 W + β Φ,      Φ = Σ_{l≥1} D_l f_l Σ_j w_j P_l(⟨x,y_j⟩),      F = P_x ∇Φ.

A negative β gives (−1)^l a_l(|β|) by the same recurrence; the kernel then carries e^{−|β|} as everywhere.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax, jnp

from .base import Attended
from .units import check_units

__all__ = [
    "Coefficients",
    "as_tokens",
    "blocks_of",
    "coefficients",
    "complete",
    "count_degrees",
    "in_blocks",
    "mass_columns",
]


_PAIRS = 2**18  # logits held at once


class Coefficients(NamedTuple):
    """For l = 0..L, times e^{−|β|}: a_l, f_l = a_l/β (f_0 = 0), and those of the kernel t e^{βt}."""

    potential: Any
    pull: Any
    radial: Any


def as_tokens(array: Any, name: str, dim: int, who: str) -> jax.Array:
    """Points as a JAX array; looked at where that is possible.

    **Raises:** `InputError` for another dimension, or a row that is not of unit length (unless traced).
    """
    if np.ndim(array) != 2 or np.shape(array)[1] != dim:
        raise InputError(f"{who} attention needs dim {dim}, got {name} {np.shape(array)}; use Dense")
    if not is_traced(array):
        check_units(np.asarray(array, dtype=np.float64), name, who)
    return jnp.asarray(array)


def count_degrees(given: int | None, max_beta: float | None, beta: Any, count: Any, name: str) -> int:
    """The static number of degrees of a series.

    **Arguments:** `given` the number asked for; else it follows from `max_beta`, else from `beta` itself by the
    function `count`; `name` what the number is called.

    **Raises:** `InputError` if β is traced and neither is given, or if |β| > `max_beta`.
    """
    if not is_traced(beta):
        beta = float(beta)
        if not np.isfinite(beta):
            raise InputError(f"beta must be a finite number, got {beta}")
        if max_beta is not None and abs(beta) > max_beta:
            raise InputError(f"beta = {beta:g} is outside max_beta = {max_beta:g}; raise max_beta")
    if given is not None:
        return given
    if max_beta is not None:
        return int(count(max_beta))
    if is_traced(beta):
        raise InputError(f"beta is traced, so the number of {name} cannot follow it; give {name}=… or max_beta=…")
    return int(count(beta))


def coefficients(beta: Any, dim: int, degrees: int, dtype: Any) -> Coefficients:
    """The kernel in degrees 0..`degrees`; β a number or a traced scalar.

    The recurrence starts so far above that its first value is forgotten: the number of extra steps grows with the
    number of degrees, which is itself proportional to √β.
    """
    beta = jnp.asarray(beta, dtype=dtype)
    nu, top = 0.5 * dim - 1.0, 2 * degrees + 40

    def down(ratio: jax.Array, degree: jax.Array) -> tuple[jax.Array, jax.Array]:
        below = 1.0 / (2.0 * (nu + degree) + beta * ratio)  # r_{l−1}/β
        return beta * below, below

    start = beta / (nu + top + 0.5 + jnp.sqrt((nu + top + 1.5) ** 2 + beta**2))
    numbers = jnp.arange(top, 0, -1).astype(dtype)
    slopes = jax.lax.scan(down, start, numbers)[1][::-1]  # r_l/β for l = 0, 1, …
    values = jnp.concatenate([jnp.ones(1, dtype), jnp.cumprod(beta * slopes)])  # a_l/a_0
    counts = np.full(top + 1, 2.0) if dim == 2 else 2.0 * np.arange(top + 1) + 1
    counts[0] = 1.0
    sign = jnp.where(beta < 0, -1.0, 1.0).astype(dtype)
    signs = jnp.where(jnp.arange(top + 1) % 2 == 1, sign, 1.0).astype(dtype)
    scale = jax.lax.stop_gradient(jnp.abs(beta))
    values *= jnp.exp(sign * beta - scale) / jnp.sum(counts.astype(dtype) * signs * values)
    pull = jnp.concatenate([jnp.zeros(1, dtype), values[:-1] * slopes])
    degree = np.arange(1, degrees + 1)
    weight = 2 * degree + 2 * nu
    above, below = (degree + 2 * nu) / weight, degree / weight
    radial = above.astype(dtype) * values[2 : degrees + 2] + below.astype(dtype) * values[:degrees]
    return Coefficients(values[: degrees + 1], pull[: degrees + 1], jnp.concatenate([values[1:2], radial]))


def mass_columns(values: Any, weights: Any, n: int, dtype: Any) -> jax.Array:
    """What is analysed, (n, 1 + d_v): the masses (`None`: 1/n each) and the masses times every column of values."""
    masses = (jnp.full(n, 1.0 / n) if weights is None else jnp.asarray(weights)).astype(dtype)[:, None]
    return masses if values is None else jnp.concatenate([masses, masses * jnp.asarray(values, dtype)], axis=1)


def blocks_of(array: jax.Array, size: int) -> jax.Array:
    """Rows in blocks of equal size, (blocks, size, …); zeros fill the last."""
    count = -(-array.shape[0] // size)
    fill = jnp.zeros((count * size - array.shape[0], *array.shape[1:]), array.dtype)
    return jnp.concatenate([array, fill]).reshape(count, size, *array.shape[1:])


def in_blocks(function: Any, rows: jax.Array, size: int) -> jax.Array:
    """`function` (size, d) -> (size, c) over blocks of rows; gradients recompute a block instead of storing it."""
    if rows.shape[0] <= size:
        return function(rows)
    out = jax.lax.map(jax.checkpoint(function), blocks_of(rows, size))
    return out.reshape(-1, out.shape[-1])[: rows.shape[0]]


def _pairs(rows: jax.Array, *, keys: jax.Array, values: jax.Array, log_masses: jax.Array, beta: Any) -> jax.Array:
    """log Z and the mean (size, 1 + d_v), pair by pair."""
    logits = (beta * rows) @ keys.T + log_masses
    top = jax.lax.stop_gradient(jnp.max(logits, axis=1, keepdims=True))
    terms = jnp.exp(logits - top)
    total = jnp.sum(terms, axis=1, keepdims=True)
    return jnp.concatenate([top + jnp.log(total), terms @ values / total], axis=1)


def complete(
    z: jax.Array,
    sums: jax.Array,
    size: jax.Array,
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array | None,
    weights: Any,
    *,
    beta: Any,
    max_beta: float | None,
    tangent: bool,
    threshold: float,
    repairs: int | None,
) -> Attended:
    """log Z and the mean from Z e^{−|β|} (m,) and the sums of the values (m, d_v), far rows summed directly.

    A row is far if Z_i < `threshold` times the largest Z (`size` is its root mean square). Up to `repairs` of them are
    summed over all keys on their own; if there are more, all rows are. Under `vmap` both are always evaluated.
    `repairs=None` leaves far rows as they are: only accurate relative to the largest Z, NaN where Z_i ≤ 0.
    """
    scale: Any = jax.lax.stop_gradient(jnp.abs(beta))  # as in the coefficients, whose derivative is that of e^{βt}
    if max_beta is not None:
        scale = jnp.where(scale <= max_beta, scale, jnp.nan)  # a traced β can only be refused by its result
        sums = jnp.where(jnp.abs(beta) <= max_beta, sums, jnp.nan)
    if repairs is None:
        return Attended(jnp.log(z) + scale, sums / z[:, None])
    far = ~(z >= threshold * jnp.maximum(jnp.max(z), size))
    safe = jnp.where(far, 1.0, z)
    log_z, mean = jnp.log(safe) + scale, sums / safe[:, None]

    targets = keys if values is None else jnp.asarray(values)
    log_masses = jnp.full(len(keys), -np.log(len(keys))) if weights is None else jnp.log(jnp.asarray(weights))

    def direct(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        pairs = functools.partial(_pairs, keys=keys, values=targets, log_masses=log_masses, beta=beta)
        both = in_blocks(pairs, rows, max(1, _PAIRS // len(keys)))
        got_z, got = both[:, 0], both[:, 1:]
        if tangent:
            got = got - jnp.sum(got * rows, axis=1, keepdims=True) * rows
        return got_z.astype(log_z.dtype), got.astype(mean.dtype)

    def some(_: None) -> tuple[jax.Array, jax.Array]:
        chosen = jax.lax.top_k(far.astype(z.dtype), min(max(repairs, 1), z.size))[1]
        got_z, got = direct(queries[chosen])
        keep = far[chosen]
        return (
            log_z.at[chosen].set(jnp.where(keep, got_z, log_z[chosen])),
            mean.at[chosen].set(jnp.where(keep[:, None], got, mean[chosen])),
        )

    def every(_: None) -> tuple[jax.Array, jax.Array]:
        got_z, got = direct(queries)
        return jnp.where(far, got_z, log_z), jnp.where(far[:, None], got, mean)

    count = jnp.sum(far)
    level = jnp.where(count == 0, 0, jnp.where(count <= repairs, 1, 2))
    return Attended(*jax.lax.switch(level, [lambda _: (log_z, mean), some, every], None))
