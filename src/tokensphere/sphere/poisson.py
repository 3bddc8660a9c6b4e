"""Poisson-kernel tokens on the circle: the starts for which the order parameter alone obeys an equation."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError, check_positive_int
from .geometry import from_angles

__all__ = ["poisson_kernel"]


def poisson_kernel(n: int, order: float, mean: float = 0.0) -> np.ndarray:
    """Return n equal-mass tokens at the quantiles of a Poisson kernel (a quiet start).

        u(θ) = (1−R²)/(1 − 2R cos(θ−ψ) + R²),    θ_j = ψ + 2 arctan((1−R)/(1+R) tan πu_j),   u_j = (j+½)/n − ½

    Its moments are μ̂_k = R^k e^{−ikψ}. The order parameter of the tokens differs from R by (1−R²)R^{n−1}, so that a few
    thousand have it to rounding unless R is close to 1; as Möbius images of equispaced tokens they keep this law.

    **Arguments:** `n` ≥ 1; `order` R in [0, 1); `mean` ψ, radians, default 0.

    **Returns:** (n, 2) float64 unit rows, in the order of their angles.

    **Raises:** `InputError` for a bad argument, naming it.
    """
    n, r, centre = check_positive_int(n, "n"), float(order), float(mean)
    if not 0.0 <= r < 1.0:
        raise InputError(f"order must lie in [0, 1), got {order!r}")
    if not math.isfinite(centre):
        raise InputError(f"mean must be finite, got {mean!r}")
    u = (np.arange(n) + 0.5) / n - 0.5
    return from_angles(centre + 2.0 * np.arctan((1.0 - r) / (1.0 + r) * np.tan(np.pi * u)))
