"""From a prepared study to its verdicts: predict, run, measure, compare, and write each step down."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokensphere.experiments import Verdict
from tokensphere.parallel import TokenMesh

from .run import Prepared, Progress, disk_full, write_text
from .store import open_run

if TYPE_CHECKING:
    import xarray

    from tokensphere.experiments.base import Record

__all__ = ["Outcome", "carry_out", "predict_study", "read_outcome", "write_outcome"]


@dataclass(frozen=True)
class Outcome:
    """A finished run with what was predicted (or `None`) and what was seen, both records of its experiment."""

    folder: Path
    prediction: Any
    seen: Any
    verdicts: list[Verdict]
    run: xarray.Dataset

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "folder": str(self.folder),
            "prediction": None if self.prediction is None else self.prediction.to_dict(),
            "measurement": self.seen.to_dict(),
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }


def predict_study(prepared: Prepared) -> Record | None:
    """What theory says about this study, from its parameters and its very tokens; `None` if it says nothing."""
    if prepared.obstacle is not None:
        return None
    return prepared.experiment.predict(prepared.setting, prepared.tokens, prepared.weights, prepared.order)


def carry_out(
    prepared: Prepared,
    folder: Path,
    *,
    prediction: Record | None,
    resume: bool = False,
    report: Callable[[Progress], None] | None = None,
    wait: float = 0.0,
    mesh: TokenMesh | None = None,
) -> Outcome:
    """Run (or resume) the study in `folder` and judge it; writes `predictions.json` and `verdicts.json`.

    `mesh`: the team that `prepared` was made for; it is left when the run is complete.
    """
    prepared.run(folder, resume=resume, report=report, wait=wait)
    if mesh is not None:
        mesh.close()
    outcome = read_outcome(prepared, folder, prediction)
    write_outcome(prepared, outcome)
    return outcome


def write_outcome(prepared: Prepared, outcome: Outcome) -> None:
    """Write `predictions.json` and `verdicts.json` into the run folder."""
    predicted = None if outcome.prediction is None else outcome.prediction.to_dict()
    judged = {
        "study": prepared.study.model_dump(mode="json"),
        "verdicts": [verdict.to_dict() for verdict in outcome.verdicts],
        "measurement": outcome.seen.to_dict(),
    }
    with disk_full(outcome.folder, f"tokensphere report {outcome.folder}"):
        write_text(outcome.folder / "predictions.json", json.dumps(predicted, indent=2) + "\n")
        write_text(outcome.folder / "verdicts.json", json.dumps(judged, indent=2) + "\n")


def read_outcome(prepared: Prepared, folder: Path, prediction: Record | None) -> Outcome:
    """Measure and judge the frames that are stored in `folder`, of a finished or an interrupted run."""
    run = open_run(folder)
    seen = prepared.experiment.measure(prepared.setting, run)
    verdicts = prepared.experiment.judge(prepared.setting, prediction, seen, float(run.time[-1]))
    return Outcome(folder, prediction, seen, verdicts, run)
