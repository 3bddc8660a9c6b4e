"""A flow of clusters in another clock, with the time it leaves behind carried along.

Clusters of masses m_i, V = B = I, c the largest inner product of two distinct ones, Z_i = m_i + Σ_{j≠i} m_j e^{β(c_ij−1)}:

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

import equinox as eqx
import numpy as np

from tokensphere.attention import Dense
from tokensphere.errors import InputError
from tokensphere.flows import AbstractFlow, project
from tokensphere.sphere.pairs import closest_pair
from tokensphere.theory.clocks import log_clock_rate

__all__ = ["ClockedFlow", "WithTime", "pair_angle"]

def pair_angle(tokens: np.ndarray, i: int, j: int) -> float:
    """The angle of two tokens in radians, to the last digits at every angle."""
    apart, together = np.linalg.norm(tokens[i] - tokens[j]), np.linalg.norm(tokens[i] + tokens[j])
    return 2.0 * math.atan2(float(apart), float(together))


class WithTime:
    """Where the state of a clocked flow lives: unit rows, and one last row that is free."""

    def retract(self, points: Any) -> Any:
        out = np.array(points)
        out[:-1] /= np.sqrt(np.einsum("ij,ij->i", out[:-1], out[:-1]))[:, None]
        return out

    def error(self, points: Any, errors: Any) -> Any:
        """Radians for tokens; for the time, its own unit."""
        out = np.array(errors)
        out[:-1] = project(points[:-1], errors[:-1])
        return np.sqrt(np.einsum("ij,ij->i", out, out))

    def split(self, points: Any) -> tuple[Any, None]:
        return points[:-1], None

    def join(self, tokens: Any, radii: Any = None) -> Any:
        return np.concatenate([tokens, np.zeros((1, np.shape(tokens)[1]))])


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
    def space(self) -> Any:
        """Unit rows and the time."""
        return WithTime()

    def resolve(self, n: int, dim: int) -> ClockedFlow:
        return self

    def pull(self, clusters: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, float, float]:
        """G (clusters, dim) in the clock of this flow, log(dt/ds), and β(1 − c)."""
        _, _, chord = closest_pair(clusters)
        top = 0.5 * self.beta * chord**2
        log_z, mean = self.others(clusters, clusters, None, masses, beta=self.beta)
        log_others = np.asarray(log_z) - self.beta
        force = np.exp(log_others + top)
        if self.normalised:
            force /= masses + np.exp(log_others)
        vectors = force[:, None] * project(clusters, np.asarray(mean))
        extra = self._extra(clusters, vectors, top)
        return vectors * math.exp(extra), top + extra, top

    def _extra(self, clusters: np.ndarray, vectors: np.ndarray, top: float) -> float:
        """Logarithm of the speed of this clock against the log clock."""
        if self.name == "log":
            return 0.0
        if self.name == "arc-length":
            size = float(np.linalg.norm(vectors))
            return -math.log(size) if size > 0 else 0.0
        return log_clock_rate(clusters, self.beta, self.name) - top

    def field(self, tokens: Any, weights: Any, t: Any) -> np.ndarray:
        vectors, log_rate, _ = self.pull(tokens[:-1], weights[:-1])
        out = np.zeros_like(tokens)
        out[:-1] = vectors
        out[-1, 0] = math.exp(log_rate - self.reference)
        return out

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        return self.field(tokens, weights, t)

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("a flow in another clock has no energy of its own; use that of the flow it stands for")
