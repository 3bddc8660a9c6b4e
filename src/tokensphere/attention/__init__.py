"""The interaction sum, several ways, one contract. A new backend is one file and one line in `BACKENDS`."""

from __future__ import annotations

from .base import AbstractAttention, Attended
from .choose import BACKENDS, Choice, choose
from .circle import Circle
from .dense import Dense
from .fourier import circle_modes
from .whole import Whole

__all__ = ["BACKENDS", "AbstractAttention", "Attended", "Choice", "Circle", "Dense", "Whole", "choose", "circle_modes"]
