"""Where the tokens go: angles against time on the circle, maps of the sphere, or inner products against time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .bands import draw_phases
from .reading import (
    clustered,
    describe,
    frame_rows,
    instants,
    last_time,
    pair_histogram,
    predicted_exit,
    read_frame,
    sample,
    time_label,
)
from .style import (
    INK,
    PREDICTED,
    SMALL,
    UNGROUPED,
    cluster_color,
    headline,
    in_style,
    new_figure,
    note,
    short,
    wrap,
)

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["trajectories"]

_LINES, _CANDIDATES, _DOTS, _PAIRED = 400, 20_000, 4000, 400
_LABELLED_ANGLES = 8


@in_style
def trajectories(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    """Tokens against time: angles (dim 2), four maps of the sphere (dim 3), or a heat map of inner products.

    Tokens have the colour of the cluster in which they end. On the circle the predicted cluster angles are dashed.
    """
    dim = run.sizes["component"]
    if dim == 2:
        return _circle(run, setting, prediction, seen)
    return _maps(run, setting, prediction, seen) if dim == 3 else _products(run, setting, prediction, seen)


def _finding(
    run: xarray.Dataset, setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement
) -> str:
    """One sentence on the clusters."""
    end = last_time(run)
    if not clustered(setting, seen):
        return f"Clusters have not formed by t = {short(end)}"
    count = int(run.clusters.values[-1])
    text = f"{count} cluster{'' if count == 1 else 's'} at t = {short(end)}"
    if seen.phases.first_merger is not None:
        text += f", after a merger at t = {short(seen.phases.first_merger)}"
    if prediction is None:
        return f"{text}; no prediction"
    return f"{text}, {prediction.winner} predicted" if run.sizes["component"] == 2 else text


def _colors(seen: EmergenceMeasurement, setting: Setting, tokens: np.ndarray) -> list[str]:
    """The colour of each of some tokens: that of its final cluster, grey for crumbs, one colour for one cluster."""
    final = seen.final
    big = np.flatnonzero(final.masses >= setting.cluster_mass)
    palette = {int(rank): cluster_color(int(rank)) for rank in big}
    return [palette.get(int(label), UNGROUPED) for label in final.labels[tokens]]


def _circle(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    from matplotlib.collections import LineCollection

    frames = frame_rows(run)
    times = run.time.values[frames]
    chosen = np.arange(run.sizes["token"])[sample(run, _CANDIDATES)]
    first = read_frame(run, 0, sample(run, _CANDIDATES))
    by_angle = np.argsort(np.arctan2(first[:, 1], first[:, 0]), kind="stable")
    evenly = np.unique(np.linspace(0, len(chosen) - 1, min(_LINES, len(chosen))).round().astype(np.int64))
    chosen = np.sort(chosen[by_angle[evenly]])
    angle = np.empty((len(frames), len(chosen)))
    for row, frame in enumerate(frames.tolist()):
        tokens = read_frame(run, frame, chosen)
        angle[row] = np.arctan2(tokens[:, 1], tokens[:, 0])

    figure = new_figure(4.4)
    axes = figure.subplots()
    draw_phases(axes, setting, seen, last_time(run))
    lines = list(_broken_at_wrap(times, angle))
    alpha = 0.35 if len(chosen) > 50 else 0.9
    axes.add_collection(LineCollection(lines, colors=_colors(seen, setting, chosen), linewidths=0.7, alpha=alpha))
    _angle_axis(axes)
    end = float(times[-1])
    axes.set_xlim(float(times[0]), end)
    axes.set_xlabel(time_label(setting))
    _predicted_angles(axes, prediction, end)
    _exit_marks(axes, prediction, seen, end)
    axes.set_title(describe(run, setting), pad=16)
    headline(figure, _finding(run, setting, prediction, seen))
    return figure


def _broken_at_wrap(times: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Lines (m, points, 2) of time and angle, for angles (frames, m): a line that leaves at pi comes back at -pi.

    Between two frames stand three points: the border reached, a gap, the border left; or thrice the earlier frame.
    """
    before, after = angle[:-1], angle[1:]
    wraps = np.abs(after - before) > math.pi
    border = np.copysign(math.pi, before)
    turn = np.where(wraps, (after - before) + 2.0 * border, 1.0)
    share = np.where(wraps, np.clip((border - before) / np.where(turn == 0, 1.0, turn), 0.0, 1.0), 0.0)
    moment = times[:-1, None] + share * np.diff(times)[:, None]
    lines = np.empty((angle.shape[1], 4 * len(times) - 3, 2))
    lines[:, ::4, 0], lines[:, ::4, 1] = times, angle.T
    for offset, place in ((1, border), (2, np.full_like(border, np.nan)), (3, -border)):
        lines[:, offset::4, 0] = moment.T
        lines[:, offset::4, 1] = np.where(wraps, place, before).T
    return lines


def _angle_axis(axes: Axes) -> None:
    axes.set_ylim(-math.pi, math.pi)
    axes.set_yticks(np.linspace(-math.pi, math.pi, 5), [r"$-\pi$", r"$-\pi/2$", "0", r"$\pi/2$", r"$\pi$"])
    axes.set_ylabel(r"angle $\theta$ (rad)")


def _predicted_angles(axes: Axes, prediction: EmergencePrediction | None, end: float) -> None:
    if prediction is None or prediction.cluster_angles is None:
        return
    places = np.sort(wrap(np.asarray(prediction.cluster_angles)))
    for place in places.tolist():
        width = 1.1 if len(places) <= _LABELLED_ANGLES else 0.5
        axes.axhline(place, color=PREDICTED, linewidth=width, linestyle=(0, (5, 3)), zorder=4)
    if len(places) > _LABELLED_ANGLES:
        labels = {float(places[-1]): f"{len(places)} predicted angles"}
    else:
        labels = {place: f"predicted {place:.2f}".replace("-", "\N{MINUS SIGN}") for place in places.tolist()}
    for place, label in labels.items():
        axes.annotate(
            label,
            (end, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=PREDICTED,
            annotation_clip=False,
        )


def _exit_marks(axes: Axes, prediction: EmergencePrediction | None, seen: EmergenceMeasurement, end: float) -> None:
    """The measured and the predicted exit, as two lines and one note."""
    texts, places = [], []
    expected = predicted_exit(prediction)
    if seen.exit_time is not None:
        axes.axvline(seen.exit_time, color=INK, linewidth=1.0, zorder=4)
        texts.append(f"exit {short(seen.exit_time)}")
        places.append(seen.exit_time)
    if expected is not None:
        inside = expected <= end
        if inside:
            axes.axvline(expected, color=PREDICTED, linewidth=1.1, linestyle=(0, (5, 3)), zorder=4)
            places.append(expected)
        texts.append(f"predicted {short(expected)}" + ("" if inside else ", beyond the end"))
    if not texts:
        return
    start = float(axes.get_xlim()[0])
    place = max(places, default=start)
    late = place > start + 0.75 * (end - start)
    style = {"ha": "right", "xytext": (-5, 0)} if late else {}
    note(axes, min(places) if late and places else place, 0.05, ", ".join(texts), **style)


def _maps(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    shown = instants(run, prediction, seen)
    if len(shown) > 4:
        shown = [*shown[:3], shown[-1]]
    some = sample(run, _DOTS)
    chosen = np.arange(run.sizes["token"])[some]
    colors = _colors(seen, setting, chosen)
    size = float(np.clip(2500.0 / len(chosen), 1.2, 25.0))
    turn = _turn_to_front(seen.final.positions[0])
    figure = new_figure(0.9 + 1.95 * math.ceil(len(shown) / 2))
    grid = figure.subplots(math.ceil(len(shown) / 2), 2, subplot_kw={"projection": "mollweide"}, squeeze=False)
    for axes, instant in zip(grid.flat, shown, strict=False):
        tokens = read_frame(run, instant.frame, some) @ turn.T
        longitude = np.arctan2(tokens[:, 1], tokens[:, 0])
        latitude = np.arctan2(tokens[:, 2], np.hypot(tokens[:, 0], tokens[:, 1]))
        axes.scatter(longitude, latitude, s=size, c=colors, linewidths=0, alpha=0.8)
        axes.set_xticks(np.linspace(-math.pi, math.pi, 7)[1:-1], [])
        axes.set_yticks(np.linspace(-math.pi / 2, math.pi / 2, 7)[1:-1], [])
        axes.grid(color=UNGROUPED, linewidth=0.4, alpha=0.6)
        axes.set_title(f"t = {short(instant.time)}, {instant.name}", loc="center", color=INK)
    for axes in list(grid.flat)[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel(
        f"{describe(run, setting)};  equal-area maps centred on the largest final cluster",
        fontsize=SMALL,
        x=0.012,
        ha="left",
    )
    headline(figure, _finding(run, setting, prediction, seen))
    return figure


def _turn_to_front(pole: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) that takes the unit vector `pole` to the centre of the map, (1, 0, 0)."""
    if not np.isfinite(pole).all():
        return np.eye(3)
    basis, _ = np.linalg.qr(np.column_stack([pole, np.eye(3)]))
    basis *= np.sign(basis[:, 0] @ pole)
    basis[:, 2] *= np.sign(np.linalg.det(basis))
    return np.asarray(basis.T)


def _products(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> Figure:
    from matplotlib.colors import LogNorm

    frames = frame_rows(run)
    times = run.time.values[frames]
    some = sample(run, _PAIRED)
    weights = np.asarray(run.weights.values[some])
    edges = np.linspace(-1.0, 1.0, 101)
    density = np.stack([pair_histogram(read_frame(run, frame, some), weights, edges) for frame in frames.tolist()])
    figure = new_figure(4.2)
    axes = figure.subplots()
    borders = np.concatenate([times[:1], 0.5 * (times[1:] + times[:-1]), times[-1:]])
    top = max(float(density.max()), 1.0)
    mesh = axes.pcolormesh(
        borders, edges, np.maximum(density, 1e-6).T, norm=LogNorm(1e-2, top), cmap="viridis", rasterized=True
    )
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, extend="min")
    bar.set_label("density of pairs", fontsize=SMALL)
    bar.outline.set_visible(False)
    axes.set_xlim(float(times[0]), float(times[-1]))
    axes.set_ylim(-1.0, 1.0)
    axes.set_xlabel(time_label(setting))
    axes.set_ylabel(r"inner product $\langle x_i, x_j\rangle$")
    _exit_marks(axes, prediction, seen, float(times[-1]))
    axes.set_title(describe(run, setting))
    headline(figure, _finding(run, setting, prediction, seen))
    return figure
