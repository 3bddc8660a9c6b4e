"""The phase diagram of alignment (C6): pairs with c > 0.999 over (t, β), and the equiangular curve γ_β(t) = 0.999.

SA in layers x ← N(x + ηA), η = 0.1, and as a flow; USA up to t = 1 in layers of step 0.1/max(√β e^{β−1/2}, 1); other V
and B. The curve is that of the n tokens simulated: that of another n lies elsewhere.     [2312.10794; survey, Figure 3]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense, Whole
from tokensphere.experiments.alignment import crossing_times
from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, not_applicable
from tokensphere.flows import AttentionFlow, SelfAttention, UnnormalizedSelfAttention
from tokensphere.observe import AlignmentSeries
from tokensphere.solve import Ensemble
from tokensphere.sphere import in_span, random_matrix, uniform
from tokensphere.theory import equiangular_layer_time, equiangular_layers, equiangular_time, usa_step

__all__ = ["alignment_phases"]

_SEED = 600
_N, _LEVEL, _STEP, _END = 32, 0.999, 0.1, 30.0
_BETAS = np.linspace(0.1, 9.0, 24)
# dimension, draws, largest beta; 2048 draws, 90 beta and all beta in 1024 are left to the sweep
_DIMS = ((8, 24, 9.0), (128, 48, 9.0), (1024, 32, 4.0))
_KNOWN_BETA, _KNOWN_DIM, _TOLERANCE = 4.0, 128, 0.15
_FLOW_BETAS, _FLOW_DRAWS = (1.0, 3.0), 12
_USA_BETAS, _USA_DRAWS, _USA_DIM, _USA_END = (1.0, 2.0, 3.0), 16, 1024, 1.0
_USA_TOLERANCE = 0.008  # of mean inner products in dimension 1024
_OPTION_BETAS, _OPTION_DRAWS, _OPTION_DIM = np.linspace(0.5, 9.0, 5), 12, 32
_OPTIONS = ("V = I, B = I", "V = I, B Gaussian", "V = I, B GOE", "V = GG^T/sqrt d, B = I", "V = B, GOE", "V = -B, GOE")


def _starts(dim: int, draws: int, *, span: bool = True) -> np.ndarray:
    """Tokens (draws, n, ·); n tokens in more than n dimensions in coordinates of their span."""
    drawn = [uniform(_N, dim, _SEED + 10_000 * dim + i) for i in range(draws)]
    return np.stack([in_span(tokens) if span else tokens for tokens in drawn])


def _run(
    flow: AttentionFlow, starts: np.ndarray, times: np.ndarray, **how: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fractions of aligned pairs and mean inner products (frames, draws), and the tokens at the end."""
    resolved = flow.resolve(*starts.shape[1:])
    ensemble = Ensemble(resolved, len(starts), times, AlignmentSeries(_LEVEL), **how)
    state = ensemble.start(starts)
    rows = [ensemble.measure(state.tokens)]
    for after, found in ensemble.run(state):
        state = after
        if found:
            rows.append(found)
    aligned, inner = (np.concatenate([row[name] for row in rows]) for name in ("aligned", "mean_inner"))
    return aligned, inner, np.asarray(state.tokens).reshape(starts.shape)


def _median(times: np.ndarray, aligned: np.ndarray) -> float:
    return float(np.quantile(crossing_times(times, aligned), 0.5, method="inverted_cdf"))


def _heat_maps(progress: Progress) -> tuple[list[Verdict], list[Panel | Image], dict[str, Any]]:
    """SA in layers: one map a dimension with the curve over it, medians against the curve."""
    verdicts: list[Verdict] = []
    panels: list[Panel | Image] = []
    data: dict[str, Any] = {"betas": _BETAS}
    times = np.unique(np.round(np.linspace(0.0, _END, 200) / _STEP)) * _STEP
    for i, (dim, draws, most) in enumerate(_DIMS):
        betas, starts = _BETAS[most >= _BETAS], _starts(dim, draws)
        fractions, medians = np.zeros((len(betas), len(times))), np.zeros(len(betas))
        for j, beta in enumerate(betas):
            if j % 4 == 0:
                progress(0.2 * i + 0.2 * j / len(betas), f"layers in dimension {dim}, beta = {beta:.2f}")
            flow = SelfAttention(float(beta), attention=Whole())
            aligned = _run(flow, starts, times, method="layer", step_size=_STEP)[0]
            fractions[j], medians[j] = aligned.mean(axis=1), _median(times, aligned)
        fine = np.linspace(betas[0], betas[-1], 120)
        in_layers = [equiangular_layer_time(_LEVEL, _STEP, float(b), _N, most=400) for b in fine]
        as_flow = np.array([equiangular_time(_LEVEL, float(b), _N) for b in fine])
        wanted = np.array([equiangular_layer_time(_LEVEL, _STEP, float(b), _N, most=4000) for b in betas])
        half = 0.5 * (betas[1] - betas[0])
        seen = np.isfinite(medians)
        over = (
            _line(f"equiangular layers, n = {_N}", np.array(in_layers), fine),
            _line("equiangular flow", as_flow, fine),
            Curve("median crossing", medians[seen], betas[seen], "points"),
        )
        panels.append(
            Image(
                f"SA in layers, d = {dim}, n = {_N}, {draws} draws",
                "time t",
                r"$\beta$",
                fractions,
                (0.0, _END, float(betas[0] - half), float(betas[-1] + half)),
                f"pairs with c > {_LEVEL:g}",
                over=over,
            )
        )
        known = betas <= _KNOWN_BETA
        off = float(np.abs(medians - wanted)[known].max())
        name = f"d = {dim}, beta <= {_KNOWN_BETA:g}: largest distance of the median crossing to the curve"
        if dim >= _KNOWN_DIM:
            verdicts.append(compare(name, 0.0, off, _TOLERANCE, unit="time", source="2312.10794"))
        else:
            verdicts.append(not_applicable(name, f"known for d >= {_KNOWN_DIM}; here {off:.3g}", measured=off))
        data |= {f"aligned_{dim}": fractions, f"median_{dim}": medians, f"curve_{dim}": wanted, "times": times}
    return verdicts, panels, data


def _line(label: str, times: np.ndarray, betas: np.ndarray) -> Curve:
    """A curve within the picture."""
    inside = times <= 1.2 * _END
    return Curve(label, times[inside], betas[inside], predicted=True)


def _modes(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """SA as a flow, and USA in layers of its own step up to t = 1."""
    verdicts, dim = [], _KNOWN_DIM
    fine = np.linspace(0.0, 10.0, 101)
    points = []
    for j, beta in enumerate(_FLOW_BETAS):
        progress(0.62 + 0.05 * j, f"the flow in dimension {dim}, beta = {beta:g}")
        aligned = _run(
            SelfAttention(beta, attention=Whole()), _starts(dim, _FLOW_DRAWS), fine, method="tsit5", rtol=1e-6
        )[0]
        points.append(_median(fine, aligned))
        wanted = equiangular_time(_LEVEL, beta, _N)
        name = f"SA as a flow, d = {dim}, beta = {beta:g}: median crossing"
        verdicts.append(compare(name, wanted, points[-1], _TOLERANCE, unit="time", source="2312.10794"))
    curves, data = [], dict[str, Any](flow_medians=np.array(points))
    starts = _starts(_USA_DIM, _USA_DRAWS)
    for j, beta in enumerate(_USA_BETAS):
        progress(0.72 + 0.04 * j, f"USA, beta = {beta:g}")
        step = usa_step(beta)
        layers = int(_USA_END / step)
        times = step * np.unique(np.linspace(0, layers, 101).round())
        flow = UnnormalizedSelfAttention(beta, attention=Whole())
        aligned, inner, _ = _run(flow, starts, times, method="layer", step_size=step)
        curve = equiangular_layers(layers, step, beta, _N, "usa")
        name = f"USA in {layers} layers of step {step:.3g}, d = {_USA_DIM}, beta = {beta:g}"
        end = f"{name}: mean inner product at t = {times[-1]:.3g}"
        verdicts.append(compare(end, float(curve[-1]), float(inner[-1].mean()), _USA_TOLERANCE, source="2312.10794"))
        crossing = equiangular_layer_time(_LEVEL, step, beta, _N, "usa", most=8 * layers)
        if not np.isfinite(_median(times, aligned)):
            reason = f"the curve crosses at t = {crossing:.3g}, and the run ends at {_USA_END:g}"
            verdicts.append(not_applicable(f"{name}: median crossing", reason, predicted=crossing, unit="time"))
        curves.append(Curve(f"β = {beta:g}", times[::5], inner.mean(axis=1)[::5], "points", color=j))
        label = "equiangular layers" if j == 0 else ""
        curves.append(Curve(label, step * np.arange(layers + 1), curve, predicted=True, color=j))
        data[f"usa_{j}"] = inner.mean(axis=1)
    title = f"USA in layers of its own step, d = {_USA_DIM}, n = {_N}"
    return verdicts, Panel(title, "time t", r"mean inner product of pairs", tuple(curves)), data


def _option(name: str, beta: float) -> tuple[AttentionFlow, np.ndarray | None]:
    """SA with the V and B of an option, and the leading eigenvector of V where B = I."""
    value: Any = None
    query_key: Any = None
    if "Gaussian" in name:
        query_key = random_matrix("gaussian", _OPTION_DIM, _SEED)
    elif "GOE" in name:
        query_key = random_matrix("goe", _OPTION_DIM, _SEED)
        value = query_key if "V = B" in name else -query_key if "V = -B" in name else None
    elif "GG" in name:
        value = random_matrix("gram", _OPTION_DIM, _SEED)
    vector = None if "GG" not in name else np.linalg.eigh(value)[1][:, -1]
    return SelfAttention(beta, value, query_key, attention=Dense()), vector


def _options(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Other value and query-key matrices: aligned pairs at the end, layers of step 0.1."""
    starts, times = _starts(_OPTION_DIM, _OPTION_DRAWS, span=False), np.array([0.0, 10.0, 20.0, _END])
    verdicts, curves, data, said = [], [], dict[str, Any](option_betas=_OPTION_BETAS), []
    for i, name in enumerate(_OPTIONS):
        progress(0.85 + 0.02 * i, name)
        ends, worst = np.zeros(len(_OPTION_BETAS)), 1.0
        for j, beta in enumerate(_OPTION_BETAS):
            flow, vector = _option(name, float(beta))
            aligned, _, tokens = _run(flow, starts, times, method="layer", step_size=_STEP)
            ends[j] = aligned[-1].mean()
            if vector is not None:
                worst = min(worst, float(np.abs(tokens @ vector).mean()))
        if "GG" in name:
            text = f"{name}: mean |<x, v>| with the leading eigenvector v of V at t = {_END:g}, least over beta"
            verdicts.append(compare(text, 1.0, worst, 1e-3, source="2509.25040"))
        curves.append(Curve(name.replace("GG^T/sqrt d", r"$GG^\top/\sqrt{d}$"), _OPTION_BETAS, ends, color=i))
        data[f"option_{i}"] = ends
        said.append(f"{name}: {ends[0]:.2f} to {ends[-1]:.2f}")
    reason = f"the curve is for V = B = I; pairs aligned at t = {_END:g}, beta = 0.5 to 9: {'; '.join(said)}"
    verdicts.append(not_applicable("other V and B: median crossing against the curve", reason))
    title = f"other V and B: SA in layers, d = {_OPTION_DIM}, t = {_END:g}"
    return verdicts, Panel(title, r"$\beta$", f"pairs with c > {_LEVEL:g}", tuple(curves)), data


def alignment_phases(progress: Progress) -> Outcome:
    """C6: fractions of aligned pairs over (t, β) in dimension 8, 128, 1024, and the equiangular curve for n = 32.

    24 values of β and 24 to 48 draws instead of 90 and 2048, β ≤ 4 in dimension 1024 (all of it: `tokensphere sweep
    phase-diagram`); one draw of each random matrix, in dimension 32.
    """
    verdicts, panels, data = _heat_maps(progress)
    modes, panel, more = _modes(progress)
    others, last, yet_more = _options(progress)
    return Outcome((*verdicts, *modes, *others), (*panels, panel, last), data | more | yet_more)
