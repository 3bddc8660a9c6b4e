"""Starts that are not independent and uniform (M14): what the theory still says, and the code where it says nothing.

planted degree   density ∝ 1 + 2ε cos mθ wins above ε_c = δ (δ√n)^{−λ_m/λ_max}                     [derived]
any small start  exit = min_k ln(δ/A_k(0))/λ_k with the measured A_k(0);  otherwise NOT_NEAR_UNIFORM
N(0, Σ)          A_2 = O(1): two antipodal poles first                                            [derived]
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact, not_applicable
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.observe import count_clusters, order_parameters, winning_degree
from tokensphere.solve import linear_exit, simulate
from tokensphere.sphere import equispaced, mixture, normalize, perturbed_uniform, uniform, von_mises_fisher
from tokensphere.theory import RaceResult, critical_tilt, growth_rates, predict_emergence, race

__all__ = ["power_law_gaussian", "robustness_to_the_start", "spiral_lattice"]

_SEED = 1400
_BETA, _DEGREES = 5.0, np.arange(1, 9)
_N, _SEEDS = 20_000, 12
# by threshold δ, in units of its ε_c
_TILTS = {0.3: np.array([0.5, 1.0, 2.0]), 0.1: np.array([0.7, 1.0, 1.4])}
_FREQUENCY = 0.1
_CONCENTRATIONS = (0.02, 3.0)  # von Mises: near the uniform law, and far from it
_SPHERE_N = 1500
_LATTICE_N = 2000


def spiral_lattice(n: int) -> np.ndarray:
    """n tokens on S² along a spiral with the golden angle, in bands of equal area: A_k(0) far below n^{−1/2}."""
    i = np.arange(n) + 0.5
    height, turn = 1.0 - 2.0 * i / n, np.pi * (1.0 + np.sqrt(5.0)) * i
    ring = np.sqrt(1.0 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def power_law_gaussian(n: int, dim: int, exponent: float, seed: int) -> np.ndarray:
    """n independent N(0, Σ) vectors, normalised; Σ diagonal with entries j^{−exponent}."""
    scale = np.arange(1, dim + 1) ** (-0.5 * exponent)
    return normalize(np.random.default_rng(seed).standard_normal((n, dim)) * scale)


def _codes(tokens: np.ndarray, beta: float, degrees: Any) -> set[str]:
    n, dim = tokens.shape
    order = dict(zip(np.asarray(degrees).tolist(), order_parameters(tokens, degrees).tolist(), strict=True))
    return {d.code for d in predict_emergence(beta, dim, n, order_parameters=order).diagnoses}


def _race(tokens: np.ndarray, beta: float, degrees: Any, threshold: float) -> RaceResult:
    rates = growth_rates(beta, tokens.shape[1], degrees, "usa")
    return race(order_parameters(tokens, degrees), degrees, rates, threshold)


def _exit(tokens: np.ndarray, beta: float, degrees: Any, threshold: float, limit: float) -> tuple[float, int]:
    """Exit time and the winning degree (infinity and 0 if none left by `limit`)."""
    event = [linear_exit(threshold, degrees, terminal=True)]
    run = simulate(UnnormalizedSelfAttention(beta), tokens, [0.0, limit], rtol=1e-6, error_norm="rms", events=event)
    if "linear_exit" not in run.attrs["events"]:
        return np.inf, 0
    order = order_parameters(run.tokens.values[-1], degrees)
    return float(run.attrs["events"]["linear_exit"]), int(np.asarray(degrees)[np.argmax(order)])


def _tilted(progress: Progress) -> tuple[list[Verdict], list[Panel], dict[str, Any]]:
    """(a): how often a planted degree 1 wins, against the race of each start.

    At the critical tilt every run is a photo finish. The linear race leaves out that the planted degree, large from
    the start, feeds its harmonics, degree 3 among them: without any noise they alone bring degree 3 to 0.3 first.
    """
    critical = {threshold: critical_tilt(_BETA, 1, _N, threshold) for threshold in _TILTS}
    verdicts = [compare("(a) critical tilt, beta = 5, n = 20000, m = 1", 0.11249, critical[0.3], 5e-6)]
    times: list[list[float]] = [[], []]
    curves: list[Curve] = []
    own, _ = _without_noise(critical[0.3], 0.3)
    data: dict[str, Any] = {"critical_tilts": np.array(list(critical.values()))}
    for i, (threshold, tilts) in enumerate(_TILTS.items()):
        shares = np.zeros((2, len(tilts)))
        harmonics = _without_noise(critical[threshold], threshold)[1]
        for j, tilt in enumerate(tilts.tolist()):
            progress(0.25 * i + 0.25 * j / len(tilts), f"planted degree 1, exit at {threshold:g}, tilt {tilt:g}")
            wins = np.zeros((2, _SEEDS))
            for seed in range(_SEEDS):
                start = perturbed_uniform(_N, 2, 1, tilt * critical[threshold], _SEED + 100 * j + seed)
                course = _race(start, _BETA, _DEGREES, threshold)
                time, winner = _exit(start, _BETA, _DEGREES, threshold, 3.0 * course.exit_time)
                wins[:, seed] = course.winner == 1, winner == 1
                times[0].append(course.exit_time)
                times[1].append(time)
            shares[:, j] = wins.mean(axis=1)
            name = f"(a) share won by the planted degree at A = {threshold:g}, tilt {tilt:g} epsilon_c"
            found = compare(name, shares[0, j], shares[1, j], _FREQUENCY)
            if found.outcome == "disagrees":
                said = f"{found.sentence}; {harmonics}"
                found = dataclasses.replace(found, sentence=said)
            verdicts.append(found)
        curves.append(Curve(f"measured at A = {threshold:g}", tilts, shares[1], "points", color=i))
        curves.append(Curve("race of each start" if not i else "", tilts, shares[0], predicted=True, color=i))
        data[f"shares_{i}"], data[f"tilts_{i}"] = shares, tilts
    expected, measured = np.array(times)
    codes = _codes(perturbed_uniform(_N, 2, 1, critical[0.3], _SEED), _BETA, _DEGREES)
    text = f"codes at the critical tilt: {', '.join(sorted(codes))}"
    calm = "NOT_NEAR_UNIFORM" not in codes
    verdicts.append(exact("(a) the tilted start counts as near uniform", calm, True, calm, text))
    panels = [
        Panel("(a) planted degree 1 against degree 3", r"tilt / $\epsilon_c$", "share won by degree 1", tuple(curves)),
        own,
        Panel(
            "(a) exit of each run",
            "predicted",
            "measured",
            (Curve("runs", expected, measured, "points"), Curve("equal", expected, expected, predicted=True)),
        ),
    ]
    return verdicts, panels, data | {"exit_times": np.array(times)}


def _without_noise(tilt: float, threshold: float) -> tuple[Panel, str]:
    """What a planted degree 1 of this size does alone: its order parameters and those of its harmonics."""
    times = np.linspace(0.0, 0.22, 45)
    run = simulate(UnnormalizedSelfAttention(_BETA), equispaced(_LATTICE_N, tilt, 1), times, rtol=1e-7)
    order = np.array([order_parameters(frame, (1, 2, 3)) for frame in run.tokens.values])
    first = winning_degree(times, order, (1, 2, 3), threshold)
    text = f"without noise a tilt of {tilt:.4f} alone brings no degree to {threshold:g} by t = {times[-1]:g}"
    if first.time is not None:
        arrival = f"degree {first.degree} to {threshold:g} first, at t = {first.time:.3g}"
        text = f"without noise this tilt alone brings {arrival}"
    curves = [Curve(rf"$A_{k}$", times, order[:, k - 1], color=k - 1) for k in (1, 2, 3)]
    linear = tilt * np.exp(float(growth_rates(_BETA, 2, 1, "usa")) * times)
    curves.append(Curve("linear", times, linear, predicted=True, color=0))
    return Panel("(a) the planted degree alone", "time", r"$A_k$", tuple(curves)), text


def _coded(name: str, tokens: np.ndarray, beta: float, degrees: Any, rough: bool) -> Verdict:
    """Whether the start is reported as too far from the uniform law, as it must be."""
    codes = _codes(tokens, beta, degrees)
    found = "NOT_NEAR_UNIFORM" in codes
    order = order_parameters(tokens, degrees)
    largest = int(np.argmax(order))
    text = f"largest A_{np.asarray(degrees)[largest]}(0) = {order[largest]:.3g}, n^-1/2 = {len(tokens) ** -0.5:.3g}"
    wanted, seen = ("NOT_NEAR_UNIFORM" if yes else "no code" for yes in (rough, found))
    return exact(name, found == rough, wanted, seen, text)


def _shaped(progress: Progress) -> tuple[list[Verdict], dict[str, Any]]:
    """(b) and (c): von Mises tilts and a mixture on the sphere."""
    verdicts: list[Verdict] = []
    data: dict[str, Any] = {}
    near, far = (von_mises_fisher(_N, [1.0, 0.0], kappa, _SEED + 1) for kappa in _CONCENTRATIONS)
    progress(0.5, "von Mises tilts")
    verdicts.append(_coded(f"(b) von Mises, kappa = {_CONCENTRATIONS[0]:g}", near, _BETA, _DEGREES, False))
    course = _race(near, _BETA, _DEGREES, 0.1)
    time, winner = _exit(near, _BETA, _DEGREES, 0.1, 3.0 * course.exit_time)
    limit = 0.16 / float(growth_rates(_BETA, 2, 3, "usa"))  # how well the linear race knows an arrival at 0.1
    verdicts.append(
        compare("(b) exit at A = 0.1 against the race of this start", course.exit_time, time, limit, unit="time")
    )
    verdicts.append(exact("(b) winner of this start", winner == course.winner, course.winner, winner, "first to 0.1"))
    verdicts.append(_coded(f"(b) von Mises, kappa = {_CONCENTRATIONS[1]:g}", far, _BETA, _DEGREES, True))
    progress(0.55, "mixture on the sphere")
    poles = np.array([[1.0, 0.0, 0.0], [-0.5, 0.8, 0.3], [-0.4, -0.7, 0.6]])
    cloud = mixture(_SPHERE_N, poles, 12.0, _SEED + 2)
    degrees = np.arange(1, 6)
    verdicts.append(_coded("(c) three von Mises-Fisher clumps on the sphere", cloud, _BETA, degrees, True))
    final = simulate(UnnormalizedSelfAttention(_BETA), cloud, [0.0, 0.5], rtol=1e-5, error_norm="rms")
    count = count_clusters(final.tokens.values[-1], 0.1, min_mass=0.02)
    verdicts.append(exact("(c) clusters of the mixture at t = 0.5", count == 3, 3, count, "one for each clump"))
    data["mixture_order"] = order_parameters(cloud, degrees)
    return verdicts, data


def _gaussian(progress: Progress) -> tuple[list[Verdict], list[Panel], dict[str, Any]]:
    """(d): normalised Gaussians of a power-law covariance go to two antipodal poles first."""
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    data: dict[str, Any] = {}
    for i, (dim, n, exponent) in enumerate(((3, 1500, 2.0), (16, 800, 1.0))):
        progress(0.65 + 0.1 * i, f"N(0, Sigma) in dim {dim}")
        start = power_law_gaussian(n, dim, exponent, _SEED + 3 + i)
        verdicts.append(_coded(f"(d) N(0, Sigma) normalised, dim {dim}", start, 2.0, (1, 2), True))
        rate = float(growth_rates(2.0, dim, 1, "usa"))
        times = np.linspace(0.0, 16.0 / rate, 65)
        run = simulate(UnnormalizedSelfAttention(2.0), start, times, rtol=1e-5, error_norm="rms")
        order = np.array([order_parameters(frame, (1, 2)) for frame in run.tokens.values])
        first = int(np.argmax(order.max(axis=1) >= 0.5))
        winner = int(np.argmax(order[first])) + 1
        text = f"A_1 = {order[first, 0]:.3f} and A_2 = {order[first, 1]:.3f} at t = {times[first]:.3g}"
        verdicts.append(exact(f"(d) first degree to reach 0.5, dim {dim}", winner == 2, 2, winner, text))
        gap = int(np.argmax(order[:, 1] - order[:, 0]))
        axis = np.linalg.eigh(run.tokens.values[gap].T @ run.tokens.values[gap])[1][:, -1]
        sides = run.tokens.values[gap] @ axis
        share = float(min((sides > 0.9).mean(), (sides < -0.9).mean()))
        text = (
            f"A_1 = {order[gap, 0]:.3f}, A_2 = {order[gap, 1]:.3f} at t = {times[gap]:.3g}; "
            f"{(np.abs(sides) > 0.9).mean():.0%} of the tokens within 0.45 rad of one of two opposite poles"
        )
        both = (np.abs(sides) > 0.9).mean() > 0.8 and share > 0.1
        verdicts.append(
            exact(
                f"(d) two antipodal poles, dim {dim}", bool(both), "both poles held", f"lesser pole {share:.2f}", text
            )
        )
        curves += [Curve(f"A_{k}, d = {dim}", times * rate, order[:, k - 1], color=2 * i + k - 1) for k in (1, 2)]
        data[f"gaussian_order_{dim}"], data[f"gaussian_times_{dim}"] = order, times
    panel = Panel(r"(d) N(0, Σ) normalised, $\beta$ = 2", r"time, in units of $1/\lambda_1$", r"$A_k$", tuple(curves))
    return verdicts, [panel], data


def _lattices(progress: Progress) -> tuple[list[Verdict], dict[str, Any]]:
    """(e): lattices are quieter than independent tokens: a later exit, or none."""
    progress(0.85, "lattices")
    ring = equispaced(_LATTICE_N)
    quiet_order = float(order_parameters(ring, _DEGREES).max())
    limit = 4.0 / float(growth_rates(_BETA, 2, 3, "usa"))
    time, _ = _exit(ring, _BETA, _DEGREES, 0.1, limit)
    text = f"largest A_k(0) = {quiet_order:.1e}; no exit in the time in which independent tokens have left"
    verdicts = [
        exact(
            "(e) lattice on the circle: at rest", np.isinf(time), "no exit", "no exit" if np.isinf(time) else time, text
        )
    ]
    lattice, degrees = spiral_lattice(_SPHERE_N), np.arange(1, 7)
    course = _race(lattice, _BETA, degrees, 0.1)
    typical = _race(uniform(_SPHERE_N, 3, _SEED), _BETA, degrees, 0.1).exit_time
    time, winner = _exit(lattice, _BETA, degrees, 0.1, 3.0 * course.exit_time)
    limit = 0.16 / float(growth_rates(_BETA, 3, 3, "usa"))
    verdicts += [
        _coded("(e) spiral lattice on the sphere", lattice, _BETA, degrees, False),
        compare("(e) exit of the lattice at A = 0.1 against its race", course.exit_time, time, limit, unit="time"),
        exact(
            "(e) the lattice leaves later than independent tokens",
            time > typical,
            f"> {typical:.4g}",
            time,
            f"winner {winner}",
        ),
    ]
    return verdicts, {"lattice_order": order_parameters(lattice, degrees), "lattice_exit": time}


def robustness_to_the_start(progress: Progress) -> Outcome:
    """M14: a planted mode, a von Mises tilt, a mixture, normalised Gaussians and lattices instead of uniform tokens.

    Near the uniform law the race of the measured A_k(0) must hold; elsewhere the start must be reported as
    NOT_NEAR_UNIFORM. USA, β = 5 unless said.
    """
    tilted, panels, data = _tilted(progress)
    shaped, more = _shaped(progress)
    gaussian, drawn, yet_more = _gaussian(progress)
    lattices, last = _lattices(progress)
    reason = "needs the hidden states or weights of a trained model, which this package does not read yet"
    verdicts = (
        *tilted,
        *shaped,
        *gaussian,
        *lattices,
        not_applicable("(f) a trained model's tokens or weights", reason),
    )
    return Outcome(verdicts, (*panels, *drawn), data | more | yet_more | last)
