"""Models under other names that are attention flows: what they are here, and how their time and field convert.

    Kuramoto     θ̇_i = ω + (K/n) Σ_j sin(θ_j − θ_i)        USA (= SA) at β = 0, d = 2: K times as fast, turned by ωt
    mean shift   ẋ_i = ∇ log (G ∗ μ)(x_i), tangential        SA, β = 1/h²: β times as fast        G = e^{−|x|²/2h²}

The second is often said to *be* SA; the factor β is missing there. With the layer x ← N(A), without residual, SA is
blurring mean shift on the sphere: A_i is the mean of the tokens under the Gaussian window of width h = β^{−1/2} at x_i.

[2312.10794 for Kuramoto; Cheng, IEEE PAMI 17 (1995) 790 for mean shift; the factors derived]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.theory.growth import check_real

from .base import AttentionFlow
from .self_attention import SelfAttention
from .unnormalized import UnnormalizedSelfAttention

__all__ = ["Correspondence", "kuramoto", "mean_shift"]

_LEAST_BANDWIDTH = 1e-150


@dataclass(frozen=True)
class Correspondence:
    """A model as a flow in another clock: model velocity = `rate` · flow velocity + rotation by ω.

    **Fields:** `name`; `flow`, to simulate; `rate` > 0; `frequency` ω of the rotation of the circle (0 elsewhere).
    """

    name: str
    flow: AttentionFlow
    rate: float
    frequency: float = 0.0

    def flow_time(self, time: Any) -> np.ndarray:
        """The flow's time at the model's `time`: rate · time."""
        return np.asarray(self.rate * np.asarray(time, dtype=np.float64))

    def model_time(self, flow_time: Any) -> np.ndarray:
        """The model's time at the flow's."""
        return np.asarray(np.asarray(flow_time, dtype=np.float64) / self.rate)

    def velocity(self, tokens: Any, weights: Any = None) -> np.ndarray:
        """dx_i/dt of the model (n, dim), for unit `tokens` and masses `weights`. **Raises:** `InputError`."""
        moved = self.rate * self.flow.velocity(tokens, weights=weights)
        return moved + self.frequency * _quarter_turn(np.asarray(tokens)) if self.frequency else moved

    def tokens(self, tokens: Any, time: Any) -> np.ndarray:
        """Tokens of the model at its `time`, from those of the flow at `flow_time(time)`: turned by ω · time.

        **Arguments:** `tokens` (…, n, dim); `time` a number, or (…) for many frames.
        """
        points = np.asarray(tokens, dtype=np.float64)
        if not self.frequency:
            return points
        turn = self.frequency * np.asarray(time, dtype=np.float64)[..., None, None]
        return np.asarray(np.cos(turn) * points + np.sin(turn) * _quarter_turn(points))


def _quarter_turn(tokens: np.ndarray) -> np.ndarray:
    if tokens.shape[-1] != 2:
        raise InputError(f"a frequency needs tokens on the circle (dim = 2), got dim = {tokens.shape[-1]}")
    return np.stack([-tokens[..., 1], tokens[..., 0]], axis=-1)


def kuramoto(coupling: float = 1.0, frequency: float = 0.0) -> Correspondence:
    """Kuramoto's model with equal frequencies: θ̇_i = ω + K Σ_j m_j sin(θ_j − θ_i), m_j = 1/n by default.

    It is unnormalised attention at β = 0 (softmax is the same there), with V = I for K > 0 and V = −I for K < 0, in the
    clock |K| t. In higher dimensions (ω = 0) this is the model of Lohe.

    **Arguments:** `coupling` K ≠ 0; `frequency` ω. **Raises:** `InputError`.
    """
    strength = check_real(coupling, "coupling")
    if strength == 0.0:
        raise InputError("coupling must not be 0: such oscillators do not see each other")
    flow = UnnormalizedSelfAttention(0.0, value=None if strength > 0 else -1.0)
    return Correspondence("Kuramoto", flow, abs(strength), check_real(frequency, "frequency"))


def mean_shift(bandwidth: float) -> Correspondence:
    """Gradient ascent on the log of the kernel density G ∗ μ of the tokens, G = e^{−|x|²/2h²}, along the sphere.

        P_x ∇ log (G ∗ μ)(x) = β · SA(x),    β = 1/h²

    The mean-shift *vector* m(x) − x, with the window's mean m(x), is h² times the gradient without projection; its
    tangential part is SA itself.

    **Arguments:** `bandwidth` h > 0. **Raises:** `InputError`.
    """
    h = check_real(bandwidth, "bandwidth")
    if h < _LEAST_BANDWIDTH:
        raise InputError(f"bandwidth must be positive, and 1/h^2 a float, got {bandwidth!r}")
    beta = 1.0 / (h * h)
    return Correspondence("mean shift", SelfAttention(beta), beta)
