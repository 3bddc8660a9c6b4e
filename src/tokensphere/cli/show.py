"""Predictions and verdicts as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tokensphere.experiments import Verdict
    from tokensphere.theory import EmergencePrediction

__all__ = ["number", "show_prediction", "show_table", "show_verdicts"]

_COLOURS = {"agrees": "green", "disagrees": "bold red", "not applicable": "yellow"}


def number(value: Any, digits: int = 6) -> str:
    """A number, list or text as it should be read; a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(number(part, digits) for part in value)
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def show_table(
    console: Console,
    title: str,
    header: list[str],
    rows: list[list[str]],
    *,
    justify: Literal["left", "right"] = "right",
) -> None:
    """A table whose first column is text and whose others are numbers, or text with `justify="left"`."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else justify, no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def show_prediction(console: Console, prediction: EmergencePrediction) -> None:
    """Everything that :func:`tokensphere.theory.predict_emergence` says."""
    _show_rates(console, prediction)
    _show_winner(console, prediction)
    _show_times(console, prediction)
    _show_clusters(console, prediction)
    for diagnosis in prediction.diagnoses:
        line = Text(f"{diagnosis.code}: ", style="bold yellow")
        console.print(line.append(diagnosis.message, style="not bold default"), soft_wrap=True)
    if prediction.diagnoses:
        console.print()


def _show_rates(console: Console, p: EmergencePrediction) -> None:
    header = ["degree", "multiplicity", "rate SA", "rate USA", "rate USA-shifted", "of the largest"]
    if p.law is not None:
        header.append("P(wins)")
    rows = []
    for rate in p.rates:
        usa = number(rate.usa, 10) if rate.usa is not None else f"10^{rate.usa_log10:.4f}"
        row = [
            f"{rate.degree}{' *' if rate.degree == p.k_max else ''}",
            str(rate.multiplicity),
            number(rate.sa, 10),
            usa,
            number(rate.usa_shifted, 6),
            f"{rate.net:.6f}",
        ]
        if p.law is not None:
            row.append(f"{p.law.probability(rate.degree):.4f}")
        rows.append(row)
    n = "" if p.n is None else f", n = {p.n:,}"
    noise = f", noise = {p.noise:g}" if p.noise else ""
    title = f"Growth rates per unit of time: beta = {p.beta:g}, dim = {p.dim}{n}{noise} (* dominant degree)"
    show_table(console, title, header, rows)


def _show_winner(console: Console, p: EmergencePrediction) -> None:
    second, switch = p.runner_up, p.switch
    rows = [
        ["dominant degree k_max", str(p.k_max)],
        ["largest rate (this flow)", number(p.times.rate, 10)],
        ["runner-up", f"degree {second.degree}, {second.ratio:.6f} of the largest rate, gap {number(second.gap)}"],
        ["nearest switch of k_max", f"{switch.lower} -> {switch.upper} at beta = {number(switch.beta, 10)}"],
        ["critical noise", number(p.critical_noise)],
    ]
    if p.effective_neighbours is not None:
        rows.append(["effective neighbours n Z0 e^-beta", number(p.effective_neighbours)])
    if p.law is not None and p.tokens_for_90 is not None:
        rows.append([f"tokens for P({p.k_max} wins) = 0.9", number(p.tokens_for_90, 4)])
    if p.measured is not None:
        rows.append(["winner, from this very start", number(p.measured.winner)])
    show_table(console, "Dominant degree", ["", ""], [[name, value] for name, value in rows])


def _show_times(console: Console, p: EmergencePrediction) -> None:
    named = {
        "leading order ln(delta sqrt n)/lambda_max": p.times.leading,
        "median of the law": p.times.median,
        "mean of the law": p.times.mean,
        "mean, slowed by the self-term": p.times.corrected,
        "this very start": p.times.measured,
    }
    rows = [
        [name, number(d.time), number(d.folds, 4), number(d.over_log_n, 4), number(d.layers, 4)]
        for name, d in named.items()
        if d is not None
    ]
    if rows:
        layers = "layers" if p.step is None else f"layers of step {p.step:g}"
        title = f"Exit of the linear phase: first order parameter at {p.threshold:g}"
        show_table(console, title, ["", "t", "in 1/lambda_max", "in ln n", layers], rows)


def _show_clusters(console: Console, p: EmergencePrediction) -> None:
    rows = []
    if p.cluster_angles is not None:
        rows.append(["predicted angles (rad)", number([round(angle, 4) for angle in p.cluster_angles])])
    state = p.cluster_state
    if state is not None:
        rows.append([f"{state.k}-cluster state", f"{state.verdict}, contracts at rate {number(-state.internal_rate)}"])
        if state.drift_rates:
            rows.append(["drift rates", number(sorted(set(state.drift_rates)))])
            rows.append(["time to break up from 1e-4", number(state.lifetime(1e-4))])
    if rows:
        show_table(console, "Clusters", ["", ""], rows)


def show_verdicts(console: Console, verdicts: list[Verdict]) -> None:
    """One verdict a row, prediction against measurement; then a sentence for each."""
    table = Table(title="Verdicts", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim", no_wrap=True)
    for name in ("predicted", "measured"):
        table.add_column(name, overflow="fold")
    table.add_column("tolerance", no_wrap=True)
    for verdict in verdicts:
        table.add_row(
            Text(verdict.outcome, style=_COLOURS[verdict.outcome]),
            verdict.name,
            number(verdict.predicted),
            number(verdict.measured),
            number(verdict.tolerance, 2),
        )
    console.print(table)
    console.print()
    for verdict in verdicts:
        console.print(Text(f"{verdict.name}: {verdict.sentence}", style="dim"), soft_wrap=True)
    console.print()
