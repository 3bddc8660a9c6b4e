"""How the tokens are distributed at the moments that matter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .reading import clustered, describe, instants, last_time, pair_histogram, read_frame, sample
from .style import FAINT, HISTOGRAM, INK, PREDICTED, SMALL, headline, in_style, new_figure, short, wrap

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["density", "uniform_pairs"]

_BINS = 120
_TOKENS, _PAIRED = 1_000_000, 1500


@in_style
def density(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    """Histograms at the start, the exit, the end of the quasi-linear phase, the peak of the speed and the end.

    Dim 2: angles, as a multiple of the uniform density, with the predicted cluster angles. Other dims: inner products
    of pairs of tokens, with those of the uniform law.
    """
    shown = instants(run, prediction, seen)
    on_circle = run.sizes["component"] == 2
    figure = new_figure(1.25 + 1.02 * len(shown))
    grid = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    some = sample(run, _TOKENS if on_circle else _PAIRED)
    weights = np.asarray(run.weights.values[some])
    for axes, instant in zip(grid, shown, strict=True):
        tokens = read_frame(run, instant.frame, some)
        if on_circle:
            _angles(axes, tokens, weights, prediction)
        else:
            _pairs(axes, tokens, weights)
        axes.annotate(
            f"t = {short(instant.time)}, {instant.name}",
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(-2, 1),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=SMALL,
            color=INK,
        )
    if on_circle:
        grid[-1].set_xlim(-math.pi, math.pi)
        grid[-1].set_xticks(np.linspace(-math.pi, math.pi, 5), [r"$-\pi$", r"$-\pi/2$", "0", r"$\pi/2$", r"$\pi$"])
        grid[-1].set_xlabel(r"angle $\theta$ (rad)")
        figure.supylabel("density / uniform density", fontsize=9.0)
    else:
        grid[-1].set_xlim(-1.0, 1.0)
        grid[-1].set_xlabel(r"inner product $\langle x_i, x_j\rangle$ of two tokens")
        figure.supylabel("density of pairs", fontsize=9.0)
    dashed = ";  dashed: the uniform law"
    if on_circle:
        dashed = "" if prediction is None else ";  dashed: predicted cluster angles"
    grid[0].set_title(describe(run, setting) + dashed, pad=16)
    headline(figure, _finding(run, setting, prediction, seen))
    return figure


def _finding(
    run: xarray.Dataset, setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement
) -> str:
    end = short(last_time(run))
    if not clustered(setting, seen):
        return f"The density at t = {end} is not yet one of clusters"
    count = int(run.clusters.values[-1])
    found = f"{count} cluster{'' if count == 1 else 's'}"
    predicted = None if prediction is None else prediction.cluster_angles
    if predicted is None or seen.positions is None or len(seen.positions) != len(predicted):
        return f"The density contracts to {found} by t = {end}"
    gaps = np.abs(wrap(np.subtract.outer(np.asarray(seen.positions), np.asarray(predicted))))
    farthest = f"{float(gaps.min(axis=1).max()):.2g} rad from its predicted angle"
    return f"The cluster is {farthest}" if count == 1 else f"The farthest of {found} is {farthest}"


def _angles(axes: Axes, tokens: np.ndarray, weights: np.ndarray, prediction: EmergencePrediction | None) -> None:
    edges = np.linspace(-math.pi, math.pi, _BINS + 1)
    angle = wrap(np.arctan2(tokens[:, 1], tokens[:, 0]))
    mass, _ = np.histogram(angle, edges, weights=weights)
    axes.stairs(mass * _BINS / weights.sum(), edges, fill=True, color=HISTOGRAM, zorder=2)
    axes.axhline(1.0, color=FAINT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=3)
    if prediction is not None and prediction.cluster_angles is not None:
        width = 1.1 if len(prediction.cluster_angles) <= 8 else 0.5
        for place in wrap(np.asarray(prediction.cluster_angles)).tolist():
            axes.axvline(place, color=PREDICTED, linewidth=width, linestyle=(0, (5, 3)), zorder=3)
    axes.set_ylim(0.0, None)
    axes.locator_params(axis="y", nbins=3)


def _pairs(axes: Axes, tokens: np.ndarray, weights: np.ndarray) -> None:
    edges = np.linspace(-1.0, 1.0, _BINS + 1)
    seen = pair_histogram(tokens, weights, edges)
    law = uniform_pairs(edges, tokens.shape[1])
    axes.set_yscale("log")
    axes.stairs(np.maximum(seen, 1e-9), edges, baseline=1e-9, fill=True, color=HISTOGRAM, zorder=2)
    axes.stairs(law, edges, baseline=None, color=PREDICTED, linewidth=1.1, linestyle=(0, (5, 3)), zorder=3)
    axes.set_ylim(1e-3, 3.0 * max(float(seen.max()), float(law.max())))


def uniform_pairs(edges: np.ndarray, dim: int) -> np.ndarray:
    """Density of the inner product of two uniform tokens, c (1 - q^2)^{(dim-3)/2}, at the middle of every bin."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    log_constant = math.lgamma(0.5 * dim) - math.lgamma(0.5 * (dim - 1)) - 0.5 * math.log(math.pi)
    return np.asarray(np.exp(log_constant + 0.5 * (dim - 3) * np.log1p(-(middle**2))))
