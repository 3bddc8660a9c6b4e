"""The published kinetic example, merger by merger (C15): fixed steps against log time with mergers.  [2410.06833]"""

from __future__ import annotations

import math

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare, exact
from tokensphere.flows import SelfAttention
from tokensphere.observe import ClusterTree, cluster_tree
from tokensphere.solve import coarsen, default_delta, simulate
from tokensphere.sphere import angles, normalize

__all__ = ["kinetic_example"]

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
            bool((np.abs(late) <= 0.1).all()),
            "within 0.1, the step",
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
