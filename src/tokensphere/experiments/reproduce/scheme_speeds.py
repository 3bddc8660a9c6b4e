"""Speeds of normalisation schemes: velocities at the start, slopes at the end, (1 − ρ) r² (C3).

ends          e^{−2t}, e^{−2αt}, e^{−4√(t+1)}, or C/r² with one C for all schemes that keep radii  [2510.22026; derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import NGPT, NORMALIZATIONS, Normalized, SelfAttention, UnnormalizedSelfAttention
from tokensphere.solve import simulate
from tokensphere.theory import equiangular_invariant, equiangular_path, equiangular_rate, ngpt_scheme, scheme_named

from .schemes import COLORS, FREE, NAMES, gram_gaps, radii_of

__all__ = ["speeds"]

_C3_START, _C3_N, _C3_BETA = (256, 5.0), 32, 2.0
_C3_ENDS = {"post": 9.0, "ngpt": 9.0, "sqrt": 60.0, "pre": 1e5, "mix": 1e5, "peri": 1e5, "ln-scaling": 1e9}


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
        verdicts.append(compare(f"{NAMES[name]}: d rho/dt at the start", wanted, seen, 1e-6, unit="1/time"))
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
        progress(0.1 + 0.7 * i / len(_C3_ENDS), f"end of {NAMES[name]}")
        law = scheme_named(name).law
        times = np.append(0.0, np.geomspace(0.1, end, 33) if law.kind == "power" else np.linspace(0.1, end, 31))
        flow = Normalized(SelfAttention(_C3_BETA), name)
        run = simulate(flow, np.eye(_C3_N), times, method="dopri8", rtol=1e-11)
        gaps = gram_gaps(run.tokens.values)[0]
        path = equiangular_path(times, _C3_BETA, _C3_N, scheme=name)
        for how, logs in (("tokens", np.log(gaps)), ("scalar equation", path.log_gap)):
            slope = _slope(times, logs, law.against)
            text = f"{NAMES[name]}, {how}: slope of log(1 - rho) against {law.against}"
            verdicts.append(compare(text, law.rate, slope, 0.01, relative=True, source="2510.22026; derived"))
            data[f"slope_{name.replace('-', '_')}_{how.replace(' ', '_')}"] = slope
        curve = (
            Curve(NAMES[name], times[1:], gaps[1:], "points", color=COLORS[name]),
            Curve("", times[1:], np.exp(path.log_gap[1:]), predicted=True, color=COLORS[name]),
        )
        (power if law.kind == "power" else fast).extend(curve)
        if name in FREE:
            r = radii_of(run)[:, 0]
            text = f"{NAMES[name]}: (1 - rho) r^2 at t = {end:g}"
            verdicts.append(compare(text, limit, float(gaps[-1] * r[-1] ** 2), 1e-6, relative=True))
            reached = float(np.exp(path.log_gap[-1]) * path.radius[-1] ** 2)
            verdicts.append(compare(f"{text}, scalar equation", limit, reached, 1e-6, relative=True))
            products.append(Curve(NAMES[name], times[1:], gaps[1:] * r[1:] ** 2, "line", color=COLORS[name]))
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
    slope = float(np.diff(np.log(gram_gaps(run.tokens.values)[0][1:]))[0] / 0.5)
    return compare("USA, beta 1, tokens: slope of log(1 - rho) against t", -2.0 * math.e, slope, 0.01, relative=True)


def _half_alpha() -> Verdict:
    """nGPT with half the step ends half as fast: the rate is proportional to α, not to 1/α."""
    times = np.array([0.0, 16.0, 18.0])
    run = simulate(Normalized(SelfAttention(_C3_BETA), NGPT(0.5)), np.eye(_C3_N), times, method="dopri8", rtol=1e-11)
    slope = float(np.diff(np.log(gram_gaps(run.tokens.values)[0][1:]))[0] / 2.0)
    rate = ngpt_scheme(0.5).law.rate
    name = "nGPT, alpha 1/2, tokens: slope of log(1 - rho) against t"
    return compare(name, rate, slope, 0.01, relative=True, source="2510.22026; derived")
