"""The hardmax flow: self-attention at β = ∞ over a finite set of tokens.

dx_i/dt = P_{x_i} V s_i,    s_i = the mean by mass of the tokens j that maximise x_iᵀB x_j = ⟨Bᵀx_i, x_j⟩

The velocity jumps where the maximum passes from one token to another. Between two such switches the flow is smooth,
and adaptive methods cross a switch by a few rejected steps of about the size of their tolerance; fixed steps cross it
with an error of order 1 in the step. A token may also stay on a switch, pulled to it from both sides: there the field
has no solution in the usual sense, an adaptive run stops ("the step size vanished"), and fixed steps or layers go on.
Layers N(x + ηA) have no such difficulty: as discrete dynamics they are exact.                            [2312.10794]
"""

from __future__ import annotations

import functools
from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.attention import Dense
from tokensphere.attention import Hardmax as HardmaxAttention
from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.jaxsetup import is_traced

from .base import AbstractFlow, _matrix, _multiply, evaluate_field
from .space import project

__all__ = ["Hardmax", "attend_hard", "check_matrices", "check_query_key", "hard_attention", "soft_attention"]


class Hardmax(AbstractFlow):
    """Every token moves towards (V times) the token that it attends to most.

    With V = B = I and `self_attention` every token attends to itself and nothing moves; without, it moves towards its
    nearest neighbour. There is no energy.

    **Fields:** `value` V and `query_key` B, each `None` (identity), a number or a (dim, dim) matrix; `self_attention`:
    whether a token sees its own place; `causal`: token i sees tokens j ≤ i only; `tolerance` for ties and for tokens
    at one place, see :class:`tokensphere.attention.Hardmax`.

    **Raises:** `InputError` if a matrix is not square, finite or of the tokens' dimension, or B is zero.
    """

    value: Any = None
    query_key: Any = None
    self_attention: bool = eqx.field(static=True, default=True)
    causal: bool = eqx.field(static=True, default=False)
    tolerance: float = eqx.field(static=True, default=1e-13)

    def __init__(
        self,
        value: Any = None,
        query_key: Any = None,
        self_attention: bool = True,
        causal: bool = False,
        tolerance: float = 1e-13,
    ) -> None:
        self.value = _matrix(value, "value")
        self.query_key = check_query_key(query_key)
        self.self_attention, self.causal, self.tolerance = self_attention, causal, float(tolerance)
        _ = self.attention  # a bad tolerance is refused here

    @property
    def attention(self) -> HardmaxAttention:
        """The interaction sum."""
        return hard_attention(self.self_attention, self.causal, self.tolerance)

    @property
    def on_host(self) -> bool:
        return self.attention.on_host

    def resolve(self, n: int, dim: int) -> Self:
        check_matrices(self, dim)
        return self

    def scaled(self, factor: Any) -> Self:
        """The same flow: the largest score stays the largest."""
        return self

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """V s_i (n, dim); 0 for a token that sees nothing."""
        attention = hard_attention(self.self_attention, self.causal, self.tolerance)
        return _multiply(self.value, attend_hard(attention, self.query_key, tokens, weights))

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return project(tokens, self.attended(tokens, weights, t))

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim) of unit `tokens` (n, dim); `radii` and `t` are unused here.

        **Raises:** `InputError` naming the first token that is not finite or not of unit length, or a bad mass.
        """
        if is_traced(tokens, weights, self):
            return self.resolve(*np.shape(tokens)).field(tokens, weights, t)
        points = check_tokens(tokens)
        masses = None if weights is None else check_weights(weights, len(points))
        return np.asarray(evaluate_field(self.resolve(*points.shape), points, masses, t))

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("the hardmax flow has no energy")


@functools.cache  # making a module takes longer than a small sum
def hard_attention(self_attention: bool, causal: bool, tolerance: float) -> HardmaxAttention:
    """The interaction sum of these settings."""
    return HardmaxAttention(self_attention, causal, tolerance)


@functools.cache
def soft_attention() -> Dense:
    """The softmax sum."""
    return Dense()


def attend_hard(attention: HardmaxAttention, query_key: Any, tokens: Any, weights: Any) -> Any:
    """s_i (n, dim), the mean of the tokens that maximise ⟨Bᵀx_i, x_j⟩."""
    matrix = np.ndim(query_key) == 2
    queries = _multiply(query_key.T, tokens) if matrix else tokens
    beta = 1.0 if matrix or query_key is None else query_key
    return type(attention).__call__(attention, queries, tokens, None, weights, beta=beta).mean  # see flows.base


def check_query_key(query_key: Any) -> Any:
    """B as it is kept. **Raises:** `InputError` if it is zero, or no matrix or number."""
    matrix = _matrix(query_key, "query_key")
    if matrix is not None and not is_traced(matrix) and not np.any(np.asarray(matrix)):
        raise InputError("query_key is zero: all scores are equal, so that there is no largest")
    return matrix


def check_matrices(flow: Any, dim: int) -> None:
    """Refuse V or B of another dimension than the tokens."""
    for name in ("value", "query_key"):
        matrix = getattr(flow, name)
        if np.ndim(matrix) == 2 and matrix.shape != (dim, dim):
            raise InputError(f"{name} has shape {matrix.shape}, but the tokens have dim {dim}")
