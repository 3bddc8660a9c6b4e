"""The phases of a run as bands behind a time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .style import FAINT, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.observe import Phases

__all__ = ["draw_phases", "phase_spans"]

_TINTS = {
    "linear": "#e8eef7",
    "quasi-linear": "#f3ecdc",
    "clustering": "#e6f2ea",
    "metastable": "#f1e9f3",
    "terminal": "#eceef1",
}


def phase_spans(phases: Phases, end: float) -> list[tuple[str, float, float]]:
    """(name, from, to) of the phases of positive length, in order, up to the time `end`.

    A phase whose own beginning was not seen is left out, and the one before it goes on; nothing follows a linear phase
    that does not end.
    """
    begins = [
        phases.start,
        phases.linear_exit,
        phases.quasi_linear_exit,
        phases.clusters_formed,
        phases.first_merger,
    ]
    reached: list[tuple[str, float]] = []
    for name, begin in zip(_TINTS, begins, strict=True):
        if begin is None and name == "quasi-linear":
            break
        if begin is not None and begin < end and (not reached or begin >= reached[-1][1]):
            reached.append((name, begin))
    stops = [begin for _, begin in reached[1:]] + [end]
    return [(name, begin, stop) for (name, begin), stop in zip(reached, stops, strict=True) if stop > begin]


def draw_phases(axes: Axes, setting: Setting, seen: EmergenceMeasurement, end: float, *, labels: bool = True) -> None:
    """Shade the phases up to `end`; their names go above the axes where there is room for them.

    Tokens that repel each other (the flow descends its energy) have no such phases.
    """
    phases, first = seen.phases, seen.phases.start
    if end <= first or setting.flow.gradient_sign == -1:
        return
    width = 72.0 * axes.bbox.width / axes.figure.dpi
    for name, begin, stop in phase_spans(phases, end):
        axes.axvspan(begin, stop, color=_TINTS[name], linewidth=0, zorder=0)
        room = width * (stop - begin) / (end - first)
        if labels and room > 0.58 * SMALL * len(name):
            axes.annotate(
                name,
                (0.5 * (begin + stop), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
                color=FAINT,
            )
