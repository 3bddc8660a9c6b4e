"""Phase diagram of alignment: aligned pairs over time and beta, with the equiangular curve on top [2312.10794]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.theory import (
    Scheme,
    equiangular_layer_time,
    equiangular_time,
    mix_scheme,
    ngpt_scheme,
    scheme_named,
)

from .style import FAINT, INK, PREDICTED, headline, in_style, new_figure, short

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["phase_diagram"]


@in_style
def phase_diagram(sweep: xarray.Dataset) -> Figure:
    """One panel a dimension, one row a scheme: the fraction of aligned pairs, averaged over members, over (t, beta).

    The curve is where equiangular tokens pass the threshold, for the number of tokens of the sweep, in layers and in
    continuous time; there is none for V or B other than the identity.

    **Arguments:** `sweep` as opened from its folder: alignment runs over `beta`, perhaps over `dim`.

    **Raises:** `InputError` if the sweep has no such dimensions, no finished run, or dimensions besides `dim`, `scheme`
    and those of repeats, or if matplotlib is not installed.
    """
    if "beta" not in sweep.dims or "aligned" not in sweep or "time" not in sweep.dims:
        raise InputError(
            "a phase diagram needs finished runs of experiment = 'alignment' over beta at equal save times"
        )
    study, shown = sweep.attrs["study"], sweep.aligned
    for name, value in (("dim", study["tokens"]["dim"]), ("scheme", study["flow"]["scheme"])):
        if name not in shown.dims:
            shown = shown.expand_dims({name: [value]})
    kept = ("dim", "scheme", "beta", "time")
    others = [dim for dim in shown.dims if dim not in kept]
    for name in others:
        if name not in ("member", "seed"):
            raise InputError(f"a phase diagram averages over repeats, not over {name!r}: select one of it first")
    mean = shown.mean(others, skipna=True).transpose(*kept)
    betas, times = mean.beta.values, mean.time.values
    order = np.argsort(betas)
    fine = np.linspace(float(betas.min()), float(betas.max()), 300)
    schemes = [str(name) for name in mean.scheme.values.tolist()]
    rows, columns = len(schemes), mean.sizes["dim"]
    figure = new_figure(3.9 * rows, 3.3 * columns + 1.2)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for i, scheme in enumerate(schemes):
        crossings = _crossings(study, fine, float(times[-1]), scheme)
        for j, dim in enumerate(mean.dim.values.tolist()):
            axes, values = panels[i, j], mean.values[j, i]
            image = axes.pcolormesh(times, betas[order], values[order], vmin=0, vmax=1, cmap="viridis", rasterized=True)
            for label, crossing, style in crossings:
                axes.plot(crossing, fine, color="white", linewidth=3.2)
                axes.plot(crossing, fine, style, color=PREDICTED, linewidth=1.6, label=label)
            axes.set_xlim(float(times[0]), float(times[-1]))
            axes.set_ylim(float(betas.min()), float(betas.max()))
            axes.set_title(f"dimension d = {int(dim)}" + (f", {scheme}" if rows > 1 else ""), color=INK)
        panels[i, 0].set_ylabel(r"inverse temperature $\beta$")
        if crossings:
            panels[i, 0].legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor=FAINT, fontsize=8.0)
    for axes in panels[-1]:
        axes.set_xlabel("time $t$")
    bar = figure.colorbar(image, ax=list(panels.flat), pad=0.02, aspect=30)
    bar.set_label(rf"fraction of pairs with $\langle x_i, x_j\rangle$ > {short(study['measure']['threshold'])}")
    solve, tokens = study["solve"], study["tokens"]
    mode = f"layers of step {solve['step_size']:g}" if solve["method"] == "layer" else "continuous time"
    name = "SA" if study["flow"]["kind"] == "sa" else "USA"
    name = f"causal {name}" if study["flow"]["causal"] else name
    name += f" with {schemes[0]}" if rows == 1 and schemes[0] != "post" else ""
    headline(
        figure,
        f"When tokens align under {name}: n = {tokens['n']}, {mode}, {tokens['ensemble']} draws for every β",
    )
    return figure


def _crossings(
    study: dict[str, Any], betas: np.ndarray, t_end: float, scheme: str = "post"
) -> list[tuple[str, np.ndarray, str]]:
    """When equiangular tokens pass the threshold, for every β (infinity: well after `t_end`): label, times, style.

    n is that of the sweep, as is the scheme: the curve of another number of tokens lies elsewhere.
    """
    flow, solve, n = study["flow"], study["solve"], study["tokens"]["n"]
    given = any(flow[name] not in (None, 1.0) for name in ("value", "query_key"))
    if given or flow["causal"] or flow["scale_logits"]:
        return []
    kind = ("usa-shifted" if flow["shifted"] else "usa") if flow["kind"] == "usa" else "sa"
    rules: dict[str, Any] = {"scheme": _rules(flow, scheme), "radius": study["tokens"]["radii"] or 1.0}
    level = study["measure"]["threshold"]
    in_time = np.array([equiangular_time(level, float(b), n, kind, **rules) for b in betas])
    found = [(f"equiangular flow, n = {n}", in_time, ":")]
    if solve["method"] != "layer":
        return [(found[0][0], found[0][1], "-")]
    step, most = solve["step_size"], int(1.2 * t_end / solve["step_size"])
    in_layers = [equiangular_layer_time(level, step, float(b), n, kind, most=most, **rules) for b in betas]
    return [(f"equiangular layers, n = {n}", np.array(in_layers), "-"), *found]


def _rules(flow: dict[str, Any], scheme: str) -> Scheme:
    """The scheme of theory with the options of the study."""
    if scheme == "mix":
        return mix_scheme(1.0 if flow["switch"] is None else flow["switch"])
    if scheme == "ngpt":
        return ngpt_scheme(1.0 if flow["alpha"] is None else flow["alpha"], original=flow["original_form"])
    return scheme_named(scheme)
