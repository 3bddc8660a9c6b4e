"""Layers and few tokens: growth a layer and depth to exit (M16), and what the self-term costs softmax (M18).

layer        x ← N(x + ηA):  factor 1 + ηλ_k/(1 + ηg);    x ← N(x + ηP_xA):  1 + ηλ_k            [derived]
self-term    rate of E A_k² = 2 λ_k (1 − 1/n)/(1 + (e^β/Z0 − 1)/n)   (SA, n independent tokens)   [derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact, not_applicable
from tokensphere.flows import AttentionFlow, EnsembleFlow, SelfAttention, evaluate_field
from tokensphere.observe import order_parameters
from tokensphere.solve import linear_exit, simulate
from tokensphere.sphere import angles, equispaced, moments, quiet, uniform
from tokensphere.theory import (
    dominant_degree,
    effective_neighbours,
    exit_law,
    growth_rates,
    layer_factors,
    layers_to_exit,
    race,
    self_term_factor,
    self_term_slowdown,
)

__all__ = ["finite_depth", "self_term"]

_SEED = 1600
_STEPS = np.array([0.05, 0.1, 0.25, 0.5, 1.0])
_BETA, _DEGREES, _AMPLITUDE = 5.0, (1, 2, 3, 4, 5), 1e-6
_DEPTHS = ((0.1, False), (0.1, True), (0.5, False), (1.0, False), (1.0, True))  # step, projected
_N, _THRESHOLD, _SEEDS = 20_000, 0.1, 8

_SELF_N = np.array([10, 30, 100, 400])
_SELF_BETA = (2.0, 5.0)
_PAIRS = 1_500_000  # pairs of tokens in one ensemble of initial rates
# dim, beta, tokens, threshold, seeds
_HIGH = ((64, 2.0, 500, 0.3, 16), (128, 2.0, 400, 0.3, 10), (64, 2.0, 100, 0.3, 24), (64, 5.0, 400, 0.3, 8))


def _flow(value: float = 1.0) -> AttentionFlow:
    return SelfAttention(_BETA, value=value)


def _through(flow: AttentionFlow, tokens: Any, step: float, layers: int, projected: bool, weights: Any = None) -> Any:
    """Tokens after every layer (layers + 1, n, dim). A projected layer is a projected Euler step of the flow."""
    times = step * np.arange(layers + 1)
    method = "euler" if projected else "layer"
    return simulate(flow, tokens, times, method=method, step_size=step, weights=weights).tokens.values


def _circle_factor(value: float, degree: int, step: float, projected: bool) -> float:
    """Signed factor of μ̂_k over one layer, from equispaced tokens that carry this degree only."""
    frames = _through(_flow(value), equispaced(120, _AMPLITUDE, degree), step, 1, projected)
    before, after = (moments(angles(frame), degree)[degree] for frame in frames)
    return float((after / before).real)


def _sphere_factor(degree: int, step: float, projected: bool) -> float:
    tokens, weights = quiet(3, degree, 1e-6, 14)
    frames = _through(_flow(), tokens, step, 1, projected, weights)
    before, after = (order_parameters(frame, [degree], weights)[0] for frame in frames)
    return float(after / before)


def finite_depth(progress: Progress) -> Outcome:
    """M16: the factor of one layer for V = ±I, projected or not, and the depth at which tokens leave the uniform law.

    SA at β = 5. Factors from tokens that carry one degree at 10⁻⁶; depths from independent tokens, interpolated
    within a layer, against the race with the factors of a layer instead of e^{λ_k t}.
    """
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    table = np.zeros((2, 2, len(_STEPS), len(_DEGREES)))
    exact_table = np.zeros_like(table)
    for a, value in enumerate((1.0, -1.0)):
        for b, projected in enumerate((False, True)):
            progress(0.3 * (2 * a + b) / 4, f"factors, V = {value:g}I, {'projected' if projected else 'plain'}")
            for i, step in enumerate(_STEPS.tolist()):
                exact_table[a, b, i] = layer_factors(_BETA, 2, _DEGREES, step, "sa", projected=projected, value=value)
                table[a, b, i] = [_circle_factor(value, k, step, projected) for k in _DEGREES]
            worst = float(np.abs(table[a, b] / exact_table[a, b] - 1.0).max())
            how = "projected" if projected else "with the radial part"
            name = f"factor of a layer {how}, V = {'' if value > 0 else '-'}I, dim 2, steps 0.05 to 1"
            verdicts.append(compare(name, 0.0, worst, 1e-6))
            kind = "V = I" if value > 0 else "V = −I"
            label, colour = f"{kind}, {'projected' if projected else 'plain'}", 2 * a + b
            curves.append(Curve(label, _STEPS, table[a, b, :, 2], "points", color=colour))
            curves.append(Curve("", _STEPS, exact_table[a, b, :, 2], predicted=True, color=colour))
    progress(0.3, "factors, dim 3")
    for projected in (False, True):
        wanted = layer_factors(_BETA, 3, (2, 3), 0.5, "sa", projected=projected)
        found = np.array([_sphere_factor(k, 0.5, projected) for k in (2, 3)])
        how = "projected" if projected else "with the radial part"
        verdicts.append(
            compare(f"factor of a layer {how}, dim 3, step 0.5", 0.0, float(np.abs(found / wanted - 1).max()), 1e-6)
        )
    plain, across = float(table[0, 0, -1, 2]), float(table[0, 1, -1, 2])
    verdicts.append(
        compare("degree 3, step 1, with the radial part: 1.36056006", 1.36056006, plain, 1e-6, relative=True)
    )
    verdicts.append(compare("degree 3, step 1, projected: 1.68267833", 1.68267833, across, 1e-6, relative=True))
    least = float(table[1, 0].min())
    text = "a layer with V = -I turns the sign of a perturbation and enlarges it: no heat flow"
    verdicts.append(exact("V = -I, step 1: some factor is below -1", least < -1.0, "< -1", least, text))
    depth_verdicts, depths, data = _depths(progress)
    panels = (
        Panel("degree 3 through one layer (dashed: predicted)", "step η", "factor", tuple(curves)),
        Panel(
            "depth to the exit", "predicted by the race (layers)", "measured (layers)", depths, log_x=True, log_y=True
        ),
    )
    data |= {"steps": _STEPS, "factors": table, "predicted_factors": exact_table}
    return Outcome((*verdicts, *depth_verdicts), panels, data)


def _depths(progress: Progress) -> tuple[list[Verdict], tuple[Curve, ...], dict[str, Any]]:
    degrees = np.arange(1, 7)
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    data: dict[str, Any] = {}
    for i, (step, projected) in enumerate(_DEPTHS):
        progress(0.4 + 0.6 * i / len(_DEPTHS), f"depth to exit, step {step:g}")
        factors = layer_factors(_BETA, 2, degrees, step, "sa", projected=projected)
        expected = layers_to_exit(_BETA, 2, _N, step, _THRESHOLD, projected=projected)
        predicted, measured = [], []
        for seed in range(_SEEDS):
            start = uniform(_N, 2, _SEED + seed)
            course = race(order_parameters(start, degrees), degrees, np.log(factors), _THRESHOLD)
            layers = int(np.ceil(1.5 * course.exit_time)) + 3
            frames = _through(_flow(), start, step, layers, projected)
            top = np.array([order_parameters(frame, degrees).max() for frame in frames])
            after = int(np.argmax(top >= _THRESHOLD))
            rise = np.log(_THRESHOLD / top[after - 1]) / np.log(top[after] / top[after - 1])
            measured.append(after - 1 + rise if after else np.nan)
            predicted.append(course.exit_time)
        how = "projected" if projected else "plain"
        name = f"mean depth to exit, step {step:g}, {how}"
        seen, wanted = float(np.mean(measured)), float(np.mean(predicted))
        made = compare(name, wanted, seen, 0.05, unit="layers", relative=True)
        verdicts.append(made)
        curves.append(Curve(f"step {step:g}, {how}", np.array(predicted), np.array(measured), "points", color=i))
        data[f"depths_{i}"], data[f"leading_depth_{i}"] = np.array(measured), expected
    ends = np.array([min(c.x.min() for c in curves), max(c.x.max() for c in curves)])
    return verdicts, (*curves, Curve("equal", ends, ends, predicted=True)), data


def _initial_rate(n: int, beta: float, degree: int, seed: int) -> tuple[float, float]:
    """Half the rate of E A_k² at t = 0, and its standard error: d|μ̂_k|²/dt = 2 Re(conj μ̂_k · mean(−ikθ' e^{−ikθ})).

    The ratio of two means of the same draws: what makes A_k² large makes its derivative large.
    """
    members = max(_PAIRS // n**2, 400)
    flow = SelfAttention(beta, attention=Dense()).resolve(n, 2)
    tokens = uniform(members * n, 2, seed)
    velocity = np.asarray(evaluate_field(EnsembleFlow(flow, members), tokens, None, 0.0))
    theta = angles(tokens).reshape(members, n)
    turning = (tokens[:, 0] * velocity[:, 1] - tokens[:, 1] * velocity[:, 0]).reshape(members, n)
    wave = np.exp(-1j * degree * theta)
    mean = wave.mean(axis=1)
    half = (mean.conj() * (-1j * degree * turning * wave).mean(axis=1)).real
    power = np.abs(mean) ** 2
    rate = float(half.mean() / power.mean())
    return rate, float((half - rate * power).std(ddof=1) / power.mean() / np.sqrt(members))


def self_term(progress: Progress) -> Outcome:
    """M18: softmax attends to its own token too, which slows few tokens; initial rates and exits in high dimension.

    Rates are exact derivatives at time zero, averaged over many draws. In dim 64 and 128 the exit is
    ln(δ√n)/λ_1 over the same factor, known to 5 % with at least 5 effective neighbours.
    """
    verdicts: list[Verdict] = []
    slowing: list[Curve] = []
    data: dict[str, Any] = {"n": _SELF_N}
    for i, beta in enumerate(_SELF_BETA):
        k = dominant_degree(beta, 2)
        rate = float(growth_rates(beta, 2, k))
        found, errors = np.zeros(len(_SELF_N)), np.zeros(len(_SELF_N))
        for j, n in enumerate(_SELF_N.tolist()):
            progress(0.4 * (i + j / len(_SELF_N)) / len(_SELF_BETA), f"initial rates, beta = {beta:g}, {n} tokens")
            seen, error = _initial_rate(n, beta, k, _SEED + 10 * j + i)
            found[j], errors[j] = seen / rate, error / rate
            predicted = self_term_factor(n, beta, 2)
            name = f"initial rate of degree {k} over lambda_{k}; beta = {beta:g}, n = {n}"
            if n >= 30:
                verdicts.append(compare(name, predicted, found[j], 0.06, relative=True))
            else:
                reason = f"the formula is for n >= 30: measured {found[j]:.3f} ± {errors[j]:.2g}"
                verdicts.append(not_applicable(name, reason, predicted=predicted, measured=found[j]))
        fine = np.geomspace(8.0, 500.0, 60)
        slowing.append(
            Curve(rf"$\beta$ = {beta:g}, k = {k}", _SELF_N, found, "points", found - errors, found + errors, color=i)
        )
        slowing.append(
            Curve("", fine, np.array([self_term_factor(n, beta, 2) for n in fine.tolist()]), predicted=True, color=i)
        )
        data[f"factor_{i}"], data[f"factor_error_{i}"] = found, errors
    exits: list[Curve] = []
    for i, (dim, beta, n, threshold, seeds) in enumerate(_HIGH):
        progress(0.4 + 0.6 * i / len(_HIGH), f"exits, dim {dim}, beta = {beta:g}, {n} tokens")
        law, slowdown = exit_law(beta, dim, n, threshold, "sa"), self_term_slowdown(n, beta, dim)
        wanted = law.mean / slowdown
        event = [linear_exit(threshold, (1, 2), terminal=True)]
        times = np.array(
            [
                simulate(
                    SelfAttention(beta),
                    uniform(n, dim, _SEED + seed),
                    [0.0, 4.0 * wanted],
                    rtol=1e-5,
                    error_norm="rms",
                    events=event,
                )
                .attrs["events"]
                .get("linear_exit", np.nan)
                for seed in range(seeds)
            ]
        )
        crowd, mean, error = effective_neighbours(n, beta, dim), float(times.mean()), float(times.std(ddof=1))
        error /= np.sqrt(seeds)
        name = f"mean exit; dim {dim}, beta = {beta:g}, n = {n}"
        if crowd >= 5.0:
            verdicts.append(compare(name, wanted, mean, 0.05, unit="time", relative=True))
        else:
            reason = f"SELF_DOMINATED, {crowd:.3g} effective neighbours: measured {mean:.4g} ± {error:.2g}"
            verdicts.append(not_applicable(name, reason, predicted=wanted, measured=mean, unit="time"))
        spread = 1.0 / (float(growth_rates(beta, dim, 1)) * slowdown * np.sqrt(2.0 * dim))
        label = rf"d = {dim}, $\beta$ = {beta:g}, n = {n}"
        exits.append(Curve(label, np.sort(times) / wanted, (np.arange(seeds) + 0.5) / seeds, "points", color=i))
        data[f"exits_{i}"], data[f"predicted_spread_{i}"] = times, spread
    fine = np.linspace(0.7, 1.3, 100)
    law = exit_law(_HIGH[0][1], _HIGH[0][0], _HIGH[0][2], _HIGH[0][3], "sa")
    exits.append(Curve("law of the race", fine, 1.0 - law.survival(fine * law.mean), predicted=True, color=0))
    panels = (
        Panel(
            "softmax grows slower with few tokens",
            "tokens n",
            r"initial rate / $\lambda_k$",
            tuple(slowing),
            log_x=True,
        ),
        Panel("exit in high dimension", "exit time / predicted mean", "share of runs", tuple(exits)),
    )
    return Outcome(tuple(verdicts), panels, data)
