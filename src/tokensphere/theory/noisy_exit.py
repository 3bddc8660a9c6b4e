"""Exit from the uniform law under noise: the race when every amplitude is pushed about on its way.

    a_k(t) = e^{r_k t} a_k(0) + N(0, S_k(t)/(n D_k) I),    S_k = tau Lambda_k (e^{2 r_k t} - 1)/r_k,    A_k = |a_k|

with r_k = lambda_k - tau Lambda_k and a_k of D_k components. From a known start n D_k A_k^2/S_k is noncentral chi^2 of
D_k components; from n iid uniform tokens a_k(0) is Gaussian too, and n D_k A_k^2/(e^{2 r_k t} + S_k) is chi^2. Growing
amplitudes cross the threshold once, so that with independent degrees

    P(exit > t) = prod_k P(A_k(t) < delta),      P(k wins) = - integral prod_{m != k} P(A_m < delta) dP(A_k < delta)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_dim, check_positive_int
from ..special import check_degrees, laplacian_eigenvalue, multiplicity
from .growth import check_real, growth_rates
from .race import check_threshold

__all__ = ["NoisyExit", "noisy_exit"]

_GRID, _DOUBLINGS, _GONE = 4000, 40, 1e-9
_LARGE = 1e5  # of a chi^2 argument, beyond which |a| is Gaussian to 1e-3


@dataclass(frozen=True, eq=False)
class NoisyExit:
    """The law of the exit time and of the winning degree.

    **Fields:** `degrees` (K,); `rates` r_k; `push` tau Lambda_k; `components` D_k; `room` n delta^2; `start`,
    n A_k^2 at t = 0, or None for iid uniform tokens.
    """

    degrees: np.ndarray
    rates: np.ndarray
    push: np.ndarray
    components: np.ndarray
    room: float
    start: np.ndarray | None

    def below(self, times: Any, level: Any = None) -> np.ndarray:
        """P(n A_k^2(t) < `level`), (times, K); `level` (K,) or a number, by default n delta^2."""
        from scipy.special import chdtr, chndtr, ndtr

        t = np.atleast_1d(np.asarray(times, dtype=np.float64))[:, None]
        x = np.broadcast_to(np.asarray(self.room if level is None else level, dtype=np.float64), self.degrees.shape)
        exponent = np.minimum(2.0 * self.rates * t, 600.0)
        still = np.abs(self.rates) < 1e-12
        growth = np.where(still, 2.0 * t, np.expm1(exponent) / np.where(still, 1.0, self.rates))
        spread, grown, d = self.push * growth, np.exp(exponent), self.components
        if self.start is None:
            return np.asarray(chdtr(d, d * x / (grown + spread)))
        known = spread <= 0.0  # nothing random yet
        scale = d / np.where(known, 1.0, spread)
        value, centre = scale * x, scale * self.start * grown
        large = (value > _LARGE) | (centre > _LARGE)
        small = np.where(large, 1.0, value), np.where(large, 1.0, centre)
        chance = np.where(large, ndtr(np.sqrt(value) - np.sqrt(centre + d - 1.0)), chndtr(small[0], d, small[1]))
        return np.where(known, (self.start * grown < x).astype(np.float64), chance)

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Times from 0 until the exit is certain (or no degree grows), and P(A_k < delta) there."""
        top = float(self.rates.max())
        end = 1.0 / top if top > 0 else 1.0 / float(np.abs(self.rates).max() or 1.0)
        for _ in range(_DOUBLINGS if top > 0 else 5):
            if float(self.below([end]).prod()) < _GONE:
                break
            end *= 2.0
        times = np.linspace(0.0, end, _GRID)
        return times, np.minimum.accumulate(self.below(times), axis=0)

    def quantile(self, chance: float) -> float:
        """The time by which the exit has happened with this probability; infinite if it never has."""
        if not 0.0 < chance < 1.0:
            raise InputError(f"chance must be between 0 and 1, got {chance!r}")
        times, below = self._grid()
        survival = below.prod(axis=1)
        if survival[-1] > 1.0 - chance:
            return float("inf")
        after = int(np.argmax(survival <= 1.0 - chance))
        if after == 0:
            return 0.0
        high, low = survival[after - 1], survival[after]
        return float(times[after - 1] + (high - 1.0 + chance) / (high - low) * (times[after] - times[after - 1]))

    @property
    def median(self) -> float:
        """The median exit time."""
        return self.quantile(0.5)

    def probabilities(self) -> dict[int, float]:
        """P(k wins) of every degree; an exit at t = 0 counts for the largest amplitude in proportion."""
        _, below = self._grid()
        loss = -np.diff(np.concatenate([np.ones((1, below.shape[1])), below]), axis=0)
        middle = np.concatenate([np.ones((1, below.shape[1])), 0.5 * (below[1:] + below[:-1])])
        wins = []
        for k in range(len(self.degrees)):
            others = np.delete(middle, k, axis=1).prod(axis=1)
            wins.append(float(loss[:, k] @ others))
        total = sum(wins)
        return {int(k): win / max(total, 1.0) for k, win in zip(self.degrees, wins, strict=True)}

    @property
    def steadiness(self) -> float:
        """min n delta^2 |r_k| / (tau Lambda_k) over the degrees that may win; the law needs it >> 1.

        It is the power of an amplitude at the threshold over what noise adds to it in a time 1/|r_k|.
        """
        likely = np.array([chance > 0.01 for chance in self.probabilities().values()])
        chosen = likely if likely.any() else np.ones(len(self.degrees), dtype=bool)
        with np.errstate(divide="ignore"):
            return float((self.room * np.abs(self.rates) / self.push)[chosen].min())


def noisy_exit(
    beta: float,
    dim: int,
    n: int,
    degrees: Any,
    noise: float,
    threshold: float = 0.1,
    flow: str = "usa",
    order_parameters: Any = None,
    slowdown: float = 1.0,
) -> NoisyExit:
    """The law of the exit of the linear phase for tokens with noise, from a known or a random start.

    **Arguments:** `beta` >= 0; `dim` >= 2; `n` >= 2 tokens; `degrees` (K,) that take part; `noise` tau >= 0;
    `threshold` delta for A_k; `flow` as :func:`growth_rates`; `order_parameters` (K,) A_k(0), None for iid uniform
    tokens; `slowdown`, a factor of every lambda_k (the self-term of SA).

    **Returns:** :class:`NoisyExit`.

    **Raises:** InputError naming the bad value.

    **Source:** derived (Ornstein-Uhlenbeck amplitudes).
    """
    dim, n, wanted = check_dim(dim), check_positive_int(n, "n", least=2), np.atleast_1d(check_degrees(degrees))
    tau, delta = check_real(noise, "noise", 0.0), check_threshold(threshold)
    push = tau * np.asarray(laplacian_eigenvalue(wanted, dim), dtype=np.float64)
    rates = slowdown * np.asarray(growth_rates(beta, dim, wanted, flow), dtype=np.float64) - push
    start = None
    if order_parameters is not None:
        amplitudes = np.atleast_1d(np.asarray(order_parameters, dtype=np.float64))
        if amplitudes.shape != wanted.shape or not ((amplitudes >= 0) & (amplitudes <= 1 + 1e-9)).all():
            raise InputError(f"order_parameters must be {len(wanted)} numbers between 0 and 1")
        start = n * amplitudes**2
    components = np.array([float(multiplicity(int(k), dim)) for k in wanted])
    return NoisyExit(wanted, rates, push, components, n * delta**2, start)
