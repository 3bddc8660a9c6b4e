"""The interaction sum on the circle as a Fourier series in JAX: differentiable, compiled anywhere, O(n √β).

    cos kθ + i sin kθ = (x + iy)^k,    Z = Σ_k D_k a_k (C_k cos kθ + S_k sin kθ),    C_k + i S_k = Σ_j w_j (x_j+iy_j)^k

Powers of x + iy by doubling: no angle is taken and no trigonometric function called. With Φ = (Z − a_0 C_0)/β the
force along the circle is dΦ/dθ.
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx

from tokensphere.jaxsetup import jax, jnp

from .band import FINEST, check_tolerances
from .base import AbstractAttention, Attended
from .check import check_call
from .fourier import circle_kernel
from .series import as_tokens, blocks_of, coefficients, complete, count_degrees, in_blocks, mass_columns
from .spectral import far_threshold

__all__ = ["CircleSeries", "powers"]

_HELD = 2**17  # numbers of one block of powers: about a second-level cache


def powers(points: jax.Array, highest: int) -> jax.Array:
    """Real and imaginary part of (x+iy)^k for k = 0..`highest`, shape (2, highest + 1, n), from (n, 2)."""
    x, y = points.T
    real, imaginary = jnp.ones((1, x.size), x.dtype), jnp.zeros((1, x.size), x.dtype)
    while real.shape[0] <= highest:  # (x, y) holds the power that doubles the table
        real, imaginary = (
            jnp.concatenate([real, real * x - imaginary * y]),
            jnp.concatenate([imaginary, imaginary * x + real * y]),
        )
        x, y = x * x - y * y, 2.0 * x * y
    return jnp.stack([real[: highest + 1], imaginary[: highest + 1]])


class CircleSeries(AbstractAttention):
    """Spectral sum for tokens on the circle (dim 2, B = c·I), in JAX: works under `jit`, `grad`, `vmap`, on any device.

    The number of modes is static: `modes`, or what `max_beta` needs, or (if β is a plain number) what β needs, for
    errors of `tolerance` relative to the largest force. Above `max_beta` a traced β gives NaN. Tokens must be of unit
    length (checked unless they are traced); derivatives are those along the circle.

    Rows whose Z_i is lost in the error of the largest Z are summed directly: up to `repairs` of them cost
    O(`repairs` · n), more make the whole sum direct; `repairs=None` leaves them as they are (NaN where Z_i ≤ 0).

    **Raises:** `InputError` if the arrays are not (n, 2), or β is traced and neither `modes` nor `max_beta` is given.
    """

    isotropic_only: ClassVar[bool] = True

    modes: int | None = eqx.field(static=True, default=None)
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
        queries = as_tokens(queries, "queries", 2, "CircleSeries")
        keys = as_tokens(keys, "keys", 2, "CircleSeries")
        modes = count_degrees(
            self.modes, self.max_beta, beta, lambda b: circle_kernel(abs(b), self.tolerance).modes, "modes"
        )
        dtype = jnp.result_type(queries, keys, jnp.float32)
        beta = jnp.asarray(beta, dtype)
        return _attend(self, queries, keys, values, weights, beta, modes, tangent and values is None)


@eqx.filter_jit
def _attend(
    attention: CircleSeries,
    queries: jax.Array,
    keys: jax.Array,
    values: Any,
    weights: Any,
    beta: jax.Array,
    modes: int,
    tangent: bool,
) -> Attended:
    """The sum with modes up to `modes`; compiled once for all β."""
    kernel = coefficients(beta, 2, modes, beta.dtype)
    columns = mass_columns(values, weights, len(keys), beta.dtype)
    block = max(16, _HELD // (2 * modes + 2))
    moments = _moments(keys.astype(beta.dtype), columns, modes, block)  # (2, K+1, c)

    counts = jnp.where(jnp.arange(modes + 1) == 0, 1.0, 2.0).astype(beta.dtype)
    degrees = jnp.arange(modes + 1).astype(beta.dtype)
    cosines, sines = moments
    if values is None:
        fields = [moments[..., 0] * counts * kernel.pull]
        fields.append(degrees * jnp.stack([fields[0][1], -fields[0][0]]))
        if not tangent:
            fields.append(moments[..., 0] * counts * kernel.radial)
    else:
        fields = [moments[..., 0] * counts * kernel.pull]
        fields += [moments[..., c] * counts * kernel.potential for c in range(1, columns.shape[1])]
    weights_of = jnp.stack(fields)  # (fields, 2, K+1)

    def evaluate(points: jax.Array) -> jax.Array:
        return jnp.einsum("fek,ekn->nf", weights_of, powers(points, modes))

    got = in_blocks(evaluate, queries.astype(beta.dtype), block)
    z = kernel.potential[0] * cosines[0, 0] + beta * got[:, 0]
    if values is None:
        sums = got[:, 1:2] * jnp.stack([-queries[:, 1], queries[:, 0]], axis=1)
        sums = sums if tangent else sums + got[:, 2:] * queries
    else:
        sums = got[:, 1:]
    both = counts * kernel.potential**2 * (cosines[:, 0] ** 2 + sines[:, 0] ** 2)
    return complete(
        z,
        sums,
        jnp.sqrt(jax.lax.stop_gradient(jnp.sum(both))),
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


def _moments(keys: jax.Array, columns: jax.Array, modes: int, block: int) -> jax.Array:
    """Σ_j columns_jc (x_j+iy_j)^k, shape (2, K+1, c), summed block by block."""

    @jax.checkpoint
    def add(total: jax.Array, rows: jax.Array) -> tuple[jax.Array, None]:
        return total + jnp.einsum("ekn,nc->ekc", powers(rows[:, :2], modes), rows[:, 2:]), None

    rows = blocks_of(jnp.concatenate([keys, columns], axis=1), min(block, len(keys)))
    start = jnp.zeros((2, modes + 1, columns.shape[1]), columns.dtype)
    return jax.lax.scan(add, start, rows)[0]
