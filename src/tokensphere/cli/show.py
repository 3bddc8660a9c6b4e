"""Predictions and verdicts as tables for the terminal.

No digit is ever cut: piped output has lines as long as they need, and on a narrow terminal headings are folded
first, then text, and then the columns are split into blocks.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from tokensphere.experiments import Verdict
    from tokensphere.theory import EmergencePrediction

__all__ = ["COLOURS", "number", "power", "show_prediction", "show_table", "show_verdicts"]

COLOURS = {"agrees": "green", "disagrees": "bold red", "not applicable": "yellow"}
_GAP = "  "
_LOG10_LEAST = -307.0  # smaller floats lose digits


def number(value: Any, digits: int = 6) -> str:
    """A number, list or text as it should be read; a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(number(part, digits) for part in value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
        return power(math.inf, math.log10(abs(value)), digits) if abs(value) > 10**300 else f"{float(value):.{digits}g}"
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.{digits}g}"
    return str(value)


def power(value: float | None, log10: float, digits: int = 6) -> str:
    """A positive number given with its decimal logarithm: as 10^x where the float itself overflows or underflows."""
    if value is not None and (math.isinf(log10) or (math.isfinite(value) and log10 > _LOG10_LEAST)):
        return number(value, digits)
    return f"10^{log10:.4f}" if abs(log10) < 1e6 else f"10^({log10:.{digits}g})"


def show_table(
    console: Console,
    title: str,
    header: list[str],
    rows: list[list[str]],
    *,
    justify: Literal["left", "right"] = "right",
    keys: int = 1,
) -> None:
    """A table whose first column is text and whose others are numbers, or text with `justify="left"`.

    On a terminal that is too narrow the first `keys` columns come again in every block.
    """
    left = [True] + [justify == "left"] * (len(header) - 1)
    console.print(Text(title, style="bold"), soft_wrap=True)
    for line, heading in _lay_out(header, rows, left, console.width if console.is_terminal else None, keys):
        text = Text(line, style="bold" if heading else "")
        for outcome, style in COLOURS.items():
            text.highlight_regex(rf"^{outcome}(?=\s|$)", style)
        console.print(text, soft_wrap=True)
    console.print()


def _widest(cells: list[str]) -> int:
    return max(map(len, cells), default=0)


def _word(cells: list[str]) -> int:
    return _widest([word for cell in cells for word in cell.split()])


def _fold(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]


def _lay_out(
    header: list[str], rows: list[list[str]], left: list[bool], width: int | None, keys: int = 1
) -> list[tuple[str, bool]]:
    """Lines of the table, each with whether it is a heading; no line is cut, numbers are never broken."""
    columns = [[row[i] for row in rows] for i in range(len(header))]
    widths = [max(_widest(cells), len(name)) for name, cells in zip(header, columns, strict=True)]

    def room(chosen: list[int]) -> int:
        return sum(widths[i] for i in chosen) + len(_GAP) * (len(chosen) - 1)

    everything = list(range(len(header)))
    if width is None or room(everything) <= width:
        return _block(header, rows, left, widths)
    widths = [max(_widest(cells), _word([name])) for name, cells in zip(header, columns, strict=True)]
    # Text, on the left or in the last column, gives way at its spaces, the widest first.
    least = [
        max(_word([header[i], *columns[i]]), min(widths[i], 16)) if left[i] or i == everything[-1] else widths[i]
        for i in everything
    ]
    while room(everything) > width:
        slack = [i for i in everything if widths[i] > least[i]]
        if not slack:
            break
        widest = max(slack, key=lambda i: widths[i])
        widths[widest] = max(least[widest], widths[widest] - (room(everything) - width), _next(widths, slack, widest))
    blocks = [everything[:keys]]
    for i in everything[keys:]:
        if len(blocks[-1]) > keys and room([*blocks[-1], i]) > width:
            blocks.append(everything[:keys])
        blocks[-1].append(i)
    lines: list[tuple[str, bool]] = []
    for chosen in blocks:
        lines += [("", False)] if lines else []
        part = [[row[i] for i in chosen] for row in rows]
        lines += _block([header[i] for i in chosen], part, [left[i] for i in chosen], [widths[i] for i in chosen])
    return lines


def _next(widths: list[int], slack: list[int], widest: int) -> int:
    """The width of the second widest column that can give way, or one less than the widest."""
    others = [widths[i] for i in slack if i != widest and widths[i] < widths[widest]]
    return min(max(others, default=0), widths[widest] - 1)


def _block(header: list[str], rows: list[list[str]], left: list[bool], widths: list[int]) -> list[tuple[str, bool]]:
    lines: list[tuple[str, bool]] = []
    for number_of_row, row in enumerate([header, *rows]):
        folded = [[cell] if len(cell) <= w else _fold(cell, w) for cell, w in zip(row, widths, strict=True)]
        if number_of_row == 0 and not any(header):
            continue
        height = max(map(len, folded))
        for j in range(height):
            parts = []
            for cell, w, to_left in zip(folded, widths, left, strict=True):
                # Headings stand on their column, text hangs from its first line.
                k = j - (height - len(cell)) if number_of_row == 0 else j
                text = cell[k] if 0 <= k < len(cell) else ""
                parts.append(text.ljust(w) if to_left else text.rjust(w))
            lines.append((_GAP.join(parts).rstrip(), number_of_row == 0))
    return lines


def show_prediction(console: Console, prediction: EmergencePrediction) -> None:
    """Everything that :func:`tokensphere.theory.predict_emergence` says."""
    _show_rates(console, prediction)
    _show_winner(console, prediction)
    _show_times(console, prediction)
    _show_clusters(console, prediction)
    notes = [(d.code, d.message) for d in prediction.diagnoses]
    notes += [("Hypothesis fails", text) for text in failing(prediction)]
    for name, message in notes:
        line = Text(f"{name}: ", style="bold yellow")
        console.print(line.append(message, style="not bold default"), soft_wrap=True)
    if beyond_floats(prediction):
        advice = (
            "Times of this flow are beyond the range of floats and given as powers of 10: "
            "use --flow usa-shifted, or --flow sa, whose rates stay near 1."
        )
        console.print(Text(advice), soft_wrap=True)
    if notes:
        console.print()


def failing(p: EmergencePrediction) -> list[str]:
    """Every hypothesis of the predictions that fails, once, with its detail."""
    found = [h for prediction in p.predictions for h in prediction.hypotheses if h.holds is False]
    return list(dict.fromkeys(h.statement + (f" ({h.detail})" if h.detail else "") for h in found))


def beyond_floats(p: EmergencePrediction) -> bool:
    """Whether the largest rate of USA in its own time overflows."""
    return p.flow == "usa" and math.isinf(p.times.rate)


def largest_rate(p: EmergencePrediction, digits: int = 6) -> str:
    """lambda_max in the flow's time, as 10^x beyond the float range; negative where noise damps everything."""
    return power(p.times.rate, p.log10_rate, digits)


def duration(p: EmergencePrediction, folds: float, digits: int = 6, divisor: float = 1.0) -> str:
    """A duration of so many e-folds in the flow's time, divided by `divisor`, as 10^x beyond the float range."""
    if folds <= 0.0:
        return number(0.0)
    if not math.isfinite(folds):
        return number(folds)
    log10 = math.log10(folds / divisor) - p.log10_rate
    return power(10.0**log10 if abs(log10) < 300.0 else None, log10, digits)


def _show_rates(console: Console, p: EmergencePrediction) -> None:
    from tokensphere.theory import log_normaliser

    header = ["degree", "multiplicity", "rate SA", "rate USA", "rate USA-shifted", "of the largest"]
    if p.law is not None:
        header.append("P(wins)")
    log10_usa = log_normaliser(p.beta, p.dim, "usa") / math.log(10.0)
    rows = []
    for rate in p.rates:
        row = [
            f"{rate.degree}{' *' if rate.degree == p.k_max else ''}",
            number(rate.multiplicity),
            power(rate.sa, rate.usa_log10 - log10_usa, 7),
            power(rate.usa, rate.usa_log10, 7),
            power(rate.usa_shifted, rate.usa_log10 - p.beta / math.log(10.0), 7),
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
        ["largest rate (this flow)", largest_rate(p, 10)],
    ]
    if math.isfinite(second.ratio):
        gap = f"degree {second.degree}, {second.ratio:.6f} of the largest rate, gap {number(second.gap)}"
        rows.append(["runner-up", gap])
    where = "nearest switch of k_max" + (" without noise" if p.noise else "")
    rows.append([where, f"{switch.lower} -> {switch.upper} at beta = {number(switch.beta, 10)}"])
    rows.append(["critical noise", number(p.critical_noise)])
    if p.effective_neighbours is not None:
        rows.append(["effective neighbours n Z0 e^-beta", number(p.effective_neighbours)])
    if p.law is not None and p.law.atom > AT_ONCE:
        rows.append([f"P(exit at t = 0), threshold {p.threshold:g}", f"{p.law.atom:.4f}"])
    if p.law is not None and p.tokens_for_90 is not None:
        rows.append([f"tokens for P({p.k_max} wins) = 0.9", number(p.tokens_for_90, 4)])
    if p.measured is not None:
        rows.append(["winner, from this very start", number(p.measured.winner)])
    _show_pairs(console, "Dominant degree", rows)


AT_ONCE = 5e-4
"""Probability of an exit at t = 0 from which it is shown."""


def _show_pairs(console: Console, title: str, rows: list[list[str]]) -> None:
    show_table(console, title, ["", ""], rows)


def _show_times(console: Console, p: EmergencePrediction) -> None:
    named = {
        "leading order ln(delta sqrt n)/lambda_max": p.times.leading,
        "median of the law": p.times.median,
        "mean of the law": p.times.mean,
        "mean, slowed by the self-term": p.times.corrected,
        "this very start": p.times.measured,
    }
    log_n = math.log(p.n) if p.n else math.nan
    rows = [
        [
            name,
            duration(p, d.folds),
            number(d.folds, 4),
            duration(p, d.folds, 4, log_n) if p.n else number(None),
            number(d.layers, 4),
        ]
        for name, d in named.items()
        if d is not None
    ]
    if rows:
        layers = "layers" if p.step is None else f"layers of step {p.step:g}"
        title = f"Exit of the linear phase: first order parameter at {p.threshold:g}"
        if p.step is not None:
            title += f" (a layer is x <- N(x + {p.step:g} A), A the attention output)"
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
    # What only holds without noise is not among the predictions with it.
    names = ("clusters at the end", "probability of an open hemisphere", "rate of 1 - rho at the end")
    rows += [[q.name, number(q.value)] for q in p.predictions if q.name in names]
    if rows:
        _show_pairs(console, "Clusters", rows)


def show_verdicts(console: Console, verdicts: list[Verdict]) -> None:
    """One verdict a row, prediction against measurement; then a sentence for each."""
    rows = [
        [
            verdict.outcome,
            verdict.name,
            number(verdict.predicted),
            number(verdict.measured),
            number(verdict.tolerance, 2),
        ]
        for verdict in verdicts
    ]
    header = ["verdict", "claim", "predicted", "measured", "tolerance"]
    show_table(console, "Verdicts", header, rows, justify="left")
    for verdict in verdicts:
        console.print(Text(f"{verdict.name}: {verdict.sentence}", style="dim"), soft_wrap=True)
    console.print()
