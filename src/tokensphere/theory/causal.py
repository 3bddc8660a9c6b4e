"""Causal attention, where token i sees tokens j ≤ i: two tokens in closed form, and where all of them end.

n = 2    du/dt = (1 − u²)/(1 + e^{β(1−u)}),   half the speed of SA: causal(2t) = SA(t)                       [derived]
V = I, any Q, K, β ≥ 0, almost every start:   x_k(t) → x_1(0), and x_1 rests                 [2411.04990, Theorem 4.1]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import check_times
from .pairing import pair_product
from .records import Hypothesis, Prediction

__all__ = ["causal_limit", "causal_pair_product"]


def causal_pair_product(beta: float, inner_product: float, times: Any, flow: str = "sa") -> np.ndarray:
    """u = ⟨x_1, x_2⟩ at the given times, for two causal tokens of equal mass that start with u_0 at times[0].

    **Arguments:** `beta` ≥ 0; `inner_product` u_0 in (−1, 1); `times` increasing; `flow` "sa", "usa", "usa-shifted".

    **Returns:** (len(times),) float64, exact to 1e-12. **Raises:** InputError; RateOverflowError (USA).

    **Source:** derived: the first token rests, and the second moves as in the pair that sees each other.
    """
    return pair_product(beta, inner_product, 0.5 * check_times(times), flow)


def causal_limit(value: Any = None) -> Prediction:
    """Where all tokens of a causal flow end: at the first token (`value` V as the flow has it).

    **Returns:** :class:`Prediction` with value 0, the number of the token. **Source:** [2411.04990], Theorem 4.1.
    """
    matrix = np.asarray(1.0 if value is None else value, dtype=np.float64)
    identity = bool(matrix == 1.0) if matrix.ndim == 0 else bool((matrix == np.eye(len(matrix))).all())
    return Prediction(
        "all causal tokens end at token",
        0,
        "",
        "x_k(t) -> x_1(0)",
        "[2411.04990], Theorem 4.1",
        (
            Hypothesis("V = I", identity, "any Q, K and beta >= 0"),
            Hypothesis("almost every start", None, "no token opposite the first, say"),
        ),
        "long times, exponential in beta",
    )
