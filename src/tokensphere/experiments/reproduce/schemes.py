"""Normalisation schemes: the equiangular reduction (C2) and exact changes of time (C4).

equiangular   dρ/dt = 2b(1−ρ)(1+(n−1)ρ)/s,  dr/dt as the scheme says;  layer y' = cθ + eA          [derived, exact]
time          sqrt-scaling(t) = Post-LN(2√(t+1) − 2),  LN-Scaling(t) = Pre-LN(2√(t+1) − 2)         [derived, exact]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, not_applicable
from tokensphere.flows import NGPT, NORMALIZATIONS, LayerNormScaling, Normalized, SelfAttention, evaluate_attended
from tokensphere.solve import simulate
from tokensphere.sphere import equiangular, uniform
from tokensphere.theory import equiangular_layer_path, equiangular_path, ngpt_scheme, rank_collapse, scheme_named

__all__ = ["COLORS", "FREE", "NAMES", "equiangular_reduction", "gram_gaps", "radii_of", "time_changes"]

NAMES = {
    "post": "Post-LN",
    "pre": "Pre-LN",
    "mix": "Mix-LN",
    "peri": "Peri-LN",
    "ngpt": "nGPT",
    "sqrt": "sqrt-scaling",
    "ln-scaling": "LN-Scaling",
}
COLORS = {name: i for i, name in enumerate(NAMES)}
FREE = ("pre", "peri", "ln-scaling")  # schemes that may start from any radius

_C2_N, _C2_BETAS, _C2_STARTS = 8, (1.0, 4.0), ((0.0, 1.0), (0.2, 1.7))
_C2_TIMES, _C2_STEP = np.linspace(0.0, 4.0, 21), 0.1
_C4_N, _C4_DIM, _C4_BETAS = 16, 5, (1.0, 4.0)


def gram_gaps(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 − ρ from chords (time,), which keeps its digits, and the spread of the off-diagonal Gram entries (time,)."""
    n = frames.shape[1]
    off = ~np.eye(n, dtype=bool)
    first, second = np.triu_indices(n, 1)
    gaps = [0.5 * float(np.mean(np.sum((x[first] - x[second]) ** 2, axis=1))) for x in frames]
    return np.array(gaps), np.array([float(np.ptp((x @ x.T)[off])) for x in frames])


def radii_of(run: Any) -> np.ndarray:
    return np.asarray(run.radii.values) if "radii" in run else np.ones(run.tokens.shape[:2])


def equiangular_reduction(progress: Progress) -> Outcome:
    """C2: equiangular tokens follow the scalar equations, as a flow, in layers and without a residual.

    n = 8, β = 1 and 4, from (ρ, r) = (0, 1) and (0.2, 1.7); schemes that normalise, and Mix-LN, start with r = 1.
    """
    worst = dict.fromkeys(("flow_rho", "flow_radius", "layer_rho", "layer_radius", "spread"), 0.0)
    curves: dict[str, list[Curve]] = {"flow": [], "radii": []}
    cases = [(b, *start, s) for b in _C2_BETAS for start in _C2_STARTS for s in (*NORMALIZATIONS, "original")]
    layers = round(float(_C2_TIMES[-1]) / _C2_STEP)
    for i, (beta, rho, radius, name) in enumerate(cases):
        progress(0.9 * i / len(cases), f"beta {beta:g}, rho {rho:g}, {NAMES.get(name, 'nGPT, original form')}")
        rules = NGPT(original=True) if name == "original" else NORMALIZATIONS[name]()
        law = ngpt_scheme(original=True) if name == "original" else scheme_named(name)
        radius = radius if name in FREE else 1.0
        options: dict[str, Any] = {"radii": radius} if name in FREE else {}
        flow, tokens = Normalized(SelfAttention(beta), rules), equiangular(_C2_N, _C2_N, rho, seed=2)
        wanted = equiangular_path(_C2_TIMES, beta, _C2_N, scheme=law, start=rho, radius=radius)
        run = simulate(flow, tokens, _C2_TIMES, rtol=1e-10, **options)
        gaps, apart = gram_gaps(run.tokens.values)
        worst["flow_rho"] = max(worst["flow_rho"], float(np.abs(1.0 - gaps - wanted.rho).max()))
        radii = radii_of(run)
        worst["flow_radius"] = max(worst["flow_radius"], float(np.abs(radii / wanted.radius[:, None] - 1).max()))
        deep = simulate(flow, tokens, _C2_STEP * np.arange(layers + 1), method="layer", step_size=_C2_STEP, **options)
        mapped = equiangular_layer_path(layers, _C2_STEP, beta, _C2_N, scheme=law, start=rho, radius=radius)
        found, spread = gram_gaps(deep.tokens.values)
        worst["layer_rho"] = max(worst["layer_rho"], float(np.abs(1.0 - found - mapped.rho).max()))
        off = np.abs(radii_of(deep) / mapped.radius[:, None] - 1).max()
        worst["layer_radius"] = max(worst["layer_radius"], float(off))
        worst["spread"] = max(worst["spread"], float(apart.max()), float(spread.max()))
        if name in NAMES and beta == _C2_BETAS[1] and rho == 0.0:
            label, color = NAMES[name], COLORS[name]
            curves["flow"] += [
                Curve(label, _C2_TIMES, 1.0 - gaps, "points", color=color),
                Curve("", _C2_TIMES, wanted.rho, predicted=True, color=color),
            ]
            if rules.keeps_radii:
                curves["radii"] += [
                    Curve(label, _C2_TIMES, radii[:, 0], "points", color=color),
                    Curve("", _C2_TIMES, wanted.radius, predicted=True, color=color),
                ]
    progress(0.9, "layers without a residual")
    collapse, collapse_curves = _without_residual()
    verdicts = (
        compare("flow of every scheme: rho, largest error", 0.0, worst["flow_rho"], 1e-6),
        compare("flow of every scheme: r, largest relative error", 0.0, worst["flow_radius"], 1e-6),
        compare("layers of every scheme: rho, largest error", 0.0, worst["layer_rho"], 1e-12),
        compare("layers of every scheme: r, largest relative error", 0.0, worst["layer_radius"], 1e-12),
        compare("off-diagonal Gram entries, largest spread", 0.0, worst["spread"], 1e-12),
        *collapse,
    )
    title = f"n = {_C2_N}, β = {_C2_BETAS[1]:g} (dashed: predicted)"
    panels = (
        Panel(f"ρ, {title}", "time t", "ρ", tuple(curves["flow"])),
        Panel("common radius", "time t", "r", tuple(curves["radii"])),
        Panel("layers without a residual, 1 − ρ = 0.5 at first", "layer", "1 − ρ", collapse_curves, log_y=True),
    )
    return Outcome(verdicts, panels, {"cases": len(cases), **worst})


def _without_residual() -> tuple[list[Verdict], tuple[Curve, ...]]:
    """x ← N(A): 1 − ρ falls cubically, as long as tokens can resolve it."""
    verdicts, curves = [], []
    for i, beta in enumerate(_C2_BETAS):
        flow = SelfAttention(beta, attention=Dense()).resolve(_C2_N, _C2_N)
        tokens, found = equiangular(_C2_N, _C2_N, 0.5, seed=2), []
        for _ in range(4):
            found.append(float(gram_gaps(tokens[None])[0][0]))
            attended = np.asarray(evaluate_attended(flow, tokens, None, 0.0))
            tokens = attended / np.linalg.norm(attended, axis=1, keepdims=True)
        measured = np.array(found)
        wanted = np.exp(rank_collapse(3, beta, _C2_N, gap=0.5))
        shown = float(np.abs(measured - wanted).max())
        verdicts.append(compare(f"three layers without a residual, beta {beta:g}: 1 - rho", 0.0, shown, 1e-12))
        layers = np.arange(len(measured))
        seen = np.where(measured > 1e-30, measured, np.nan)
        curves += [
            Curve(f"β = {beta:g}", layers, seen, "points", color=i),
            Curve("", layers, wanted, predicted=True, color=i),
        ]
    return verdicts, tuple(curves)


def time_changes(progress: Progress) -> Outcome:
    """C4: sqrt-scaling is Post-LN and LN-Scaling is Pre-LN at the time 2√(t+1) − 2, for any tokens and radii.

    n = 16 random tokens in dim 5, radii between 0.5 and 2, β = 1 and 4. Where LN-Scaling scales the logits too there
    is no such change of time.
    """
    times = np.linspace(0.0, 24.0, 25)
    own = 2.0 * np.sqrt(times + 1.0) - 2.0
    tokens, radii = uniform(_C4_N, _C4_DIM, 4), np.random.default_rng(4).uniform(0.5, 2.0, _C4_N)
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    paths: list[Curve] = []
    for i, beta in enumerate(_C4_BETAS):
        for j, (scaled, plain) in enumerate((("sqrt", "post"), ("ln-scaling", "pre"))):
            progress((2 * i + j) / 4, f"beta {beta:g}: {NAMES[scaled]} and {NAMES[plain]}")
            options: dict[str, Any] = {"rtol": 1e-11, "method": "dopri8"} | ({"radii": radii} if j else {})
            a = simulate(Normalized(SelfAttention(beta), scaled), tokens, times, **options)
            b = simulate(Normalized(SelfAttention(beta), plain), tokens, own, **options)
            apart = np.abs(a.tokens.values - b.tokens.values).max(axis=(1, 2))
            name = f"beta {beta:g}: {NAMES[scaled]}(t) = {NAMES[plain]}(2 sqrt(t+1) - 2), tokens"
            verdicts.append(compare(name, 0.0, float(apart.max()), 1e-7))
            if j:
                off = float(np.abs(radii_of(a) / radii_of(b) - 1).max())
                verdicts.append(compare(name.replace("tokens", "radii"), 0.0, off, 1e-7))
            shown = np.where(apart > 0, apart, np.nan)
            curves.append(Curve(f"{NAMES[scaled]}, β = {beta:g}", times[1:], shown[1:], "points", color=2 * i + j))
            if i == 0:
                gap_a, gap_b = gram_gaps(a.tokens.values)[0], gram_gaps(b.tokens.values)[0]
                paths += [
                    Curve(NAMES[scaled], times, 1 - gap_a, "points", color=j),
                    Curve(f"{NAMES[plain]} at 2√(t+1) − 2", times, 1 - gap_b, predicted=True, color=j),
                ]
    rules = LayerNormScaling(scale_logits=True)
    logits = simulate(Normalized(SelfAttention(4.0), rules), tokens, times, radii=radii, rtol=1e-10)
    other = float(np.abs(logits.tokens.values - b.tokens.values).max())
    reason = "logits that shrink like 1/(t+1) are another interaction, not another clock"
    verdicts.append(not_applicable("LN-Scaling with scaled logits against Pre-LN", reason, measured=other))
    panels = (
        Panel("mean inner product, β = 1 (dashed: mapped time)", "time t", "mean of ⟨θ_i, θ_j⟩", tuple(paths)),
        Panel("distance between the two runs", "time t", "largest difference", tuple(curves), log_y=True),
    )
    return Outcome(tuple(verdicts), panels, {"time": times, "mapped_time": own})
