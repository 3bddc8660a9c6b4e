"""The film of softmax attention on the sphere (C7): 64 tokens, d = 3, β = 1, one cluster at the end.

Nearly one point, all inner products follow 1 − c ~ e^{−2t}.                                       [2312.10794; derived]
"""

from __future__ import annotations

import math

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare, exact
from tokensphere.flows import SelfAttention
from tokensphere.observe import count_clusters, energy_monotone
from tokensphere.solve import simulate
from tokensphere.sphere import uniform

__all__ = ["one_cluster"]

_N, _DIM, _BETA, _STOP, _STEP, _SEED = 64, 3, 1.0, 15.0, 0.1, 7
_FRAMES = (0.0, 2.0, 4.0, 6.0)  # shown
_ANGLE = 0.01  # radians: tokens this near are one cluster
_LATE = (10.0, 15.0)  # where the rate is read


def one_cluster(progress: Progress) -> Outcome:
    """C7: one cluster at t = 15, the energy never falls, and 1 − c shrinks at the local rate 2."""
    progress(0.0, "64 tokens")
    flow, tokens = SelfAttention(_BETA), uniform(_N, _DIM, _SEED)
    times = _STEP * np.arange(round(_STOP / _STEP) + 1)
    run = simulate(flow, tokens, times, method="rk4", step_size=_STEP).tokens.values
    progress(0.7, "the same with an adaptive step")
    fine = simulate(flow, tokens, [0.0, _FRAMES[-1]], rtol=1e-10).tokens.values[-1]
    apart = np.array([_spread(x) for x in run])
    count = np.array([count_clusters(x, _ANGLE) for x in run])
    energies = np.array([flow.energy(x) for x in run])
    late = (times >= _LATE[0]) & (times <= _LATE[1])
    rate = -float(np.polyfit(times[late], np.log(apart[late]), 1)[0])
    shown = round(_FRAMES[-1] / _STEP)
    monotone = energy_monotone(times, energies)
    verdicts = (
        compare(f"clusters at t = {_STOP:g}, joined at {_ANGLE} rad", 1, int(count[-1]), 0, source="2312.10794"),
        compare("rate of 1 - c near the end", 2.0, rate, 0.01, unit="1/time", relative=True),
        compare("largest fall of the energy, of its span", 0.0, monotone.largest_decrease, 1e-10),
        compare(
            f"steps of {_STEP} (RK4) against an adaptive run, t = {_FRAMES[-1]:g}",
            0.0,
            float(np.abs(run[shown] - fine).max()),
            1e-5,
        ),
        exact(
            "all tokens in one open hemisphere before the end",
            bool((run[-1] @ run[-1].mean(axis=0)).min() > 0),
            "yes",
            f"smallest product with the mean {float((run[-1] @ run[-1].mean(axis=0)).min()):.6g}",
            "after which they meet exponentially fast",
            source="2312.10794",
        ),
    )
    basis = _view(run[-1].mean(axis=0))
    panels = (
        *(_frame(run[round(t / _STEP)] @ basis.T, t) for t in _FRAMES),
        Panel(
            "tokens meet",
            "time t",
            "largest 1 − c",
            (
                Curve("simulation", times, apart),
                Curve("rate 2", times[late], apart[-1] * np.exp(-2.0 * (times[late] - _STOP)), predicted=True),
            ),
            log_y=True,
        ),
        Panel(
            f"clusters, joined at {_ANGLE} rad", "time t", "number of clusters", (Curve("simulation", times, count),)
        ),
    )
    return Outcome(verdicts, panels, {"time": times, "tokens": run, "spread": apart, "clusters": count})


def _spread(tokens: np.ndarray) -> float:
    """The largest 1 − c_ij, without cancellation."""
    return 0.5 * float(np.sum((tokens[:, None] - tokens[None]) ** 2, axis=2).max())


def _view(centre: np.ndarray) -> np.ndarray:
    """Rows right, up and towards the eye, so that the final cluster is in front, a little above and to the right."""
    toward = centre / np.linalg.norm(centre)
    right = np.cross([0.0, 0.0, 1.0], toward)
    right /= np.linalg.norm(right)
    up = np.cross(toward, right)
    eye = toward - 0.35 * right - 0.25 * up
    eye /= np.linalg.norm(eye)
    right = np.cross(up, eye)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(eye, right), eye])


def _frame(seen: np.ndarray, t: float) -> Panel:
    """Tokens in front are filled, those behind hollow; the circle is the outline of the sphere."""
    turn = np.linspace(0.0, 2.0 * math.pi, 181)
    front = seen[:, 2] >= 0
    curves = [Curve("", np.cos(turn), np.sin(turn), color=6)]
    for rows, hollow in ((seen[front], False), (seen[~front], True)):
        if len(rows):
            curves.append(Curve("", rows[:, 0], rows[:, 1], "points", predicted=hollow, color=0))
    hidden = "; hollow: behind" if not front.all() else ""
    return Panel(f"t = {t:g}{hidden}", "to the right", "up", tuple(curves), equal=True)
