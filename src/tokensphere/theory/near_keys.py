"""How many keys a query sees: one query, n independent uniform keys, and the scale β ~ n^{2/(d−1)}.

With w_j = e^{−β(1−⟨x,y_j⟩)} and A_j = w_j/Σw the number of keys that count is 1/E ΣA_j², and exactly, for every n,

    E Σ_j A_j² = n ∫_0^∞ λ E[w² e^{−λw}] (E e^{−λw})^{n−1} dλ.                                   [derived]

    below (many keys)   A is the local average I_{d/2}/I_{d/2−1}(β) x, with Gaussian fluctuations: along every tangent
                        direction of variance A_d(2β)/(2β) · Z0(2β)/(n Z0(β)²), A_d = I_{d/2}/I_{d/2−1}
    at                  finitely many keys, a random number of them whatever n
    above               the nearest key, ΣA_j² → 1

The long context of :mod:`tokensphere.theory.long_context`, β ~ log n, is for tokens at equal distances; uniform keys in
fixed dimension have neighbours at angles n^{−1/(d−1)}, and this is their scale.                 [2605.08505: the scale]
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import InputError, check_beta, check_dim
from ..special import log_scaled_partition, mean_resultant
from .growth import check_real
from .long_context import competing_beta
from .records import Hypothesis, Prediction

__all__ = ["NearKeys", "effective_keys", "key_regime"]

_MANY, _ONE = 10.0, 1.1  # keys that count: above, an average; below, the nearest one
_NODES, _PIECE = 600, 20  # of the quadrature over keys, and over one piece of log λ
_CUTS = (1e-4, 1e-3, 0.01, 0.1, 0.5, 1.5, 4.0, 10.0, 25.0, 60.0)  # pieces of log λ end where this much is survived


@dataclass(frozen=True)
class NearKeys:
    """What one query gets from n independent uniform keys.

    **Fields:** `keys`, 1/E ΣA_j²; `regime`: "average" (more than 10 keys count), "few" or "nearest" (at most 1.1);
    `mean`, the length of the local average; `spread`, the standard deviation of the output along one tangent direction
    where it is an average; `scale` = n^{2/(d−1)}, in units of which β is `ratio`.
    """

    keys: float
    regime: Literal["average", "few", "nearest"]
    mean: float
    spread: float
    scale: float
    ratio: float

    def prediction(self) -> Prediction:
        """The number of keys that count, with its hypotheses."""
        said = f"beta = {self.ratio:.3g} n^(2/(d-1))"
        return Prediction(
            "keys that count",
            self.keys,
            "",
            "1/E[sum A_j^2]",
            "derived; scale of 2605.08505",
            (
                Hypothesis("keys are independent and uniform, the query is not one of them", None),
                Hypothesis("the output is a local average with Gaussian fluctuations", self.regime == "average", said),
                Hypothesis("the output is the nearest key", self.regime == "nearest", said),
            ),
            "exact for every n, as a mean over the keys",
        )


@functools.lru_cache
def _gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, masses = np.polynomial.legendre.leggauss(count)  # takes longer than all the rest
    return nodes, masses


class _Law:
    """s = β(1 − c) for a uniform key: its distribution function and the two means of the formula."""

    def __init__(self, beta: float, dim: int) -> None:
        from scipy.special import betaln

        self.beta, self.dim = beta, dim
        self.half = 0.5 * (dim - 1)
        self.log_norm = -betaln(self.half, self.half) - math.log(2.0 * beta)
        self.nodes, self.masses = _gauss(_NODES)

    def means(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E[1 − e^{−λw}] and E[(λw)² e^{−λw}] at λ = e^level, for (m,) levels."""
        from scipy.special import betainc

        whole = 2.0 * self.beta
        low = np.clip(levels - 5.0, 0.0, whole)  # nearer keys have λw > e^5: they are reached
        high = np.minimum(whole, np.maximum(levels, 0.0) + 45.0 + 2.0 * self.dim)
        # s = 2β sin²(v) over [low, high]: the density has no singularity left in v
        first, last = (np.arcsin(np.sqrt(np.minimum(s / whole, 1.0)))[:, None] for s in (low, high))
        v = first + 0.5 * (last - first) * (1.0 + self.nodes)
        sine, cosine = np.sin(v), np.cos(v)
        z = levels[:, None] - whole * sine**2
        with np.errstate(divide="ignore"):
            log_density = self.log_norm + (self.dim - 2) * np.log(sine * cosine)
        weighted = 0.5 * (last - first) * self.masses * 2.0 * whole * np.exp(log_density)
        grown = np.exp(z)
        reached = betainc(self.half, self.half, low / whole) - (weighted * np.expm1(-grown)).sum(axis=1)
        return np.minimum(reached, 1.0), (weighted * np.exp(2.0 * z - grown)).sum(axis=1)


def effective_keys(n: float, beta: float, dim: int) -> float:
    """1/E ΣA_j², the number of keys that one query sees among n independent uniform ones.

    **Arguments:** `n` ≥ 2 keys, up to 1e15; `beta` ≥ 0; `dim` ≥ 2.

    **Returns:** float between 1 and n, to about nine digits. **Raises:** `InputError`. **Source:** derived, exact.
    """
    count, beta, dim = check_real(n, "n", 2.0), check_beta(beta), check_dim(dim)
    if count > 1e15:
        raise InputError(f"n must be at most 1e15, got {n!r}")
    if beta == 0:
        return count

    law = _Law(beta, dim)
    middle = -math.log(count) - log_scaled_partition(dim, beta)  # λ n E w = 1
    start, room = middle - 15.0, max(2.0 * beta - middle, 0.0) + 45.0
    levels = np.concatenate([np.linspace(start, middle, 31), middle + np.geomspace(1e-2, room, 300)])
    survived = _survived(law.means(levels)[0], count)
    cuts = np.interp(_CUTS, survived, levels)
    pieces = np.unique(np.concatenate([[start], cuts]))
    nodes, masses = _gauss(_PIECE)
    half = 0.5 * np.diff(pieces)[:, None]
    reached, squared = law.means((pieces[:-1, None] + half * (1.0 + nodes)).ravel())
    density = count * squared * np.exp(-_survived(reached, count))
    total = float((half * masses).ravel() @ density)
    return min(max(1.0 / total, 1.0), count)


def _survived(reached: np.ndarray, count: float) -> np.ndarray:
    """−log of (E e^{−λw})^{n−1}, at most 1000."""
    with np.errstate(divide="ignore"):
        return np.minimum(-(count - 1.0) * np.log1p(-reached), 1e3)


def key_regime(n: float, beta: float, dim: int) -> NearKeys:
    """Whether a query sees an average of its neighbourhood, a few keys or the nearest one.

    **Arguments:** as :func:`effective_keys`. **Returns:** :class:`NearKeys`. **Raises:** `InputError`.

    **Source:** scale of [2605.08505]; numbers derived.
    """
    keys, beta, dim = effective_keys(n, beta, dim), check_beta(beta), check_dim(dim)
    regime: Literal["average", "few", "nearest"] = "average" if keys > _MANY else "few" if keys > _ONE else "nearest"
    if beta == 0:
        mean, variance = 0.0, 1.0 / (dim * n)
    else:
        mean = float(mean_resultant(dim, beta))
        ratio = math.exp(log_scaled_partition(dim, 2.0 * beta) - 2.0 * log_scaled_partition(dim, beta))
        variance = float(mean_resultant(dim, 2.0 * beta)) / (2.0 * beta) * ratio / n
    scale = competing_beta(int(n), dim)
    return NearKeys(keys, regime, mean, math.sqrt(variance), scale, beta / scale)
