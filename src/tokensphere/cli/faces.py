"""What a person sees of an experiment: its prediction in the terminal, its figures, its report. One line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tokensphere.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tokensphere.studies import Outcome, Prepared

__all__ = ["show_predicted", "write_faces"]


class _Faces(NamedTuple):
    predicted: Callable[[Console, Any], None]
    figures: Callable[[Prepared, Outcome], dict[str, Any]]
    report: Callable[[Prepared, Outcome, dict[str, Path]], Path] | None


def _emergence_predicted(console: Console, prediction: Any) -> None:
    from .show import show_prediction

    show_prediction(console, prediction)


def _emergence_figures(prepared: Prepared, outcome: Outcome) -> dict[str, Any]:
    from tokensphere.figures import emergence_figures

    return dict(emergence_figures(outcome.run, prepared.setting, outcome.prediction, outcome.seen))


def _emergence_report(prepared: Prepared, outcome: Outcome, figures: dict[str, Path]) -> Path:
    from tokensphere.report import write_report

    return write_report(
        outcome.folder,
        study=prepared.study,
        prediction=outcome.prediction,
        seen=outcome.seen,
        verdicts=outcome.verdicts,
        run=outcome.run,
        figures=figures,
        command=f"tokensphere run {outcome.folder / 'study.json'}",
    )


def _alignment_predicted(console: Console, prediction: Any) -> None:
    from .show import number, show_table

    records = {record.name: record for record in (prediction.crossing, prediction.flow_crossing)}
    rows = [[record.name, number(record.value), record.formula] for record in records.values()]
    show_table(console, "Half of the pairs aligned", ["prediction", "time", "formula"], rows, justify="left")
    for hypothesis in prediction.crossing.hypotheses:
        if hypothesis.holds is False:
            console.print(f"Hypothesis fails: {hypothesis.statement} ({hypothesis.detail})", soft_wrap=True)
    console.print()


def _alignment_figures(prepared: Prepared, outcome: Outcome) -> dict[str, Any]:
    from tokensphere.figures import aligned_pairs

    return {"alignment": aligned_pairs(outcome.run, prepared.setting, outcome.prediction, outcome.seen)}


FACES = {
    "alignment": _Faces(_alignment_predicted, _alignment_figures, None),
    "emergence": _Faces(_emergence_predicted, _emergence_figures, _emergence_report),
}


def show_predicted(console: Console, prepared: Prepared, prediction: Any) -> None:
    """The prediction as tables, or why there is none."""
    if prediction is None:
        console.print(f"No prediction: {prepared.obstacle}.\n", soft_wrap=True)
        return
    FACES[prepared.study.experiment].predicted(console, prediction)


def write_faces(console: Console, prepared: Prepared, outcome: Outcome) -> None:
    """Figures and the report of a run; without matplotlib, a sentence instead."""
    from tokensphere.figures import save_figures

    faces = FACES[prepared.study.experiment]
    try:
        figures = faces.figures(prepared, outcome)
    except InputError as error:
        console.print(f"No figures and no report: {error}", soft_wrap=True, markup=False)
        return
    paths = save_figures(figures, outcome.folder / "figures")
    names = ", ".join(path.name for path in paths)
    if faces.report is None:
        console.print(f"Figures: {names}", soft_wrap=True)
        return
    report = faces.report(prepared, outcome, {path.stem: path for path in paths})
    console.print(f"Figures: {names}; report: {report}", soft_wrap=True)
