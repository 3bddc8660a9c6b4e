"""Propagation of chaos (M1): how far n tokens are from the density they are drawn from, and how that grows.

    √n E W_1(μ^n_t, μ_t) → c(t),          W_1(μ^n_t, μ_t) ≤ W_1(μ^n_0, μ_0) e^{2Ct},   C = e^β   (USA)

The density is solved by its Fourier coefficients and, as a second oracle, by its quantiles; W_1 is exact.
[2410.23228, section on propagation of chaos; the constant 2C derived]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tokensphere.attention import Circle, CircleSeries
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Agreement, Verdict, compare, not_applicable
from tokensphere.flows import EnsembleFlow, SelfAttention, UnnormalizedSelfAttention
from tokensphere.meanfield import (
    CircleDistribution,
    CircleMeanField,
    QuantileMeanField,
    quiet_tokens,
    random_tokens,
    uniform_plus,
)
from tokensphere.observe import wasserstein_of_runs, wasserstein_to_density
from tokensphere.solve import evolve, simulate
from tokensphere.theory import dobrushin_constant

__all__ = ["Sample", "chaos", "distances", "limit_densities"]

_BETA = 2.0
_TIMES = np.array([0.0, 0.25, 0.5, 1.0])
_TILTED = {1: -0.15j, 2: 0.25}  # u_0 = 1 + cos(2 theta)/2 + 0.3 sin(theta)
_MODES = 64
_QUANTILES = 4096
_QUIET = 100_000
_RTOL = 1e-6  # of a step; distances are 1e-3 and more
_TOGETHER = 400  # runs of at most so many tokens are stepped together
# Runs for every number of tokens.
_RUNS = {10: 1000, 50: 1000, 100: 1000, 1000: 100, 10_000: 20, 100_000: 5, 1_000_000: 2}
_FEWER = {10: 1000, 50: 1000, 100: 1000, 1000: 60, 10_000: 10}
# Measured before, with standard error 0.017: sqrt(n) E W_1 at t = 0 and t = 0.5.
_KNOWN = {0.0: {10: 1.423, 50: 1.404, 100: 1.403}, 0.5: {10: 1.932, 50: 2.012, 100: 2.026}}
_KNOWN_ERROR = 0.017
_KNOWN_ORDER = (0.22235, 0.43500, 0.17775)  # of degrees 1, 2, 3 at t = 0.5
_SCATTER = 3.0  # standard errors that chance may take
_SPREAD, _ENOUGH = 0.45, 8  # of one run, relative: 0.36 (t = 0) to 0.42 (t = 1) at n = 100; taken below 8 runs


@dataclass(frozen=True)
class Sample:
    """Distances of runs of `n` tokens: `values` (runs, times)."""

    n: int
    values: np.ndarray

    @property
    def scaled(self) -> np.ndarray:
        """√n E W_1 (times,)."""
        return np.asarray(math.sqrt(self.n) * self.values.mean(axis=0))

    @property
    def error(self) -> np.ndarray:
        """Standard errors of `scaled`; a few runs do not show their own spread, so a known one is taken."""
        runs = len(self.values)
        spread = self.values.std(axis=0, ddof=1) if runs >= _ENOUGH else _SPREAD * self.values.mean(axis=0)
        return np.asarray(math.sqrt(self.n / runs) * spread)


def limit_densities(flow: str, start: np.ndarray, times: np.ndarray = _TIMES) -> list[np.ndarray]:
    """The coefficients of the mean-field limit at these times, by the spectral solver."""
    equation = CircleMeanField(_BETA, flow=flow, resolution=len(start) - 1)
    return list(evolve(equation, start, times).coefficients.values)


def distances(
    flow: str, start: np.ndarray, limits: list[np.ndarray], n: int, runs: int, first_seed: int, progress: Progress
) -> Sample:
    """W_1 between runs of n independent tokens of the density `start` and the density they tend to, at each time.

    **Arguments:** `flow` "usa" or "sa"; `start` (K+1,) coefficients; `limits`, those at each of the times; `runs`;
    seeds are `first_seed`, `first_seed` + 1, …
    """
    kind = SelfAttention if flow == "sa" else UnnormalizedSelfAttention
    law, laws = CircleDistribution(start), [CircleDistribution(c) for c in limits]
    if n <= _TOGETHER:
        tokens = np.concatenate([random_tokens(law, n, first_seed + i) for i in range(runs)])
        progress(0.0, f"{flow}: {runs} runs of {n} tokens")
        # Far rows need no repair at this temperature: Z varies by e^4 at most.
        many = EnsembleFlow(kind(_BETA, attention=CircleSeries(max_beta=_BETA, repairs=None)).resolve(n, 2), runs)
        frames = simulate(many, tokens, _TIMES, rtol=_RTOL).tokens.values
        found = [wasserstein_of_runs(x.reshape(runs, n, 2), u) for x, u in zip(frames, laws, strict=True)]
        return Sample(n, np.stack(found, axis=1))
    rows = []
    for i in range(runs):
        progress(i / runs, f"{flow}: run {i + 1} of {runs} with {n} tokens")
        tokens = random_tokens(law, n, first_seed + i)
        frames = simulate(kind(_BETA, attention=Circle()), tokens, _TIMES, rtol=_RTOL).tokens.values
        rows.append([wasserstein_to_density(x, u) for x, u in zip(frames, laws, strict=True)])
    return Sample(n, np.array(rows))


def chaos(progress: Progress) -> Outcome:
    """M1: √n E W_1 over n = 10 … 10⁶ and t = 0 … 1, against its independence of n and Dobrushin's bound.

    USA and SA, from a tilted and from the uniform density (stationary for the limit). 1000 runs up to n = 100, fewer
    beyond: their standard errors enter.
    """
    tilted, uniform = uniform_plus(_TILTED, _MODES), uniform_plus({}, _MODES)
    cases = {
        "USA, tilted": ("usa", tilted, _RUNS),
        "USA, uniform": ("usa", uniform, _FEWER),
        "SA, tilted": ("sa", tilted, _FEWER),
        "SA, uniform": ("sa", uniform, _FEWER),
    }
    total, done, seed = sum(len(runs) for _, _, runs in cases.values()), 0, 0
    samples: dict[str, list[Sample]] = {}
    limits = {}
    for name, (flow, start, runs) in cases.items():
        limits[name] = limit_densities(flow, start)
        samples[name] = []
        for n, count in runs.items():

            def report(part: float, text: str, done: int = done, name: str = name) -> None:
                progress((done + part) / total, f"{name}: {text}")

            samples[name].append(distances(flow, start, limits[name], n, count, seed, report))
            seed, done = seed + count, done + 1
    main = samples["USA, tilted"]
    verdicts = _density_verdicts(limits["USA, tilted"], tilted)
    verdicts += [_quiet_verdict(limits["USA, tilted"], tilted), *_known_verdicts(main)]
    for name, found in samples.items():
        verdicts += _scaling_verdicts(name, found)
    verdicts += [*_many_verdicts(main), _slope_verdict(main), *_bound_verdicts(samples)]
    return Outcome(tuple(verdicts), _panels(samples), _data(samples))


def _density_verdicts(limits: list[np.ndarray], start: np.ndarray) -> list[Verdict]:
    """The limit density itself: known values, and the quantile solver."""
    half = limits[2]
    known = [
        compare(f"|μ̂_{m}| of the density at t = 0.5", value, abs(half[m]), 5e-6)
        for m, value in enumerate(_KNOWN_ORDER, start=1)
    ]
    equation = QuantileMeanField(_BETA, flow="usa", resolution=_QUANTILES)
    run = evolve(equation, equation.start(start), _TIMES)
    apart = max(
        float(np.abs(equation.coefficients(x, 16) - c[:17]).max())
        for x, c in zip(run.coefficients.values, limits, strict=True)
    )
    return [*known, compare("coefficients by Fourier modes and by quantiles, t ≤ 1", 0.0, apart, 1e-9)]


def _quiet_verdict(limits: list[np.ndarray], start: np.ndarray) -> Verdict:
    """Tokens at the quantiles stay there: W_1 = π/2n at every time, without noise and without a constant."""
    tokens = quiet_tokens(start, _QUIET)
    flow = UnnormalizedSelfAttention(_BETA, attention=Circle())
    frames = simulate(flow, tokens, _TIMES, rtol=1e-9).tokens.values
    scaled = [_QUIET * wasserstein_to_density(x, c) for x, c in zip(frames, limits, strict=True)]
    worst = max(scaled, key=lambda value: abs(value - np.pi / 2))
    return compare(f"n W₁ of {_QUIET} tokens at the quantiles of the start, t ≤ 1", np.pi / 2, worst, 0.01)


def _known_verdicts(found: list[Sample]) -> list[Verdict]:
    """Against values measured before: differences within three standard errors of both."""
    verdicts = []
    for t, values in _KNOWN.items():
        i = int(np.flatnonzero(t == _TIMES)[0])
        for sample in found:
            if sample.n in values:
                tolerance = _SCATTER * math.hypot(_KNOWN_ERROR, float(sample.error[i]))
                name = f"√n E W₁, USA, tilted, n = {sample.n}, t = {t:g}"
                verdicts.append(compare(name, values[sample.n], float(sample.scaled[i]), tolerance))
    return verdicts


def _scaling_verdicts(name: str, found: list[Sample]) -> list[Verdict]:
    """√n E W_1 does not depend on n: 5 % for n ≥ 50, 7 % for n = 10 up to t = 0.5, beyond what chance takes."""
    reference = next(sample for sample in found if sample.n == 100)

    def worst(chosen: list[Sample], times: slice) -> float:
        values = []
        for sample in chosen:
            chance = _SCATTER * np.hypot(sample.error, reference.error)
            apart = np.maximum(np.abs(sample.scaled - reference.scaled) - chance, 0.0)
            values.append(float((apart / reference.scaled)[times].max()))
        return max(values)

    many = [sample for sample in found if sample.n >= 50 and sample is not reference]
    few = [sample for sample in found if sample.n == 10]
    beyond = f"√n E W₁ against n = 100, {name}, beyond {_SCATTER:g} s.e."
    return [
        compare(f"{beyond}: n = 50 … {many[-1].n}", 0.0, worst(many, slice(None)), 0.05),
        compare(f"{beyond}: n = 10, t ≤ 0.5", 0.0, worst(few, slice(0, 3)), 0.07),
    ]


def _many_verdicts(found: list[Sample]) -> list[Verdict]:
    """The largest number of tokens against the density: at the distance that chance explains, and no farther."""
    reference, most = next(sample for sample in found if sample.n == 100), found[-1]
    return [
        compare(
            f"E W₁ between {most.n} tokens and the density, t = {t:g} (expected c(t)/√n, {_SCATTER:g} s.e.)",
            float(reference.scaled[i]) / math.sqrt(most.n),
            float(most.values[:, i].mean()),
            _SCATTER * float(most.error[i]) / math.sqrt(most.n),
            unit="rad",
        )
        for i, t in enumerate(_TIMES)
    ]


def _slope_verdict(found: list[Sample]) -> Verdict:
    """The power of n at t = 0.5, by least squares over n ≥ 50 (10 tokens are a little closer)."""
    chosen = [sample for sample in found if sample.n >= 50]
    n = np.log([sample.n for sample in chosen])
    means = np.array([sample.values[:, 2].mean() for sample in chosen])
    weights = np.array([sample.scaled[2] / sample.error[2] for sample in chosen])
    slope = float(np.polyfit(n, np.log(means), 1, w=weights)[0])
    centre = np.average(n, weights=weights**2)
    error = 1.0 / math.sqrt(float(np.sum((weights * (n - centre)) ** 2)))
    name = f"power of n in E W₁ at t = 0.5, n = 50 … {chosen[-1].n}, USA, tilted ({_SCATTER:g} s.e.)"
    return compare(name, -0.5, slope, _SCATTER * error)


def _bound_verdicts(samples: dict[str, list[Sample]]) -> list[Verdict]:
    """Dobrushin's bound for every run of USA; nothing is known for SA."""
    growth = np.exp(2.0 * dobrushin_constant(_BETA) * _TIMES)
    verdicts = []
    for name, found in samples.items():
        if name.startswith("SA"):
            reason = "the constant of Dobrushin's estimate is not known for SA"
            verdicts.append(not_applicable(f"W₁(t) ≤ W₁(0) e^(2Ct), {name}", reason))
            continue
        share = [sample.values / (sample.values[:, :1] * growth) for sample in found]
        largest = max(float(s[:, 1:].max()) for s in share)
        runs, below = sum(len(s) for s in share), sum(int((s <= 1.0 + 1e-9).all(axis=1).sum()) for s in share)
        outcome: Agreement = "agrees" if below == runs else "disagrees"
        sentence = f"{below} of {runs} runs at every time; at most {largest:.3g} of the bound after t = 0"
        label = f"W₁(t) ≤ W₁(0) e^(2Ct), {name}"
        verdicts.append(Verdict(label, outcome, runs, below, None, "runs", sentence, "2410.23228"))
    return verdicts


def _panels(samples: dict[str, list[Sample]]) -> tuple[Panel, ...]:
    main = samples["USA, tilted"]
    n = np.array([sample.n for sample in main], dtype=np.float64)
    growth = np.exp(2.0 * dobrushin_constant(_BETA) * _TIMES)
    reference = next(sample for sample in main if sample.n == 100)
    first = np.array([sample.values[:, 0].mean() for sample in main])
    curves = []
    for i, t in enumerate(_TIMES):
        mean = np.array([sample.values[:, i].mean() for sample in main])
        error = np.array([sample.error[i] / math.sqrt(sample.n) for sample in main])
        curves.append(Curve(f"t = {t:g}", n, mean, "points", mean - error, mean + error, color=i))
        curves.append(Curve("", n, reference.scaled[i] / np.sqrt(n), "line", predicted=True, color=i))
    for i in (1, 2):
        label = f"Dobrushin's bound, t = {_TIMES[i]:g}"
        curves.append(Curve(label, n, first * growth[i], "line", color=i))
    ratio = {s.n: s.values.mean(axis=0) / s.values[:, 0].mean() for s in (main[0], reference, main[-1])}
    fine = np.linspace(0.0, 1.0, 101)
    bound = Curve(r"Dobrushin's bound $e^{2Ct}$", fine, np.exp(2.0 * dobrushin_constant(_BETA) * fine), predicted=True)
    panels = [
        Panel(r"distance to the limit; $n^{-1/2}$ dashed", "tokens n", r"E $W_1$ (rad)", tuple(curves), True, True),
        Panel(
            "growth of the distance in time",
            "time t",
            r"E $W_1(t)$ / E $W_1(0)$",
            (*(Curve(f"n = {n:,}", _TIMES, r, "points") for n, r in ratio.items()), bound),
            log_y=True,
        ),
    ]
    for name, found in samples.items():
        points = np.array([sample.n for sample in found], dtype=np.float64)
        lines = []
        for i, t in enumerate(_TIMES):
            scaled = np.array([sample.scaled[i] for sample in found])
            error = np.array([sample.error[i] for sample in found])
            lines.append(Curve(f"t = {t:g}", points, scaled, "points", scaled - error, scaled + error, color=i))
        panels.append(Panel(name, "tokens n", r"$\sqrt{n}$ E $W_1$", tuple(lines), log_x=True))
    return tuple(panels)


def _data(samples: dict[str, list[Sample]]) -> dict[str, np.ndarray]:
    data = {"times": _TIMES}
    for name, found in samples.items():
        key = name.lower().replace(", ", "_")
        data[f"{key}_n"] = np.array([sample.n for sample in found])
        data[f"{key}_runs"] = np.array([len(sample.values) for sample in found])
        data[f"{key}_scaled"] = np.array([sample.scaled for sample in found])
        data[f"{key}_error"] = np.array([sample.error for sample in found])
    return data
