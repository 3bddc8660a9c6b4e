"""Frank–Wolfe dynamics in R^d: every token moves towards the vertex of the convex hull that it attends to most.

    dx_i/dt = γ(t) V (s_i − x_i),     s_i = argmax_{y ∈ hull} x_iᵀB y,       layers  x_i⁺ = x_i + γ_ℓ V (s_i − x_i)

A linear function on a convex hull is largest at one of the points that span it, so that s_i is the hardmax over the
tokens themselves (ties: their mean by mass). For V = I and B symmetric positive definite these are the steps of the
Frank–Wolfe method for the maximum of J(y) = ½⟨By, y⟩, one for every token, and J(x_i) never falls.  [2508.09628]

With γ = α/(1+α) a layer is x_i⁺ = x_i + α/(1+α) · mean_{j∈C_i}(x_j − x_i), C_i = argmax_j x_iᵀB x_j: the dynamics of
leaders, tokens with C_i = {i}, which stay where they are.                                       [2407.01602, recalled]

At finite β the hardmax is a softmax, with which small steps contract everything to one point.
"""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError, check_beta, check_weights
from tokensphere.jaxsetup import is_traced

from .base import AbstractFlow, _matrix, _multiply, evaluate_field
from .hardmax import attend_hard, check_matrices, check_query_key, hard_attention, soft_attention
from .space import EUCLIDEAN, AbstractSpace

__all__ = ["FrankWolfe"]


class FrankWolfe(AbstractFlow):
    """The flow, and with `method="layer"` and a `step_size` the discrete method (γ = the step).

    **Fields:** `value` V and `query_key` B, each `None` (identity), a number or a (dim, dim) matrix; `beta`, `None` for
    the hardmax, or an inverse temperature ≥ 0 for the softmax; `slowing`: γ(t) = 2/(t+2), the classical steps of the
    method (with layers of step 1), instead of 1; `tolerance` for ties, see :class:`tokensphere.attention.Hardmax`.

    **Raises:** `InputError` if a matrix is not square, finite or of the tokens' dimension, or B is zero; when run, for
    layers that would move tokens past their vertex: steps η > 1, for the classical ones ηγ(t) > 1.
    """

    value: Any = None
    query_key: Any = None
    beta: Any = None
    slowing: bool = eqx.field(static=True, default=False)
    tolerance: float = eqx.field(static=True, default=1e-13)

    def __init__(
        self,
        value: Any = None,
        query_key: Any = None,
        beta: float | None = None,
        slowing: bool = False,
        tolerance: float = 1e-13,
    ) -> None:
        self.value = _matrix(value, "value")
        self.query_key = check_query_key(query_key)
        self.beta = beta if beta is None or is_traced(beta) else check_beta(beta)
        self.slowing, self.tolerance = slowing, float(tolerance)
        hard_attention(True, False, self.tolerance)  # a bad tolerance is refused here

    @property
    def space(self) -> AbstractSpace:
        return EUCLIDEAN

    @property
    def on_host(self) -> bool:
        return hard_attention(True, False, self.tolerance).on_host

    def check_run(self, start: float, step: float | None = None) -> None:
        if self.slowing and not start > -2.0:
            raise InputError(f"the steps 2/(t+2) need times > -2, got t = {start:g}")
        share = 0.0 if step is None else step * (2.0 / (start + 2.0) if self.slowing else 1.0)
        if share > 1.0 + 1e-12:
            raise InputError(
                f"layers with step {step:g} at t = {start:g} move tokens {share:g} of the way to their vertex, out of "
                "the hull; a step of at most 1 is a Frank-Wolfe step"
            )

    def resolve(self, n: int, dim: int) -> Self:
        check_matrices(self, dim)
        return self

    def target(self, tokens: Any, weights: Any = None) -> Any:
        """s_i (n, dim): the vertex that every token moves towards (at finite β, the softmax mean)."""
        matrix = self.query_key
        if self.beta is None:
            return attend_hard(hard_attention(True, False, self.tolerance), matrix, tokens, weights)
        queries = _multiply(matrix.T if np.ndim(matrix) == 2 else matrix, tokens)
        return soft_attention()(queries, tokens, None, weights, beta=self.beta).mean

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """γ(t) V (s_i − x_i): what a layer adds, and the velocity."""
        pull = _multiply(self.value, self.target(tokens, weights) - tokens)
        return pull * (2.0 / (t + 2.0)) if self.slowing else pull

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        return self.attended(tokens, weights, t)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """dx_i/dt (n, dim) of `tokens` (n, dim) anywhere in R^dim.

        **Raises:** `InputError` naming the first token that is not finite, or a bad mass.
        """
        if is_traced(tokens, weights, self):
            return self.resolve(*np.shape(tokens)).field(tokens, weights, t)
        points = EUCLIDEAN.check(tokens, radii)
        masses = None if weights is None else check_weights(weights, len(points))
        return np.asarray(evaluate_field(self.resolve(*points.shape), points, masses, t))

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """Σ_i w_i J(x_i), J(y) = ½ yᵀB y: it never falls along the flow, nor along layers if B is positive definite.

        **Raises:** `InputError` if B is not symmetric or V is not a positive multiple of I, or at finite β.
        """
        points = EUCLIDEAN.check(tokens)
        matrix = self.query_key
        symmetric = np.ndim(matrix) != 2 or np.array_equal(np.asarray(matrix), np.asarray(matrix).T)
        scalar = self.value is None or (np.ndim(self.value) == 0 and self.value > 0)
        if not (symmetric and scalar and self.beta is None):
            raise InputError("there is an energy for B symmetric, V = cI with c > 0, and the hardmax only")
        masses = check_weights(weights, len(points))
        return float(0.5 * masses @ np.sum(points * np.asarray(_multiply(matrix, points)), axis=1))
