"""Self-attention in R^d without any normalisation, as it is or in rescaled tokens.

    dx_i/dt = Σ_j P_ij V x_j,     P_i = softmax_j(β x_iᵀB x_j)                                          [2305.05465]

Norms grow like e^{t|V|} and with them the logits. In z_i = e^{−tV} x_i, since V commutes with e^{tV},

    dz_i/dt = V (Σ_j P_ij z_j − z_i),     P_i = softmax_j(β z_iᵀB_t z_j),    B_t = e^{tVᵀ} B e^{tV},

which stays bounded where V is positive, at any time: only the logits grow. Time is the same in both forms. When
they pass 1e14 they are kept there: softmax is a hardmax then, to rounding.
"""

from __future__ import annotations

import math
from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError, check_beta, check_weights
from tokensphere.jaxsetup import is_traced, jax, jnp
from tokensphere.threads import one_blas_thread

from .base import AbstractFlow, _matrix, _multiply, evaluate_field
from .hardmax import check_matrices, soft_attention
from .space import EUCLIDEAN, AbstractSpace

__all__ = ["EuclideanAttention"]

_SHARPEST = 1e14  # of logits: beyond, softmax and hardmax differ by less than rounding does


class EuclideanAttention(AbstractFlow):
    """Tokens in R^d, any d ≥ 1.

    **Fields:** `beta` ≥ 0; `value` V and `query_key` B, each `None` (identity), a number or a (dim, dim) matrix;
    `rescaled`: whether tokens are z (times then count from 0, where z = x) instead of x.

    **Raises:** `InputError` if beta is negative or not finite, or a matrix is not square, finite or of the tokens'
    dimension.
    """

    beta: Any
    value: Any = None
    query_key: Any = None
    rescaled: bool = eqx.field(static=True, default=False)

    def __init__(self, beta: float, value: Any = None, query_key: Any = None, rescaled: bool = False) -> None:
        self.beta = beta if is_traced(beta) else check_beta(beta)
        self.value = _matrix(value, "value")
        self.query_key = _matrix(query_key, "query_key")
        self.rescaled = rescaled

    @property
    def space(self) -> AbstractSpace:
        return EUCLIDEAN

    @property
    def on_host(self) -> bool:
        return soft_attention().on_host

    def resolve(self, n: int, dim: int) -> Self:
        check_matrices(self, dim)
        return self

    def scores(self, tokens: Any, t: Any = 0.0) -> tuple[Any, Any]:
        """Queries q_i (n, dim) and a factor b: the logits at time t are b⟨q_i, x_j⟩, at most 1e14."""
        matrix, log_growth = self.query_key, 0.0
        if self.rescaled:
            matrix, log_growth = _grown(self.value, matrix, tokens.shape[1], t)
        queries = _multiply(matrix.T if np.ndim(matrix) == 2 else matrix, tokens)
        numbers = np if isinstance(queries, np.ndarray) and not is_traced(log_growth, self.beta) else jnp
        if numbers is np and not max(np.abs(queries).max(), np.abs(tokens).max()) < 1e150:
            way_out = "V has a negative part, so do not rescale" if self.rescaled else "use rescaled=True"
            raise InputError(f"tokens have outgrown the floating-point range; {way_out}, or stop earlier")
        query, token = (numbers.sqrt(numbers.max(numbers.sum(rows**2, axis=1))) for rows in (queries, tokens))
        longest = numbers.maximum(query * token, 1e-300)
        beta = self.beta * numbers.exp(numbers.minimum(log_growth, 600.0))
        return queries, numbers.minimum(beta, _SHARPEST / longest)

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """Σ_j P_ij V x_j, or in rescaled tokens V(Σ_j P_ij z_j − z_i): the velocity, and what a layer adds."""
        queries, beta = self.scores(tokens, t)
        mean = soft_attention()(queries, tokens, None, weights, beta=beta).mean
        return _multiply(self.value, mean - tokens if self.rescaled else mean)

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return self.attended(tokens, weights, t)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """dx_i/dt (n, dim), or dz_i/dt at time `t`, of `tokens` (n, dim) anywhere in R^dim.

        **Raises:** `InputError` naming the first token that is not finite, or a bad mass.
        """
        if is_traced(tokens, weights, t, self):
            return self.resolve(*np.shape(tokens)).field(tokens, weights, t)
        points = EUCLIDEAN.check(tokens, radii)
        masses = None if weights is None else check_weights(weights, len(points))
        return np.asarray(evaluate_field(self.resolve(*points.shape), points, masses, t))

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("attention in R^d without normalisation has no energy")

    # -- the two forms ----------------------------------------------------------------------------------------

    def rescale(self, tokens: Any, t: float) -> np.ndarray:
        """z_i = e^{−tV} x_i (n, dim) of tokens x at time `t`."""
        return self._moved(tokens, -float(t))

    def restore(self, rescaled: Any, t: float) -> np.ndarray:
        """x_i = e^{tV} z_i (n, dim), the inverse of `rescale`."""
        return self._moved(rescaled, float(t))

    def _moved(self, tokens: Any, t: float) -> np.ndarray:
        points = EUCLIDEAN.check(tokens)
        check_matrices(self, points.shape[1])
        if np.ndim(self.value) == 0:
            return points * math.exp(t * (1.0 if self.value is None else float(self.value)))
        return np.asarray(_multiply(_exponential(np.asarray(self.value), t), points))


def _grown(value: Any, query_key: Any, dim: int, t: Any) -> tuple[Any, Any]:
    """M and g with B_t = e^{tVᵀ} B e^{tV} = e^g M, where M does not overflow: V is shifted by its largest growth."""
    if np.ndim(value) == 0:
        rate = 1.0 if value is None else value
        return query_key, 2.0 * t * rate
    traced = is_traced(value, query_key, t)
    v = value if traced else np.asarray(value)
    rate = (jnp if traced else np).linalg.eigvals(v).real.max()  # e^{t(V − rate I)} neither grows nor dies out
    eye = np.eye(dim)
    power = _exponential(v - rate * eye, t)
    b = eye * (1.0 if query_key is None else query_key) if np.ndim(query_key) == 0 else query_key
    return power.T @ (b if traced else np.asarray(b)) @ power, 2.0 * t * rate


def _exponential(matrix: Any, t: Any) -> Any:
    if is_traced(matrix, t):
        return jax.scipy.linalg.expm(t * matrix)
    from scipy.linalg import expm

    with one_blas_thread():  # threads that wait for each other take longer than these small products
        return expm(float(t) * np.asarray(matrix))
