"""The interaction sum, several ways, one contract. A new backend is one file and one line in `BACKENDS`."""

from __future__ import annotations

from .base import AbstractAttention, Attended
from .choose import BACKENDS, Choice, choose
from .circle import Circle, circle_modes
from .dense import Dense

__all__ = ["BACKENDS", "AbstractAttention", "Attended", "Choice", "Circle", "Dense", "choose", "circle_modes"]
