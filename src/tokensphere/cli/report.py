"""`tokensphere report`: measure a stored run again and make its figures and report anew."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokensphere.errors import InputError

__all__ = ["report"]


def report(
    folder: Annotated[Path, Parameter(help="a run folder")],
    *,
    json: Annotated[bool, Parameter(help="print the outcome as JSON for machines", negative="")] = False,
) -> None:
    """Measure a run again, complete or interrupted, and make its verdicts, figures and report anew."""
    from tokensphere.studies import read_study

    study = read_study(folder)

    from rich.console import Console

    from tokensphere import studies

    from .faces import write_faces
    from .show import show_verdicts

    console = Console(quiet=json)
    prepared = studies.prepare(study)
    if studies.open_run(folder).sizes["time"] < 2:
        raise InputError(f"{folder} holds fewer than 2 frames; continue it with: tokensphere run --resume {folder}")
    outcome = studies.read_outcome(prepared, folder, studies.predict_study(prepared))
    studies.write_outcome(prepared, outcome)
    show_verdicts(console, outcome.verdicts)
    write_faces(console, prepared, outcome)
    if json:
        print(json_module.dumps(outcome.to_dict(), indent=2))
