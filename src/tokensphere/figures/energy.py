"""The energy and the speed of the tokens against time, over the phases of the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tokensphere.errors import InputError
from tokensphere.theory import RateOverflowError, cluster_energy, uniform_energy

from .bands import draw_phases
from .reading import clustered, describe, last_time, read_series, time_label
from .style import ENERGY, FAINT, SMALL, SPEED, headline, in_style, new_figure, note, short

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["energy", "reference_levels"]


@in_style
def energy(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    """Energy above, mean squared speed on a log axis below, with the phases shaded.

    Dotted: the energy of the uniform law and, in dim 2, of the predicted (else the measured) number of equal clusters.
    """
    series, end = read_series(run), last_time(run)
    figure = new_figure(5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    draw_phases(upper, setting, seen, end)
    draw_phases(lower, setting, seen, end, labels=False)

    if np.isfinite(series.energy).any():
        upper.plot(series.times, series.energy, color=ENERGY, zorder=3)
        _levels(upper, series.energy, reference_levels(run, setting, prediction, seen))
        upper.set_ylabel("energy $E$" + (r" $\cdot\, e^{-\beta}$" if _scaled(setting) else ""))
    else:
        upper.text(0.5, 0.5, _missing(setting), transform=upper.transAxes, ha="center", color=FAINT)
        upper.set_yticks([])
    speed = np.where(series.speed > 0, series.speed, np.nan)
    lower.set_yscale("log")
    if np.isfinite(speed).any():
        lower.plot(series.times, speed, color=SPEED, zorder=3)
        lower.set_ylim(0.4 * float(np.nanmin(speed)), 2.5 * float(np.nanmax(speed)))
    lower.set_ylabel("mean squared\nspeed " + r"$\langle|\dot x|^2\rangle$")
    lower.set_xlim(float(series.times[0]), end)
    lower.set_xlabel(time_label(setting))
    if seen.phases.peak is not None:
        late = seen.phases.peak > 0.7 * end
        lower.axvline(seen.phases.peak, color=FAINT, linewidth=0.9, zorder=2)
        style = {"ha": "right", "xytext": (-5, 0)} if late else {}
        note(lower, seen.phases.peak, 0.08, f"fastest at {short(seen.phases.peak)}", **style)
    upper.set_title(describe(run, setting), pad=16)
    headline(figure, _finding(setting, seen))
    return figure


def _scaled(setting: Setting) -> bool:
    """Whether stored energies carry the factor e^{-beta}."""
    return setting.kind == "usa-shifted" or setting.flow.beta > 500


def _missing(setting: Setting) -> str:
    return "the energy exceeds the floating-point range" if setting.flow.has_energy else "this flow has no energy"


def reference_levels(
    run: xarray.Dataset, setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement
) -> dict[str, float]:
    """Energies to compare with, in the unit of the stored energy: the uniform law and, in dim 2, k equal clusters.

    Empty where theory has none: B is not the identity, beta = 0, or the value is beyond the floating-point range.
    """
    query_key, beta = setting.flow.query_key, setting.flow.beta
    if query_key is not None and not (np.ndim(query_key) == 0 and query_key == 1.0):
        return {}
    dim = run.sizes["component"]
    count = 0 if prediction is None else prediction.winner
    if prediction is None and clustered(setting, seen):
        count = int(run.clusters.values[-1])
    scale = math.exp(-beta) if _scaled(setting) else 1.0
    try:
        levels = {"uniform law": uniform_energy(beta, dim) * scale}
        if dim == 2 and count >= 1:
            name = "1 cluster" if count == 1 else f"{count} equal clusters"
            levels[name] = cluster_energy(beta, count) * scale
    except (RateOverflowError, InputError):
        return {}
    return levels


def _levels(axes: Axes, values: np.ndarray, levels: dict[str, float]) -> None:
    for name, level in levels.items():
        axes.axhline(level, color=FAINT, linewidth=1.0, linestyle=(0, (1, 2)), zorder=2)
        # The label goes to the end where the energy is farther away.
        right = abs(values[-1] - level) > abs(values[0] - level)
        axes.annotate(
            f"{name}, {short(level)}",
            (1.0 if right else 0.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(-3 if right else 3, 3),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=SMALL,
            color=FAINT,
        )
    numbers = np.concatenate([values[np.isfinite(values)], list(levels.values())])
    low, high = float(numbers.min()), float(numbers.max())
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - room, high + 1.6 * room)


def _finding(setting: Setting, seen: EmergenceMeasurement) -> str:
    first, last = seen.energy_span
    if not (math.isfinite(first) and math.isfinite(last)):
        return _missing(setting).capitalize()
    word = "rises" if last > first else "falls" if last < first else "stays"
    text = f"Energy {word} from {short(first)} to {short(last)}"
    if seen.energy is None:
        return f"{text}; this flow need not keep it monotone"
    if seen.energy.monotone:
        return f"{text} and never turns back"
    when = "" if seen.energy.time is None else f" near t = {short(seen.energy.time)}"
    return f"{text}, with a step back of {seen.energy.largest_decrease:.1e} of its span{when}"
