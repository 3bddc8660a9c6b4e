"""The same dynamics for densities: equations for coefficients, one geometry a file."""

from __future__ import annotations

from .base import AbstractMeanField
from .circle import CircleMeanField
from .sphere_harmonic import SphereMeanField
from .zonal import ZonalMeanField

__all__ = ["AbstractMeanField", "CircleMeanField", "SphereMeanField", "ZonalMeanField"]
