"""The particles of the published notebook (M6): 20,000 tokens on the circle, β = 5 and 7, bands and red lines.

    θ_j = (2πj − arg μ̂_k(0))/k: where the k clusters are expected                      [2410.23228, notebook]

Their tokens were drawn by another generator and moved by the Euler method with dt = 1e-4. Ours are moved by adaptive
Runge-Kutta; the Euler method is run beside it and named as such, because its rates are wrong by −λ²dt/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokensphere.attention import Circle
from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, not_applicable
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.observe import wasserstein, winning_degree
from tokensphere.solve import simulate
from tokensphere.sphere import angles, equispaced, moments, uniform
from tokensphere.theory import cluster_angles, dominant_degree, growth_rates, race

from .following import angle_marks, at_most

__all__ = ["particles"]


@dataclass(frozen=True)
class _Figure:
    """One figure of the notebook: `end` and the time of the `histogram`; `bands` that it shows."""

    beta: float
    seed: int
    end: float
    histogram: float
    bands: int


_FIGURES = (_Figure(5.0, 12345, 0.6, 0.3, 3), _Figure(7.0, 1234, 0.1, 0.045, 4))
_TOKENS, _BINS, _EULER_STEP, _QUIET_TOKENS = 20_000, 100, 1e-4, 1009
_EXIT, _OTHERS, _FRAMES, _POSITION, _PROMINENCE = 0.3, 1 / 3, 121, 0.2, 0.1
_EULER_ERROR = 0.02  # of −λ²dt/2; the next term of ln(1 + λdt)/dt is λdt/1.5 of it


def start(beta: float, seed: int) -> tuple[int, np.ndarray]:
    """The first seed from `seed` on whose race k_max wins, every other degree being below a third of the threshold
    then, and its tokens.

    The notebook's figures are such runs. How often k_max wins is another question, answered by M5.
    """
    degrees = np.arange(1, 9)
    rates = growth_rates(beta, 2, degrees, "usa")
    while True:
        tokens = uniform(_TOKENS, 2, seed)
        order = np.abs(moments(angles(tokens), 8)[1:])
        found = race(order, degrees, rates, _EXIT)
        then = order * np.exp(rates * found.exit_time)
        if found.winner == dominant_degree(beta, 2) and np.sort(then)[-2] <= _OTHERS * _EXIT:
            return seed, tokens
        seed += 1


def particles(progress: Progress) -> Outcome:
    """M6: bands against the degree that wins the race, their places against the first moments; Euler beside it."""
    verdicts: list[Verdict] = []
    panels: list[Panel | Image] = []
    data: dict[str, np.ndarray] = {}
    for index, figure in enumerate(_FIGURES):

        def tell(fraction: float, text: str, index: int = index, figure: _Figure = figure) -> None:
            progress((index + fraction) / len(_FIGURES), f"beta {figure.beta:g}: {text}")

        found = _one(figure, tell)
        verdicts += found[0]
        panels += found[1]
        data |= {f"{key}_beta{figure.beta:g}": value for key, value in found[2].items()}
    return Outcome(tuple(verdicts), tuple(panels), data)


def _one(figure: _Figure, tell: Progress) -> tuple[list[Verdict], list[Panel | Image], dict[str, np.ndarray]]:
    beta, k = figure.beta, figure.bands
    flow = UnnormalizedSelfAttention(beta, attention=Circle())
    seed, tokens = start(beta, figure.seed)
    first = moments(angles(tokens), 8)
    tell(0.0, "Runge-Kutta")
    times = np.union1d(np.linspace(0.0, figure.end, _FRAMES), [figure.histogram])
    run = simulate(flow, tokens, times, rtol=1e-6)
    frames = [angles(x) for x in run.tokens.values]
    order = np.abs([moments(frame, 8)[1:] for frame in frames])
    winner = winning_degree(times, order, np.arange(1, 9), _EXIT)
    at = int(np.searchsorted(times, figure.histogram))
    bands = _bands(frames[at])
    places = cluster_angles(float(np.angle(first[k])), k)
    tell(0.3, "Euler, for comparison")
    euler = simulate(flow, tokens, [0.0, figure.histogram], method="euler", step_size=_EULER_STEP)
    apart = wasserstein(euler.tokens.values[-1], run.tokens.values[at], p=1)
    rate = float(growth_rates(beta, 2, k, "usa"))
    tell(0.9, "Euler from a quiet start")
    name, source = f"beta = {beta:g}, seed {seed}", "2410.23228, notebook"
    offsets = [float(np.abs(_wrap(places - band)).min()) for band in bands[:, 0]]
    verdicts = [
        compare(f"degree that reaches {_EXIT:g} first, {name}", k, winner.degree or 0, 0.0, source=source),
        compare(f"bands at t = {figure.histogram:g}, {name}", k, len(bands), 0.0, source=source),
        at_most(
            f"distance of the bands from the red lines, {name}", max(offsets), _POSITION, unit="rad", source=source
        ),
        not_applicable(
            f"masses of the bands, {name}",
            "equal masses are what the red lines assume; at finite n they differ",
            predicted=[round(1.0 / k, 4)] * k,
            measured=[round(float(mass), 4) for mass in bands[:, 1]],
        ),
        not_applicable(
            f"W1 between the Euler method (comparison) and ours at t = {figure.histogram:g}, {name}",
            "the notebook's scheme is shown beside ours; no claim rests on it",
            measured=apart,
            unit="rad",
        ),
        compare(
            f"rate of the Euler method (comparison) less the true one, quiet start, beta = {beta:g}, k = {k}",
            -0.5 * _EULER_STEP * rate**2,
            _euler_rate(flow, k, rate) - rate,
            _EULER_ERROR,
            relative=True,
        ),
    ]
    data = {"time": times, "order": order, "bands": bands, "predicted_angles": places, "seed": np.array(seed)}
    panels = _panels(figure, seed, times, frames, at, places, angles(euler.tokens.values[-1]))
    return verdicts, panels, data | {"histogram_angles": frames[at], "euler_distance": np.array(apart)}


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _bands(theta: np.ndarray) -> np.ndarray:
    """Angle and mass of every band (bands, 2): peaks of the smoothed histogram that stand out by a tenth of the
    highest, and the share of the tokens nearest to each."""
    from scipy.signal import find_peaks

    edges = np.linspace(-np.pi, np.pi, _BINS + 1)
    counts = np.histogram(_wrap(theta), edges)[0].astype(np.float64)
    smooth = 0.25 * np.roll(counts, 1) + 0.5 * counts + 0.25 * np.roll(counts, -1)
    peaks, _ = find_peaks(np.tile(smooth, 3), prominence=_PROMINENCE * smooth.max())
    peaks = peaks[(peaks >= _BINS) & (peaks < 2 * _BINS)] - _BINS
    places = 0.5 * (edges[peaks] + edges[peaks + 1])
    nearest = np.abs(_wrap(theta[:, None] - places)).argmin(axis=1)
    return np.stack([places, np.bincount(nearest, minlength=len(places)) / len(theta)], axis=1)


def _euler_rate(flow: UnnormalizedSelfAttention, degree: int, rate: float) -> float:
    """The growth rate that the Euler method shows for a quiet start over about 2/λ."""
    end = round(2.0 / rate / _EULER_STEP) * _EULER_STEP
    tokens = equispaced(_QUIET_TOKENS, 1e-6, degree)
    run = simulate(flow, tokens, [0.0, end], method="euler", step_size=_EULER_STEP)
    before, after = (abs(moments(angles(x), degree)[degree]) for x in run.tokens.values)
    return float(np.log(after / before) / end)


def _panels(
    figure: _Figure,
    seed: int,
    times: np.ndarray,
    frames: list[np.ndarray],
    at: int,
    places: np.ndarray,
    euler: np.ndarray,
) -> list[Panel | Image]:
    edges = np.linspace(-np.pi, np.pi, _BINS + 1)
    density = np.stack([np.histogram(_wrap(frame), edges, density=True)[0] for frame in frames], axis=1)
    even = np.linspace(0.0, figure.end, _FRAMES)
    image = Image(
        rf"$\beta$ = {figure.beta:g}, seed {seed}: density of tokens",
        "time t",
        r"angle $\theta$ (rad)",
        density[:, np.searchsorted(times, even)],
        (0.0, figure.end, -np.pi, np.pi),
        label="density (1/rad)",
        log=True,
    )
    middle, top = 0.5 * (edges[1:] + edges[:-1]), float(density[:, at].max())
    histogram = Panel(
        rf"$\beta$ = {figure.beta:g}: t = {figure.histogram:g}, {_BINS} bins",
        r"angle $\theta$ (rad)",
        "density (1/rad)",
        (
            Curve("tokens", middle, density[:, at], "bars", color=0),
            Curve("Euler method (comparison)", middle, np.histogram(_wrap(euler), edges, density=True)[0], color=6),
            Curve(f"predicted angles, k = {figure.bands}", *angle_marks(_wrap(places), top), predicted=True, color=1),
        ),
    )
    return [image, histogram]
