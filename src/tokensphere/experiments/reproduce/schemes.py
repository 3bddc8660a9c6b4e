"""Normalisation schemes: the equiangular reduction (C2), speeds (C3), exact time changes (C4), random weights (C5).

equiangular   dρ/dt = 2b(1−ρ)(1+(n−1)ρ)/s,  dr/dt as the scheme says;  layer y' = cθ + eA          [derived, exact]
ends          e^{−2t}, e^{−2αt}, e^{−4√(t+1)}, or C/r² with one C for all schemes that keep radii  [2510.22026; derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact, not_applicable
from tokensphere.flows import (
    NGPT,
    NORMALIZATIONS,
    AbstractNormalization,
    LayerNormScaling,
    Normalized,
    SelfAttention,
    UnnormalizedSelfAttention,
    evaluate_attended,
)
from tokensphere.solve import simulate
from tokensphere.sphere import equiangular, uniform
from tokensphere.theory import (
    equiangular_invariant,
    equiangular_layer_path,
    equiangular_path,
    equiangular_rate,
    ngpt_scheme,
    rank_collapse,
    scheme_named,
)

__all__ = ["equiangular_reduction", "random_weights", "speeds", "time_changes"]

_NAMES = {
    "post": "Post-LN",
    "pre": "Pre-LN",
    "mix": "Mix-LN",
    "peri": "Peri-LN",
    "ngpt": "nGPT",
    "sqrt": "sqrt-scaling",
    "ln-scaling": "LN-Scaling",
}
_COLORS = {name: i for i, name in enumerate(_NAMES)}
_FREE = ("pre", "peri", "ln-scaling")  # schemes that may start from any radius

_C2_N, _C2_BETAS, _C2_STARTS = 8, (1.0, 4.0), ((0.0, 1.0), (0.2, 1.7))
_C2_TIMES, _C2_STEP = np.linspace(0.0, 4.0, 21), 0.1

_C3_START, _C3_N, _C3_BETA = (256, 5.0), 32, 2.0
_C3_ENDS = {"post": 9.0, "ngpt": 9.0, "sqrt": 60.0, "pre": 1e5, "mix": 1e5, "peri": 1e5, "ln-scaling": 1e9}

_C4_N, _C4_DIM, _C4_BETAS = 16, 5, (1.0, 4.0)

_C5_N, _C5_DIM, _C5_TIME, _C5_STEP, _C5_DRAWS, _C5_LIMITS = 32, 512, 10.0, 1.0, 6, 200
_KAIMING = 2.0  # variance of the entries times their number in a row


def _gram(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 − ρ from chords (time,), which keeps its digits, and the spread of the off-diagonal Gram entries (time,)."""
    n = frames.shape[1]
    off = ~np.eye(n, dtype=bool)
    first, second = np.triu_indices(n, 1)
    gaps = [0.5 * float(np.mean(np.sum((x[first] - x[second]) ** 2, axis=1))) for x in frames]
    return np.array(gaps), np.array([float(np.ptp((x @ x.T)[off])) for x in frames])


def _radii(run: Any) -> np.ndarray:
    return np.asarray(run.radii.values) if "radii" in run else np.ones(run.tokens.shape[:2])


def equiangular_reduction(progress: Progress) -> Outcome:
    """C2: equiangular tokens follow the scalar equations, as a flow, in layers and without a residual.

    n = 8, β = 1 and 4, from (ρ, r) = (0, 1) and (0.2, 1.7); schemes that normalise, and Mix-LN, start with r = 1.
    """
    worst = {key: 0.0 for key in ("flow_rho", "flow_radius", "layer_rho", "layer_radius", "spread")}
    curves: dict[str, list[Curve]] = {"flow": [], "radii": []}
    cases = [(b, *start, s) for b in _C2_BETAS for start in _C2_STARTS for s in (*NORMALIZATIONS, "original")]
    layers = round(float(_C2_TIMES[-1]) / _C2_STEP)
    for i, (beta, rho, radius, name) in enumerate(cases):
        progress(0.9 * i / len(cases), f"beta {beta:g}, rho {rho:g}, {_NAMES.get(name, 'nGPT, original form')}")
        rules = NGPT(original=True) if name == "original" else NORMALIZATIONS[name]()
        law = ngpt_scheme(original=True) if name == "original" else scheme_named(name)
        radius = radius if name in _FREE else 1.0
        options: dict[str, Any] = {"radii": radius} if name in _FREE else {}
        flow, tokens = Normalized(SelfAttention(beta), rules), equiangular(_C2_N, _C2_N, rho, seed=2)
        wanted = equiangular_path(_C2_TIMES, beta, _C2_N, scheme=law, start=rho, radius=radius)
        run = simulate(flow, tokens, _C2_TIMES, rtol=1e-10, **options)
        gaps, apart = _gram(run.tokens.values)
        worst["flow_rho"] = max(worst["flow_rho"], float(np.abs(1.0 - gaps - wanted.rho).max()))
        radii = _radii(run)
        worst["flow_radius"] = max(worst["flow_radius"], float(np.abs(radii / wanted.radius[:, None] - 1).max()))
        deep = simulate(flow, tokens, _C2_STEP * np.arange(layers + 1), method="layer", step_size=_C2_STEP, **options)
        mapped = equiangular_layer_path(layers, _C2_STEP, beta, _C2_N, scheme=law, start=rho, radius=radius)
        found, spread = _gram(deep.tokens.values)
        worst["layer_rho"] = max(worst["layer_rho"], float(np.abs(1.0 - found - mapped.rho).max()))
        off = np.abs(_radii(deep) / mapped.radius[:, None] - 1).max()
        worst["layer_radius"] = max(worst["layer_radius"], float(off))
        worst["spread"] = max(worst["spread"], float(apart.max()), float(spread.max()))
        if name in _NAMES and beta == _C2_BETAS[1] and rho == 0.0:
            label, color = _NAMES[name], _COLORS[name]
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
    title = f"n = {_C2_N}, β = {_C2_BETAS[1]:g} (dashed: scalar equation)"
    panels = (
        Panel(f"common inner product, {title}", "time t", "ρ", tuple(curves["flow"])),
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
            found.append(float(_gram(tokens[None])[0][0]))
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


def _initial_rate(flow: Any, n: int) -> float:
    """dρ/dt of orthogonal tokens at time zero, from the velocities of the tokens."""
    return float(2.0 * flow.velocity(np.eye(n))[0, 1])


def speeds(progress: Progress) -> Outcome:
    """C3: velocities at the start (n = 256, β = 5), slopes at the end and the limit of (1 − ρ) r² (n = 32, β = 2).

    By tokens and by the scalar equations; radii and the switch of Mix-LN are 1 at first. LN-Scaling reaches its slope
    −1 only like t^{−1/2} and runs to t = 10⁹.
    """
    n, beta = _C3_START
    verdicts: list[Verdict] = []
    progress(0.0, "velocities at the start")
    for name in NORMALIZATIONS:
        seen = _initial_rate(Normalized(SelfAttention(beta), name), n)
        wanted = equiangular_rate(0.0, beta, n, scheme=name)
        verdicts.append(compare(f"{_NAMES[name]}: d rho/dt at the start", wanted, seen, 1e-6, unit="1/time"))
    seen, wanted = _initial_rate(UnnormalizedSelfAttention(beta), n), equiangular_rate(0.0, beta, n, "usa")
    verdicts.append(compare("USA: d rho/dt at the start", wanted, seen, 1e-6, unit="1/time"))
    ratio = equiangular_rate(0.0, beta, n, scheme="peri") / equiangular_rate(0.0, beta, n)
    text = f"Peri-LN and nGPT start {ratio:.4g} times faster than Post-LN"
    verdicts.append(exact("who starts faster", ratio > 1, "Peri-LN, nGPT", "Peri-LN, nGPT", text))

    power: list[Curve] = []
    fast: list[Curve] = []
    products: list[Curve] = []
    data: dict[str, Any] = {}
    limit = equiangular_invariant(_C3_BETA, _C3_N)
    for i, (name, end) in enumerate(_C3_ENDS.items()):
        progress(0.1 + 0.7 * i / len(_C3_ENDS), f"end of {_NAMES[name]}")
        law = scheme_named(name).law
        times = np.append(0.0, np.geomspace(0.1, end, 33) if law.kind == "power" else np.linspace(0.1, end, 31))
        flow = Normalized(SelfAttention(_C3_BETA), name)
        run = simulate(flow, np.eye(_C3_N), times, method="dopri8", rtol=1e-11)
        gaps = _gram(run.tokens.values)[0]
        path = equiangular_path(times, _C3_BETA, _C3_N, scheme=name)
        for how, logs in (("tokens", np.log(gaps)), ("scalar equation", path.log_gap)):
            slope = _slope(times, logs, law.against)
            text = f"{_NAMES[name]}, {how}: slope of log(1 - rho) against {law.against}"
            verdicts.append(compare(text, law.rate, slope, 0.01, relative=True, source="2510.22026; derived"))
            data[f"slope_{name.replace('-', '_')}_{how.replace(' ', '_')}"] = slope
        curve = (
            Curve(_NAMES[name], times[1:], gaps[1:], "points", color=_COLORS[name]),
            Curve("", times[1:], np.exp(path.log_gap[1:]), predicted=True, color=_COLORS[name]),
        )
        (power if law.kind == "power" else fast).extend(curve)
        if name in _FREE:
            r = _radii(run)[:, 0]
            text = f"{_NAMES[name]}: (1 - rho) r^2 at t = {end:g}"
            verdicts.append(compare(text, limit, float(gaps[-1] * r[-1] ** 2), 1e-4, relative=True))
            reached = float(np.exp(path.log_gap[-1]) * path.radius[-1] ** 2)
            verdicts.append(compare(f"{text}, scalar equation", limit, reached, 1e-4, relative=True))
            products.append(Curve(_NAMES[name], times[1:], gaps[1:] * r[1:] ** 2, "line", color=_COLORS[name]))
    progress(0.85, "powers and steps that are quoted otherwise")
    verdicts += [*_quoted(), _usa_slope(), _half_alpha()]
    ends = np.array([0.1, _C3_ENDS["ln-scaling"]])
    products.append(Curve("predicted limit", ends, np.full(2, limit), predicted=True))
    sub = f"n = {_C3_N}, β = {_C3_BETA:g}"
    panels = (
        Panel(f"schemes that keep radii, {sub}", "time t", "1 − ρ", tuple(power), log_x=True, log_y=True),
        Panel(f"schemes on the sphere, {sub}", "time t", "1 − ρ", tuple(fast), log_y=True),
        Panel("(1 − ρ) r² tends to one constant", "time t", "(1 − ρ) r²", tuple(products), log_x=True),
    )
    return Outcome(tuple(verdicts), panels, data)


def _slope(times: np.ndarray, logs: np.ndarray, against: str) -> float:
    """Slope of log(1 − ρ) between the last frames, against the variable of the law."""
    x = {"t": times, "log t": np.log(np.maximum(times, 1e-300)), "sqrt(t+1)": np.sqrt(times + 1.0)}[against]
    return float((logs[-1] - logs[-3]) / (x[-1] - x[-3]))


def _quoted() -> list[Verdict]:
    """1/t³ is how the velocity of ρ falls, not 1 − ρ."""
    times = np.array([1e4, 1e5])
    path = equiangular_path(times, _C3_BETA, _C3_N, scheme="pre")
    velocity = [
        equiangular_rate(rho, _C3_BETA, _C3_N, scheme="pre", radius=r)
        for rho, r in zip(path.rho.tolist(), path.radius.tolist(), strict=True)
    ]
    slope = float(np.diff(np.log(velocity))[0] / np.diff(np.log(times))[0])
    gap = float(np.diff(path.log_gap)[0] / np.diff(np.log(times))[0])
    text = f"the 1/t^3 in circulation is the velocity; 1 - rho itself falls with the power {gap:.4f}"
    found = compare("Pre-LN: power of t in d rho/dt", -3.0, slope, 0.01, relative=True, source="2510.22026")
    return [found, exact("Pre-LN: 1 - rho falls like t^-2, not t^-3", abs(gap + 2) < 0.02, -2.0, gap, text)]


def _usa_slope() -> Verdict:
    """USA at β = 1 ends at the rate 2e."""
    times = np.array([0.0, 3.0, 3.5])
    run = simulate(UnnormalizedSelfAttention(1.0), np.eye(_C3_N), times, method="dopri8", rtol=1e-11)
    slope = float(np.diff(np.log(_gram(run.tokens.values)[0][1:]))[0] / 0.5)
    return compare("USA, beta 1, tokens: slope of log(1 - rho) against t", -2.0 * np.e, slope, 0.01, relative=True)


def _half_alpha() -> Verdict:
    """nGPT with half the step ends half as fast: the rate is proportional to α, not to 1/α."""
    times = np.array([0.0, 16.0, 18.0])
    run = simulate(Normalized(SelfAttention(_C3_BETA), NGPT(0.5)), np.eye(_C3_N), times, method="dopri8", rtol=1e-11)
    slope = float(np.diff(np.log(_gram(run.tokens.values)[0][1:]))[0] / 2.0)
    rate = ngpt_scheme(0.5).law.rate
    name = "nGPT, alpha 1/2, tokens: slope of log(1 - rho) against t"
    return compare(name, rate, slope, 0.01, relative=True, source="2510.22026; derived")


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
            progress((2 * i + j) / 4, f"beta {beta:g}: {_NAMES[scaled]} and {_NAMES[plain]}")
            options: dict[str, Any] = {"rtol": 1e-11, "method": "dopri8"} | ({"radii": radii} if j else {})
            a = simulate(Normalized(SelfAttention(beta), scaled), tokens, times, **options)
            b = simulate(Normalized(SelfAttention(beta), plain), tokens, own, **options)
            apart = np.abs(a.tokens.values - b.tokens.values).max(axis=(1, 2))
            name = f"beta {beta:g}: {_NAMES[scaled]}(t) = {_NAMES[plain]}(2 sqrt(t+1) - 2), tokens"
            verdicts.append(compare(name, 0.0, float(apart.max()), 1e-7))
            if j:
                off = float(np.abs(_radii(a) / _radii(b) - 1).max())
                verdicts.append(compare(name.replace("tokens", "radii"), 0.0, off, 1e-7))
            shown = np.where(apart > 0, apart, np.nan)
            curves.append(Curve(f"{_NAMES[scaled]}, β = {beta:g}", times[1:], shown[1:], "points", color=2 * i + j))
            if i == 0:
                gap_a, gap_b = _gram(a.tokens.values)[0], _gram(b.tokens.values)[0]
                paths += [
                    Curve(_NAMES[scaled], times, 1 - gap_a, "points", color=j),
                    Curve(f"{_NAMES[plain]} at 2√(t+1) − 2", times, 1 - gap_b, predicted=True, color=j),
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


def random_weights(progress: Progress) -> Outcome:
    """C5: mean cosine of tokens under random weights, one head, 10 layers with step 1 (T = 10).

    n = 32 < d = 512, β = √d; Q, K, V have entries of variance 2/d, fresh in every layer, the same for all schemes. The
    parameters of the published figure beyond d, β and T are not known. Predicted by d → ∞ (see `_in_the_limit`).
    """
    layers = round(_C5_TIME / _C5_STEP)
    times = _C5_STEP * np.arange(layers + 1)
    found = {name: np.zeros((_C5_DRAWS, layers + 1)) for name in NORMALIZATIONS}
    radii = np.zeros((_C5_DRAWS, layers + 1))
    for draw in range(_C5_DRAWS):
        progress(0.8 * draw / _C5_DRAWS, f"draw {draw + 1} of {_C5_DRAWS}")
        cosines, radii[draw] = _drawn(draw, layers)
        for name, series in cosines.items():
            found[name][draw] = series
    progress(0.8, "infinite dimension")
    limits = {name: _in_the_limit(make(), layers) for name, make in NORMALIZATIONS.items()}
    verdicts = []
    for name in NORMALIZATIONS:
        wanted = limits[name][0][:, -1]
        ends = found[name][:, -1]
        error = 3.0 * float(np.hypot(np.std(ends, ddof=1), np.std(wanted)) / np.sqrt(_C5_DRAWS)) + 0.02
        title = f"{_NAMES[name]}: mean cosine at T = {_C5_TIME:g}, against d to infinity, 3 errors + 0.02"
        verdicts.append(compare(title, float(wanted.mean()), float(ends.mean()), error))
    order = sorted(NORMALIZATIONS, key=lambda s: -float(limits[s][0][:, 5].mean()))
    seen = sorted(NORMALIZATIONS, key=lambda s: -float(found[s][:, 5].mean()))
    text = f"by mean cosine after 5 layers: {', '.join(_NAMES[s] for s in seen)}"
    verdicts.append(exact("order of the schemes", order == seen, ", ".join(order), ", ".join(seen), text))
    walk = np.sqrt(np.mean(limits["pre"][1], axis=0))
    square = float(np.mean(radii[:, -1]))
    title = "Pre-LN: mean r^2 at T, a random walk of independent steps eta A"
    verdicts.append(compare(title, float(walk[-1] ** 2), square, 0.1, relative=True))
    half = len(times) // 2
    power = float(np.log(radii[:, -1].mean() / radii[:, half].mean()) / np.log(times[-1] / times[half]))
    text = (
        f"r^2 grows by eta^2 |A|^2 a layer, for fresh A has no component along y: r ~ t^{power / 2:.2f} from "
        f"t = {times[half]:g} on, with |A| still growing as the tokens join; r ~ t needs the same weights in all layers"
    )
    verdicts.append(exact("Pre-LN: r grows like sqrt(t), not t", power / 2 < 0.75, "t^0.5", power / 2, text))
    curves = []
    for name in NORMALIZATIONS:
        low, high = np.quantile(found[name], [0.05, 0.95], axis=0)
        mean = found[name].mean(axis=0)
        curves.append(Curve(_NAMES[name], times, mean, "points", low=low, high=high, color=_COLORS[name]))
        curves.append(Curve("", times, limits[name][0].mean(axis=0), predicted=True, color=_COLORS[name]))
    panels = (
        Panel("mean cosine, 90 % interval (dashed: d → ∞)", "time t (layers)", "mean cosine", tuple(curves)),
        Panel(
            "Pre-LN: radius",
            "time t (layers)",
            "root mean square of r",
            (
                Curve("tokens", times, np.sqrt(radii.mean(axis=0)), "points"),
                Curve("random walk, d → ∞", times, walk, predicted=True),
                Curve("r = 1 + √2 t, the same V in all layers", times, 1 + np.sqrt(_KAIMING) * times, predicted=True),
            ),
        ),
    )
    data: dict[str, Any] = {"time": times, "mean_square_radius": radii.mean(axis=0)}
    data |= {f"cosine_{name.replace('-', '_')}": found[name] for name in NORMALIZATIONS}
    return Outcome(tuple(verdicts), panels, data)


def _cosine(tokens: np.ndarray) -> float:
    n = len(tokens)
    return float((np.sum(tokens.sum(axis=0) ** 2) - n) / (n * (n - 1)))


def _drawn(draw: int, layers: int) -> tuple[dict[str, list[float]], np.ndarray]:
    """Mean cosines of every scheme after every layer, and the mean square radius of Pre-LN, for one draw of weights."""
    rng, dim = np.random.default_rng([500, draw]), _C5_DIM
    tokens = uniform(_C5_N, dim, 500 + draw)
    points = {name: Normalized(SelfAttention(1.0), name).check(tokens) for name in NORMALIZATIONS}
    cosines = {name: [_cosine(tokens)] for name in NORMALIZATIONS}
    square = [1.0]
    for layer in range(layers):
        query, key, value = rng.standard_normal((3, dim, dim)) * np.sqrt(_KAIMING / dim)
        own = SelfAttention(np.sqrt(dim), value, query.T @ key, attention=Dense()).resolve(_C5_N, dim)
        for name in NORMALIZATIONS:
            flow, t = Normalized(own, name), _C5_STEP * layer
            attended = np.asarray(evaluate_attended(flow, points[name], None, t))
            points[name] = np.asarray(flow.layer(points[name], attended, _C5_STEP, t))
            unit, radii = flow.space.split(points[name])
            cosines[name].append(_cosine(unit))
            if name == "pre":
                square.append(float(np.mean(radii**2)))
    return cosines, np.array(square)


def _in_the_limit(rules: AbstractNormalization, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosines and mean square radii, (draws, layers + 1) each, in infinite dimension.

    With G the Gram matrix of the unit tokens, logits of fresh Q, K are jointly Gaussian, σ²√G N √G with N (n, n)
    standard normal and σ² d the variance scale; V turns everything to directions of its own, so that A is orthogonal to
    all tokens and has the Gram matrix σ² W G Wᵀ, W the attention weights.                               [derived]
    """
    n, rng = _C5_N, np.random.default_rng(55)
    cosines, squares = np.zeros((_C5_LIMITS, layers + 1)), np.ones((_C5_LIMITS, layers + 1))
    for draw in range(_C5_LIMITS):
        gram, radii = np.eye(n), np.ones(n)
        for layer in range(layers):
            t, root = _C5_STEP * layer, _root(gram)
            logits = _KAIMING * root @ rng.standard_normal((n, n)) @ root
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            attended = _root(_KAIMING * weights @ gram @ weights.T)
            nothing = np.zeros((n, n))
            states = np.concatenate([radii[:, None] * root, nothing], axis=1)
            states = rules.layer(states, np.concatenate([nothing, attended], axis=1), _C5_STEP, t)
            length = np.linalg.norm(states, axis=1)
            unit = states / length[:, None]
            gram = unit @ unit.T
            radii = length if rules.keeps_radii and not rules.normalised(t) else np.ones(n)
            cosines[draw, layer + 1] = (gram.sum() - n) / (n * (n - 1))
            squares[draw, layer + 1] = np.mean(radii**2)
    return cosines, squares


def _root(gram: np.ndarray) -> np.ndarray:
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(gram)
    found: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found
