"""The published density runs (M7): uniform plus white noise in every cell, solved three ways.

    u_0 = 1/2π + σ N(0,1) per cell with respect to dθ,  σ = 0.01,  9999 cells;   β = 5 to T = 0.5,  β = 7 to T = 0.08

Noise of this size is that of n = M/(2πσ)² tokens, so the race of the degrees predicts the exit and the number of
bumps. The published finite-volume scheme stands beside as a comparison: it diffuses, and with its reflected kernel
every picture is its own mirror image.                              [2410.23228, Figure 4 and notebook; law derived]
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Agreement, Verdict, compare, not_applicable
from tokensphere.meanfield import (
    CircleMeanField,
    QuantileMeanField,
    lax_friedrichs,
    lax_friedrichs_rate,
    smoothed_tokens,
    white_noise,
)
from tokensphere.observe import count_bumps, winning_degree
from tokensphere.solve import evolve
from tokensphere.theory import dominant_degree, exit_law, growth_rates, race, white_noise_tokens

__all__ = ["Exit", "noise_exit", "notebook_density"]

_CELLS, _SIZE = 9999, 0.01
_SETTINGS = {5.0: 0.5, 7.0: 0.08}  # beta: T
_THRESHOLD, _LINEAR = 0.3, 0.1
_DEGREES = np.arange(1, 13)
_FRAMES = 51
_SEEDS = range(20)
_SHOWN = 1  # the seed of the pictures
_QUANTILES = 2048
_FINE_QUANTILES = 8192  # for the pictures
_CUT = 64  # degrees of the noise that the spectral solver starts from: those beyond do not grow
_LARGEST = 2048
_BLUR = 0.1  # radians, before bumps are counted
_SCHEME_CELLS = 3333  # a third of the cells, to save time
# Steps of the scheme over its cells: 0.02 as published; at beta = 7 that would move mass by more than a cell a step
# once clusters form, and the scheme is then unstable.
_SCHEME_STEPS = {5.0: 0.02, 7.0: 0.01}
_COARSE = 400


@dataclass(frozen=True)
class Exit:
    """One noise: `time` of the first A_k ≥ 0.3 and its `degree`, `bumps` at the end, and how far the first A_k ≥ 0.1
    is from the `race` of this noise to that level, where it is still linear: `late`, nan if it was never reached.
    """

    time: float
    degree: int
    bumps: int
    late: float


def noise_exit(beta: float, end: float, seed: int, quantiles: int = _QUANTILES) -> Exit:
    """Follow one white noise by its quantiles and read the exit from the uniform law."""
    times = np.linspace(0.0, end, _FRAMES)
    start = white_noise(cells=_CELLS, size=_SIZE, seed=seed)
    equation, run = _by_quantiles(beta, start, times, quantiles)
    order = run.order.values
    seen = winning_degree(times, order, _DEGREES, _THRESHOLD)
    rates = growth_rates(beta, 2, _DEGREES, "usa")
    early = winning_degree(times, order, _DEGREES, _LINEAR).time
    late = math.nan if early is None else early - race(np.abs(start[_DEGREES]), _DEGREES, rates, _LINEAR).exit_time
    bumps = _bumps(equation, run.coefficients.values[-1])
    return Exit(math.inf if seen.time is None else seen.time, seen.degree or 0, bumps, late)


def _by_quantiles(beta: float, start: np.ndarray, times: np.ndarray, count: int) -> tuple[QuantileMeanField, Any]:
    equation = QuantileMeanField(beta, flow="usa", resolution=count)
    return equation, evolve(equation, equation.start(start), times, rtol=1e-7, degrees=_DEGREES)


def _bumps(equation: QuantileMeanField, state: np.ndarray) -> int:
    return count_bumps(smoothed_tokens(equation.tokens(state), _BLUR, 80))


def notebook_density(progress: Progress) -> Outcome:
    """M7: number of bumps and exit times over 20 noises, and one noise by three solvers."""
    verdicts: list[Verdict] = []
    panels: list[Panel | Image] = []
    data: dict[str, Any] = {}
    for i, (beta, end) in enumerate(_SETTINGS.items()):

        def report(part: float, text: str, i: int = i, beta: float = beta) -> None:
            progress((i + part) / len(_SETTINGS), f"β = {beta:g}: {text}")

        exits = []
        for j, seed in enumerate(_SEEDS):
            report(0.7 * j / len(_SEEDS), f"noise {j + 1} of {len(_SEEDS)}")
            exits.append(noise_exit(beta, end, seed))
        verdicts += _exit_verdicts(beta, end, exits)
        panels.append(_exit_panel(beta, end, exits))
        key = f"beta_{beta:g}"
        data[f"{key}_exit"] = np.array([exit.time for exit in exits])
        data[f"{key}_late"] = np.array([exit.late for exit in exits])
        data[f"{key}_winner"] = np.array([exit.degree for exit in exits])
        data[f"{key}_bumps"] = np.array([exit.bumps for exit in exits])
        shown = _shown(beta, end, report)
        verdicts += shown.verdicts
        panels += shown.panels
        data |= {f"{key}_{name}": value for name, value in shown.data.items()}
    verdicts += _coarse_verdicts()
    return Outcome(tuple(verdicts), tuple(panels), data)


def _exit_verdicts(beta: float, end: float, exits: list[Exit]) -> list[Verdict]:
    """Median, every single exit, winners and bumps against the race."""
    law = exit_law(beta, 2, white_noise_tokens(_SIZE, _CELLS), _THRESHOLD, "usa")
    name, times = f"β = {beta:g}", np.array([exit.time for exit in exits])
    verdicts = [
        compare(f"{name}: median exit of {len(exits)} noises", law.median, float(np.median(times)), 0.05, relative=True)
    ]
    label = f"{name}: first A_k ≥ {_LINEAR} against the race of its own noise, mean of |difference| × λ_max"
    late = np.array([exit.late for exit in exits if math.isfinite(exit.late)])
    if late.size:
        verdicts.append(compare(label, 0.0, float(np.abs(late).mean()) * law.rate, 0.1))
    else:
        verdicts.append(not_applicable(label, f"no run came that far before {end:g}"))
    k, runs = dominant_degree(beta, 2), len(exits)
    chance = law.probability(k)
    share = sum(exit.degree == k for exit in exits) / runs
    verdicts.append(
        compare(f"{name}: share of runs won by degree {k}", chance, share, 3 * math.sqrt(chance * (1 - chance) / runs))
    )
    same = sum(exit.bumps == exit.degree for exit in exits)
    outcome: Agreement = "agrees" if same >= 0.75 * runs else "disagrees"
    counts = ", ".join(f"{b}: {sum(e.bumps == b for e in exits)}" for b in sorted({e.bumps for e in exits}))
    sentence = f"{same} of {runs} runs, at least three quarters are asked for (bumps at t = {end:g}: runs — {counts})"
    label = f"{name}: as many bumps as the winning degree"
    verdicts.append(Verdict(label, outcome, runs, same, 0.25 * runs, "runs", sentence))
    return verdicts


def _exit_panel(beta: float, end: float, exits: list[Exit]) -> Panel:
    law = exit_law(beta, 2, white_noise_tokens(_SIZE, _CELLS), _THRESHOLD, "usa")
    fine = np.linspace(0.4 * law.median, max(end, 1.3 * law.median), 200)
    times = np.sort([exit.time for exit in exits if math.isfinite(exit.time)])
    curves = [Curve("exit law", fine, 1.0 - law.survival(fine), predicted=True)]
    if times.size:
        curves.append(Curve("20 noises", times, (np.arange(times.size) + 0.5) / len(exits), "points"))
    return Panel(rf"exit from the uniform law, $\beta$ = {beta:g}", "time t", "share of runs out", tuple(curves))


def _shown(beta: float, end: float, report: Progress) -> Outcome:
    """One noise: spectral modes as far as they resolve it, quantiles to the end, and the published scheme."""
    name, times = f"β = {beta:g}", np.linspace(0.0, end, _FRAMES)
    start = white_noise(cells=_CELLS, size=_SIZE, seed=_SHOWN)
    report(0.7, "Fourier modes")
    clock = time.perf_counter()
    equation = CircleMeanField(beta, flow="usa", resolution=2 * _CUT)
    spectral = evolve(equation, equation.lift(start[: _CUT + 1]), times, rtol=1e-8, degrees=_DEGREES, largest=_LARGEST)
    taken = time.perf_counter() - clock
    report(0.75, "quantiles")
    fine, run = _by_quantiles(beta, start, times, _FINE_QUANTILES)
    common = len(spectral.time) - (spectral.attrs["status"] != "complete")  # the frame of the stop is none of `times`
    apart = float(np.abs(spectral.order.values[:common] - run.order.values[:common]).max())
    verdicts = [
        compare(f"{name}: order parameters by modes (to t = {spectral.attrs['end']:.3g}) and quantiles", 0, apart, 2e-3)
    ]
    edges = np.linspace(-np.pi, np.pi, 241)
    middles = 0.5 * (edges[1:] + edges[:-1])
    picture = np.stack([fine.density(x, edges) for x in run.coefficients.values], axis=1)
    panels: list[Panel | Image] = [
        Image(
            rf"density, $\beta$ = {beta:g}, noise {_SHOWN}",
            "time t",
            r"angle $\theta$",
            np.maximum(picture, 1e-2),
            (0.0, end, -np.pi, np.pi),
            label="density / uniform",
            log=True,
        )
    ]
    scheme, scheme_verdicts = _schemes(beta, end, start, report)
    # Compared where all are resolved: at the last frame that the modes reach.
    last = common - 1
    modes = spectral.coefficients.values[last]
    panels.append(
        Panel(
            rf"one noise at t = {times[last]:.3g}, $\beta$ = {beta:g}",
            r"angle $\theta$",
            "density / uniform",
            (
                Curve("Fourier modes", middles, equation.density(modes, middles)),
                Curve("quantiles", middles, picture[:, last], "points"),
            ),
        )
    )
    panels.append(
        Panel(
            rf"at t = {end:g}, $\beta$ = {beta:g}: the published scheme, for comparison",
            r"angle $\theta$",
            "density / uniform",
            (
                Curve("quantiles", middles, np.maximum(picture[:, -1], 1e-2)),
                *(
                    Curve(f"Lax–Friedrichs, {kernel} kernel", middles, np.maximum(_sampled(u, middles), 1e-2))
                    for kernel, u in scheme.items()
                ),
            ),
            log_y=True,
        )
    )
    data = {
        "times": times,
        "order": run.order.values,
        "spectral_seconds": taken,
        "spectral_end": spectral.attrs["end"],
        "picture": picture,
        **{f"scheme_{kernel}": u for kernel, u in scheme.items()},
    }
    return Outcome((*verdicts, *scheme_verdicts), tuple(panels), data)


def _schemes(
    beta: float, end: float, start: np.ndarray, report: Progress
) -> tuple[dict[str, np.ndarray], list[Verdict]]:
    """The published scheme with both kernels: only the reflected one makes the density its own mirror image."""
    cells = _SCHEME_CELLS
    highest = min(len(start) - 1, (cells - 1) // 2)
    density = np.fft.irfft(start[: highest + 1], cells, norm="forward")
    ends, verdicts = {}, []
    for i, kernel in enumerate(("correct", "reflected")):
        report(0.8 + 0.1 * i, f"Lax–Friedrichs, {kernel} kernel, {cells} cells")
        reflected = kernel == "reflected"
        u = lax_friedrichs(density, beta, [0.0, end], step_ratio=_SCHEME_STEPS[beta], reflected=reflected)[-1]
        ends[kernel] = u
        defect = float(np.abs(u - np.roll(u[::-1], 1)).max() / np.ptp(u))
        mirrored = defect < 0.1
        outcome: Agreement = "agrees" if mirrored == reflected else "disagrees"
        sentence = f"the end differs from its mirror image by {defect:.2g} of its range"
        verdicts.append(
            Verdict(
                f"β = {beta:g}: Lax–Friedrichs, {kernel} kernel, {cells} cells: mirror image",
                outcome,
                "yes" if reflected else "no",
                "yes" if mirrored else "no",
                None,
                "",
                sentence,
            )
        )
    return ends, verdicts


def _sampled(values: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Values on θ_j = 2πj/M at other angles, by linear interpolation."""
    grid = 2.0 * np.pi * np.arange(values.size) / values.size
    return np.interp(np.mod(angles, 2.0 * np.pi), grid, values, period=2.0 * np.pi)


def _coarse_verdicts() -> list[Verdict]:
    """The rates of the scheme at 400 cells: those of its formula, not of the equation."""
    step = 0.02 * 2.0 * np.pi / _COARSE
    theta = 2.0 * np.pi * np.arange(_COARSE) / _COARSE
    verdicts = []
    for kernel, wave, known in (("correct", np.cos, 15.020), ("reflected", np.sin, -22.200)):
        reflected = kernel == "reflected"
        frames = lax_friedrichs(1.0 + 1e-7 * wave(3 * theta), 5.0, [0.0, 100 * step], reflected=reflected)
        modes = np.abs(np.fft.rfft(frames, axis=1)[:, 3])
        rate = math.log(modes[1] / modes[0]) / (100 * step)
        formula = lax_friedrichs_rate(5.0, 3, _COARSE, decaying=reflected)
        label = f"Lax–Friedrichs, {kernel} kernel, {_COARSE} cells, β = 5, k = 3: rate"
        verdicts.append(compare(f"{label} (of the equation: 18.596)", known, rate, 1e-3))
        verdicts.append(compare(f"{label} by its formula", formula, rate, 1e-4))
    return verdicts
