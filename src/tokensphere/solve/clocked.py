"""A flow of clusters in another clock, with the time it leaves behind carried along.

Clusters of masses m_i, V = B = I, c the largest inner product of two, Z_i = m_i + Σ_{j≠i} m_j e^{β(c_ij−1)}:

    G_i = P_{x_i} Σ_{j≠i} m_j e^{β(c_ij − c)} x_j  (/Z_i for SA)          every kernel ≤ 1, the self-term left out
    log:          dx_i/ds = G_i                          dt/ds = e^{β(1−c)}
    real:         dx_i/ds = e^{−β(1−c)} G_i              dt/ds = 1
    arc-length:   dx_i/ds = G_i/|G|                      dt/ds = e^{β(1−c)}/|G|
    staircase:    dx_i/ds = log β e^{β(c − c*)} G_i      dt/ds = log β e^{β(1−c*)}

c* the largest inner product of tokens farther apart than 1/√(β log β). In the plain clock the velocity of separated
clusters, e^{−β(1−c)}, is lost beside the self-term in the last digits of a float; here it never is.

The state has one row more than there are clusters: its first entry is (t − t_0) e^{−reference}, integrated and held to
the tolerance like the tokens.                                                       [2410.06833; log clock derived]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.flows import SPHERE, AbstractFlow, AbstractSpace, project
from tokensphere.sphere.pairs import closest_pair
from tokensphere.theory.clocks import log_clock_rate

__all__ = ["ClockedFlow", "WithTime", "pair_angle", "pull"]


def pair_angle(tokens: np.ndarray, i: int, j: int) -> float:
    """The angle of two tokens in radians, to the last digits at every angle."""
    apart, together = np.linalg.norm(tokens[i] - tokens[j]), np.linalg.norm(tokens[i] + tokens[j])
    return 2.0 * math.atan2(float(apart), float(together))


class WithTime(AbstractSpace):
    """Unit rows, and one last row that is free."""

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
        """Radians for clusters; for the time, its own unit."""
        return np.append(SPHERE.error(points[:-1], errors[:-1]), abs(errors[-1, 0]))


_WITH_TIME = WithTime()


class ClockedFlow(AbstractFlow):
    """See the module. The state has shape (clusters + 1, dim); masses (clusters + 1,), the last of them 0.

    **Fields:** `beta`; `normalised`, SA (else USA shifted); `others`, the sum over all pairs but self-pairs; `name`
    of the clock; `reference`, the logarithm of the unit of the time carried along.
    """

    beta: float
    normalised: bool
    others: Dense
    name: str = "log"
    reference: float = 0.0

    @classmethod
    def of(cls, beta: float, normalised: bool, count: int, clock: str = "log", reference: float = 0.0) -> ClockedFlow:
        """The flow of `count` clusters."""
        others = Dense(mask=~np.eye(count, dtype=bool), symmetric=True)
        return cls(float(beta), bool(normalised), others, clock, float(reference))

    @property
    def on_host(self) -> bool:
        return True

    @property
    def space(self) -> AbstractSpace:
        return _WITH_TIME

    def resolve(self, n: int, dim: int) -> ClockedFlow:
        return self

    def field(self, tokens: Any, weights: Any, t: Any) -> np.ndarray:
        vectors, log_rate, _ = pull(self, tokens[:-1], weights[:-1])
        out = np.zeros_like(tokens)
        out[:-1] = vectors
        out[-1, 0] = math.exp(log_rate - self.reference)
        return out

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


def pull(flow: ClockedFlow, clusters: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, float, float]:
    """dx/ds (k, dim) in the clock of this flow, log(dt/ds), and β(1 − c)."""
    top = 0.5 * flow.beta * closest_pair(clusters)[2] ** 2
    log_z, mean = _others(flow, clusters, masses)
    log_others = log_z - flow.beta
    force = np.exp(log_others + top)
    if flow.normalised:
        force /= masses + np.exp(log_others)
    vectors = force[:, None] * project(clusters, mean)
    extra = 0.0
    if flow.name == "arc-length":
        size = float(np.linalg.norm(vectors))
        extra = -math.log(size) if size > 0 else 0.0
    elif flow.name != "log":
        extra = log_clock_rate(clusters, flow.beta, flow.name) - top
    return vectors * math.exp(extra), top + extra, top
