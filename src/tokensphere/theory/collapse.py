"""Collapse to one point: when it is certain, and how fast rank is lost without a residual.

Wendel: n independent uniform tokens on S^{d−1} lie in an open hemisphere, where SA and USA end in one cluster
exponentially fast, with probability

    P = 2^{1−n} Σ_{k<d} C(n−1, k).                                                     [2312.10794, survey Theorem 3]

Without a residual an equiangular attention layer x' = N(A) maps 1 − ρ to (1−ρ)(a−b)²/|A|² → (β/n)²(1−ρ)³: cubic,
hence doubly exponential in depth. A residual turns it into a factor, (1/(1+η))² near collapse.       [derived, exact]
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError, check_dim, check_positive_int
from .equiangular import Equiangular
from .growth import check_real

__all__ = ["hemisphere_probability", "rank_collapse"]


def hemisphere_probability(n: int, dim: int) -> float:
    """The probability that n independent uniform tokens lie in an open hemisphere (Wendel 1962).

    **Arguments:** `n` ≥ 1; `dim` ≥ 2. **Returns:** float; 1 for n ≤ dim. **Raises:** `InputError`.
    """
    from scipy.special import bdtr

    n, dim = check_positive_int(n, "n"), check_dim(dim)
    return 1.0 if n <= dim else float(bdtr(dim - 1, n - 1, 0.5))


def rank_collapse(layers: int, beta: float, n: int, *, gap: float, flow: str = "sa") -> np.ndarray:
    """log(1 − ρ) before the first and after each of `layers` attention layers x' = N(A) without residual.

    **Arguments:** `layers` ≥ 0; `beta`, `n`, `flow` as :class:`tokensphere.theory.equiangular.Equiangular`; `gap`
    1 − ρ at the start, in (0, n/(n−1)).

    **Returns:** (layers + 1,) float64: logarithms, since 1 − ρ itself is soon below every float.

    **Raises:** `InputError`. **Source:** derived, exact; the power 3^L of [2103.03404].
    """
    system = Equiangular(beta, n, flow)
    start = check_real(gap, "gap", 0.0)
    if not 0 < start < n / (n - 1):
        raise InputError(f"gap must lie between 0 and n/(n-1) = {n / (n - 1):.6g}, got {gap!r}")
    logs = [math.log(start)]
    for _ in range(check_positive_int(layers, "layers", least=0)):
        rest = math.exp(logs[-1])
        reading = system.reading(rest)
        # log(a − b) = log a + log(1 − e^{−β(1−ρ)}); for a tiny gap the last is log β(1 − ρ)
        lost = -math.expm1(-beta * rest)
        small = math.log(lost) if lost > 0 else (math.log(beta) + logs[-1] if beta > 0 else -math.inf)
        logs.append(logs[-1] + 2.0 * (math.log(reading.a) + small) - math.log(reading.squared))
    return np.array(logs)
