"""The same dynamics for densities: equations for coefficients, one geometry a file."""

from __future__ import annotations

from .base import AbstractMeanField
from .circle import CircleMeanField

__all__ = ["AbstractMeanField", "CircleMeanField"]
