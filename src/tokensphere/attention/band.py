"""How many degrees of a kernel a requested accuracy needs.

    e^{β(t−1)} = Σ_l D_l a_l P_l(t),     a_l = E e^{β(t−1)} P_l(t),     D_l the number of harmonics of degree l

Cutting the series after degree L changes Z by at most Σ_{l>L} D_l a_l, and the force, the gradient of Z divided by β,
by at most Σ_{l>L} D_l (l + ½) a_l/β. For masses without structure the change is the root mean square in place of the
sum. L is the first degree for which all three stay below the tolerance times the largest of their kind.
"""

from __future__ import annotations

import numpy as np

from tokensphere.errors import InputError

__all__ = ["FINEST", "band_limit", "check_tolerances", "noise_level", "transform_accuracy"]

FINEST = 1e-12  # the sharpest tolerance that the transforms keep in double precision
_COARSEST = 1e-2
_EPSILON = 2.1e-13  # ducc0 refuses 2e-13 and less in double precision


def check_tolerances(tolerance: float, row_tolerance: float | None) -> None:
    """Refuse tolerances that cannot be met.

    **Raises:** `InputError` for a tolerance outside [1e-12, 1e-2] or a row tolerance outside (1e-10, 1).
    """
    if not FINEST <= tolerance <= _COARSEST:
        raise InputError(f"tolerance must be between {FINEST:g} and {_COARSEST:g}, got {tolerance!r}")
    if row_tolerance is not None and not 1e-10 < row_tolerance < 1:
        raise InputError(f"row_tolerance must be between 1e-10 and 1, got {row_tolerance!r}")


def transform_accuracy(tolerance: float) -> float:
    """The accuracy to ask of the non-uniform transforms."""
    return max(_EPSILON, 0.1 * tolerance)


def noise_level(tolerance: float) -> float:
    """Error of Z to be expected in any one row, relative to the largest Z."""
    return 0.1 * tolerance


def band_limit(beta: float, eigenvalues: np.ndarray, slopes: np.ndarray, counts: np.ndarray, tolerance: float) -> int:
    """The first degree after which a series may be cut.

    **Arguments:** `eigenvalues` a_l, `slopes` a_l/|β| and `counts` D_l for l = 0, 1, …, a table that ends where
    the terms have reached rounding; `tolerance` relative to the largest Z and the largest force.

    **Returns:** L, at most the last index of the table.
    """
    beta, share = abs(beta), 0.1 * tolerance
    degrees = np.arange(eigenvalues.size) + 0.5
    cosine = 2 * beta / (1 + np.hypot(1, 2 * beta))  # where the force of a single token is largest
    peak = np.exp(beta * (cosine - 1)) * np.sqrt(1 - cosine**2)
    strengths = degrees * slopes
    enough = (_tails(counts * eigenvalues) <= share) & (_tails(counts * strengths) <= share * peak)
    white = _tails(counts * strengths**2)
    enough &= white <= share**2 * (white[0] + counts[0] * strengths[0] ** 2)
    return int(np.argmax(enough)) if enough.any() else eigenvalues.size - 1


def _tails(terms: np.ndarray) -> np.ndarray:
    """Σ_{k>l} terms_k for every l."""
    return np.append(np.cumsum(terms[:0:-1])[::-1], 0.0)
