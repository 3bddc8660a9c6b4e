"""The experiments by the name that a study gives as `experiment`. A further one is a file and a line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tokensphere.errors import InputError, suggest

if TYPE_CHECKING:
    from .base import AbstractExperiment

__all__ = ["EXPERIMENTS", "check_experiment", "experiment"]

# name: (module of this package, class in it); they load when they are needed
EXPERIMENTS: dict[str, tuple[str, str]] = {
    "alignment": ("alignment", "AlignmentExperiment"),
    "emergence": ("emergence", "EmergenceExperiment"),
}


def check_experiment(name: str) -> str:
    """Return `name` if there is such an experiment, or raise `InputError`."""
    if name not in EXPERIMENTS:
        raise InputError(f"unknown experiment {name!r}{suggest(name, EXPERIMENTS)}")
    return name


def experiment(name: str) -> AbstractExperiment:
    """The experiment of this name. **Raises:** `InputError` for an unknown one."""
    module, kind = EXPERIMENTS[check_experiment(name)]
    found: AbstractExperiment = getattr(importlib.import_module(f".{module}", __package__), kind)()
    return found
