"""The panels of a reproduced item as one figure: curves, error bars, bands, bars and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .style import FAINT, INK, SMALL, family_colors, headline, in_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.experiments.catalogue import Curve, Image, Panel

__all__ = ["panels"]

_MARKERS = "osD^vP*"
_MANY = 60  # points from which markers shrink
_DASHED = (0, (5, 3))


@in_style
def panels(shown: Sequence[Panel | Image], finding: str, origin: str = "") -> Figure:
    """A figure of one panel, or of many in two columns.

    **Arguments:** `shown`, the panels of an outcome; `finding`, the headline; `origin`, where this comes from, below.

    **Raises:** `InputError` if matplotlib is not installed.
    """
    columns = 1 if len(shown) == 1 else 2
    rows = math.ceil(len(shown) / columns)
    figure = new_figure((3.7 if columns == 1 else 2.9) * rows + 0.75)
    grid = figure.add_gridspec(rows, 2 * columns)
    for i, panel in enumerate(shown):
        row, column = divmod(i, columns)
        # A last panel that stands alone takes the whole row.
        alone = columns == 2 and i == len(shown) - 1 and column == 0
        place = grid[row, :] if columns == 1 or alone else grid[row, 2 * column : 2 * column + 2]
        axes = figure.add_subplot(place)
        # Told apart by what they hold, so that drawing loads nothing but matplotlib.
        if hasattr(panel, "curves"):
            _curves(axes, cast("Panel", panel))
        else:
            _image(axes, panel)
        axes.set_title(panel.title, color=INK)
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
    if origin:
        figure.supxlabel(origin, fontsize=SMALL, color=FAINT, x=0.012, ha="left")
    headline(figure, finding)
    return figure


def _curves(axes: Axes, panel: Panel) -> None:
    if panel.log_x:
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=6)  # panels are narrow: long tick labels must not touch
    if panel.log_y:
        axes.set_yscale("log")
    if panel.equal:
        axes.set_aspect("equal", adjustable="box")
    numbers, free = [], 0
    for curve in panel.curves:
        numbers.append(free if curve.color is None else curve.color)
        free = max(free, numbers[-1] + 1) if curve.color is None else free
    colors = family_colors(numbers)
    bars = [i for i, curve in enumerate(panel.curves) if curve.kind == "bars"]
    for i, (curve, number) in enumerate(zip(panel.curves, numbers, strict=True)):
        if curve.kind == "bars":
            _bars(axes, curve, colors[number], bars.index(i), len(bars))
        else:
            _curve(axes, panel, curve, colors[number], _MARKERS[sorted(set(numbers)).index(number) % len(_MARKERS)])
    labels = [curve.label for curve in panel.curves if curve.label]
    if labels:
        columns = 2 if len(labels) > 6 else 1
        axes.legend(
            frameon=True, framealpha=0.85, edgecolor="none", fontsize=SMALL - 1.0, ncols=columns, handlelength=1.8
        )


def _visible(values: np.ndarray, log: bool) -> np.ndarray:
    """What an axis can show: NaN where a logarithm does not exist."""
    return np.where(values > 0, values, np.nan) if log else values


def _curve(axes: Axes, panel: Panel, curve: Curve, color: str, marker: str) -> None:
    x, y = _visible(curve.x, panel.log_x), _visible(curve.y, panel.log_y)
    low, high = curve.low, curve.high
    name = curve.label or "_nolegend_"
    if low is not None and high is not None and curve.kind != "points":
        axes.fill_between(
            x, _visible(low, panel.log_y), _visible(high, panel.log_y), color=color, alpha=0.22, linewidth=0, zorder=1
        )
    if curve.kind == "points":
        # A prediction is a wider ring, so that the measurement inside it is seen.
        size = (4.5 if len(x) <= _MANY else 2.0) * (1.6 if curve.predicted else 1.0)
        face = "none" if curve.predicted else color
        style: dict[str, Any] = {"color": color, "markerfacecolor": face, "markeredgecolor": color, "markersize": size}
        if low is not None and high is not None:
            lengths = np.stack([np.clip(curve.y - low, 0.0, None), np.clip(high - curve.y, 0.0, None)])
            axes.errorbar(x, y, yerr=lengths, fmt=marker, label=name, elinewidth=1.0, capsize=2.0, zorder=4, **style)
        else:
            axes.plot(x, y, marker, label=name, zorder=4, **style)
        return
    width = 1.0 if curve.kind == "band" else 1.6
    axes.plot(x, y, color=color, linewidth=width, linestyle=_DASHED if curve.predicted else "-", label=name, zorder=3)


def _bars(axes: Axes, curve: Curve, color: str, rank: int, count: int) -> None:
    """Bars of one curve, beside those of the others."""
    steps = np.diff(np.unique(curve.x))
    room = 0.8 * (float(steps.min()) if steps.size else 1.0)
    width = room / count
    at = curve.x + (rank - 0.5 * (count - 1)) * width
    lengths = None
    if curve.low is not None and curve.high is not None:
        lengths = np.stack([np.clip(curve.y - curve.low, 0.0, None), np.clip(curve.high - curve.y, 0.0, None)])
    face = "none" if curve.predicted else color
    axes.bar(
        at,
        curve.y,
        width=0.92 * width,
        facecolor=face,
        edgecolor=color,
        linewidth=1.0,
        linestyle="--" if curve.predicted else "-",
        yerr=lengths,
        error_kw={"elinewidth": 1.0, "capsize": 2.0, "ecolor": INK},
        label=curve.label or "_nolegend_",
        zorder=2,
    )
    if np.array_equal(curve.x, np.round(curve.x)) and len(np.unique(curve.x)) <= 12:
        axes.set_xticks(np.unique(curve.x))


def _image(axes: Axes, image: Image) -> None:
    from matplotlib.colors import LogNorm, Normalize

    finite = image.values[np.isfinite(image.values)]
    norm: Normalize = Normalize()
    if image.log and (finite > 0).any():
        top = float(finite.max())
        norm = LogNorm(max(float(finite[finite > 0].min()), 1e-4 * top), top, clip=True)
    shown = axes.imshow(
        image.values,
        extent=image.extent,
        origin="lower",
        aspect="auto",
        cmap="viridis",
        norm=norm,
        interpolation="nearest",
        rasterized=True,
    )
    for i, curve in enumerate(image.over):
        # White under the colour, so that a line is seen on every shade.
        style = "none" if curve.kind == "points" else _DASHED if curve.predicted and i else "-"
        marker = "o" if curve.kind == "points" else "none"
        axes.plot(curve.x, curve.y, color="white", linewidth=3.0, linestyle=style)
        color = family_colors(range(len(image.over)))[i]
        axes.plot(
            curve.x,
            curve.y,
            color=color,
            linewidth=1.5,
            linestyle=style,
            marker=marker,
            markersize=3.2,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=curve.label or "_nolegend_",
        )
    if any(curve.label for curve in image.over):
        axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=SMALL - 1.0)
        axes.set_xlim(image.extent[0], image.extent[1])
        axes.set_ylim(image.extent[2], image.extent[3])
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.02)
    bar.outline.set_visible(False)
    if image.label:
        bar.set_label(image.label, fontsize=SMALL)
