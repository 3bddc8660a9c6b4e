"""Study files, runs on disk, resume."""

from __future__ import annotations

from .run import Prepared, Progress, RunError, free_folder, prepare, read_study
from .schema import Study, builtin_names, explain, load_study, parse_study
from .store import RunStore, open_run

__all__ = [
    "Prepared",
    "Progress",
    "RunError",
    "RunStore",
    "Study",
    "builtin_names",
    "explain",
    "free_folder",
    "load_study",
    "open_run",
    "parse_study",
    "prepare",
    "read_study",
]
