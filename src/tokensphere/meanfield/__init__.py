"""The same dynamics for densities: equations for coefficients, one geometry a file."""

from __future__ import annotations

from .base import AbstractMeanField
from .circle import CircleMeanField
from .distribution import CircleDistribution
from .lax_friedrichs import lax_friedrichs, lax_friedrichs_rate
from .quantile import QuantileMeanField, quiet_tokens, random_tokens
from .sphere_harmonic import SphereMeanField
from .starts import smoothed_tokens, uniform_plus, von_mises_mixture, white_noise
from .zonal import ZonalMeanField

__all__ = [
    "AbstractMeanField",
    "CircleDistribution",
    "CircleMeanField",
    "QuantileMeanField",
    "SphereMeanField",
    "ZonalMeanField",
    "lax_friedrichs",
    "lax_friedrichs_rate",
    "quiet_tokens",
    "random_tokens",
    "smoothed_tokens",
    "uniform_plus",
    "von_mises_mixture",
    "white_noise",
]
