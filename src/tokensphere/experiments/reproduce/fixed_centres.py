"""Fixed centres: free tokens among frozen ones end at them (C19).

N h((c−1−2ε)/√β) < h(ε/√β), −N g((c−2ε)/√β) < g(ε/√β) ⇒ free tokens end within ε/√β       [2411.04990, corrected]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, exact
from tokensphere.flows import Frozen, SelfAttention
from tokensphere.solve import Event, Moment, simulate
from tokensphere.sphere import from_angles, geodesic
from tokensphere.theory import centre_stiffness, fixed_centres

__all__ = ["frozen_centres"]

_SOURCE = "2411.04990"

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
