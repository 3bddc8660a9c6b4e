"""The contract of a normalisation scheme: what a token y = rθ does with its attention output A, read off θ.

    flow    dθ_i/dt = P_{θ_i} A_i / s_i,     dr_i/dt as the scheme says
    layer   y_i⁺ = layer(y_i, A_i, η, t),    then r_i = 1 where the scheme normalises       t = ηℓ, ℓ = 0, 1, …

[2510.22026, table of schemes]
"""

from __future__ import annotations

import abc
import math
from typing import Any

import equinox as eqx

from tokensphere.errors import InputError
from tokensphere.jaxsetup import namespace, rowwise_dot

__all__ = ["AbstractNormalization", "attended_length"]


def attended_length(attended: Any) -> Any:
    """|A_i| (n,) (NumPy or JAX arrays)."""
    return namespace(attended).sqrt(rowwise_dot(attended, attended)[:, 0])


class AbstractNormalization(eqx.Module):
    """**Arguments of the methods:** `tokens` (n, d) unit rows θ; `radii` (n,) r > 0; `attended` (n, d) A; `t` time."""

    @property
    def keeps_radii(self) -> bool:
        """Whether tokens have radii of their own; else r = 1 throughout."""
        return False

    @property
    def breaks(self) -> tuple[float, ...]:
        """Times at which the rules change."""
        return ()

    @property
    def after(self) -> float:
        """The time after which the scheme has rules; at it and before it has none."""
        return -math.inf

    @abc.abstractmethod
    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        """s (n,), or a number: tokens turn s times slower than those of Post-LN."""

    def radial_velocity(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        """dr/dt (n,)."""
        return 0.0 * radii

    @abc.abstractmethod
    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        """y⁺ (n, d), before any normalisation, of `states` y = rθ after the layer with step η at time t."""

    def normalised(self, t: Any) -> Any:
        """Whether the layer at time t ends on the unit sphere (where radii are kept at all)."""
        return False

    def logit_factor(self, t: Any) -> Any:
        """What multiplies the logits at time t; `None` for 1."""
        return None

    def check_time(self, t: float) -> None:
        """Refuse a time at which the scheme has no rules: `InputError`."""
        if not t > self.after:
            raise InputError(f"{type(self).__name__} needs times > {self.after:g}, got t = {t:g}")

    def check_radii(self, radii: Any, t: float) -> None:
        """Refuse radii that the scheme cannot have at time t: `InputError`."""
        return None
