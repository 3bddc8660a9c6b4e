"""The three scales at large β: alignment (M20), backward and forward heat (M21, M22), pairing (M23).

t = O(1)        ẋ = P_x V Bᵀx/|Bᵀx|: to the leading eigenspace of V Bᵀ
t = O(β)        ∂_s μ = ∓Δμ, s = t/β, for V = ±I
t = O(e^{cβ})   the closest two clusters merge                                     [2509.25040; formulas derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, not_applicable
from tokensphere.flows import AlignmentFlow, SelfAttention
from tokensphere.observe import clusters as find_clusters
from tokensphere.solve import Event, Moment, simulate
from tokensphere.sphere import angles, from_angles, moments, uniform
from tokensphere.theory import (
    AlignmentLimit,
    alignment_limit,
    first_merger,
    heat_factors,
    heat_variance,
    pair_product,
)

__all__ = ["alignment_phase", "backward_heat", "forward_heat", "pairing"]

_SEED = 20
_LIMIT_TOKENS, _SOFTMAX_TOKENS = 10_000, 1000
_ALIGN_BETA = 30.0
# V Bᵀ with the eigenvalues 1, 0.2, −0.5, and with 0.6 ± 1.5i, −0.4, in a basis that is not orthogonal. The matrices of
# the paper are not known.
_BASIS = np.array([[1.0, 0.3, -0.2], [0.0, 1.0, 0.5], [0.4, -0.1, 1.0]])
_QUERY_KEY = np.array([[1.0, 0.2, 0.0], [-0.3, 1.1, 0.2], [0.1, 0.0, 0.8]])
_REAL = np.diag([1.0, 0.2, -0.5])
_PAIR = np.array([[0.6, -1.5, 0.0], [1.5, 0.6, 0.0], [0.0, 0.0, -0.4]])


def alignment_phase(progress: Progress) -> Outcome:
    """M20: tokens reach the leading eigenspace of V Bᵀ at the predicted rate; softmax attention at β = 30 as well.

    The limit flow has 10,000 tokens as in the paper, softmax attention 1000 (its cost is n²).
    """
    verdicts: list[Verdict] = []
    panels: list[Panel] = []
    data: dict[str, np.ndarray] = {}
    for part, (name, inner, stop) in enumerate((("simple eigenvalue", _REAL, 14.0), ("complex pair", _PAIR, 14.0))):
        progress(0.5 * part, name)
        value = _BASIS @ inner @ np.linalg.inv(_BASIS) @ np.linalg.inv(_QUERY_KEY.T)
        limit = alignment_limit(value, _QUERY_KEY)
        times = np.linspace(0.0, stop, 57)
        tokens = uniform(_LIMIT_TOKENS, 3, _SEED)
        run = simulate(AlignmentFlow(value, _QUERY_KEY), tokens, times, rtol=1e-9).tokens.values
        away = np.stack([limit.distance(x) for x in run])
        progress(0.5 * part + 0.15, f"{name}: softmax attention")
        soft = simulate(SelfAttention(_ALIGN_BETA, value, _QUERY_KEY), tokens[:_SOFTMAX_TOKENS], times, rtol=1e-6)
        soft_away = np.stack([limit.distance(x) for x in soft.tokens.values])
        rate = _settled_rate(times, away, limit)
        verdicts += [
            compare(f"{name}: rate of the limit flow", limit.rate, rate, 0.01, unit="1/time", relative=True),
            compare(f"{name}: mean distance at the end", 0.0, float(away[-1].mean()), 1e-3),
            *_softmax(name, limit, value, times, away[:, :_SOFTMAX_TOKENS], soft_away, soft.tokens.values[-1]),
            _motion(name, limit, run, soft.tokens.values, times),
        ]
        middle, soft_middle = np.median(away, axis=1), np.median(soft_away, axis=1)
        fit = np.exp(-limit.rate * (times - times[-1])) * middle[-1]
        curves = (
            Curve("limit flow, median", times, middle),
            Curve("softmax, median", times, soft_middle),
            Curve("predicted rate", times, np.minimum(fit, 1.0), predicted=True, color=0),
        )
        panels.append(Panel(f"{name}: {limit.kind}", "time t", "distance to the eigenspace", curves, log_y=True))
        key = name.replace(" ", "_")
        data |= {f"{key}_distance": middle, f"{key}_softmax": soft_middle, "time": times}
    return Outcome(tuple(verdicts), tuple(panels), data)


def _softmax(
    name: str,
    limit: AlignmentLimit,
    value: np.ndarray,
    times: np.ndarray,
    away: np.ndarray,
    soft_away: np.ndarray,
    last: np.ndarray,
) -> tuple[Verdict, ...]:
    """Softmax attention follows the limit flow while tokens are everywhere; afterwards Bᵀ has nothing to choose from.

    Tokens that stand together attend to each other whatever B is, so that dx/dt = P_x V x: they go on to the leading
    eigenspace of V alone, which is not that of V Bᵀ.
    """
    early = int(np.argmin(np.abs(times - 2.0)))
    apart = float(np.abs(away[early] - soft_away[early]).mean())
    own = alignment_limit(value)
    offset = float(limit.distance(own.basis).max())
    return (
        compare(f"{name}: softmax at t = 2 against the limit flow, mean, within 1/beta", 0.0, apart, 1 / _ALIGN_BETA),
        compare(
            f"{name}: softmax at the end, mean distance to the eigenspace of V",
            0.0,
            float(own.distance(last).mean()),
            0.02,
        ),
        not_applicable(
            f"{name}: softmax at the end, distance to the eigenspace of V B^T",
            "the tokens have collapsed, their support is no longer the sphere; the two eigenspaces are "
            f"{offset:.4f} apart",
            predicted=0.0,
            measured=float(soft_away[-1].mean()),
        ),
    )


def _settled_rate(times: np.ndarray, away: np.ndarray, limit: AlignmentLimit) -> float:
    """Median over the tokens of the slope of −ln distance at the end, over whole turns where tokens turn."""
    span = 1.5 if limit.period is None else limit.period
    logs = np.log(np.maximum(away, 1e-300))
    first = np.array([np.interp(times[-1] - span, times, column) for column in logs.T])
    return float(np.median(first - logs[-1]) / span)


def _motion(name: str, limit: AlignmentLimit, run: np.ndarray, soft: np.ndarray, times: np.ndarray) -> Verdict:
    """Where the tokens are: at both poles, or how long a turn of the great circle takes."""
    if limit.period is None:
        side = soft[-1] @ limit.basis[0]
        both = min(float((side > 0.99).mean()), float((side < -0.99).mean()))
        found = 2 if both > 0.05 else 1
        outcome = "agrees" if found == 2 and float((np.abs(side) > 0.99).mean()) > 0.99 else "disagrees"
        sentence = f"the smaller of two antipodal points holds {both:.0%} of the tokens"
        return Verdict(f"{name}: points, softmax", outcome, 2, found, None, "points", sentence)  # type: ignore[arg-type]
    plane = run @ limit.basis.T
    turned = np.unwrap(np.arctan2(plane[..., 1], plane[..., 0]), axis=0)
    last = times >= times[-1] - 1.001 * limit.period
    turn = np.abs(np.median(turned[-1] - [np.interp(times[-1] - limit.period, times, c) for c in turned.T]))
    assert last.any()
    period = limit.period * 2.0 * math.pi / float(turn)
    return compare(f"{name}: period of the limit flow", limit.period, period, 0.01, unit="time", relative=True)


_BACKWARD_BETA, _BACKWARD_TOKENS, _WIDTH = 10.0, 10_000, 0.2
_MEANS = np.array([0.0, 1.2, 2.8, 4.55])
_SHARP = 15.0  # time at which every bump is a point
_MERGED = 1e-3  # radians: two point clusters that near count as one


def backward_heat(progress: Progress) -> Outcome:
    """M21: with V = I bumps sharpen to points, which then merge one after the other: a staircase of the energy.

    Four wrapped normals of standard deviation 0.2 (means and weights of the paper are not known). When each has become
    a point it is carried on as one token of its mass, which is exact for tokens that lie together.
    """
    rng = np.random.default_rng(_SEED)
    flow = SelfAttention(_BACKWARD_BETA)
    label = np.arange(_BACKWARD_TOKENS) % 4
    theta = _MEANS[label] + _WIDTH * rng.standard_normal(_BACKWARD_TOKENS)
    progress(0.0, "bumps sharpen")
    times = np.concatenate([[0.0], np.geomspace(0.01, _SHARP, 40)])
    run = simulate(flow, from_angles(theta), times, rtol=1e-7)
    frames = run.tokens.values
    spread = np.array([[_half_width(angles(x[label == j]) - _MEANS[j]) for j in range(4)] for x in frames])
    predicted = np.sqrt(heat_variance(_BACKWARD_BETA, float(np.mean(spread[0] ** 2)), times, 1.0))
    energies = [flow.energy(x, shifted=True) for x in frames]
    points = find_clusters(frames[-1], 0.02)
    clusters, masses, t = points.positions, points.masses, float(times[-1])
    lone = first_merger(clusters, _BACKWARD_BETA, angle=0.1)
    # The first plateau begins when the bumps are points of 0.02 rad.
    sharp = float(times[np.argmax(spread.mean(axis=1) < 0.02)])
    clock, energy, steps = list(times[1:]), energies[1:], [sharp]
    meeting = None
    while len(clusters) > 1:
        progress(0.9 - 0.1 * min(len(clusters), 5), f"{len(clusters)} clusters")
        save = t + np.concatenate([[0.0], np.geomspace(1e-3 * t, 1e10, 120)])
        events = (Event("merged", _nearness(_MERGED), terminal=True, at_start=True), Event("near", _nearness(0.1)))
        out = simulate(flow, clusters, save, rtol=1e-9, weights=masses, events=events, max_steps=200_000)
        if meeting is None:
            meeting = out.attrs["events"].get("near")
        kept = out.time.values
        clock += list(kept[1:])
        energy += [flow.energy(x, masses, shifted=True) for x in out.tokens.values[1:]]
        if "merged" not in out.attrs["events"]:
            break
        t = float(kept[-1])
        steps.append(t)
        clusters, masses = _merge(out.tokens.values[-1], masses)
    log_t, log_e = np.array(clock), np.array(energy)
    early = times <= 0.4
    error = float(np.abs(spread[early].mean(axis=1) / predicted[early] - 1.0).max())
    drop = float(max(0.0, -np.diff(log_e).min()))
    ratios = np.array(steps[1:]) / np.array(steps[:-1])
    named = 1.0 if len(ratios) == 3 and ratios.min() > 3.0 else 0.0
    verdicts = (
        compare("width of the bumps, t <= 0.4, relative to the law of a bump, within 1/beta", 0.0, error, 0.1),
        compare("largest fall of the energy", 0.0, drop, 1e-12),
        compare("clusters after the collapse", 4, points.count, 0),
        compare("steps of the staircase", 3, len(ratios), 0),
        Verdict(
            "plateaus long in log t",
            "agrees" if named else "disagrees",
            "each 3 times longer than all before",
            ", ".join(f"{r:.3g}" for r in ratios),
            None,
            "",
            "time of each merger over that of the one before",
        ),
        compare(
            "time of the first merger (to 0.1 rad) after the collapse, isolated pair",
            lone.value[2],
            math.nan if meeting is None else meeting - float(times[-1]),
            0.1,
            unit="time",
            relative=True,
        ),
    )
    panels = (
        Panel(
            "bumps sharpen",
            "time t",
            "standard deviation (rad)",
            (
                Curve("tokens, mean of four", times[1:], spread[1:].mean(axis=1), "points"),
                Curve("law of a bump", times[1:], predicted[1:], predicted=True),
            ),
            log_x=True,
            log_y=True,
        ),
        Panel(
            "staircase of the energy", "time t", r"energy $\times e^{-\beta}$", (Curve("", log_t, log_e),), log_x=True
        ),
    )
    data = {"time": log_t, "energy": log_e, "mergers": np.array(steps), "spread": spread, "spread_time": times}
    return Outcome(verdicts, panels, data)


def _wrapped(theta: np.ndarray) -> np.ndarray:
    return np.asarray(np.angle(np.exp(1j * theta)))


def _half_width(theta: np.ndarray) -> float:
    """Standard deviation of a normal by its quantiles: a token that goes over to another bump does not count."""
    low, high = np.quantile(_wrapped(theta), [0.1586553, 0.8413447])
    return float(0.5 * (high - low))


def _nearness(angle: float) -> Any:
    """Positive once two tokens are within `angle`."""

    def value(moment: Moment) -> float:
        theta = np.sort(angles(moment.tokens))
        gaps = np.diff(np.append(theta, theta[0] + 2.0 * math.pi))
        return angle - float(gaps.min())

    return value


def _merge(tokens: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The closest two tokens as one, at their weighted mean."""
    theta = angles(tokens)
    order = np.argsort(theta)
    gaps = np.diff(np.append(theta[order], theta[order[0]] + 2.0 * math.pi))
    at = int(np.argmin(gaps))
    i, j = order[at], order[(at + 1) % len(order)]
    joined = masses[i] * tokens[i] + masses[j] * tokens[j]
    kept = [k for k in range(len(tokens)) if k not in (i, j)]
    new = np.concatenate([tokens[kept], (joined / np.linalg.norm(joined))[None]])
    return new, np.append(masses[kept], masses[i] + masses[j])


_FORWARD_BETA, _FORWARD_TOKENS, _CLOCK = 50.0, 50_000, 0.2
_BUMPS = ((0.5, 0.35, 0.5), (2.2, 0.5, 0.3), (4.0, 0.4, 0.2))  # mean, standard deviation, mass


def forward_heat(progress: Progress) -> Outcome:
    """M22: with V = −I the density follows the heat kernel; d = 2, β = 50, three Gaussians."""
    rng = np.random.default_rng(_SEED)
    counts = [round(_FORWARD_TOKENS * mass) for *_, mass in _BUMPS]
    theta = np.concatenate(
        [m + sd * rng.standard_normal(count) for (m, sd, _), count in zip(_BUMPS, counts, strict=True)]
    )
    clock = np.linspace(0.0, _CLOCK, 9)
    seen: list[float] = []

    def watch(state: Any) -> None:
        if state.t / (_FORWARD_BETA * _CLOCK) > (seen[-1] if seen else 0.0) + 0.1:
            seen.append(state.t / (_FORWARD_BETA * _CLOCK))
            progress(min(seen[-1], 1.0), f"s = {state.t / _FORWARD_BETA:.3g}")

    progress(0.0, "forward heat")
    run = simulate(
        SelfAttention(_FORWARD_BETA, value=-1.0), from_angles(theta), _FORWARD_BETA * clock, rtol=1e-5, observe=watch
    )
    degrees = np.arange(1, 5)
    found = np.stack([moments(angles(x), 4)[1:] for x in run.tokens.values])
    kernel = heat_factors(degrees, 2, clock) * found[0]
    error = np.abs(found / kernel - 1.0)
    verdicts = tuple(
        compare(f"coefficient {k} against the heat kernel, s <= {_CLOCK}", 0.0, float(error[:, k - 1].max()), 0.1)
        for k in (1, 2)
    )
    grid = np.linspace(0.0, 2.0 * math.pi, 200)
    wide = np.exp(-0.5 * (np.arange(60) * 0.12) ** 2)  # a histogram would be as wide: 0.12 rad
    drawn = [
        (moments(angles(run.tokens.values[0]), 59), "start", 0, False),
        (moments(angles(run.tokens.values[-1]), 59), f"tokens, s = {_CLOCK:g}", 1, False),
        (
            moments(angles(run.tokens.values[0]), 59) * heat_factors(np.arange(60), 2, _CLOCK),
            f"heat kernel, s = {_CLOCK:g}",
            1,
            True,
        ),
    ]
    curves = []
    for modes, label, color, predicted in drawn:
        waves = np.exp(1j * np.outer(grid, np.arange(60))) @ (modes * wide)
        curves.append(Curve(label, grid, (2 * waves.real - 1) / (2 * math.pi), predicted=predicted, color=color))
    fading = [
        Curve(f"k = {k}", clock, np.abs(found[:, k - 1]), "points", color=i) for i, k in enumerate(degrees.tolist())
    ]
    fading += [
        Curve("", clock, np.abs(kernel[:, k - 1]), predicted=True, color=i) for i, k in enumerate(degrees.tolist())
    ]
    panels = (
        Panel("density (0.12 rad wide)", "angle (rad)", "density", tuple(curves)),
        Panel("coefficients; lines: heat kernel", "s = t/β", "|coefficient|", tuple(fading), log_y=True),
    )
    return Outcome(verdicts, panels, {"clock": clock, "coefficients": np.abs(found), "kernel": np.abs(kernel)})


_PAIR_BETA, _PAIR_ANGLES, _PAIR_STOP = 8.0, (0.0, 0.9, 2.6, 4.4), 0.5


def pairing(progress: Progress) -> Outcome:
    """M23: the closest of four tokens follow the two-body law while the others hardly move."""
    progress(0.0, "four tokens")
    tokens = from_angles(_PAIR_ANGLES)
    times = np.linspace(0.0, _PAIR_STOP, 51)
    run = simulate(SelfAttention(_PAIR_BETA), tokens, times, rtol=1e-11).tokens.values
    product = np.einsum("td,td->t", run[:, 0], run[:, 1])
    law = pair_product(_PAIR_BETA, float(tokens[0] @ tokens[1]), times)
    others = float(np.abs(_wrapped(angles(run[-1, 2:]) - np.array(_PAIR_ANGLES[2:]))).max())
    first = first_merger(tokens, _PAIR_BETA)
    verdicts = (
        compare("inner product of the pair at t = 0.5, two-body law", float(law[-1]), float(product[-1]), 1e-4),
        compare("reference value of the simulation", 0.652382, float(product[-1]), 1e-6),
        compare("displacement of the others", 0.0, others, 1e-4, unit="rad"),
        Verdict(
            "the pair that merges first",
            "agrees" if first.value[:2] == (0, 1) and first.hypotheses[0].holds else "disagrees",
            str(first.value[:2]),
            "(0, 1)",
            None,
            "",
            first.hypotheses[0].detail,
        ),
    )
    panels = (
        Panel(
            "two-body law",
            "time t",
            r"$\langle x_1, x_2\rangle$",
            (Curve("simulation", times, product, "points"), Curve("law", times, law, predicted=True)),
        ),
    )
    return Outcome(verdicts, panels, {"time": times, "inner_product": product, "law": law})
