"""The staircase of the energy: at large β clusters meet pair by pair, and between mergers the energy stands still.

    𝓔 = Σ_ij m_i m_j e^{β(c_ij − 1)}  →  Σ_c m_c²  on a plateau of clusters c;    a merger of p and q adds 2 m_p m_q

The pair that meets next has the shortest time, log T ≈ β(1 − c) − log(Kβ(1 − c²)), which for β → ∞ is the closest one.
It meets at Σ m_iθ_i (USA) or Σ m_i²θ_i (SA), normalised, on the arc between.                                  [derived]

For well-prepared tokens on the half-circle, USA shifted, the staircase is a theorem: 0 ≤ θ_1 < … < θ_n ≤ π and

    cos(θ_i − θ_1) > cos(θ_k − θ_i) + c log β / β,    2 ≤ i ≤ n − 1,   k > i,   c > 1                    [2410.06833]

so that each token joins the cluster that began with θ_1. Other starts have staircases too, with other levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_tokens, check_weights
from ..sphere import geodesic
from .clocks import log_pair_time, pair_constant
from .growth import check_flow, check_real
from .records import Hypothesis, to_json

__all__ = ["Staircase", "StaircaseStep", "staircase", "well_prepared"]

_CLEAR = 10.0  # a merger is told from the next one if it comes this many times sooner
_SOURCE = "2410.06833; order and levels derived"


@dataclass(frozen=True)
class StaircaseStep:
    """One merger.

    **Fields:** `first` and `second`, the tokens of the two clusters, in increasing order; `masses` of the two;
    `angle` between them before; `log_time`, the natural logarithm of the time this takes from the merger before;
    `lead`, the time of the runner-up over that of this pair (inf if there is none); `level` of 𝓔 after it; `length`,
    the W2 length √(m_p s_p² + m_q s_q²) of the paths s of the two, which is what it costs in the arc-length clock.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    masses: tuple[float, float]
    angle: float
    log_time: float
    lead: float
    level: float
    length: float


@dataclass(frozen=True)
class Staircase:
    """The predicted staircase.

    **Fields:** `beta`, `flow`; `steps`, one :class:`StaircaseStep` a merger; `start`, the level Σ m_i² of the first
    plateau; `hypotheses`: whether every merger is clearly the next, and whether the theorem's conditions hold.
    """

    beta: float
    flow: str
    start: float
    steps: tuple[StaircaseStep, ...]
    hypotheses: tuple[Hypothesis, ...]
    source: str = _SOURCE

    @property
    def levels(self) -> tuple[float, ...]:
        """Σ_c m_c² of all plateaus, the last one 1."""
        return (self.start, *(step.level for step in self.steps))

    @property
    def length(self) -> float:
        """W2 length of the whole path: Σ angle·√(m_p m_q/(m_p + m_q)) for USA, β → ∞."""
        return math.fsum(step.length for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinities become ``None``."""
        return {
            "beta": self.beta,
            "flow": self.flow,
            "levels": to_json(self.levels),
            "steps": to_json(self.steps),
            "hypotheses": [h.to_dict() for h in self.hypotheses],
            "source": self.source,
        }


@dataclass
class _Cluster:
    tokens: tuple[int, ...]
    mass: float
    place: np.ndarray


def staircase(tokens: Any, beta: float, weights: Any = None, flow: str = "usa-shifted") -> Staircase:
    """Which clusters meet, in which order, and the levels of the energy between.

    **Arguments:** `tokens` (n, dim), n ≥ 2, all different, one for each cluster; `beta` > 0; `weights` (n,) masses > 0;
    `flow` "sa", "usa" or "usa-shifted" (the order is that of a clock of its own: USA and USA shifted have the same).

    **Returns:** :class:`Staircase`. Times are leading orders, relative error O(1/β); `log_time` of "usa" is in the
    shifted clock.

    **Raises:** `InputError`.

    **Source:** derived; [2410.06833] for well-prepared tokens.
    """
    points, b, flow = check_tokens(tokens), check_beta(beta), check_flow(flow)
    masses = check_weights(weights, len(points))
    if b == 0.0 or len(points) < 2:
        raise InputError(f"a staircase needs beta > 0 and two tokens, got beta = {beta!r} and {len(points)} token(s)")
    if (masses <= 0).any():
        raise InputError(f"weight {int(np.argmin(masses))} is zero; leave that token out")
    left = [_Cluster((i,), float(m), x) for i, (m, x) in enumerate(zip(masses, points, strict=True))]
    steps: list[StaircaseStep] = []
    level = start = float(masses @ masses)
    while len(left) > 1:
        ranked = sorted(_pair_times(left, b, flow))
        log_time, angle, i, j = ranked[0]
        others = ranked[1][0] if len(ranked) > 1 else math.inf
        lead = math.exp(min(others - log_time, 700.0)) if log_time < math.inf else 1.0
        lead = math.inf if others == math.inf and log_time < math.inf else lead
        one, two = left[i], left[j]
        level += 2.0 * one.mass * two.mass
        pair = one.mass, two.mass
        share = _share(one, two, flow)
        length = angle * math.sqrt(one.mass * share**2 + two.mass * (1.0 - share) ** 2)
        steps.append(StaircaseStep(one.tokens, two.tokens, pair, angle, log_time, lead, level, length))
        place = _meeting_point(one, two, angle, share)
        joined = _Cluster(tuple(sorted(one.tokens + two.tokens)), sum(pair), place)
        left = [c for k, c in enumerate(left) if k not in (i, j)] + [joined]
        left.sort(key=lambda cluster: cluster.tokens)
    tight = min(steps, key=lambda step: step.lead)
    clear = Hypothesis(
        "each merger is clearly the next",
        tight.lead >= _CLEAR,
        f"tokens {tight.first} and {tight.second}: the next pair takes {tight.lead:.3g} times as long",
    )
    on_circle = points.shape[1] == 2 and b > 1.0
    prepared = well_prepared(points, b) if on_circle else Hypothesis("well prepared", False, "on the circle only")
    return Staircase(b, flow, start, tuple(steps), (clear, prepared))


def _pair_times(left: list[_Cluster], beta: float, flow: str) -> list[tuple[float, float, int, int]]:
    """(log T, angle, i, j) of all pairs."""
    found = []
    for i, one in enumerate(left):
        for j in range(i + 1, len(left)):
            two = left[j]
            angle = float(geodesic(one.place, two.place))
            if not 1e-9 < angle < math.pi - 1e-9:
                if angle >= 1.0:
                    found.append((math.inf, angle, i, j))  # antipodal: at rest
                    continue
                raise InputError(f"tokens {one.tokens} and {two.tokens} coincide; give one token for each cluster")
            constant = pair_constant(one.mass, two.mass, flow)
            found.append((log_pair_time(beta, math.cos(angle), constant), angle, i, j))
    return found


def _share(one: _Cluster, two: _Cluster, flow: str) -> float:
    """Where they meet, as a share of the arc from the first to the second: nearer to the heavier one."""
    power = 2 if flow == "sa" else 1
    return two.mass**power / (one.mass**power + two.mass**power)


def _meeting_point(one: _Cluster, two: _Cluster, angle: float, share: float) -> np.ndarray:
    if angle > math.pi - 1e-9:
        return one.place if one.mass >= two.mass else two.place
    along = math.sin((1 - share) * angle) * one.place + math.sin(share * angle) * two.place
    return np.asarray(along / math.sin(angle))


def well_prepared(tokens: Any, beta: float, *, constant: float = 1.0) -> Hypothesis:
    """Whether the staircase theorem applies: tokens on a half-circle, each closer to the first than to the next.

        cos(θ_i − θ_1) > cos(θ_k − θ_i) + c log β / β      for 2 ≤ i ≤ n − 1, k > i, some c > `constant`

    **Arguments:** `tokens` (n, 2) in any order; the first is that end of the smallest arc that holds them for which
    the condition is nearer to hold; `beta` > 0; `constant` ≥ 1.

    **Returns:** :class:`Hypothesis`; its detail names the tightest pair and the largest c.

    **Raises:** `InputError`.

    **Source:** [2410.06833].
    """
    points, b, least = check_tokens(tokens), check_beta(beta), check_real(constant, "constant", 1.0)
    statement = "well prepared: cos(theta_i - theta_1) > cos(theta_k - theta_i) + c log(beta)/beta, c > 1"
    if points.shape[1] != 2 or b <= 1.0:
        raise InputError(
            f"well-prepared tokens are on the circle, with beta > 1; got dim {points.shape[1]}, beta {b:g}"
        )
    raw = np.arctan2(points[:, 1], points[:, 0])
    order = np.argsort(raw)
    gaps = np.diff(np.append(raw[order], raw[order[0]] + 2.0 * math.pi))
    order = np.roll(order, -int(np.argmax(gaps)) - 1)  # along the smallest arc
    theta = np.mod(raw[order] - raw[order[0]], 2.0 * math.pi)
    if len(theta) > 1 and (theta[-1] > math.pi or np.diff(theta).min() <= 0):
        return Hypothesis(statement, False, f"the tokens span {theta[-1]:.4g} rad, more than pi, or coincide")
    if len(theta) < 3:
        return Hypothesis(statement, True, "no condition for fewer than three tokens")
    unit = math.log(b) / b
    # k = i + 1 is the tightest k: the cosine decreases on [0, π]
    options = []
    for angles, names in ((theta, order), (theta[-1] - theta[::-1], order[::-1])):
        slack = (np.cos(angles[1:-1]) - np.cos(np.diff(angles)[1:])) / unit
        tight = int(np.argmin(slack))
        options.append((float(slack[tight]), int(names[tight + 1]), int(names[tight + 2]), int(names[0])))
    largest, i, k, first = max(options)
    detail = f"from token {first}: c < {largest:.4g}, tightest at tokens {i} and {k}"
    return Hypothesis(statement, largest > least, detail)
