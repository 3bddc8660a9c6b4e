"""Causal attention: two tokens, Rényi centres and who gathers at them (C18), and frozen centres (C19).

n = 2     causal(2t) = SA(t)
centres   strong ones among M uniform tokens: (1 − (1−p)^M)/p;  all of them on the circle: (2π/δ) m(Mδ/2π)
frozen    N h((c−1−2ε)/√β) < h(ε/√β), −N g((c−2ε)/√β) < g(ε/√β) ⇒ free tokens end within ε/√β   [2411.04990; derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import Frozen, SelfAttention
from tokensphere.observe import mass_near, renyi_centres
from tokensphere.solve import Event, Moment, simulate
from tokensphere.sphere import angles, from_angles, geodesic, uniform
from tokensphere.theory import (
    causal_pair_product,
    centre_angle,
    centre_count,
    centre_stiffness,
    fixed_centres,
    strong_centre_count,
)

__all__ = ["causal_tokens", "frozen_centres"]

_SOURCE = "2411.04990"

_PAIR_BETAS, _PAIR_TIMES = (0.0, 2.0, 6.0), np.linspace(0.0, 5.0, 26)

_STREAMS, _LENGTH, _ANGLE = 400, 400, 0.125  # independent streams of so many tokens, and δ
_COUNT_TOLERANCE = 0.5

_BETA, _TOKENS, _SEPARATION, _RUNS = 256.0, 64, 4.0, 8  # streams that are run, δ = c/√β
_TIMES = np.concatenate([[0.0], np.geomspace(0.1, 1000.0, 41)])
_GATHERED, _HELD = 0.9, 0.1  # share of tokens at centres; motion of strong centres, in 1/√β


def causal_tokens(progress: Progress) -> Outcome:
    """C18: the pair at half speed, the number of centres in 400 streams, and streams of 64 causal tokens that gather.

    A stream has gathered when its tokens are within 1/√β of the places where its centres stood at the start. The paper
    proves that strong centres hardly move for a time exponential in β; that tokens gather at them is its numerical
    finding, for which 90 % is asked here.
    """
    progress(0.0, "two tokens")
    verdicts, pair, kept = _pairs()
    progress(0.2, f"centres of {_STREAMS} streams")
    more, counts, found = _counts()
    verdicts, kept = [*verdicts, *more], kept | found
    shares, moved, shown = [], [], None
    delta = centre_angle(_BETA, _SEPARATION)
    for k in range(_RUNS):
        progress(0.3 + 0.7 * k / _RUNS, f"stream {k + 1} of {_RUNS}")
        tokens = uniform(_TOKENS, 2, seed=k)
        run = simulate(SelfAttention(_BETA, causal=True), tokens, _TIMES, rtol=1e-7)
        centres, frames = renyi_centres(tokens, delta), run.tokens.values
        unit = 1.0 / np.sqrt(_BETA)
        places = (tokens[centres.indices], tokens[centres.strong_indices])
        shares.append([[mass_near(x, place, unit) for place in places] for x in frames])
        strong = centres.strong_indices
        moved.append(geodesic(frames[-1, strong], tokens[strong]) / unit)
        shown = (frames, places) if shown is None else shown
    assert shown is not None
    share, motion = np.array(shares), np.concatenate(moved)  # (runs, times, 2)
    name = f"n = {_TOKENS}, beta = {_BETA:g}, c = {_SEPARATION:g}, t = {_TIMES[-1]:g}"
    last, first = share[:, -1].mean(axis=0), share[:, 0].mean(axis=0)
    for which, kind in enumerate(("Renyi", "strong Renyi")):
        sentence = (
            f"{last[which]:.3f} of the tokens of {_RUNS} streams are within 1/sqrt(beta), {first[which]:.3f} before"
        )
        agrees = bool(last[which] >= _GATHERED)
        verdicts.append(
            exact(
                f"tokens gather at {kind} centres; {name}",
                agrees,
                f">= {_GATHERED}",
                last[which],
                sentence,
                source=_SOURCE,
            )
        )
    held = float(np.mean(motion <= _HELD))
    sentence = f"{held:.3f} of the {motion.size} strong centres moved by less than {_HELD}/sqrt(beta)"
    agrees = bool(np.median(motion) <= _HELD)
    verdicts.append(
        exact(
            f"strong centres hardly move; {name}",
            agrees,
            f"<= {_HELD}",
            float(np.median(motion)),
            sentence,
            source=_SOURCE,
        )
    )
    kept |= {"times": _TIMES, "share_near": share, "strong_motion": motion, "angles": _unwrapped(shown[0])}
    return Outcome(tuple(verdicts), (pair, counts, _gathering(share), _paths(*shown)), kept)


def _pairs() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    verdicts, curves, kept = [], [], {"pair_betas": np.array(_PAIR_BETAS), "pair_times": _PAIR_TIMES}
    tokens = from_angles([0.0, np.pi / 2])
    for i, beta in enumerate(_PAIR_BETAS):
        runs = [
            simulate(SelfAttention(beta, causal=causal), tokens, (1 + causal) * _PAIR_TIMES, rtol=1e-12).tokens.values
            for causal in (False, True)
        ]
        both, causal = (np.sum(x[:, 0] * x[:, 1], axis=1) for x in runs)
        worst = float(np.abs(both - causal).max())
        verdicts.append(compare(f"two tokens: causal(2t) - SA(t), beta = {beta:g}", 0.0, worst, 1e-8, source=_SOURCE))
        closed = causal_pair_product(beta, 0.0, 2.0 * _PAIR_TIMES)
        verdicts.append(
            compare(f"two tokens: closed form, beta = {beta:g}", 0.0, float(np.abs(closed - causal).max()), 1e-8)
        )
        label = rf"$\beta$ = {beta:g}"
        curves += [
            Curve(f"{label}, causal at 2t", _PAIR_TIMES, causal, "points", color=i),
            Curve(f"{label}, SA at t", _PAIR_TIMES, both, predicted=True, color=i),
        ]
        kept[f"pair_{i}"] = causal
    panel = Panel("two tokens at half the speed", "time t of SA", r"$\langle x_1, x_2\rangle$", tuple(curves))
    return verdicts, panel, kept


def _counts() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    grown = np.zeros((2, _STREAMS, _LENGTH))
    for k in range(_STREAMS):
        centres = renyi_centres(uniform(_LENGTH, 2, seed=1000 + k), _ANGLE)
        grown[0, k, centres.strong_indices] = 1
        grown[1, k, centres.indices] = 1
    grown = grown.cumsum(axis=2)
    lengths = np.unique(np.geomspace(1, _LENGTH, 24).round().astype(int))
    verdicts, curves = [], []
    laws = (("strong Renyi centres", "strong", strong_centre_count), ("Renyi centres", "all", centre_count))
    for i, (name, short, law) in enumerate(laws):
        mean = grown[i].mean(axis=0)
        error = grown[i, :, -1].std() / np.sqrt(_STREAMS)
        wanted = np.array([law(_ANGLE, 2, int(m)).value for m in lengths])
        told = f"{name} of {_LENGTH} uniform tokens, delta = {_ANGLE:g}, mean of {_STREAMS} streams"
        verdicts.append(compare(told, float(wanted[-1]), float(mean[-1]), _COUNT_TOLERANCE))
        curves += [
            Curve(f"{short} (standard error {error:.2f})", lengths, mean[lengths - 1], "points", color=i),
            Curve("predicted" if i else "", lengths, wanted, predicted=True, color=i),
        ]
    panel = Panel(rf"centres of a stream, $\delta$ = {_ANGLE:g}", "tokens M", "mean number", tuple(curves), log_x=True)
    return verdicts, panel, {"count_lengths": lengths, "counts": grown[:, :, lengths - 1]}


def _gathering(share: np.ndarray) -> Panel:
    curves = []
    for which, name in enumerate(("all centres", "strong centres")):
        part = share[:, 1:, which]
        mean, spread = part.mean(axis=0), part.std(axis=0)
        low, high = np.maximum(mean - spread, 0.0), np.minimum(mean + spread, 1.0)
        curves.append(Curve(f"{name}, {_RUNS} streams ± one s.d.", _TIMES[1:], mean, "band", low, high, color=which))
    title = rf"tokens within $1/\sqrt{{\beta}}$ of a centre, $\beta$ = {_BETA:g}"
    return Panel(title, "time", "share of tokens", tuple(curves), log_x=True)


def _unwrapped(frames: np.ndarray) -> np.ndarray:
    """Angles (times, tokens) without jumps of a turn."""
    return np.unwrap(angles(frames.reshape(-1, 2)).reshape(frames.shape[:2]), axis=0)


def _paths(frames: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> Panel:
    theta = _unwrapped(frames)[1:]
    curves = [Curve("", _TIMES[1:], theta[:, i], color=0) for i in range(theta.shape[1])]
    for number, (place, name) in enumerate(zip(places, ("centres", "strong centres"), strict=True), 1):
        x = np.full(len(place), _TIMES[1] * (0.5 if number == 1 else 0.75))
        curves.append(Curve(name, x, angles(place), "points", color=number))
    return Panel("one stream of causal tokens", "time", "angle (rad)", tuple(curves), log_x=True)


_C19: dict[str, float] = {"beta": 11.0, "epsilon": 0.09, "separation": 5.68}
_STARTS = np.concatenate([np.linspace(0.05, 1.2, 6), np.pi - np.linspace(0.1, 1.25, 6), [-0.6, -2.3]])
_CENTRES = (0.0, np.pi)
_LATE, _ARRIVED = 1e4, 1e-3  # a run ends when the free tokens are this part of the predicted distance away


def _settled(level: float, beta: float, places: Any, free: Any, masses: Any, end: float = _LATE) -> np.ndarray:
    """Distances of the free tokens from the nearest centre at the end, or once all are within `level`."""
    count = len(places)
    theta, weights = np.concatenate([places, free]), np.concatenate([masses, np.ones(len(free))])
    fixed = from_angles(np.asarray(places))

    def distances(tokens: np.ndarray) -> np.ndarray:
        return np.asarray(geodesic(tokens[count:, None], fixed[None]).min(axis=1))

    def near(moment: Moment) -> float:
        return level - float(distances(np.asarray(moment.tokens)).max())

    flow = Frozen(SelfAttention(beta), np.arange(len(theta)) < count)
    arrived = Event("arrived", near, terminal=True)
    run = simulate(flow, from_angles(theta), [0.0, end], weights=weights / weights.sum(), rtol=1e-8, events=[arrived])
    return distances(run.tokens.values[-1])


def frozen_centres(progress: Progress) -> Outcome:
    """C19: one free token and two frozen ones, β = 11, ε = 0.09, c = 5.68; more tokens and weights; too near centres.

    "Ends": a thousandth of the predicted distance is reached. The last inequality is the corrected one; as printed it
    has a negative left side and holds for any number of tokens.
    """
    verdicts: list[Verdict] = []
    beta, epsilon = _C19["beta"], _C19["epsilon"]
    law = fixed_centres(beta, _CENTRES, 1, epsilon=epsilon, separation=_C19["separation"])
    states = [h for h in law.hypotheses if h.holds is not None]
    verdicts.append(
        exact(
            "hypotheses, both inequalities among them; n = 1, centres 0 and pi, beta = 11, epsilon = .09, c = 5.68",
            all(h.holds for h in states),
            "all hold",
            f"{sum(bool(h.holds) for h in states)} of {len(states)} hold",
            "; ".join(f"{h.statement}: {h.detail}" for h in states),
            source=_SOURCE,
        )
    )
    ends = []
    for k, start in enumerate(_STARTS):
        progress(0.6 * k / len(_STARTS), f"free token from {start:.3g}")
        ends.append(_settled(_ARRIVED * law.value, beta, _CENTRES, [start], np.ones(2))[0])
    worst = float(np.max(ends))
    name = f"free tokens from {len(_STARTS)} starts end within epsilon/sqrt(beta) of a centre"
    sentence = f"the farthest is {worst:.2g} rad away"
    verdicts.append(exact(name, worst <= law.value, law.value, worst, sentence, unit="rad", source=_SOURCE))

    progress(0.6, "three centres of different weights")
    places, masses, free = np.array([0.1, 2.0, 4.3]), np.array([1.0, 3.0, 2.0]), [0.4, 1.7, 2.25, 4.05, 4.6]
    several = fixed_centres(60.0, places, len(free), epsilon=0.3, masses=masses)
    far = float(_settled(_ARRIVED * several.value, 60.0, places, free, masses).max())
    holds = several.holds is not False
    sentence = (
        f"hypotheses {'hold' if holds else 'fail'}; the farthest of {len(free)} free tokens is {far:.2g} rad away"
    )
    name = "three centres of weights 1, 3, 2, five free tokens, beta = 60, epsilon = .3"
    verdicts.append(
        exact(name, holds and far <= several.value, several.value, far, sentence, unit="rad", source=_SOURCE)
    )

    progress(0.8, "centres that are too near")
    gap = 1.8 / np.sqrt(60.0)
    near = fixed_centres(60.0, [0.0, gap], 1, epsilon=0.3)
    stays = float(_settled(_ARRIVED * near.value, 60.0, [0.0, gap], [0.3 * gap], np.ones(2), 200.0)[0])
    sentence = f"centres 1.8/sqrt(beta) apart hold a token between them, {stays:.3g} rad from both"
    outside = near.holds is False and stays > near.value
    name = "c > 2 + 2 epsilon is needed: a token between near centres"
    verdicts.append(exact(name, outside, f"> {near.value:.3g}", stays, sentence, unit="rad", source=_SOURCE))

    progress(0.9, "the printed inequality")
    verdict, panel, data = _inequalities()
    verdicts.append(verdict)
    order = np.argsort(_STARTS)
    line = np.array([_STARTS.min(), _STARTS.max()])
    reached = Panel(
        r"where a free token ends, $\beta$ = 11",
        "start (rad); centres at 0 and pi",
        "distance from the nearest centre (rad)",
        (
            Curve("start", _STARTS[order], _distance(_STARTS[order]), "points", color=1),
            Curve("end of the run", _STARTS[order], np.array(ends)[order], "points", color=0),
            Curve(r"$\epsilon/\sqrt{\beta}$", line, np.full(2, law.value), predicted=True, color=2),
        ),
        log_y=True,
    )
    data |= {"starts": _STARTS, "ends": np.array(ends), "level": law.value}
    return Outcome(tuple(verdicts), (reached, panel), data)


def _distance(theta: np.ndarray) -> np.ndarray:
    return np.asarray(geodesic(from_angles(theta)[:, None], from_angles(np.array(_CENTRES))[None]).min(axis=1))


def _inequalities() -> tuple[Verdict, Panel, dict[str, Any]]:
    """The last hypothesis against the number of tokens, as it should be and as it is printed."""
    beta, epsilon, c = 400.0, 0.95, 5.9
    unit = 1.0 / np.sqrt(beta)
    far, near = float(centre_stiffness((c - 2 * epsilon) * unit, beta)), float(centre_stiffness(epsilon * unit, beta))
    most = int(np.floor(near / -far))
    numbers = np.unique(np.geomspace(3, 100, 40).round())

    def allowed(n: int) -> bool:
        found = fixed_centres(beta, [0.0, c * unit], n - 2, epsilon=epsilon, separation=c)
        return bool(found.hypotheses[-2].holds)

    printed = bool(1e9 * far < near)
    agrees = allowed(most) and not allowed(most + 1) and printed
    sentence = (
        f"-N g < g(eps) holds up to N = {most}; as printed, N g < g(eps), it holds at N = 10^9 too and says nothing"
    )
    verdict = exact(
        "the inequality for g limits the number of tokens", agrees, most, most if agrees else None, sentence
    )
    panel = Panel(
        r"inequality for g, $\beta$ = 400, c = 5.9, $\epsilon$ = 0.95",
        "N, weight of all tokens",
        r"left side over right side, must be $<$ 1",
        (
            Curve("corrected: −N g", numbers, -numbers * far / near, "line", color=0),
            Curve("printed: N g", numbers, numbers * far / near, "line", color=1),
            Curve("limit", numbers[[0, -1]], np.ones(2), predicted=True, color=2),
        ),
        log_x=True,
    )
    return verdict, panel, {"numbers": numbers, "most": most}
