"""Experiments: prediction + run + measurement = verdicts. One file per paper or theme."""

from __future__ import annotations

from . import emergence
from .verdicts import Agreement, Verdict, compare, not_applicable

__all__ = ["Agreement", "Verdict", "compare", "emergence", "not_applicable"]
