"""Phase diagram of alignment: aligned pairs over time and beta, with the equiangular curve on top [2312.10794]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.theory import equiangular_layer_time, equiangular_time

from .style import FAINT, INK, PREDICTED, headline, in_style, new_figure, short

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["phase_diagram"]


@in_style
def phase_diagram(sweep: xarray.Dataset) -> Figure:
    """One panel a dimension: the fraction of aligned pairs, averaged over the members, over (t, beta).

    The curve is where equiangular tokens pass the threshold, for the number of tokens of the sweep, in layers and in
    continuous time; there is none for V or B other than the identity.

    **Arguments:** `sweep` as opened from its folder: alignment runs over `beta`, perhaps over `dim`.

    **Raises:** `InputError` if the sweep has no such dimensions, no finished run, or matplotlib is not installed.
    """
    if "beta" not in sweep.dims or "aligned" not in sweep or "time" not in sweep.dims:
        raise InputError(
            "a phase diagram needs finished runs of experiment = 'alignment' over beta at equal save times"
        )
    study = sweep.attrs["study"]
    shown = sweep.aligned if "dim" in sweep.dims else sweep.aligned.expand_dims(dim=[study["tokens"]["dim"]])
    others = [dim for dim in shown.dims if dim not in ("dim", "beta", "time")]
    mean = shown.mean(others, skipna=True).transpose("dim", "beta", "time")
    betas, times, dims = mean.beta.values, mean.time.values, mean.dim.values
    order = np.argsort(betas)
    fine = np.linspace(float(betas.min()), float(betas.max()), 300)
    crossings = _crossings(study, fine, float(times[-1]))
    figure = new_figure(3.9, 3.3 * len(dims) + 1.2)
    panels = figure.subplots(1, len(dims), sharey=True, squeeze=False)[0]
    for axes, dim, values in zip(panels, dims, mean.values, strict=True):
        image = axes.pcolormesh(times, betas[order], values[order], vmin=0, vmax=1, cmap="viridis", rasterized=True)
        for label, crossing, style in crossings:
            axes.plot(crossing, fine, color="white", linewidth=3.2)
            axes.plot(crossing, fine, style, color=PREDICTED, linewidth=1.6, label=label)
        axes.set_xlim(float(times[0]), float(times[-1]))
        axes.set_ylim(float(betas.min()), float(betas.max()))
        axes.set_xlabel("time $t$")
        axes.set_title(f"dimension d = {int(dim)}", color=INK)
    panels[0].set_ylabel(r"inverse temperature $\beta$")
    if crossings:
        panels[0].legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor=FAINT, fontsize=8.0)
    bar = figure.colorbar(image, ax=list(panels), pad=0.02, aspect=30)
    bar.set_label(rf"fraction of pairs with $\langle x_i, x_j\rangle$ > {short(study['measure']['threshold'])}")
    solve, tokens = study["solve"], study["tokens"]
    mode = f"layers of step {solve['step_size']:g}" if solve["method"] == "layer" else "continuous time"
    name = "SA" if study["flow"]["kind"] == "sa" else "USA"
    headline(
        figure,
        f"When tokens align under {name}: n = {tokens['n']}, {mode}, {tokens['ensemble']} draws for every β",
    )
    return figure


def _crossings(study: dict[str, Any], betas: np.ndarray, t_end: float) -> list[tuple[str, np.ndarray, str]]:
    """When equiangular tokens pass the threshold, for every β (infinity: well after `t_end`): label, times, style.

    n is that of the sweep: the curve of another number of tokens lies elsewhere.
    """
    flow, solve, n = study["flow"], study["solve"], study["tokens"]["n"]
    if any(flow[name] not in (None, 1.0) for name in ("value", "query_key")) or flow.get("causal"):
        return []
    kind = ("usa-shifted" if flow["shifted"] else "usa") if flow["kind"] == "usa" else "sa"
    level = study["measure"]["threshold"]
    found = [(f"equiangular flow, n = {n}", np.array([equiangular_time(level, float(b), n, kind) for b in betas]), ":")]
    if solve["method"] != "layer":
        return [(found[0][0], found[0][1], "-")]
    step, most = solve["step_size"], int(1.2 * t_end / solve["step_size"])
    in_layers = [equiangular_layer_time(level, step, float(b), n, kind, most=most) for b in betas]
    return [(f"equiangular layers, n = {n}", np.array(in_layers), "-"), *found]
