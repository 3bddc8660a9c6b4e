"""The interaction energy of tokens, and whether its series is monotone.

E(mu) = (1 / 2 beta) sum_ij w_i w_j e^{beta <x_i, x_j>}
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_tokens, check_weights
from ..sphere import harmonic_power
from ..sphere.pairs import gram_blocks
from .series import check_series

__all__ = ["EnergyMonotone", "energy", "energy_monotone", "staircase_energy"]

_LARGEST_EXPONENT = 700.0  # e^700 / (2 * 700) is finite, e^710 is not
_SPECTRAL_BETA = 1e8  # scaled Bessel functions lose accuracy beyond
_MANY_TOKENS = 2000  # in dim 3, below this the pairs are as fast as spherical harmonics


def energy(tokens: Any, beta: float, weights: Any = None, shifted: bool = False) -> float:
    """Return E = (1/(2 beta)) sum_ij w_i w_j e^{beta <x_i, x_j>}, the sum over pairs including i = j.

    `shifted=True` returns e^{-beta} E, that is the kernel e^{beta (<x, y> - 1)}, which cannot overflow.
    As beta -> 0, E = 1/(2 beta) + R^2/2 + O(beta) with R = |sum_i w_i x_i|; for beta = 0 the constant is
    dropped and R^2/2 is returned, shifted or not.

    With P_k the normalised Gegenbauer polynomials and A_k the order parameters, circle: E = (1/(2 beta))
    (I_0(beta) + 2 sum_k I_k(beta) A_k^2), O(n + sqrt(beta)); dim 3: E = (1/(2 beta)) sqrt(pi/(2 beta))
    sum_k (2k+1) I_{k+1/2}(beta) A_k^2, O(n + beta^{3/2}), for many tokens; otherwise blocked pairs, O(n^2
    dim) time and bounded memory (relative error 1e-16 beta).

    **Arguments:** `tokens` (n, dim) unit rows; `beta` >= 0; `weights` (n,) masses summing to 1, None = 1/n;
    `shifted` default False.

    **Returns:** float. The uniform law on the circle has E = I_0(beta)/(2 beta), one cluster e^beta/(2
    beta).

    **Raises:** `InputError` for bad tokens, beta or weights, and for beta > 700 unless `shifted=True`.

    **Source:** Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2312.10794; Bruno, Pasqualotto, Agazzi,
    arXiv 2410.23228.
    """
    points = check_tokens(tokens)
    n, dim = points.shape
    masses = check_weights(weights, n)
    b = check_beta(beta)
    if b == 0.0:
        return 0.5 * float(harmonic_power(points, 1, masses)[0])
    if not shifted and b > _LARGEST_EXPONENT:
        raise InputError(f"energy overflows for beta = {b:g} (e^beta); pass shifted=True for the kernel e^(beta(c-1))")
    highest = math.ceil(9.0 * math.sqrt(b) + 16.0)  # I_k/I_0 < 1e-17 beyond
    spectral = dim == 2 and b <= _SPECTRAL_BETA
    spectral = spectral or (dim == 3 and n >= _MANY_TOKENS and highest < n // 4 and highest <= 2000)
    if spectral:
        from scipy.special import ive

        k = np.arange(highest + 1)
        if dim == 2:
            coefficients = ive(k, b) * np.where(k == 0, 1.0, 2.0)
        else:
            coefficients = math.sqrt(math.pi / (2.0 * b)) * (2.0 * k + 1.0) * ive(k + 0.5, b)
        total = float(coefficients @ harmonic_power(points, k, masses))
    else:
        total = 0.0
        for rows, columns, factor, inner in gram_blocks(points):
            inner -= 1.0
            inner *= b
            total += factor * float(masses[rows] @ np.exp(inner, out=inner) @ masses[columns])
    return total * (1.0 if shifted else math.exp(b)) / (2.0 * b)


def staircase_energy(tokens: Any, beta: float, weights: Any = None) -> float:
    """Return sum_ij w_i w_j e^{beta (<x_i, x_j> - 1)} = 2 beta e^{-beta} E, in (0, 1] at every beta.

    Of clusters that are far apart at large beta it is sum_c m_c^2, m_c their masses: a staircase as they merge.
    Accuracy and cost are those of :func:`energy`.

    **Arguments:** `tokens` (n, dim) unit rows; `beta` >= 0; `weights` (n,) masses summing to 1, None = 1/n.

    **Returns:** float.  **Raises:** `InputError` for bad tokens, beta or weights.

    **Source:** Geshkovski, Koubbi, Polyanskiy, Rigollet, arXiv 2410.06833.
    """
    b = check_beta(beta)
    if b == 0.0:
        check_weights(weights, len(check_tokens(tokens)))
        return 1.0
    return min(1.0, 2.0 * b * energy(tokens, b, weights, shifted=True))


@dataclasses.dataclass(frozen=True)
class EnergyMonotone:
    """How far an energy series is from nondecreasing.

    **Fields:** `monotone` whether the largest decrease is within `tolerance`; `largest_decrease` between
    two consecutive samples, divided by the span (largest minus smallest energy), 0 if it never falls;
    `time` of the sample after that decrease, None if it never falls; `span`; `tolerance`.
    """

    monotone: bool
    largest_decrease: float
    time: float | None
    span: float
    tolerance: float


def energy_monotone(times: Any, energy: Any, tolerance: float = 1e-10) -> EnergyMonotone:
    """Return the largest fall of an energy series relative to its span.

    Self-attention flows with identity matrices never lose energy: dE/dt >= 0.

    **Arguments:** `times` (m,) increasing; `energy` (m,); `tolerance` >= 0, default 1e-10, relative to
    the span.

    **Returns:** :class:`EnergyMonotone`.

    **Raises:** `InputError` for a bad series or tolerance.
    """
    t, e = check_series(times, energy, "energy")
    allowed = float(tolerance)
    if not allowed >= 0:
        raise InputError(f"tolerance must be a number >= 0, got {tolerance!r}")
    span = float(e.max() - e.min())
    falls = -np.diff(e)
    # A fall within rounding of the values themselves is none: a state at rest stays monotone.
    if falls.size == 0 or falls.max() <= 1e-14 * np.abs(e).max():
        return EnergyMonotone(True, 0.0, None, span, allowed)
    i = int(np.argmax(falls))
    worst = float(falls[i]) / span
    return EnergyMonotone(worst <= allowed, worst, float(t[i + 1]), span, allowed)
