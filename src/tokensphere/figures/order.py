"""Which degree leaves the uniform law first: order parameters against time, with the predicted exponentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokensphere.theory import RateOverflowError, noisy_order_parameter

from .bands import draw_phases
from .reading import Series, describe, last_time, predicted_exit, read_series, time_label
from .style import FAINT, INK, PREDICTED, SMALL, degree_colors, headline, in_style, new_figure, note, short, spread

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["leading_degrees", "order_parameters"]

_LEADING = 5


@in_style
def order_parameters(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    """A_k on a log axis against time. Solid: measured. Dashed: A_k(0) e^{lambda_k t} until the predicted exit.

    The degrees that matter have a colour and a label, the others are grey. Long runs are cut after the clusters form.
    """
    series = read_series(run)
    end = _end_of_view(run, prediction, seen)
    kept = series.times <= end
    leading = leading_degrees(setting, prediction, seen, series)
    colors = degree_colors(leading)
    column = {int(k): i for i, k in enumerate(setting.degrees)}

    figure = new_figure(4.6)
    axes = figure.subplots()
    axes.set_yscale("log")
    draw_phases(axes, setting, seen, end)
    for k, i in column.items():
        if k not in leading:
            _line(axes, series.times[kept], series.order[kept, i], color="#c3c8d0", linewidth=0.7, zorder=1.5)
    for k in leading:
        _line(axes, series.times[kept], series.order[kept, column[k]], color=colors[k], zorder=3)
    starts_beyond = bool((series.order[0] >= setting.threshold).any())
    if prediction is not None and not starts_beyond:
        _slopes(axes, setting, prediction, colors, series.order[0, [column[k] for k in leading]], end)

    shown = series.order[kept][:, [column[k] for k in leading]]
    positive = shown[shown > 0]
    low = float(np.clip(0.6 * positive.min(), 1e-18, 0.3 * setting.threshold)) if positive.size else 1e-3
    axes.set_ylim(low, 1.6)
    axes.set_xlim(float(series.times[0]), end)
    axes.set_xlabel(time_label(setting))
    axes.set_ylabel("order parameter $A_k$")
    axes.axhline(setting.threshold, color=FAINT, linewidth=1.0, linestyle=(0, (1, 2)), zorder=2)
    axes.annotate(
        rf"$\delta$ = {short(setting.threshold)}",
        (0.0, setting.threshold),
        xycoords=("axes fraction", "data"),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=SMALL,
        color=FAINT,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6},
        zorder=5,
    )
    _exit_lines(axes, prediction, seen, end)
    _labels(axes, colors, [float(a) for a in shown[-1]])
    axes.set_title(describe(run, setting), pad=16)
    headline(figure, _finding(run, prediction, seen, starts_beyond))
    return figure


def leading_degrees(
    setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement, series: Series
) -> list[int]:
    """The degrees worth a colour, increasing: the winner, the predicted winner and the first rivals, at most five."""
    known = [int(k) for k in setting.degrees]
    wanted: list[int] = [] if seen.winner.degree is None else [seen.winner.degree]
    if prediction is not None:
        wanted += [prediction.winner, prediction.k_max, prediction.runner_up.degree]
        if prediction.measured is not None:
            arrivals = zip(prediction.measured.times, prediction.measured.degrees, strict=True)
            wanted += [degree for _, degree in sorted(arrivals)]
    moment = seen.exit_time if seen.exit_time is not None else float(series.times[-1])
    near = series.order[int(np.abs(series.times - moment).argmin())]
    wanted += [known[i] for i in np.argsort(-near, kind="stable")]
    return sorted([k for k in dict.fromkeys(wanted) if k in known][:_LEADING])


def _end_of_view(run: xarray.Dataset, prediction: EmergencePrediction | None, seen: EmergenceMeasurement) -> float:
    end = last_time(run)
    marks = [seen.exit_time, predicted_exit(prediction)]
    moments = [3.0 * m for m in marks if m] + [1.2 * t for t in (seen.phases.clusters_formed,) if t]
    if seen.exit_time is None or seen.phases.clusters_formed is None or not moments:
        return end
    cut = max(moments)
    return cut if cut < 0.7 * end else end


def _line(axes: Axes, times: np.ndarray, values: np.ndarray, **style: object) -> None:
    axes.plot(times, np.where(values > 0, values, np.nan), **style)  # type: ignore[arg-type]


def _slopes(
    axes: Axes,
    setting: Setting,
    prediction: EmergencePrediction,
    colors: dict[int, str],
    start: np.ndarray,
    end: float,
) -> None:
    n = prediction.n or 1  # matters with noise only, and then it is known
    expected = predicted_exit(prediction)
    times = np.linspace(0.0, end if expected is None else min(expected, end), 60)
    if times[-1] <= 0:
        return
    for k, amplitude in zip(colors, start.tolist(), strict=True):
        if amplitude > 0:
            arguments = setting.flow.beta, prediction.dim, k, prediction.noise, setting.kind
            try:
                power = noisy_order_parameter(times, *arguments, start=n * amplitude**2)
            except RateOverflowError:
                return
            line = np.sqrt(power / n)
            axes.plot(times, line, color=colors[k], linewidth=1.3, linestyle=(0, (4, 2)), zorder=3.5, alpha=0.9)


def _exit_lines(axes: Axes, prediction: EmergencePrediction | None, seen: EmergenceMeasurement, end: float) -> None:
    expected = predicted_exit(prediction)
    places = []
    if seen.exit_time is not None:
        axes.axvline(seen.exit_time, color=INK, linewidth=1.0, zorder=2)
        places.append(seen.exit_time)
    if expected is not None and expected <= end:
        axes.axvline(expected, color=PREDICTED, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2.5)
        places.append(expected)
    if not places:
        return
    start = float(axes.get_xlim()[0])
    late = max(places) > start + 0.7 * (end - start)
    style = {"ha": "right", "xytext": (-5, 0)} if late else {}
    place = min(places) if late else max(places)
    if seen.exit_time is not None:
        note(axes, place, 0.10, f"measured exit {short(seen.exit_time)}", **style)
    if expected is not None and expected <= end:
        note(axes, place, 0.04, f"predicted exit {short(expected)}", **{**style, "color": PREDICTED})


def _labels(axes: Axes, colors: dict[int, str], values: list[float]) -> None:
    """k at the right end of every line, moved apart, with a thin leader."""
    low, high = np.log(axes.get_ylim())
    degrees = list(colors)
    heights = [float((np.log(max(v, 1e-300)) - low) / (high - low)) for v in values]
    order = np.argsort(heights, kind="stable").tolist()
    places = spread([heights[i] for i in order], 0.055, 0.0, 1.0)
    for i, place in zip(order, places, strict=True):
        inside = min(max(heights[i], 0.0), 1.0)
        axes.annotate(
            f"k = {degrees[i]}",
            (1.0, inside),
            xycoords="axes fraction",
            xytext=(1.035, place),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL + 1,
            fontweight="bold",
            color=colors[degrees[i]],
            arrowprops={"arrowstyle": "-", "color": colors[degrees[i]], "linewidth": 0.7, "shrinkA": 1},
            annotation_clip=False,
        )


def _finding(
    run: xarray.Dataset, prediction: EmergencePrediction | None, seen: EmergenceMeasurement, starts_beyond: bool
) -> str:
    expected = predicted_exit(prediction)
    winner = None if prediction is None or prediction.measured is None else prediction.measured.winner
    if starts_beyond:
        return "A degree starts beyond the threshold: there is no linear phase"
    if seen.exit_time is None or seen.winner.degree is None:
        text = f"No degree leaves by t = {short(last_time(run))}"
        return text if expected is None else f"{text}; predicted: degree {winner} at t = {short(expected)}"
    text = f"Degree {seen.winner.degree} leaves first at t = {short(seen.exit_time)}"
    if expected is None:
        return f"{text}; no prediction"
    if winner == seen.winner.degree:
        return f"{text}, predicted {short(expected)}"
    return f"{text}; predicted: degree {winner} at t = {short(expected)}"
