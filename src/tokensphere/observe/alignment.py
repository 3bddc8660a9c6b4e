"""Alignment of tokens: how many pairs have almost met, and the mean inner product.

aligned = #{i ≠ j: ⟨x_i, x_j⟩ > threshold} / (n(n−1)),    mean_inner = Σ_{i≠j} ⟨x_i, x_j⟩ / (n(n−1))
"""

from __future__ import annotations

from typing import Any

import equinox as eqx

from tokensphere.errors import InputError, check_tokens
from tokensphere.jaxsetup import jax, jnp

__all__ = ["AlignmentSeries", "alignment"]


class AlignmentSeries(eqx.Module):
    """The two numbers of one member, for use inside compiled code: tokens (n, dim) in, scalars out."""

    threshold: float

    def __call__(self, tokens: jax.Array) -> dict[str, jax.Array]:
        n = tokens.shape[0]
        inner = tokens @ tokens.T
        # The diagonal is 1 up to rounding and counts as such.
        aligned = jnp.sum((inner > self.threshold) & ~jnp.eye(n, dtype=bool)) / (n * (n - 1))
        total = tokens.sum(axis=0)
        return {"aligned": aligned, "mean_inner": (total @ total - n) / (n * (n - 1))}


def alignment(tokens: Any, threshold: float = 0.999) -> dict[str, float]:
    """Fraction of pairs with an inner product above `threshold`, and the mean inner product of pairs.

    **Arguments:** `tokens` (n, dim) unit rows, n ≥ 2; `threshold` in (−1, 1).

    **Returns:** `{"aligned": …, "mean_inner": …}`. **Raises:** `InputError`.
    """
    points = check_tokens(tokens)
    if len(points) < 2:
        raise InputError("alignment speaks of pairs and needs at least 2 tokens, got 1")
    if not -1 < threshold < 1:
        raise InputError(f"threshold must lie in (-1, 1), got {threshold!r}")
    found = _compiled(AlignmentSeries(float(threshold)), jnp.asarray(points))
    return {name: float(value) for name, value in found.items()}


@eqx.filter_jit
def _compiled(series: AlignmentSeries, tokens: jax.Array) -> dict[str, jax.Array]:
    return series(tokens)
