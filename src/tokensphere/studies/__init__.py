"""Study files, runs on disk, resume. Reading and checking a study is light; running it loads JAX."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outcome import Outcome, carry_out, predict_study, read_outcome, write_outcome
    from .run import Prepared, Progress, RunError, free_folder, prepare
    from .schema import Study, builtin_names, explain, load_study, parse_study, read_study
    from .store import RunStore, open_run
    from .sweeps import open_sweep

_HOMES = {
    "outcome": ("Outcome", "carry_out", "predict_study", "read_outcome", "write_outcome"),
    "run": ("Prepared", "Progress", "RunError", "free_folder", "prepare"),
    "schema": ("Study", "builtin_names", "explain", "load_study", "parse_study", "read_study"),
    "store": ("RunStore", "open_run"),
    "sweeps": ("open_sweep",),
}

__all__ = [
    "Outcome",
    "Prepared",
    "Progress",
    "RunError",
    "RunStore",
    "Study",
    "builtin_names",
    "carry_out",
    "explain",
    "free_folder",
    "load_study",
    "open_run",
    "open_sweep",
    "parse_study",
    "predict_study",
    "prepare",
    "read_outcome",
    "read_study",
    "write_outcome",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
