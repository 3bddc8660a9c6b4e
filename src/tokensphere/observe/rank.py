"""Rank of the token matrix X (n, d): how far it is from one row repeated, and how many directions it uses.

    residual    min_x ‖X − 1xᵀ‖_F = ‖X − 1x̄ᵀ‖_F, and its norm √(‖·‖_1 ‖·‖_∞)                    [2103.03404]
    stable      ‖X‖_F²/‖X‖_2²
    effective   exp H(σ/Σσ), H the entropy of the singular values                                [Roy and Vetterli]

n equiangular unit tokens: residual² = (n−1)(1−ρ), stable rank n/(1+(n−1)ρ) for ρ ≥ 0.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError

__all__ = ["TokenRank", "token_rank"]


@dataclass(frozen=True)
class TokenRank:
    """`residual` in the Frobenius norm, `relative` to that of X, `mixed` in the norm √(‖·‖_1 ‖·‖_∞); `stable` and
    `effective` rank, between 1 and min(n, d)."""

    residual: float
    relative: float
    mixed: float
    stable: float
    effective: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return dataclasses.asdict(self)


def token_rank(tokens: Any) -> TokenRank:
    """Rank measures of a token matrix, unit rows or not.

    **Arguments:** `tokens` (n, dim), finite and not all zero.

    **Returns:** :class:`TokenRank`.

    **Raises:** `InputError`.
    """
    try:
        matrix = np.asarray(tokens, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"tokens must be an array of numbers, got {type(tokens).__name__}") from None
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"tokens must have shape (n, dim) with n >= 1 and dim >= 1, got {matrix.shape}")
    if not np.isfinite(matrix).all():
        row = int(np.argmin(np.isfinite(matrix).all(axis=1)))
        raise InputError(f"token {row} is not finite: {matrix[row][:4]}")
    # From the first row on, so that nearly equal rows keep the digits of their differences.
    apart = matrix - matrix[0]
    apart -= apart.mean(axis=0)
    values = np.linalg.svd(matrix, compute_uv=False)
    if values[0] == 0:
        raise InputError("tokens are all zero: they have no rank")
    whole, residual = float(np.linalg.norm(values)), float(np.linalg.norm(apart))
    shares = values[values > 0] / values.sum()
    return TokenRank(
        residual=residual,
        relative=residual / whole,
        mixed=math.sqrt(float(np.abs(apart).sum(axis=0).max()) * float(np.abs(apart).sum(axis=1).max())),
        stable=(whole / float(values[0])) ** 2,
        effective=math.exp(-float(shares @ np.log(shares))),
    )
