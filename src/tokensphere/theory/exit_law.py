"""The race over an ensemble: the law of the exit time and of the winning degree.

For n iid uniform tokens n A_k^2 ~ chi^2_{D_k} / D_k, nearly independent over k. With F_k its distribution
function, f_k its density and X_k(t) = D_k n delta^2 e^{-2 lambda_k t},

    P(exit > t) = prod_k F_k(X_k(t))
    P(k wins)   = integral 2 lambda_k X_k f_k(X_k) prod_{m != k} F_m(X_m) dt

plus an atom at t = 0. Internally time is s = lambda_max t, so nothing overflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim
from ..special import multiplicity
from .degrees import dominant_degree
from .growth import check_flow, check_real, log_normaliser, log_sa_rates, safe_exp
from .race import check_threshold
from .records import to_json

__all__ = ["ExitLaw", "exit_law", "tokens_needed"]

# n A_k^2 with more components is its mean to 1e-3: more would only make the quadrature stiff.
_MAX_COMPONENTS = 10**6
_NODES, _PANELS, _MAX_PANELS = 16, 24, 3072


def _log_cdf(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """log of the regularised incomplete gamma function P(a, x), accurate at both ends."""
    with np.errstate(divide="ignore"):
        if (a == 1.0).all():
            return np.asarray(np.log(-np.expm1(-x)))
        from scipy.special import gammainc, gammaincc

        low = gammainc(a, x)
        return np.where(low < 0.5, np.log(low), np.log1p(-gammaincc(a, x)))


def _log_density(x: np.ndarray, a: np.ndarray) -> np.ndarray:
    """log of x^a e^{-x} / Gamma(a), without the cancellation of large a."""
    if (a == 1.0).all():
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(x) - x)
    from scipy.special import gammaln

    large = np.maximum(a, 20.0)
    inv2 = 1.0 / (large * large)
    excess = x / large - 1.0
    with np.errstate(divide="ignore"):
        stirling = (1.0 / 12.0 - inv2 * (1.0 / 360.0 - inv2 / 1260.0)) / large
        high = 0.5 * np.log(large / (2.0 * np.pi)) - large * (excess - np.log1p(excess)) - stirling
        return np.where(a >= 20.0, high, a * np.log(x) - x - gammaln(a))


@dataclass(frozen=True, eq=False)
class _Chances:
    """The law in the time s = lambda_max t: relative rates (K,), half the components (K,), ln(n delta^2)."""

    speed: np.ndarray
    half: np.ndarray
    log_room: float

    def argument(self, s: np.ndarray) -> np.ndarray:
        return self.half * np.exp(np.minimum(self.log_room - 2.0 * self.speed * np.asarray(s)[..., None], 690.0))

    def log_survival(self, s: np.ndarray) -> np.ndarray:
        return np.asarray(_log_cdf(self.argument(s), self.half).sum(axis=-1))

    def solve(self, log_level: float, rtol: float = 1e-13) -> float:
        """The s at which log survival = log_level (0 if it starts lower)."""
        if float(self.log_survival(np.zeros(1))[0]) <= log_level:
            return 0.0
        low, high = 0.0, max(0.5 * self.log_room, 0.0) + 1.0
        while float(self.log_survival(np.array([high]))[0]) > log_level:
            low, high = high, 2.0 * high
        while high - low > rtol * high:
            middle = 0.5 * (low + high)
            if float(self.log_survival(np.array([middle]))[0]) > log_level:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)

    def integrate(self) -> tuple[np.ndarray, float, float]:
        """P(k wins) for every degree, the atom at s = 0, and the mean of s."""
        atom = max(0.0, -math.expm1(float(self.log_survival(np.zeros(1))[0])))
        start = self.solve(-1e-15, 1e-3) * 0.999 if atom < 1e-15 else 0.0
        stop = self.solve(-38.0, 1e-3)
        x, w = np.polynomial.legendre.leggauss(_NODES)
        panels = _PANELS
        while True:
            width = (stop - start) / panels
            s = (start + (np.arange(panels)[:, None] + 0.5 * (x + 1.0)) * width).ravel()
            weight = np.tile(0.5 * width * w, panels)
            argument = self.argument(s)
            logs = _log_cdf(argument, self.half)
            total = logs.sum(axis=-1)
            alive = total > -700.0
            log_hazard = np.full_like(logs, -np.inf)
            log_hazard[alive] = _log_density(argument[alive], self.half) - logs[alive] + total[alive, None]
            wins = 2.0 * self.speed * (weight @ np.exp(log_hazard))
            if abs(wins.sum() + atom - 1.0) < 1e-9 or panels >= _MAX_PANELS:
                return wins, atom, start + float(weight @ np.exp(total))
            panels *= 2


@dataclass(frozen=True, eq=False)
class ExitLaw:
    """Law of the exit time and of the winning degree, over iid uniform initial tokens.

    **Fields:** `beta`, `dim`, `n`, `threshold`, `flow`; `degrees` (m,) in the race; `probabilities` (m,)
    P(k wins) after t = 0; `atom` P(exit at t = 0); `winner`, the most probable degree; `rate` lambda_max in
    the flow's time (inf beyond the float range); `mean_folds` and `median_folds`, mean and median exit in
    units of 1/lambda_max.
    """

    beta: float
    dim: int
    n: float
    threshold: float
    flow: str
    degrees: np.ndarray
    probabilities: np.ndarray
    atom: float
    winner: int
    log_rate: float
    mean_folds: float
    median_folds: float
    chances: _Chances

    @property
    def rate(self) -> float:
        """lambda_max in the flow's time."""
        return safe_exp(self.log_rate)

    @property
    def mean(self) -> float:
        """Mean exit time."""
        return self.mean_folds * safe_exp(-self.log_rate)

    @property
    def median(self) -> float:
        """Median exit time."""
        return self.median_folds * safe_exp(-self.log_rate)

    def probability(self, degree: int) -> float:
        """P(degree wins after t = 0); 0 for a degree outside the race."""
        hit = np.flatnonzero(self.degrees == degree)
        return float(self.probabilities[hit[0]]) if hit.size else 0.0

    def survival(self, times: Any) -> np.ndarray:
        """P(exit > t), for times >= 0 of any shape."""
        t = np.asarray(times, dtype=np.float64)
        if not (t >= 0).all():
            raise InputError("times must be >= 0")
        with np.errstate(divide="ignore"):
            s = np.exp(np.minimum(np.log(t) + self.log_rate, 700.0))
        return np.asarray(np.exp(self.chances.log_survival(s)))

    def quantile(self, probability: float) -> float:
        """The t with P(exit <= t) = probability in (0, 1); 0 inside the atom."""
        if not 0.0 < probability < 1.0:
            raise InputError(f"probability must be between 0 and 1, got {probability!r}")
        return self.chances.solve(math.log1p(-probability)) * safe_exp(-self.log_rate)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the 5 % and 95 % quantiles; infinities become ``None``."""
        return to_json(
            {
                "beta": self.beta,
                "dim": self.dim,
                "n": self.n,
                "threshold": self.threshold,
                "flow": self.flow,
                "degrees": self.degrees,
                "probabilities": self.probabilities,
                "atom": self.atom,
                "winner": self.winner,
                "rate": self.rate,
                "mean": self.mean,
                "median": self.median,
                "quantile_05": self.quantile(0.05),
                "quantile_95": self.quantile(0.95),
                "mean_folds": self.mean_folds,
                "median_folds": self.median_folds,
            }
        )


def _relative_rates(beta: float, dim: int, max_degree: int | None) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Degrees with lambda_k >= lambda_max / 100, their relative rates, log lambda_max (SA) and k_max."""
    k_max = dominant_degree(beta, dim)
    top = max_degree if max_degree is not None else 2 * k_max + 2
    while True:
        logs = log_sa_rates(beta, dim, max(top, k_max))
        log_max = float(logs[k_max])
        if max_degree is not None or logs[-1] - log_max < math.log(0.01):
            break
        top *= 2
    relative = np.exp(logs - log_max)
    relative[top + 1 :] = 0.0
    keep = np.flatnonzero(relative >= 0.01)
    if not keep.size:
        raise InputError(f"max_degree = {max_degree} leaves no growing degree; k_max is {k_max}")
    return keep, relative[keep], log_max, k_max


def _chances(degrees: np.ndarray, relative: np.ndarray, dim: int, log_room: float) -> _Chances:
    components = [min(multiplicity(int(k), dim), _MAX_COMPONENTS) for k in degrees]
    return _Chances(relative, 0.5 * np.array(components, dtype=np.float64), log_room)


def exit_law(
    beta: float,
    dim: int,
    n: float,
    threshold: float = 0.1,
    flow: str = "usa",
    *,
    max_degree: int | None = None,
) -> ExitLaw:
    """Law of the exit from the uniform law: probability of each winner, atom, quantiles and mean of the time.

    **Arguments:** `beta` >= 0; `dim` >= 2; `n` >= 2 iid uniform tokens; `threshold` delta for A_k (default
    0.1); `flow` sets the unit of time; `max_degree` cuts the race (default: every degree with lambda_k >=
    lambda_max/100; slower ones do not move during the race).

    **Returns:** :class:`ExitLaw`; probabilities and atom sum to 1 within 1e-9.

    **Raises:** InputError.

    **Source:** derived. Holds for effective neighbours n Z0 e^{-beta} >> 1 (mean within 2 % at 100) and
    degrees k << n^{1/(d-1)}.
    """
    beta, dim, n = check_beta(beta), check_dim(dim), check_real(n, "n", 2.0)
    delta, flow = check_threshold(threshold), check_flow(flow)
    degrees, relative, log_rate, _ = _relative_rates(beta, dim, max_degree)
    chances = _chances(degrees, relative, dim, math.log(n) + 2.0 * math.log(delta))
    wins, atom, mean = chances.integrate()
    median = chances.solve(math.log(0.5))
    winner = int(degrees[int(np.argmax(wins))])
    log_rate += log_normaliser(beta, dim, flow)
    return ExitLaw(beta, dim, n, delta, flow, degrees, wins, atom, winner, log_rate, mean, median, chances)


def _first_above(function: Callable[[float], float], low: float, high_limit: float) -> float:
    """Root of an increasing function by bracketing and the Illinois rule, to 1e-6; inf above the limit."""
    step, at_low = 0.5, function(low)
    if at_low >= 0:
        return low
    high, at_high = low, at_low
    while at_high < 0:
        low, at_low = high, at_high
        high = min(low + step, high_limit)
        at_high = function(high)
        step *= 2.0
        if at_high < 0 and high >= high_limit:
            return math.inf
    side = 0
    while high - low > 1e-6:
        middle = high - at_high * (high - low) / (at_high - at_low)
        value = function(middle)
        if abs(value) < 1e-9:
            return middle
        if value < 0:
            low, at_low, at_high, side = middle, value, at_high * (0.5 if side < 0 else 1.0), -1
        else:
            high, at_high, at_low, side = middle, value, at_low * (0.5 if side > 0 else 1.0), 1
    return high


def tokens_needed(beta: float, dim: int, probability: float = 0.9, threshold: float = 0.1) -> float:
    """Number of tokens from which k_max wins with the given probability.

    **Arguments:** `beta` >= 0; `dim` >= 2; `probability` in (0, 1), default 0.9; `threshold` delta, default
    0.1.

    **Returns:** n as a float (it can be 1e100 near a tie); inf above 1e290 or at an exact tie.

    **Raises:** InputError.

    **Source:** derived, from :func:`exit_law`.
    """
    beta, dim, delta = check_beta(beta), check_dim(dim), check_threshold(threshold)
    if not 0.0 < probability < 1.0:
        raise InputError(f"probability must be between 0 and 1, got {probability!r}")
    degrees, relative, _, k_max = _relative_rates(beta, dim, None)
    index = int(np.flatnonzero(degrees == k_max)[0])
    rivals = np.argsort(-relative, kind="stable")[:2]

    def excess(log_n: float, field: np.ndarray) -> float:
        log_room = log_n * math.log(10.0) + 2.0 * math.log(delta)
        wins = _chances(degrees[field], relative[field], dim, log_room).integrate()[0]
        return float(wins[np.flatnonzero(field == index)[0]]) - probability

    # Against its strongest rival alone k_max needs fewer tokens: a cheap lower bound, and the answer near a
    # tie.
    least = max(-2.0 * math.log10(delta), math.log10(2.0))
    bound = _first_above(lambda x: excess(x, rivals), least, 290.0)
    if math.isinf(bound):
        return math.inf
    return 10.0 ** _first_above(lambda x: excess(x, np.arange(degrees.size)), bound, 290.0)
