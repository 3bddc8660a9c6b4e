"""Metastability: lifetimes (C12), the theorem's staircase (C14), the kinetic example (C15), pairing (C16).

T ≈ C e^{β(1−cos φ_0)}/(β sin² φ_0)                    two clusters; C = [(1−p)/p + p/(1−p)]^{−1} (SA), 1 (USA shifted)
dt = e^{β(1−c)} ds,  dc/ds = K(1 − c²)                 the closest pair in the log clock, c its current inner product

Mergers are at the chordal distance 0.1/√β.                                               [2410.06833; formulas derived]
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention
from tokensphere.observe import ClusterTree, cluster_tree, fit_lifetimes
from tokensphere.solve import coarsen, default_delta, simulate
from tokensphere.sphere import angles, from_angles, normalize
from tokensphere.theory import (
    lifetime_constant,
    log_two_cluster_lifetime,
    meeting_angle,
    pair_clock_time,
    pair_constant,
)

__all__ = ["kinetic_example", "pairing_clock", "theorem_staircase", "two_cluster_lifetimes"]

_LOG10 = math.log(10.0)


def _flow(family: str, beta: float) -> Any:
    return SelfAttention(beta) if family == "sa" else UnnormalizedSelfAttention(beta, shifted=True)


_ANGLE, _UNTIL = 1.0, 0.1
_NEAR_BETAS, _FAR_BETAS = (10.0, 20.0, 30.0, 40.0, 50.0), (75.0, 100.0, 150.0, 250.0, 400.0)


def two_cluster_lifetimes(progress: Progress) -> Outcome:
    """C12: two clusters at φ_0 = 1 until φ = 0.1, β = 10 .. 50, masses ½ and 0.2; the constant C from β = 50 .. 400."""
    cases = [("sa", 0.5), ("sa", 0.2), ("usa-shifted", 0.5)]
    verdicts: list[Verdict] = []
    data: dict[str, Any] = {"beta": np.array(_NEAR_BETAS + _FAR_BETAS)}
    curves, scaled_curves = [], []
    betas = data["beta"]
    barrier = 1.0 - math.cos(_ANGLE)
    for part, (family, mass) in enumerate(cases):
        found = []
        for k, beta in enumerate(betas):
            progress((part + k / betas.size) / len(cases), f"{family}, p = {mass:g}, beta = {beta:g}")
            run = coarsen(
                _flow(family, beta),
                from_angles([0.0, _ANGLE]),
                weights=[mass, 1.0 - mass],
                until_angle=(0, 1, _UNTIL),
            )
            found.append(run.attrs["log10_end"] * _LOG10)
        logs = np.array(found)
        law = np.array([log_two_cluster_lifetime(b, _ANGLE, until=_UNTIL, mass=mass, flow=family) for b in betas])
        near = slice(0, len(_NEAR_BETAS))
        worst = float(np.abs(np.expm1(logs - law))[near].max())
        name = f"{'SA' if family == 'sa' else 'USA shifted'}, p = {mass:g}"
        fit = fit_lifetimes(betas[len(_NEAR_BETAS) - 1 :], logs[len(_NEAR_BETAS) - 1 :], corrections=2)
        constant = lifetime_constant(mass, family)
        naive = fit_lifetimes(betas[near], logs[near]).naive_barrier
        verdicts += [
            compare(f"{name}: lifetimes at beta = 10 to 50 over the quadrature", 1.0, 1.0 + worst, 1e-3),
            compare(f"{name}: C from beta = 50 to 400", constant, fit.constant(_ANGLE), 0.01, relative=True),
            compare(f"{name}: barrier 1 - cos(angle)", barrier, fit.barrier, 1e-4),
            exact(
                f"{name}: a fit without log beta is wrong",
                abs(naive - barrier) > 0.02,
                f"{barrier:.4f}",
                f"{naive:.4f}",
                "the slope of log T over beta = 10 to 50 lacks about 1/beta",
            ),
        ]
        key = f"{family}_{mass:g}".replace("-", "_").replace(".", "_")
        data[f"log10_lifetime_{key}"] = logs / _LOG10
        leading = betas * barrier - np.log(betas * math.sin(_ANGLE) ** 2)
        curves += [
            Curve(name, betas[near], logs[near] / _LOG10, "points", color=part),
            Curve("", betas[near], law[near] / _LOG10, predicted=True, color=part),
        ]
        scaled_curves += [
            Curve(name, betas, np.exp(logs - leading), "points", color=part),
            Curve("", betas, np.full(betas.size, constant), predicted=True, color=part),
        ]
    panels = (
        Panel("lifetimes; lines: quadrature", "β", r"$\log_{10}\,T$", tuple(curves)),
        Panel(
            "approach to C (lines)",
            "β",
            r"$T\beta\sin^2\varphi_0\,e^{-\beta(1-\cos\varphi_0)}$",
            tuple(scaled_curves),
            log_x=True,
        ),
    )
    return Outcome(tuple(verdicts), panels, data)


_CHAIN, _CHAIN_BETA = (0.0, 0.05, 0.15, 0.4, 1.0), 3000.0


def theorem_staircase(progress: Progress) -> Outcome:
    """C14: a well-prepared chain at β = 3000, USA shifted, in the log clock: plateaus of the energy, times of mergers.

    Predicted: each merger from the two-body quadrature, slower by the mass 1/(m_i + m_j) of the pair, after the one
    before it; places from Σ m_i θ_i, which USA keeps; levels Σ m_c² with the rest e^{β(c_ij−1)} of neighbours, which is
    0.0019 for the first two tokens and nothing beyond.
    """
    progress(0.0, "well-prepared chain")
    run = coarsen(_flow("usa-shifted", _CHAIN_BETA), from_angles(_CHAIN), rtol=1e-10)
    tree = cluster_tree(run)
    times, levels = _chain_prediction(_CHAIN_BETA, np.array(_CHAIN))
    room = _preparation(np.array(_CHAIN), _CHAIN_BETA)
    found = _plateau_energies(run, tree)
    verdicts = [
        exact(
            "the start is well prepared", room > 1.0, "c > 1", f"c = {room:.3g}", "largest c of the theorem's condition"
        ),
        *(
            compare(f"energy with {5 - k} cluster{'s' if k < 4 else ''}", level, float(energy), 1e-3)
            for k, (level, energy) in enumerate(zip(levels, found, strict=True))
        ),
        *(
            compare(f"log10 t of merger {k + 1}", float(time), float(seen), 1e-3)
            for k, (time, seen) in enumerate(zip(times, tree.log10_times, strict=True))
        ),
    ]
    clock, energy, log_t = run.step_clock.values, run.step_energy.values, run.step_log10_time.values
    shown = np.isfinite(log_t)
    marks = np.interp(tree.log10_times, log_t[shown], clock[shown])
    panels = (
        Panel(
            "staircase of the energy",
            r"$\log_{10}\,t$ (shifted clock)",
            r"$\mathcal{E}$",
            (
                Curve("coarsened run", log_t[shown], energy[shown]),
                Curve("predicted mergers and levels", times, levels[1:], "points", predicted=True),
            ),
        ),
        Panel(
            "the same in the log clock s",
            "s",
            r"$\mathcal{E}$",
            (
                Curve("coarsened run", clock[shown], energy[shown]),
                Curve("predicted levels", marks, levels[1:], "points", predicted=True),
            ),
        ),
    )
    data = {"log10_time": tree.log10_times, "predicted_log10_time": times, "levels": levels, "energy": np.array(found)}
    return Outcome(tuple(verdicts), panels, data)


def _preparation(theta: np.ndarray, beta: float) -> float:
    """The largest c with cos(θ_i − θ_1) ≥ cos(θ_k − θ_i) + c log β/β for all 2 ≤ i ≤ n − 1, k > i."""
    room = [
        math.cos(theta[i] - theta[0]) - math.cos(theta[k] - theta[i])
        for i in range(1, theta.size - 1)
        for k in range(i + 1, theta.size)
    ]
    return min(room) * beta / math.log(beta)


def _chain_prediction(beta: float, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log10 times of the mergers of a chain whose first two always merge next, and the levels of the energy."""
    masses, place = np.full(theta.size, 1.0 / theta.size), theta.copy()
    until = 2.0 * math.asin(0.5 * default_delta(beta))
    levels, times, log_t = [_level(beta, place, masses)], [], -math.inf
    while place.size > 1:
        pair = float(masses[0] + masses[1])
        lone = log_two_cluster_lifetime(beta, float(place[1] - place[0]), until=until, flow="usa-shifted")
        log_t = float(np.logaddexp(log_t, lone - math.log(pair)))
        times.append(log_t / _LOG10)
        met = meeting_angle(float(place[0]), float(place[1]), float(masses[0]), float(masses[1]), "usa-shifted")
        place, masses = np.concatenate([[met], place[2:]]), np.concatenate([[pair], masses[2:]])
        levels.append(_level(beta, place, masses))
    return np.array(times), np.array(levels)


def _level(beta: float, place: np.ndarray, masses: np.ndarray) -> float:
    return float(masses @ np.exp(beta * (np.cos(place[:, None] - place) - 1.0)) @ masses)


def _plateau_energies(run: Any, tree: ClusterTree) -> list[float]:
    """The energy just after each merger began to rest: the least one seen with so many clusters."""
    counts, energy = run.step_clusters.values, run.step_energy.values
    return [float(energy[counts == number].min()) for number in tree.counts()[1]]


_KINETIC = (
    (0.99806638, 0.06215705),
    (0.97712061, 0.21268594),
    (-0.24578194, 0.96932515),
    (-0.97354734, 0.2284854),
    (-0.99892629, -0.04632772),
)
_KINETIC_BETA, _KINETIC_END = 4.0, 400.0


def kinetic_example(progress: Progress) -> Outcome:
    """C15: the published example, n = 5, β = 4, SA, T = 400, dt = 0.1 (RK4), against the log-time run with mergers."""
    progress(0.0, "fixed steps")
    flow, tokens = SelfAttention(_KINETIC_BETA), normalize(np.array(_KINETIC))
    times = np.linspace(0.0, _KINETIC_END, round(_KINETIC_END / 0.1) + 1)
    plain = simulate(flow, tokens, times, method="rk4", step_size=0.1)
    angle = 0.1 * default_delta(_KINETIC_BETA)  # a merger earlier would shift the times of later ones
    expected = cluster_tree(plain, angle=angle)
    progress(0.7, "log time")
    run = coarsen(flow, tokens, times=[_KINETIC_END], merge_angle=angle)
    tree = cluster_tree(run)
    theirs, ours = _groups(expected), _groups(tree)
    same = theirs == ours
    late = 10**expected.log10_times - 10**tree.log10_times if same else np.array([math.inf])
    verdicts = (
        exact("who merges with whom, in order", same, _words(theirs), _words(ours), "fixed steps against log time"),
        exact(
            "times of the mergers",
            bool((late > -0.01).all() and (late < 0.12).all()),
            "seen within 0.1, the step, after",
            ", ".join(f"{a:.3f}" for a in late),
            f"log time: t = {', '.join(f'{10**a:.4g}' for a in tree.log10_times)}",
        ),
        compare(
            "tokens at t = 400",
            0.0,
            float(np.abs(plain.tokens.values[-1] - run.tokens.values[-1]).max()),
            angle,
        ),
    )
    shown = plain.isel(time=slice(1, None))
    curves = [
        Curve("fixed steps" if i == 0 else "", shown.time.values, _turned(shown.tokens.values[:, i]), color=i)
        for i in range(len(tokens))
    ]
    marks = Curve(
        "mergers, log time",
        10**tree.log10_times,
        _turned(run.merge_position.values),
        "points",
        predicted=True,
        color=5,
    )
    panel = Panel("five tokens, SA, β = 4", "time t", "angle (rad)", (*curves, marks), log_x=True)
    data = {"log10_time": tree.log10_times, "fixed_log10_time": expected.log10_times, "children": tree.children}
    return Outcome(verdicts, (panel,), data)


def _turned(tokens: np.ndarray) -> np.ndarray:
    """Angles in [−π/2, 3π/2), where none of these tokens crosses the border."""
    return np.asarray(np.mod(angles(tokens) + 0.5 * math.pi, 2.0 * math.pi) - 0.5 * math.pi)


def _groups(tree: ClusterTree) -> list[tuple[int, ...]]:
    """The tokens of the cluster that each merger makes."""
    members: list[tuple[int, ...]] = [(i,) for i in range(tree.size)]
    for a, b in tree.children:
        members.append(tuple(sorted(members[a] + members[b])))
    return members[tree.size :]


def _words(groups: list[tuple[int, ...]]) -> str:
    return "; ".join("+".join(str(i + 1) for i in group) for group in groups) or "none"


_PAIR_ANGLES, _PAIR_BETAS, _PAIR_PRODUCT = (0.0, 0.8, 2.2), (20.0, 40.0, 80.0), 0.9
_MEETING_MASSES, _MEETING_BETAS = (0.7, 0.3), (100.0, 400.0, 1600.0)


def pairing_clock(progress: Progress) -> Outcome:
    """C16: angles (0, 0.8, 2.2), SA: the clock s until c = 0.9 with the current product, and with that of the start.

    And where two clusters of masses 0.7 and 0.3 meet: weighted by m², up to O(β^{−1/2}), not at the barycentre.
    """
    start = math.cos(_PAIR_ANGLES[1])
    ours, printed, paths = [], [], []
    for k, beta in enumerate(_PAIR_BETAS):
        progress(0.2 * k, f"beta = {beta:g}")
        run = coarsen(
            SelfAttention(beta), from_angles(_PAIR_ANGLES), until_angle=(0, 1, math.acos(_PAIR_PRODUCT)), rtol=1e-10
        )
        ours.append(float(run.step_clock.values[-1]))
        printed.append(math.exp(run.attrs["log10_end"] * _LOG10 - beta * (1.0 - start)))
        paths.append(run)
    constant = pair_constant(1 / 3, 1 / 3)
    law = pair_clock_time(start, _PAIR_PRODUCT, constant)
    off = np.abs(np.array(ours) - law)
    meeting = []
    for k, beta in enumerate(_MEETING_BETAS):
        progress(0.6 + 0.13 * k, f"meeting point, beta = {beta:g}")
        run = coarsen(SelfAttention(beta), from_angles([0.0, 1.0]), weights=list(_MEETING_MASSES))
        meeting.append(float(angles(run.merge_position.values)[0]))
    place = meeting_angle(0.0, 1.0, *_MEETING_MASSES)
    gaps = np.abs(np.array(meeting) - place)
    verdicts = (
        compare("s to c = 0.9 at beta = 80, current product", law, ours[-1], 1e-4),
        exact(
            "it converges as beta grows",
            bool((np.diff(off) < 0).all()),
            f"-> {law:.5f}",
            ", ".join(f"{s:.5f}" for s in ours),
            f"beta = {', '.join(f'{b:g}' for b in _PAIR_BETAS)}",
        ),
        exact(
            "the printed clock (product at the start) does not: it shrinks like 1/beta",
            all(0.4 < b / a < 0.6 for a, b in itertools.pairwise(printed)),
            "halved each time",
            ", ".join(f"{s:.4f}" for s in printed),
            "its time until c = 0.9 tends to 0",
        ),
        exact(
            "an SA pair meets at the mean weighted by squared masses",
            bool((np.diff(gaps) < 0).all() and gaps[-1] * math.sqrt(_MEETING_BETAS[-1]) < 1.0),
            f"{place:.4f} + O(beta^-1/2)",
            ", ".join(f"{a:.4f}" for a in meeting),
            f"beta = {', '.join(f'{b:g}' for b in _MEETING_BETAS)}; the barycentre is at {_MEETING_MASSES[1]:g} rad",
        ),
    )
    betas = np.array(_PAIR_BETAS)
    exact_path = np.linspace(0.0, law, 60)
    curves = [
        Curve(
            f"β = {beta:g}",
            run.step_clock.values,
            np.cos(run.step_nearest.values),
            "points",
            color=k,
        )
        for k, (beta, run) in enumerate(zip(_PAIR_BETAS, paths, strict=True))
    ]
    panels = (
        Panel(
            "the pair in the log clock",
            "s",
            r"$c=\langle x_1,x_2\rangle$",
            (*curves, Curve("law", exact_path, np.tanh(constant * exact_path + math.atanh(start)), predicted=True)),
        ),
        Panel(
            "clock until c = 0.9",
            "β",
            "s",
            (
                Curve("current product", betas, np.array(ours), "points"),
                Curve("limit", betas, np.full(betas.size, law), predicted=True, color=0),
                Curve("product at the start, as printed", betas, np.array(printed), "points"),
            ),
        ),
    )
    data = {"beta": betas, "clock": np.array(ours), "printed_clock": np.array(printed), "meeting": np.array(meeting)}
    return Outcome(verdicts, panels, data)
