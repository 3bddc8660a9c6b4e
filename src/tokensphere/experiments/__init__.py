"""Experiments: prediction + run + measurement = verdicts. One file per paper or theme, listed in `registry`.

Importing this package is light; an experiment loads when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import alignment, emergence
    from .base import AbstractExperiment, Facts
    from .registry import EXPERIMENTS, check_experiment, experiment
    from .verdicts import Agreement, Verdict, compare, not_applicable

_HOMES = {
    "base": ("AbstractExperiment", "Facts"),
    "registry": ("EXPERIMENTS", "check_experiment", "experiment"),
    "verdicts": ("Agreement", "Verdict", "compare", "not_applicable"),
}

__all__ = [
    "EXPERIMENTS",
    "AbstractExperiment",
    "Agreement",
    "Facts",
    "Verdict",
    "alignment",
    "check_experiment",
    "compare",
    "emergence",
    "experiment",
    "not_applicable",
]


def __getattr__(name: str) -> Any:
    if name in ("alignment", "emergence"):
        return importlib.import_module(f"{__name__}.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
