"""Sweeps: many runs of one study over a grid or a list of settings, one run folder each, and a manifest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engines import Dask, Engine, InProcess, Processes, Submitit
    from .gather import open_sweep
    from .grid import Axis, grid_points, parse_over, read_list
    from .manifest import Entry, Manifest
    from .plan import Plan, Point, plan_sweep
    from .sweep import Summary, SweepProgress, run_sweep

_HOMES = {
    "engines": ("Dask", "Engine", "InProcess", "Processes", "Submitit"),
    "gather": ("open_sweep",),
    "grid": ("Axis", "grid_points", "parse_over", "read_list"),
    "manifest": ("Entry", "Manifest"),
    "plan": ("Plan", "Point", "plan_sweep"),
    "sweep": ("Summary", "SweepProgress", "run_sweep"),
}

__all__ = [
    "Axis",
    "Dask",
    "Engine",
    "Entry",
    "InProcess",
    "Manifest",
    "Plan",
    "Point",
    "Processes",
    "Submitit",
    "Summary",
    "SweepProgress",
    "grid_points",
    "open_sweep",
    "parse_over",
    "plan_sweep",
    "read_list",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
