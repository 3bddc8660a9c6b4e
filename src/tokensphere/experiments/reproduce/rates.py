"""Rates of the linear phase: which degree grows fastest (M2), how fast (M3), and the clock of SA and USA (M25).

λ_k = (Λ_k/β) I_{k+ν}(β)/I_ν(β)  (SA),      times Z0 (USA)                      [2410.23228; derived]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare
from tokensphere.flows import AttentionFlow, SelfAttention, UnnormalizedSelfAttention
from tokensphere.observe import fit_growth
from tokensphere.solve import simulate
from tokensphere.special import funk_hecke, laplacian_eigenvalue
from tokensphere.sphere import angles, equispaced, from_angles, moments, uniform
from tokensphere.theory import degree_switches, dominant_degree, growth_rates, partition, runner_up

from .following import all_hold, at_most, follow

__all__ = ["dominant_degrees", "growth", "time_change"]

# M2
_BETAS = np.geomspace(0.1, 100.0, 31)
_DIMS = (2, 3, 4, 8, 16, 32, 64, 128)
_SHOWN_GAPS = (2, 8, 64)
_QUADRATURE = 1e-9
_SWITCHES = 4
_FLIP = 1e-9
# Switches k -> k+1 for k = 1, 2, 3, 4, to 13 digits, from 40-digit arithmetic.
_KNOWN_SWITCHES = {
    2: (1.044456862108, 3.165434442701, 6.211298379432, 10.22848316299),
    3: (1.816154525436, 4.425293012396, 7.962379851546, 12.4774331094),
}

# M3 and M25
_GROWTH_BETAS = (2.0, 5.0, 7.0, 9.0)
_GROWTH_DEGREES = np.arange(1, 7)
_PARITIES = {"cosine": 0.0, "sine": np.pi / 2}
_QUIET_TOKENS, _AMPLITUDE = 120, 1e-6
_QUIET, _MIXED, _INDEPENDENT = 1e-8, 0.01, 0.03
_MIXTURE_SEED, _NOISE_SEED, _NOISE = 7, 8, 1e-5  # the noise: standard deviation of the density of a cell, relative
_MIXED_FOLDS = 3.0  # e-folds of the fastest mode, before which products of modes are 1e-4 of them
_IID_TOKENS, _IID_SEEDS, _IID_UNTIL = 20_000, 8, 0.05


def dominant_degrees(progress: Progress) -> Outcome:
    """M2: rates by Funk-Hecke quadrature of the kernel against their closed form, and the degree that wins.

    The quadrature integrates e^{β(q−1)} P_k(q) over the sphere and knows no Bessel function.
    """
    shape = (len(_DIMS), len(_BETAS))
    error, gap_error, winners, seen, gaps = (np.zeros(shape) for _ in range(5))
    for i, dim in enumerate(_DIMS):
        progress(i / len(_DIMS), f"dim {dim}")
        for j, beta in enumerate(_BETAS.tolist()):
            winners[i, j] = dominant_degree(beta, dim)
            degrees = np.arange(1, int(winners[i, j]) + 4)
            rates = _quadrature_rates(beta, dim, degrees)
            softmax = rates / funk_hecke(_kernel(beta), dim, 0)
            for found, flow in ((rates, "usa-shifted"), (softmax, "sa")):
                closed = growth_rates(beta, dim, degrees, flow)
                error[i, j] = max(error[i, j], np.abs(found - closed).max() / closed.max())
            seen[i, j] = degrees[np.argmax(rates)]
            second, first = np.sort(rates)[-2:]
            gaps[i, j] = 1.0 - second / first
            gap_error[i, j] = abs(gaps[i, j] - runner_up(beta, dim).gap)
    ties, tie_error, flips = _ties()
    known = max(float(np.abs(degree_switches(dim, 4) / np.array(v) - 1.0).max()) for dim, v in _KNOWN_SWITCHES.items())
    verdicts = (
        at_most("error of the rates by quadrature, of the largest, SA and USA", float(error.max()), _QUADRATURE),
        all_hold("k_max by quadrature", winners.size, int((winners == seen).sum()), "settings agree"),
        at_most("error of the gap to the runner-up", float(gap_error.max()), _QUADRATURE),
        at_most("relative difference of both rates at a tie, by quadrature", tie_error, _QUADRATURE),
        all_hold(f"k_max flips at tie(1 ± {_FLIP:g})", ties.size, flips, "ties"),
        at_most("relative error of the ties for d = 2, 3 against 40-digit values", known, 1e-12),
    )
    fine = np.geomspace(_BETAS[0], _BETAS[-1], 600)
    shown = [i for i, dim in enumerate(_DIMS) if dim != 3]
    lines = [
        Curve(f"d = {_DIMS[i]}", fine, np.array([dominant_degree(b, _DIMS[i]) for b in fine]), color=rank)
        for rank, i in enumerate(shown)
    ]
    points = [Curve("", _BETAS, seen[i], "points", color=rank) for rank, i in enumerate(shown)]
    gap_curves = []
    for rank, dim in enumerate(_SHOWN_GAPS):
        closed = np.array([runner_up(beta, dim).gap for beta in fine.tolist()])
        gap_curves.append(Curve(f"d = {dim}", fine, closed, color=rank))
        gap_curves.append(Curve("", _BETAS, gaps[_DIMS.index(dim)], "points", color=rank))
    x = r"inverse temperature $\beta$"
    panels = (
        Panel("line: closed form, points: quadrature", x, r"dominant degree $k_{max}$", (*lines, *points), log_x=True),
        Panel("gap to the runner-up", x, "1 − second rate / first", tuple(gap_curves), log_x=True, log_y=True),
        Panel(
            "where the dominant degree switches",
            "dimension d",
            r"$\beta$ of the tie",
            tuple(Curve(f"{k + 1} → {k + 2}", np.array(_DIMS), ties[:, k]) for k in range(_SWITCHES)),
            log_x=True,
            log_y=True,
        ),
    )
    data = {"beta": _BETAS, "dim": np.array(_DIMS), "k_max": winners, "gap": gaps, "ties": ties}
    return Outcome(verdicts, panels, data | {"quadrature_error": error})


def _kernel(beta: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda q: np.exp(beta * (q - 1.0))


def _quadrature_rates(beta: float, dim: int, degrees: np.ndarray) -> np.ndarray:
    """λ_k of USA-shifted by integrating its kernel: Λ_k a_k/β."""
    return np.asarray(laplacian_eigenvalue(degrees, dim) / beta * funk_hecke(_kernel(beta), dim, degrees))


def _ties() -> tuple[np.ndarray, float, int]:
    """The ties (dims, switches), the largest relative difference of the two rates there, and how many flip k_max."""
    ties = np.array([degree_switches(dim, _SWITCHES) for dim in _DIMS])
    worst, flips = 0.0, 0
    for i, dim in enumerate(_DIMS):
        for k, beta in enumerate(ties[i].tolist(), start=1):
            first, second = _quadrature_rates(beta, dim, np.array([k, k + 1]))
            worst = max(worst, abs(second / first - 1.0))
            sides = dominant_degree(beta * (1.0 - _FLIP), dim), dominant_degree(beta * (1.0 + _FLIP), dim)
            flips += sides == (k, k + 1)
    return ties, worst, flips


def growth(progress: Progress) -> Outcome:
    """M3: slopes of ln A_k from quiet starts (cosine and sine), mixtures, white noise and independent tokens."""
    shape = (len(_GROWTH_BETAS), len(_GROWTH_DEGREES))
    quiet = np.zeros((*shape, len(_PARITIES)))
    predicted, mixed, noisy = (np.zeros(shape) for _ in range(3))
    winners, iid, iid_error = [], [], []
    for i, beta in enumerate(_GROWTH_BETAS):
        progress(i / len(_GROWTH_BETAS), f"beta {beta:g}")
        predicted[i] = growth_rates(beta, 2, _GROWTH_DEGREES, "usa")
        flow = UnnormalizedSelfAttention(beta, attention=Dense())
        for j, degree in enumerate(_GROWTH_DEGREES.tolist()):
            for p, phase in enumerate(_PARITIES.values()):
                quiet[i, j, p] = _quiet_rate(flow, degree, phase, predicted[i])
        end = _MIXED_FOLDS / predicted[i].max()
        mixed[i] = _slopes(flow, _mixture(), None, end)
        noisy[i] = _slopes(flow, *_white_noise(), end)
        winner, slopes = _iid_slopes(beta, predicted[i], lambda f, i=i: progress((i + f) / len(_GROWTH_BETAS), "iid"))  # type: ignore[misc]
        winners.append(winner)
        iid.append(slopes.mean())
        iid_error.append(slopes.std(ddof=1) / np.sqrt(len(slopes)))
    relative = np.abs(quiet / predicted[..., None] - 1.0)
    verdicts = [
        at_most(f"relative error of the rates, quiet {name} starts, k = 1..6", float(relative[..., p].max()), _QUIET)
        for p, name in enumerate(_PARITIES)
    ]
    for name, found in (("mixtures of six modes", mixed), ("white noise of density 1e-5", noisy)):
        verdicts.append(
            at_most(f"relative error of the rates, {name}", float(np.abs(found / predicted - 1.0).max()), _MIXED)
        )
    for i, beta in enumerate(_GROWTH_BETAS):
        name = (
            f"mean rate of the winner {winners[i]}, {_IID_SEEDS} x {_IID_TOKENS:,} independent tokens, beta = {beta:g}"
        )
        verdicts.append(compare(name, predicted[i][winners[i] - 1], iid[i], _INDEPENDENT, relative=True))
    scaled = predicted / predicted.max(axis=1, keepdims=True)
    curves, errors = [], []
    for i, beta in enumerate(_GROWTH_BETAS):
        top = predicted[i].max()
        fine = np.arange(1, 7)
        curves.append(Curve(rf"$\beta$ = {beta:g}", fine, scaled[i], predicted=True, color=i))
        curves.append(Curve("", fine, quiet[i, :, 1] / top, "points", color=i))
        errors.append(Curve(rf"quiet, $\beta$ = {beta:g}", fine, relative[i].max(axis=1), "points", color=i))
    every = np.arange(1, 7)
    errors.append(Curve("mixtures", every, np.abs(mixed / predicted - 1).max(axis=0), "line", color=4))
    errors.append(Curve("white noise", every, np.abs(noisy / predicted - 1).max(axis=0), "line", color=5))
    panels = (
        Panel("dashed: theory, points: quiet sine starts", "degree k", r"rate / $\lambda_{max}$", tuple(curves)),
        Panel("largest error over the starts", "degree k", "relative error of the rate", tuple(errors), log_y=True),
        Panel(
            "independent tokens, until the largest A = 0.05",
            r"inverse temperature $\beta$",
            r"rate of the winner / $\lambda$",
            (
                Curve("theory", np.array(_GROWTH_BETAS), np.ones(len(_GROWTH_BETAS)), predicted=True),
                Curve(f"mean of {_IID_SEEDS} seeds", *_ratio(iid, iid_error, predicted, winners)),  # type: ignore[arg-type]
            ),
        ),
    )
    data = {"beta": np.array(_GROWTH_BETAS), "predicted": predicted, "quiet": quiet, "mixture": mixed, "noise": noisy}
    return Outcome(tuple(verdicts), panels, data | {"iid": np.array(iid), "iid_winner": np.array(winners)})


def _ratio(
    iid: list[float], error: list[float], predicted: np.ndarray, winners: list[int]
) -> tuple[np.ndarray, np.ndarray, str, np.ndarray, np.ndarray]:
    """Measured over predicted rate of the winners, as points with twice the standard error."""
    rates = np.array([predicted[i][k - 1] for i, k in enumerate(winners)])
    middle, spread = np.array(iid) / rates, 2.0 * np.array(error) / rates
    return np.array(_GROWTH_BETAS), middle, "points", middle - spread, middle + spread


def _quiet_rate(flow: AttentionFlow, degree: int, phase: float, rates: np.ndarray) -> float:
    """The slope of ln A_k over 2/λ_k, but not longer than rounding errors of the fastest mode stay small."""
    end = min(2.0 / rates[degree - 1], 5.0 / rates.max())
    return float(_slopes(flow, equispaced(_QUIET_TOKENS, _AMPLITUDE, degree, phase), None, end)[degree - 1])


def _slopes(flow: AttentionFlow, tokens: np.ndarray, weights: np.ndarray | None, end: float) -> np.ndarray:
    """(ln A_k(end) − ln A_k(0)) / end of degrees 1..6."""
    run = simulate(flow, tokens, [0.0, end], method="dopri8", step_size=end / 16, weights=weights)
    first, last = (np.abs(moments(angles(x), 6, weights)[1:]) for x in run.tokens.values)
    return np.asarray(np.log(last / first) / end)


def _mixture() -> np.ndarray:
    """Equispaced tokens displaced by six modes of equal size and random phase."""
    grid = 2.0 * np.pi * np.arange(_QUIET_TOKENS) / _QUIET_TOKENS
    phases = np.random.default_rng(_MIXTURE_SEED).uniform(0.0, 2.0 * np.pi, len(_GROWTH_DEGREES))
    waves = [2.0 * _AMPLITUDE / k * np.sin(k * grid - p) for k, p in zip(_GROWTH_DEGREES, phases, strict=True)]
    return from_angles(grid - np.sum(waves, axis=0))


def _white_noise() -> tuple[np.ndarray, np.ndarray]:
    """Equispaced tokens with masses of independent noise: a density that is uniform plus white noise per cell."""
    noise = np.random.default_rng(_NOISE_SEED).standard_normal(_QUIET_TOKENS)
    weights = 1.0 + _NOISE * noise
    return equispaced(_QUIET_TOKENS), weights / weights.sum()


def _iid_slopes(beta: float, rates: np.ndarray, tell: Callable[[float], None]) -> tuple[int, np.ndarray]:
    """Rates of degree k_max until the largest A reaches 0.05, in runs that it wins."""
    winner = dominant_degree(beta, 2)
    slopes: list[float] = []
    seed = 0
    while len(slopes) < _IID_SEEDS:
        tell(len(slopes) / _IID_SEEDS)
        history = follow(beta, uniform(_IID_TOKENS, 2, seed), 4.0, 0.2, 8)
        seed += 1
        order = history.order
        stop = int(np.argmax(order.max(axis=1) >= _IID_UNTIL)) or len(order) - 1
        if int(order[stop].argmax()) + 1 == winner:
            fit = fit_growth(history.times[: stop + 1], order[: stop + 1, winner - 1], 1e-6, _IID_UNTIL)
            slopes.append(fit.rate)
    return winner, np.array(slopes)


def time_change(progress: Progress) -> Outcome:
    """M25: the same quiet starts under SA and USA; their rates differ by Z0, the clock of the linear phase."""
    wanted = np.array([partition(2, beta) for beta in _GROWTH_BETAS])
    ratios = np.zeros((len(_GROWTH_BETAS), len(_GROWTH_DEGREES)))
    for i, beta in enumerate(_GROWTH_BETAS):
        progress(i / len(_GROWTH_BETAS), f"beta {beta:g}")
        for j, degree in enumerate(_GROWTH_DEGREES.tolist()):
            found = [
                _quiet_rate(kind(beta, attention=Dense()), degree, 0.3, growth_rates(beta, 2, _GROWTH_DEGREES, name))
                for kind, name in ((UnnormalizedSelfAttention, "usa"), (SelfAttention, "sa"))
            ]
            ratios[i, j] = found[0] / found[1]
    error = np.abs(ratios / wanted[:, None] - 1.0)
    verdicts = tuple(
        compare(
            f"USA rate over SA rate, beta = {beta:g} (worst of k = 1..6)",
            wanted[i],
            ratios[i, int(error[i].argmax())],
            _QUIET,
            relative=True,
        )
        for i, beta in enumerate(_GROWTH_BETAS)
    )
    x = np.array(_GROWTH_BETAS)
    fine = np.linspace(x[0], x[-1], 100)
    theory = Curve(r"$Z_0 = I_0(\beta)$", fine, np.array([partition(2, b) for b in fine.tolist()]), predicted=True)
    measured = Curve("measured, mean over k", x, ratios.mean(axis=1), "points")
    every = _GROWTH_DEGREES
    panels = (
        Panel(
            "clock of the linear phase",
            r"inverse temperature $\beta$",
            "USA rate / SA rate",
            (theory, measured),
            log_y=True,
        ),
        Panel(
            "error of the ratio",
            "degree k",
            r"relative error against $Z_0$",
            tuple(Curve(rf"$\beta$ = {beta:g}", every, error[i], "points") for i, beta in enumerate(_GROWTH_BETAS)),
            log_y=True,
        ),
    )
    return Outcome(verdicts, panels, {"beta": x, "z0": wanted, "ratio": ratios})
