"""The direct sum over all pairs of few unit tokens, all at once: the kernel of compiled ensembles.

    log Z_i = β + log Σ_j e^{β(⟨q_i,y_j⟩ − 1) + log w_j}

On the sphere no logit exceeds β, so there is no row maximum to look for, and for few tokens no blocks to go through:
about half the time of :class:`Dense` where many small sums are mapped in one compiled call.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tokensphere.jaxsetup import jnp

from .base import AbstractAttention, Attended

__all__ = ["MAX_WHOLE_BETA", "Whole"]

MAX_WHOLE_BETA = 300.0  # e^{−2β} is still a normal number, so that Z > 0 for any tokens


class Whole(AbstractAttention):
    """All pairs of unit queries and keys at 0 ≤ β ≤ 300, for use inside compiled code; holds an n×n array."""

    isotropic_only: ClassVar[bool] = True

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
        kernel = jnp.exp(beta * (queries @ keys.T - 1.0))
        if weights is None:
            total = kernel.sum(axis=1, keepdims=True)
            log_z = beta + jnp.log(total[:, 0] / keys.shape[0])
            return Attended(log_z, kernel @ values / total)
        kernel = kernel * weights
        total = kernel.sum(axis=1, keepdims=True)
        return Attended(beta + jnp.log(total[:, 0]), kernel @ values / total)
