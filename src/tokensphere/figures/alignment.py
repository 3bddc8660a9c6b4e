"""Alignment of an ensemble against time: aligned pairs and the mean inner product, with the equiangular curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.theory import equiangular_curve, equiangular_layers

from .style import ENERGY, FAINT, HISTOGRAM, PREDICTED, headline, in_style, new_figure, note, short

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from tokensphere.experiments.alignment import AlignmentMeasurement, AlignmentPrediction, Setting

__all__ = ["aligned_pairs"]


@in_style
def aligned_pairs(
    run: xarray.Dataset, setting: Setting, prediction: AlignmentPrediction | None, seen: AlignmentMeasurement
) -> Figure:
    """Median and 10–90 % band over the members of the fraction of aligned pairs; below, the mean inner product."""
    times = run.time.values
    figure = new_figure(5.0)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, name, color in ((above, "aligned", ENERGY), (below, "mean_inner", HISTOGRAM)):
        low, middle, high = np.quantile(run[name].values, (0.1, 0.5, 0.9), axis=1)
        axes.fill_between(times, low, high, color=color, alpha=0.25, linewidth=0)
        axes.plot(times, middle, color=color, label="median of the members, 10 to 90 % shaded")
        axes.set_ylim(-0.03, 1.03)
    above.set_ylabel("fraction of aligned pairs")
    below.set_ylabel(r"mean $\langle x_i, x_j\rangle$")
    below.set_xlabel(f"time $t${'' if setting.layer is None else f', layers of step {setting.layer:g}'}")
    above.axhline(0.5, color=FAINT, linestyle=":", linewidth=1.0)
    found = "not reached" if seen.median is None else f"at t = {short(seen.median)}"
    text = f"Half of the pairs aligned {found}"
    if prediction is not None:
        below.plot(times, _curve(times, setting), color=PREDICTED, linestyle="--", label="equiangular curve")
        if prediction.time <= times[-1]:
            above.axvline(prediction.time, color=PREDICTED, linestyle="--", linewidth=1.2)
            note(above, prediction.time, 0.12, f"predicted {short(prediction.time)}")
        text += f", predicted {short(prediction.time) if np.isfinite(prediction.time) else 'never'}"
    below.legend(frameon=False, loc="lower right")
    beta = short(setting.flow.beta)
    above.set_title(
        f"{setting.kind.upper()}{'' if setting.scheme is None else f' ({setting.scheme_name})'}, beta = {beta}, "
        f"d = {setting.dim}, n = {setting.n}, {seen.members} members"
    )
    headline(figure, text)
    return figure


def _curve(times: np.ndarray, setting: Setting) -> np.ndarray:
    rules: dict[str, Any] = {"scheme": setting.law_of_scheme, "radius": setting.radius}
    if setting.layer is None:
        return equiangular_curve(times, setting.flow.beta, setting.n, setting.kind, **rules)
    layers = np.round(times / setting.layer).astype(int)
    count, beta = int(layers[-1]), setting.flow.beta
    return equiangular_layers(count, setting.layer, beta, setting.n, setting.kind, **rules)[layers]
