"""Random value matrices, fresh in every layer and shared by all tokens: two tokens meet or become antipodal.

V with independent N(0, 1) entries, B = I, layers y ← N(x + √η V A), u = ⟨x_1, x_2⟩, w = 1/(1 + e^{−β(1−u)}):

    du = [−(d−1)𝒜u + 𝓑(d−2+u²)] dt + √(2(1−u²)(𝒜−𝓑u)) dW
    𝒜 = w² + (1−w)² + 2w(1−w)u,     𝓑 = u(w² + (1−w)²) + 2w(1−w)

Both ends u = ±1 rest; their Lyapunov exponents say which attracts.                                         [derived]
"""

from __future__ import annotations

import math

from ..errors import InputError, check_beta, check_dim
from .growth import check_real

__all__ = ["alignment_probability", "antipodal_exponent", "antipodal_threshold", "random_value_drift"]


def random_value_drift(u: float, beta: float, dim: int) -> tuple[float, float]:
    """Drift and diffusion coefficient of u: du = drift dt + coefficient dW.

    **Arguments:** `u` in [−1, 1]; `beta` ≥ 0; `dim` ≥ 2. **Raises:** `InputError`. **Source:** derived.
    """
    u, beta, dim = check_real(u, "u"), check_beta(beta), check_dim(dim)
    if abs(u) > 1:
        raise InputError(f"u must lie in [-1, 1], got {u!r}")
    w = 1.0 / (1.0 + math.exp(-beta * (1.0 - u)))
    same, cross = w * w + (1 - w) ** 2, 2.0 * w * (1 - w)
    a, b = same + cross * u, u * same + cross
    noise = math.sqrt(max(2.0 * (1.0 - u * u) * (a - b * u), 0.0))
    return -(dim - 1) * a * u + b * (dim - 2 + u * u), noise


def antipodal_exponent(beta: float, dim: int) -> float:
    """Lyapunov exponent of 1 + u at u = −1: (d−1) sech² β − 2; negative where the antipodal pair attracts.

    That of 1 − u at u = 1 is −(d−1) at every β. **Raises:** `InputError`. **Source:** derived.
    """
    beta = check_beta(beta)
    sech = 2.0 * math.exp(-beta) / (1.0 + math.exp(-2.0 * beta))
    return (check_dim(dim) - 1) * sech * sech - 2.0


def antipodal_threshold(dim: int) -> float:
    """β = arccosh √((d−1)/2) above which the antipodal pair attracts; 0 for d ≤ 3, where it does from the start.

    **Raises:** `InputError`. **Source:** derived.
    """
    ratio = (check_dim(dim) - 1) / 2.0
    return math.acosh(math.sqrt(ratio)) if ratio > 1 else 0.0


def alignment_probability(u: float) -> float:
    """P(u_∞ = 1) = ½ + arcsin(u_0)/π of two tokens that attend to themselves only (w = 1), in any dimension.

    du = −u(1−u²)dt + √2 (1−u²) dW in d = 2. **Raises:** `InputError`. **Source:** [2604.01978].
    """
    u = check_real(u, "u")
    if abs(u) > 1:
        raise InputError(f"u must lie in [-1, 1], got {u!r}")
    return 0.5 + math.asin(u) / math.pi
