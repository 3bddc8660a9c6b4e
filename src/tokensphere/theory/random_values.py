"""Random value matrices, fresh in every layer and shared by all tokens: two tokens meet or become antipodal.

V with independent N(0, 1) entries, B = I, layers y ← N(x + √η V A), u = ⟨x_1, x_2⟩, w = 1/(1 + e^{−β(1−u)}):

    du = [−(d−1)𝒜u + 𝓑(d−2+u²)] dt + √(2(1−u²)(𝒜−𝓑u)) dW
    𝒜 = w² + (1−w)² + 2w(1−w)u,     𝓑 = u(w² + (1−w)²) + 2w(1−w)

In the coordinate v = artanh u, with s = w² + (1−w)², this is

    dv = [(d−2)(1−s) + s tanh v] dt + √(2s) dW

Both ends u = ±1 rest; their Lyapunov exponents say which attracts, and the scale function of v how often.     [derived]
Layers: :class:`tokensphere.flows.RandomValues`; the equation itself: :func:`tokensphere.solve.random_value_pair`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim
from .growth import check_real

__all__ = [
    "alignment_probability",
    "antipodal_exponent",
    "antipodal_threshold",
    "random_value_drift",
    "random_value_motion",
]


def _check_product(u: Any) -> float:
    u = check_real(u, "u")
    if abs(u) > 1:
        raise InputError(f"u must lie in [-1, 1], got {u!r}")
    return u


def random_value_drift(u: float, beta: float, dim: int) -> tuple[float, float]:
    """Drift and diffusion coefficient of u: du = drift dt + coefficient dW.

    **Arguments:** `u` in [−1, 1]; `beta` ≥ 0; `dim` ≥ 2. **Raises:** `InputError`. **Source:** derived.
    """
    u, beta, dim = _check_product(u), check_beta(beta), check_dim(dim)
    w = 1.0 / (1.0 + math.exp(-beta * (1.0 - u)))
    same, cross = w * w + (1 - w) ** 2, 2.0 * w * (1 - w)
    a, b = same + cross * u, u * same + cross
    noise = math.sqrt(max(2.0 * (1.0 - u * u) * (a - b * u), 0.0))
    return -(dim - 1) * a * u + b * (dim - 2 + u * u), noise


def random_value_motion(v: Any, beta: float | None, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Drift and diffusion coefficient of v = artanh u: dv = drift dt + coefficient dW.

    Unlike those of u they stay away from zero and keep their digits however close the tokens are to ±1.

    **Arguments:** `v` any shape; `beta` ≥ 0, or `None` for tokens that attend to themselves only; `dim` ≥ 2.

    **Returns:** two float64 arrays of the shape of `v`. **Raises:** `InputError`. **Source:** derived.
    """
    v, dim = np.asarray(v, dtype=np.float64), check_dim(dim)
    u = np.tanh(v)
    # w − ½ = ½ tanh(β(1−u)/2), so that s = ½ (1 + tanh²) and 1 − s = ½ sech².
    bias = 1.0 if beta is None else np.tanh(0.5 * check_beta(beta) * (1.0 - u))
    same = 0.5 * (1.0 + bias * bias)
    return np.asarray((dim - 2) * (1.0 - same) + same * u), np.asarray(np.sqrt(2.0 * same) + 0.0 * u)


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


def alignment_probability(u: float, beta: float | None = None, dim: int = 2) -> float:
    """P(u_∞ = 1) of two tokens that start with ⟨x_1, x_2⟩ = `u`.

        w = 1:  ½ + arcsin(u_0)/π in any dimension        else  [S(v_0) − S(−∞)]/[S(∞) − S(−∞)],
                                                          S'(v) = sech v exp(−(d−2) ∫_0^v (1−s)/s)

    and 1 where the antipodal pair does not attract (β up to :func:`antipodal_threshold`).

    **Arguments:** `u` in [−1, 1]; `beta` ≥ 0, or `None` (default): tokens attend to themselves only; `dim` ≥ 2.

    **Returns:** float, to about 1e-9. **Raises:** `InputError`. **Source:** [2604.01978] for w = 1; else derived.
    """
    u, dim = _check_product(u), check_dim(dim)
    if beta is None:
        return 0.5 + math.asin(u) / math.pi
    if abs(u) == 1.0:
        return float(u > 0)
    if antipodal_exponent(beta, dim) >= 0:
        return 1.0
    from scipy.integrate import cumulative_simpson

    # S' falls like e^{−rate |v|} at both ends, which are integrated in closed form.
    start = math.atanh(u)
    reach = 20.0 + abs(start)
    v = start + np.linspace(-1.0, 1.0, 40_001) * (reach + abs(start))
    drift, noise = random_value_motion(v, beta, dim)
    pull = 2.0 * drift / noise**2
    log_slope = -cumulative_simpson(pull, x=v, initial=0.0)
    log_slope -= log_slope.max()
    slope = np.exp(log_slope)
    passed = cumulative_simpson(slope, x=v, initial=0.0) - slope[0] / pull[0]
    total = float(passed[-1] + slope[-1] / pull[-1])
    return float(passed[len(v) // 2] / total)
