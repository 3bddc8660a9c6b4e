"""A cluster tree against log time: who merged with whom, how heavy; below, the staircase of the energy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .style import ENERGY, FAINT, INK, SMALL, cluster_color, headline, in_style, new_figure

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.observe import ClusterTree

__all__ = ["cluster_tree"]

_MOST_LEAVES, _MOST_LEVELS, _COLORS = 60, 10, 6


@in_style
def cluster_tree(tree: ClusterTree, run: xarray.Dataset | None = None, *, title: str = "") -> Figure:
    """The mergers of a run against log10 t, branches as wide as their clusters are heavy.

    **Arguments:** `tree`, of :func:`tokensphere.observe.cluster_tree`; `run`, the coarsened run it came from, for the
    energy below; `title`, one line about the run. With more than 60 tokens the tree begins when 60 clusters are left.

    **Raises:** `InputError` if matplotlib is not installed.
    """
    shown = tree
    if tree.size > _MOST_LEAVES:
        shown = tree.since(float(tree.log10_times[min(tree.size - _MOST_LEAVES, len(tree.log10_times)) - 1]))
    times = shown.log10_times[np.isfinite(shown.log10_times)]
    last = max([tree.log10_end, *times.tolist()]) if math.isfinite(tree.log10_end) or times.size else 1.0
    first = min(float(times[0]), last) if times.size else last - 1.0
    margin = 0.08 * (last - first) or 0.5
    left, right = first - margin, last + margin
    rows = 2 if run is not None else 1
    figure = new_figure(max(2.6, min(0.22 * shown.size + 1.0, 6.0)) + (1.9 if rows == 2 else 0.0))
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[3, 2][:rows])[:, 0]
    _branches(axes[0], shown, left, right)
    axes[0].set_xlim(left, right)
    axes[0].set_yticks([])
    axes[0].spines["left"].set_visible(False)
    axes[0].set_title(
        title or f"{tree.size} tokens; branches as wide as clusters are heavy, with the masses of the last few"
    )
    if run is not None:
        log_t, energy = run.step_log10_time.values, run.step_energy.values
        seen = np.isfinite(log_t)
        axes[1].plot(np.append(log_t[seen], right), np.append(energy[seen], energy[-1]), color=ENERGY)
        for level in shown.levels()[-_MOST_LEVELS:]:
            axes[1].axhline(level, color=FAINT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        axes[1].set_ylabel(r"energy $\mathcal{E}$")
        axes[1].set_ylim(0.0, 1.06)
    axes[-1].set_xlabel(r"time, $\log_{10}\,t$")
    headline(figure, _finding(tree, shown))
    return figure


def _branches(axes: Axes, tree: ClusterTree, left: float, right: float) -> None:
    size = tree.size + len(tree.children)
    place, begin = np.zeros(size), np.full(size, left)
    place[tree.order()] = np.arange(tree.size)
    for m, (a, b) in enumerate(tree.children):
        node, share = tree.size + m, tree.masses[[a, b]]
        place[node] = share @ place[[a, b]] / share.sum()
        begin[node] = max(float(tree.log10_times[m]), left)
    colored = _last_few(tree)
    colors = {node: cluster_color(i) for i, node in enumerate(colored)}
    for node in range(size - 1, -1, -1):  # parents first
        parent = int(tree.parents[node])
        if node not in colors:
            colors[node] = colors.get(parent, INK)
        end = begin[parent] if parent >= 0 else right
        style = {
            "color": colors[node],
            "linewidth": 0.8 + 6.0 * float(tree.masses[node]),
            "solid_capstyle": "butt",
        }
        axes.plot([begin[node], end], [place[node]] * 2, **style)
        if parent >= 0:
            axes.plot([end, end], [place[node], place[parent]], **style)
    for node in colored:
        parent = int(tree.parents[node])
        end = begin[parent] if parent >= 0 else right
        axes.annotate(
            f"{float(tree.masses[node]):.3g}",
            (end, place[node]),
            xytext=(4, 0) if parent < 0 else (-6, 7),
            textcoords="offset points",
            ha="left" if parent < 0 else "right",
            va="center",
            fontsize=SMALL,
            color=FAINT,
            annotation_clip=False,
        )


def _last_few(tree: ClusterTree) -> list[int]:
    """The clusters at the last time at which there were several, at most a few: each gets a colour and its mass."""
    times, numbers = tree.counts()
    few = np.flatnonzero(numbers <= _COLORS)
    nodes = tree.at(float(times[few[0]])) if few.size else tree.at(math.inf)
    return [int(node) for node in nodes[np.argsort(-tree.masses[nodes], kind="stable")]]


def _finding(tree: ClusterTree, shown: ClusterTree) -> str:
    left = len(tree.roots)
    end = "one cluster" if left == 1 else f"{left} clusters"
    when = tree.log10_times[-1] if len(tree.log10_times) else tree.log10_end
    text = f"{shown.size} clusters become {end}"
    return f"{text}, the last merger at t = $10^{{{when:.4g}}}$" if math.isfinite(when) else text
