"""How many clusters the first state from uniform tokens on the circle has: two answers that are not the same.

    linear growth    the degree that grows fastest, argmax k² I_k(β),                 ≈ √(2β)
    modes            maxima of Σ_j e^{β(cos(θ − θ_j) − 1)}, the potential that moves tokens at t = 0:

        E[#modes] → √(m_4/m_2),   m_p = Σ_k k^p I_k(β)²,   n → ∞,                     ≈ √(3β/2)

Each token climbs to a mode of its own potential if that stood still (mean shift). For Gaussian data on R, whose tails
are thin, the number of modes is ≍ √(β log β) for n^c ≤ β ≤ n^{2−c} [2412.09080]; on the circle there are no tails and
no logarithm.                                                      [modes on the circle derived, by Rice's formula]
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError, check_beta, check_positive_int
from .degrees import dominant_degree
from .growth import effective_neighbours
from .records import Hypothesis, Prediction

__all__ = ["first_state", "kernel_modes"]


def kernel_modes(beta: float) -> float:
    """√(m_4/m_2): the mean number of maxima of e^{β cos} summed over many uniform points on the circle.

    **Arguments:** `beta` > 0.  **Returns:** float ≥ 1, about √(3β/2).  **Raises:** `InputError`.

    **Source:** derived (Rice's formula for a Gaussian field with the spectrum I_k(β)²).
    """
    from scipy.special import ive

    b = check_beta(beta)
    if b == 0.0:
        raise InputError("beta must be positive: at beta = 0 the potential is constant")
    k = np.arange(1, math.ceil(9.0 * math.sqrt(b) + 16.0), dtype=np.float64)
    power = (ive(k, b) / ive(1, b)) ** 2
    return math.sqrt(float(k**4 @ power) / float(k**2 @ power))


def first_state(beta: float, n: int, *, flow: str = "sa") -> tuple[Prediction, Prediction, Prediction]:
    """Three predictions of the number of clusters that `n` uniform tokens on the circle form first.

    **Arguments:** `beta` > 0; `n` tokens; `flow` (the fastest degree is the same for all).

    **Returns:** predictions "dominant degree", "modes on the circle" and "modes of Gaussian data on R" (an order of
    magnitude: its constant is not known).

    **Raises:** `InputError`.

    **Source:** derived; [2412.09080] for the last one.
    """
    count, modes = check_positive_int(n, "n", least=2), kernel_modes(beta)
    b = float(beta)
    near = effective_neighbours(count, b, 2)
    many = Hypothesis("many tokens within the width of the kernel", near >= 10.0, f"n Z0 e^-beta = {near:.3g}")
    exponent = math.log(b) / math.log(count)
    window = Hypothesis("n^c <= beta <= n^(2 - c) for some c > 0", 0.0 < exponent < 2.0, f"beta = n^{exponent:.3g}")
    log = math.sqrt(b * math.log(b)) if b > 1.0 else None
    return (
        Prediction(
            "dominant degree", dominant_degree(b, 2, flow=flow), "clusters", "argmax k^2 I_k(beta)", "derived", (many,)
        ),
        Prediction("modes on the circle", modes, "modes", "sqrt(sum k^4 I_k^2 / sum k^2 I_k^2)", "derived", (many,)),
        Prediction(
            "modes of Gaussian data on R",
            log,
            "modes",
            "sqrt(beta log beta)",
            "2412.09080",
            (Hypothesis("tokens are Gaussian on R", False, "they are uniform on the circle"), window),
            "order of magnitude, constant unknown",
        ),
    )
