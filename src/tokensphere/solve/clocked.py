"""A flow of clusters in the log clock, with the time it leaves behind and any other clock carried along.

Clusters of masses m_i, V = B = I, c the largest inner product of two, Z_i = m_i + Σ_{j≠i} m_j e^{β(c_ij−1)}:

    G_i = P_{x_i} Σ_{j≠i} m_j e^{β(c_ij − c)} x_j  (/Z_i for SA)          every kernel ≤ 1, the self-term left out
    dx_i/ds = G_i,     dt/ds = e^{β(1−c)}

In the plain clock the velocity of separated clusters, e^{−β(1−c)}, is lost beside the self-term in the last digits of a
float; here it never is. Steps are taken in s whatever clock a run is asked to tell, and that clock σ is integrated:

    arc-length:   dσ/ds = |G|
    staircase:    dσ/ds = e^{−β(c − c*)}/log β,   c* the largest inner product of tokens farther apart than 1/√(β log β)

The staircase clock cannot be stepped in: where a pair passes that angle, long before it merges, dt/dσ jumps by
e^{β(c − c*)}, the time of the next plateau, while this pair still moves. σ(s) has only a kink there.

"real" alone is stepped in itself, dx_i/dt = e^{−β(1−c)} G_i: a check of the others as long as a float tells t apart.

The state has one row more than there are clusters: (t − t_0) e^{−reference} and σ (in units of 1/log β for the
staircase), integrated and held to the tolerance like the tokens.                    [2410.06833; log clock derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.flows import SPHERE, AbstractFlow, AbstractSpace, project
from tokensphere.sphere.pairs import closest_pair
from tokensphere.theory.clocks import staircase_barrier

__all__ = ["LOCATED", "ClockedFlow", "WithTime", "pull"]

LOCATED = 64  # up to so many clusters, moments within a step are found: mergers, and jumps of a clock's rate
_MOST = 200.0  # an attempt so wrong is rejected, whatever time it would take


class WithTime(AbstractSpace):
    """Unit rows, and one last row that is free: time, and a clock that is held to the tolerance if `strict`."""

    strict: bool = True

    @property
    def name(self) -> str:
        return "clusters and time"

    def check(self, tokens: Any, radii: Any = None) -> np.ndarray:
        """Clusters at the time 0."""
        unit = SPHERE.check(tokens, radii)
        return np.concatenate([unit, np.zeros((1, unit.shape[1]))])

    def retract(self, points: Any) -> Any:
        return np.concatenate([SPHERE.retract(points[:-1]), points[-1:]])

    def error(self, points: Any, errors: Any) -> Any:
        """Radians for clusters; for the time and the clock, their own units."""
        last = max(abs(errors[-1, 0]), abs(errors[-1, 1])) if self.strict else abs(errors[-1, 0])
        return np.append(SPHERE.error(points[:-1], errors[:-1]), last)


_STRICT, _LAX = WithTime(), WithTime(False)


class ClockedFlow(AbstractFlow):
    """See the module. The state has shape (clusters + 1, dim); masses (clusters + 1,), the last of them 0.

    **Fields:** `beta`; `normalised`, SA (else USA shifted); `others`, the sum over all pairs but self-pairs; `name`
    of the clock told; `reference`, the logarithm of the unit of the time carried along; `strict`, whether that clock
    is held to the tolerance (among many clusters the rate of the staircase clock jumps all the time).
    """

    beta: float
    normalised: bool
    others: Dense
    name: str = "log"
    reference: float = 0.0
    strict: bool = True

    @classmethod
    def of(cls, beta: float, normalised: bool, count: int, clock: str = "log", reference: float = 0.0) -> ClockedFlow:
        """The flow of `count` clusters."""
        others = Dense(mask=~np.eye(count, dtype=bool), symmetric=True)
        strict = clock != "staircase" or count <= LOCATED
        return cls(float(beta), bool(normalised), others, clock, float(reference), strict)

    @property
    def on_host(self) -> bool:
        return True

    @property
    def space(self) -> AbstractSpace:
        return _STRICT if self.strict else _LAX

    def resolve(self, n: int, dim: int) -> ClockedFlow:
        return self

    def field(self, tokens: Any, weights: Any, t: Any) -> np.ndarray:
        clusters = tokens[:-1]
        vectors, top = pull(self, clusters, weights[:-1])
        out, log_rate = np.zeros_like(tokens), top
        out[:-1] = vectors
        if self.name == "real":
            out[:-1] *= math.exp(-top)
            log_rate = 0.0
        elif self.name == "arc-length":
            out[-1, 1] = np.linalg.norm(vectors)
        elif self.name == "staircase":
            out[-1, 1] = math.exp(min(top - staircase_barrier(clusters, self.beta), _MOST))
        out[-1, 0] = math.exp(min(log_rate - self.reference, _MOST))
        return out

    def told(self, t: float, points: np.ndarray) -> float:
        """The clock of this name at the step time `t` and the state `points`, since the start of the integration."""
        if self.name in ("log", "real"):
            return t
        return float(points[-1, 1]) / (math.log(self.beta) if self.name == "staircase" else 1.0)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        return self.field(tokens, weights, t)

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """𝓔 = Σ_ij m_i m_j e^{β(c_ij − 1)}, 2β times the shifted energy, of clusters (k, dim) without a row of time."""
        if len(tokens) < 2:
            return float(weights @ weights)
        log_z, _ = _others(self, tokens, weights)
        return float(weights @ (weights + np.exp(log_z - self.beta)))


# Plain functions: binding a method of an equinox module costs as much as the sum over a few clusters.


def _others(flow: ClockedFlow, clusters: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log Σ_{j≠i} m_j e^{βc_ij} and the mean of the others that goes with it."""
    others = flow.others
    log_z, mean = type(others).__call__(others, clusters, clusters, None, masses, beta=flow.beta)
    return np.asarray(log_z), np.asarray(mean)


def pull(flow: ClockedFlow, clusters: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, float]:
    """G = dx/ds (k, dim) in the log clock, and log(dt/ds) = β(1 − c)."""
    top = 0.5 * flow.beta * closest_pair(clusters)[2] ** 2
    log_z, mean = _others(flow, clusters, masses)
    log_others = log_z - flow.beta
    force = np.exp(log_others + top)
    if flow.normalised:
        force /= masses + np.exp(log_others)
    return force[:, None] * project(clusters, mean), top
