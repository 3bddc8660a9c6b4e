"""The interaction sum, several ways, one contract. A new backend is one file and one line in `BACKENDS`."""

from __future__ import annotations

from .base import AbstractAttention, Attended
from .choose import BACKENDS, Choice, choose
from .circle import Circle
from .circle_series import CircleSeries
from .collapsed import Collapsed
from .dense import Dense
from .fourier import circle_modes
from .hardmax import Hardmax
from .harmonic import Harmonic
from .polynomial import Polynomial
from .sharded import Sharded
from .sphere_series import SphereSeries
from .spherical import sphere_degrees
from .whole import Whole

__all__ = [
    "BACKENDS",
    "AbstractAttention",
    "Attended",
    "Choice",
    "Circle",
    "CircleSeries",
    "Collapsed",
    "Dense",
    "Hardmax",
    "Harmonic",
    "Polynomial",
    "Sharded",
    "SphereSeries",
    "Whole",
    "choose",
    "circle_modes",
    "sphere_degrees",
]
