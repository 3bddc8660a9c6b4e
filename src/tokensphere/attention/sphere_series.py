"""The interaction sum on the 2-sphere as a series of spherical harmonics in JAX: differentiable, O(n β).

Real harmonics in Cartesian form, Σ_m Y_lm(x) Y_lm(y) = (2l+1) P_l(⟨x,y⟩):

    Y_l,±m(x) = Q_lm(z) {Re, Im} (x + iy)^m,      Q_lm = N_lm d^m P_l/dz^m,

    Q_lm = sqrt((2l−1)(2l+1)/((l−m)(l+m))) z Q_{l−1,m} − sqrt((2l+1)(l+m−1)(l−m−1)/((2l−3)(l−m)(l+m))) Q_{l−2,m}

No angle is taken, and nothing is singular at the poles. dQ_lm/dz is a multiple of Q_{l,m+1}, so the same sweep over l
gives the gradient. Work is blocked over tokens and over orders m: one block holds Q_lm for one l only.
"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import jax, jnp

from .band import FINEST, check_tolerances
from .base import AbstractAttention, Attended
from .check import check_call
from .circle_series import powers
from .series import as_tokens, blocks_of, coefficients, complete, count_degrees, in_blocks, mass_columns
from .spectral import far_threshold
from .spherical import sphere_degrees

__all__ = ["MAX_DEGREES", "SphereSeries"]

MAX_DEGREES = {"float32": 160, "float64": 1300}  # Q_lm reaches 1.6^l between the poles' rows and overflows above

_GRADIENT = 2**20  # Legendre functions of one block of tokens: what a gradient stores
_UNROLLED = 2  # degrees in one turn of the sweep


class SphereSeries(AbstractAttention):
    """Spectral sum for tokens on the 2-sphere (dim 3, B = c·I), in JAX: `jit`, `grad`, `vmap`, on any device.

    The largest degree is static: `degrees`, or what `max_beta` needs, or (if β is a plain number) what β needs, for
    errors of `tolerance` relative to the largest force. Above `max_beta` a traced β gives NaN. Tokens must be of unit
    length (checked unless they are traced); derivatives are those along the sphere.

    Rows whose Z_i is lost in the error of the largest Z are summed directly: up to `repairs` of them cost
    O(`repairs` · n), more make the whole sum direct; `repairs=None` leaves them as they are (NaN where Z_i ≤ 0).

    **Raises:** `InputError` if the arrays are not (n, 3), β is traced and neither `degrees` nor `max_beta` is given, or
    more than 1300 degrees (|β| about 25,000; 160 in float32) would be needed.
    """

    isotropic_only: ClassVar[bool] = True

    degrees: int | None = eqx.field(static=True, default=None)
    max_beta: float | None = eqx.field(static=True, default=None)
    tolerance: float = eqx.field(static=True, default=FINEST)
    row_tolerance: float | None = eqx.field(static=True, default=None)
    repairs: int | None = eqx.field(static=True, default=32)

    def __check_init__(self) -> None:
        check_tolerances(self.tolerance, self.row_tolerance)

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
        check_call(queries, keys, values, weights, beta)
        queries = as_tokens(queries, "queries", 3, "SphereSeries")
        keys = as_tokens(keys, "keys", 3, "SphereSeries")
        top = count_degrees(self.degrees, self.max_beta, beta, lambda b: sphere_degrees(b, self.tolerance), "degrees")
        dtype = jnp.result_type(queries, keys, jnp.float32)
        if top > MAX_DEGREES[dtype.name]:
            raise InputError(f"SphereSeries goes to {MAX_DEGREES[dtype.name]} degrees in {dtype}, not {top}; use Dense")
        beta = jnp.asarray(beta, dtype)
        return _attend(self, queries, keys, values, weights, beta, top, tangent and values is None)


@eqx.filter_jit
def _attend(
    attention: SphereSeries,
    queries: jax.Array,
    keys: jax.Array,
    values: Any,
    weights: Any,
    beta: jax.Array,
    top: int,
    tangent: bool,
) -> Attended:
    """The sum with `top` degrees; compiled once for all β."""
    kernel = coefficients(beta, 3, top, beta.dtype)
    block = max(8, min(128, _GRADIENT // (top + 1) ** 2))
    moments = _moments(keys.astype(beta.dtype), mass_columns(values, weights, len(keys), beta.dtype), top, block)

    scale = [kernel.pull]
    if values is not None:
        scale += [kernel.potential] * (moments.shape[-1] - 1)
    fields = [moments[..., c] * weight[None, :, None] for c, weight in enumerate(scale)]
    if values is None and not tangent:
        fields.append(moments[..., 0] * kernel.radial[None, :, None])
    weights_of = jnp.stack(fields)  # (fields, 2, L+1, L+1)

    def evaluate(points: jax.Array) -> jax.Array:
        return _synthesise(points, weights_of, top, gradient=values is None)

    got = in_blocks(evaluate, queries.astype(beta.dtype), block)
    z = kernel.potential[0] * moments[0, 0, 0, 0] + beta * got[:, 0]
    if values is None:
        ambient = got[:, 1:4]
        sums = ambient - jnp.sum(ambient * queries, axis=1, keepdims=True) * queries
        sums = sums if tangent else sums + got[:, 4:] * queries
    else:
        sums = got[:, 1:]
    power = jnp.sum((kernel.potential[None, :, None] * moments[..., 0]) ** 2)
    return complete(
        z,
        sums,
        jnp.sqrt(jax.lax.stop_gradient(power)),
        queries,
        keys,
        values,
        weights,
        beta=beta,
        max_beta=attention.max_beta,
        tangent=tangent,
        threshold=far_threshold(attention.tolerance, attention.row_tolerance),
        repairs=attention.repairs,
    )


def _order_blocks(top: int) -> list[tuple[int, int]]:
    """Orders 0..L in a few blocks: a block starts its sweep at its first order, where the functions begin.

    More blocks save work (half of a single one is wasted) and cost compilation.
    """
    count = 1 if top < 32 else 2 if top < 200 else 4
    edges = np.linspace(0, top + 1, count + 1).astype(int).tolist()
    return list(itertools.pairwise(edges))


def _seeds(top: int) -> np.ndarray:
    """Q_mm for m = 0..L: 1, √3, then times sqrt((2m+1)/(2m))."""
    m = np.arange(2, top + 1)
    return np.cumprod(np.concatenate([[1.0, np.sqrt(3.0)], np.sqrt((2 * m + 1) / (2 * m))]))[: top + 1]


def _slope_factors(top: int) -> np.ndarray:
    """d_lm in dQ_lm/dz = d_lm Q_{l,m+1}, (L+1, L+1); 0 for m ≥ l."""
    degree, order = np.arange(top + 1.0)[:, None], np.arange(top + 1.0)[None, :]
    factors: np.ndarray = np.sqrt(np.maximum((degree - order) * (degree + order + 1), 0.0))
    factors[:, 0] *= np.sqrt(0.5)  # harmonics with m > 0 carry a factor √2
    return factors


def _next(
    degree: jax.Array, orders: jax.Array, seeds: jax.Array, z: jax.Array, last: jax.Array, before: jax.Array
) -> jax.Array:
    """Q_lm at every z, (orders, n), from the two degrees below."""
    apart, both = jnp.maximum(degree - orders, 1.0), jnp.maximum(degree + orders, 1.0)
    rise = jnp.sqrt((2 * degree - 1) * (2 * degree + 1) / (apart * both))
    lower = (2 * degree + 1) * (both - 1) * (apart - 1) / (jnp.maximum(2 * degree - 3, 1.0) * apart * both)
    fall = jnp.sqrt(jnp.maximum(lower, 0.0))
    grown = jnp.where(orders < degree, rise, 0.0)[:, None] * z * last - fall[:, None] * before
    return grown + jnp.where(orders == degree, seeds, 0.0)[:, None]


def _moments(keys: jax.Array, columns: jax.Array, top: int, block: int) -> jax.Array:
    """Σ_j columns_jc Y_lm(x_j), shape (2, L+1, L+1, c): cosine and sine parts, degree, order; summed block by block."""
    seeds, count = jnp.asarray(_seeds(top), keys.dtype), columns.shape[1]

    @jax.checkpoint
    def add(total: jax.Array, rows: jax.Array) -> tuple[jax.Array, None]:
        z, n = rows[:, 2], rows.shape[0]
        table = powers(rows[:, :2], top)  # (2, L+1, n)
        parts = []
        for first, stop in _order_blocks(top):
            orders = jnp.arange(first, stop).astype(z.dtype)
            seed = seeds[first:stop]
            weighted = table[:, None, first:stop] * rows[:, 3:].T[:, None]  # (2, c, orders, n)

            def sweep(
                carry: tuple[jax.Array, jax.Array],
                degree: jax.Array,
                orders: jax.Array = orders,
                seed: jax.Array = seed,
                weighted: jax.Array = weighted,
            ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
                new = _next(degree, orders, seed, z, *carry)
                return (new, carry[0]), jnp.sum(new * weighted, axis=-1)

            empty = jnp.zeros((stop - first, n), z.dtype)
            degrees = jnp.arange(first, top + 1).astype(z.dtype)
            sums = jax.lax.scan(sweep, (empty, empty), degrees, unroll=_UNROLLED)[1]  # (L+1−first, 2, c, orders)
            parts.append(jnp.concatenate([jnp.zeros((first, *sums.shape[1:]), z.dtype), sums]))
        return total + jnp.moveaxis(jnp.concatenate(parts, axis=-1), (0, 2), (1, 3)), None

    rows = blocks_of(jnp.concatenate([keys, columns], axis=1), min(block, len(keys)))
    return jax.lax.scan(add, jnp.zeros((2, top + 1, top + 1, count), keys.dtype), rows)[0]


def _synthesise(points: jax.Array, fields: jax.Array, top: int, gradient: bool) -> jax.Array:
    """Σ_lm c_lm Y_lm at points (n, 3) for fields (f, 2, L+1, L+1): shape (n, f).

    With `gradient`, the three ambient derivatives of the first field follow it: (n, f + 3). They belong to the
    polynomial Q(z) Re, Im (x+iy)^m and are right along the sphere.
    """
    z, seeds = points[:, 2], jnp.asarray(_seeds(top), points.dtype)
    if gradient:  # coefficients of ∂/∂z in Q_{l,m+1}, stored at the order m + 1
        slopes = (fields[0] * jnp.asarray(_slope_factors(top), points.dtype))[..., :-1]
        fields = jnp.concatenate([fields, jnp.pad(slopes, ((0, 0), (0, 0), (1, 0)))[None]])
    sums = []
    for first, stop in _order_blocks(top):
        orders = jnp.arange(first, stop).astype(z.dtype)
        seed = seeds[first:stop]

        def sweep(
            carry: tuple[jax.Array, jax.Array, jax.Array],
            step: tuple[jax.Array, jax.Array],
            orders: jax.Array = orders,
            seed: jax.Array = seed,
        ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
            (last, before, total), (degree, part) = carry, step
            new = _next(degree, orders, seed, z, last, before)
            return (new, last, total + part[..., None] * new), None

        empty = jnp.zeros((stop - first, len(z)), z.dtype)
        start = (empty, empty, jnp.zeros((*fields.shape[:2], *empty.shape), z.dtype))
        parts = jnp.moveaxis(fields[:, :, first:, first:stop], 2, 0)  # (L+1−first, f, 2, orders)
        degrees = jnp.arange(first, top + 1).astype(z.dtype)
        sums.append(jax.lax.scan(sweep, start, (degrees, parts), unroll=_UNROLLED)[0][2])
    total = jnp.concatenate(sums, axis=2)  # (f, 2, L+1, n): the sum over l, for every order
    table = powers(points[:, :2], top)
    if not gradient:
        return jnp.einsum("femn,emn->nf", total, table)
    values = jnp.einsum("femn,emn->nf", total[:-1], table)
    below = jnp.pad(table[:, :-1], ((0, 0), (1, 0), (0, 0)))  # (x+iy)^(m−1)
    scaled = jnp.arange(top + 1).astype(z.dtype)[:, None] * below
    cosine, sine = total[0]
    along_x = jnp.sum(cosine * scaled[0] + sine * scaled[1], axis=0)
    along_y = jnp.sum(sine * scaled[0] - cosine * scaled[1], axis=0)
    along_z = jnp.sum(total[-1] * below, axis=(0, 1))
    return jnp.concatenate([values[:, :1], jnp.stack([along_x, along_y, along_z], axis=1), values[:, 1:]], axis=1)
