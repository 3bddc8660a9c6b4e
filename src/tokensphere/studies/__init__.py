"""Study files, runs on disk, resume."""

from __future__ import annotations

from .outcome import Outcome, carry_out, predict_study, read_outcome, write_outcome
from .run import Prepared, Progress, RunError, free_folder, prepare, read_study
from .schema import Study, builtin_names, explain, load_study, parse_study
from .store import RunStore, open_run

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
    "parse_study",
    "predict_study",
    "prepare",
    "read_outcome",
    "read_study",
    "write_outcome",
]
