"""Experiments: prediction + run + measurement = verdicts. One file per paper or theme."""

from __future__ import annotations

from . import emergence
from .verdicts import Outcome, Verdict, compare, not_applicable

__all__ = ["Outcome", "Verdict", "compare", "emergence", "not_applicable"]
