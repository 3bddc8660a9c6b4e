"""Attention on the circle as coupled oscillators: Kuramoto's model and its reduction by Ott and Antonsen.

    Kuramoto            θ̇_i = ω + K Σ_j m_j sin(θ_j − θ_i)                    USA (= SA) at β = 0 in the clock K t
    USA at any β        θ̇_i = Σ_k K_k Σ_j m_j sin k(θ_j − θ_i),   K_k = (2k/β) I_k(β)
    Ott–Antonsen        R' = K R(1−R²)/2,   R²/(1−R²) = [R_0²/(1−R_0²)] e^{Kt},   W2(μ, δ) = √(2(1−R))

The reduction is exact for a start that is a Poisson kernel, (1−R²)/(1−2R cos θ+R²) dθ/2π: it stays one, because the
flow moves tokens by Möbius maps of the circle. Starts: :func:`tokensphere.sphere.poisson_kernel`.

[Ott, Antonsen, Chaos 18 (2008) 037113; the constants derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..special import check_degrees
from .growth import check_real, growth_rates

__all__ = ["distance_to_cluster", "kuramoto_couplings", "kuramoto_order", "kuramoto_time"]


def _check_order(value: Any, name: str = "order") -> float:
    number = check_real(value, name, 0.0)
    if number > 1.0:
        raise InputError(f"{name} must lie in [0, 1], got {value!r}")
    return number


def kuramoto_couplings(beta: float, degrees: Any, flow: str = "usa") -> np.ndarray:
    """Couplings K_k of the harmonics of the attention force on the circle, for unnormalised attention.

        sin φ e^{β cos φ} = Σ_{k≥1} K_k sin kφ,     K_k = (2k/β) I_k(β) = 2λ_k/k

    At β = 0 only K_1 = 1 is left. About 8.5 √β of them carry the force to rounding.

    **Arguments:** `beta` ≥ 0; `degrees` ≥ 1, any shape; `flow` "usa", or "usa-shifted" for e^{−β} K_k.

    **Returns:** float64 array of the shape of `degrees`. **Raises:** `InputError`; `RateOverflowError` where K_k is no
    float. **Source:** derived (generating function of the Bessel functions).
    """
    wanted = check_degrees(degrees)
    if (wanted < 1).any():
        raise InputError("degrees must be >= 1: a constant exerts no force")
    if flow not in ("usa", "usa-shifted"):
        raise InputError(f"flow must be 'usa' or 'usa-shifted', got {flow!r}: softmax is no sum over pairs")
    return np.asarray(2.0 * growth_rates(beta, 2, wanted, flow) / wanted)


def kuramoto_order(times: Any, start: float, coupling: float = 1.0) -> np.ndarray:
    """Order parameter R(t) = |Σ m_j e^{iθ_j}| of Kuramoto's model from a Poisson kernel with R(0) = `start`.

        R = R_0 / √(R_0² + (1−R_0²) e^{−Kt})

    **Arguments:** `times`, any shape; `start` in [0, 1]; `coupling` K (1: attention at β = 0; K < 0 repels).

    **Returns:** float64 array of the shape of `times`. **Raises:** `InputError`. **Source:** Ott, Antonsen (2008).
    """
    t, first = np.asarray(times, dtype=np.float64), _check_order(start, "start")
    faded = np.exp(np.clip(-check_real(coupling, "coupling") * t, -700.0, 700.0))
    if first == 0.0:
        return np.zeros_like(t)
    return np.asarray(first / np.sqrt(first * first + (1.0 - first * first) * faded))


def kuramoto_time(start: float, end: float, coupling: float = 1.0) -> float:
    """The time in which R goes from `start` to `end`: K t = log[R_1²(1−R_0²)/(R_0²(1−R_1²))].

    **Arguments:** both in (0, 1), `end` on the side to which the coupling drives (K > 0: above). **Returns:** float.
    **Raises:** `InputError`. **Source:** derived.
    """
    first, last, strength = _check_order(start, "start"), _check_order(end, "end"), check_real(coupling, "coupling")
    if not (0.0 < first < 1.0 and 0.0 < last < 1.0):
        raise InputError(f"start and end must lie strictly between 0 and 1, got {start!r} and {end!r}")
    if strength * (last - first) < 0 or (strength == 0.0 and last != first):
        raise InputError(f"R does not go from {first:g} to {last:g} with coupling {strength:g}")
    if last == first:
        return 0.0
    odds = [r * r / ((1.0 - r) * (1.0 + r)) for r in (first, last)]
    return float(np.log(odds[1] / odds[0]) / strength)


def distance_to_cluster(order: Any) -> np.ndarray:
    """Chordal W2 distance to one cluster in the mean direction, √(2(1−R)), of any law with |∫ x dμ| = R, in any dim.

    **Arguments:** `order` R in [0, 1], any shape. **Returns:** float64 array. **Raises:** `InputError`.
    **Source:** derived: the only coupling with a Dirac costs ∫|x−e|² dμ = 2(1−R).
    """
    r = np.asarray(order, dtype=np.float64)
    if not ((r >= 0) & (r <= 1)).all():
        raise InputError("order must lie in [0, 1]")
    return np.asarray(np.sqrt(2.0 * (1.0 - r)))
