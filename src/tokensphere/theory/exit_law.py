"""The race over an ensemble: the law of the exit time and of the winning degree.

For n iid uniform tokens n A_k^2 ~ chi^2_{D_k} / D_k, nearly independent over k. With F_k its distribution
function, f_k its density and X_k(t) = D_k n delta^2 e^{-2 lambda_k t},

    P(exit > t) = prod_k F_k(X_k(t))
    P(k wins)   = integral 2 lambda_k X_k f_k(X_k) prod_{m != k} F_m(X_m) dt

plus an atom at t = 0. Internally time is s = lambda_max t, so nothing overflows. With many components a degree
arrives at s_k = ln(delta sqrt(n)) lambda_max/lambda_k within about lambda_max/(lambda_k sqrt(2 D_k)): in high
dimension the race is decided by the rates alone.
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

_NODES, _PANELS, _MAX_PANELS, _MAX_VALUES = 16, 24, 3072, 3 * 10**7
# Above _MANY components the distribution function comes from its uniform expansion; arrivals of more than
# _SHARP get panels of their own. Counts beyond _MAX_COMPONENTS or arrivals narrower than _NARROWEST of their
# distance to the first one cannot change the race.
_MANY, _SHARP, _MAX_COMPONENTS, _NARROWEST = 1e6, 200.0, 1e100, 1e-10


def _excess(y: np.ndarray) -> np.ndarray:
    """e^y - 1 - y, without cancellation."""
    near = np.clip(y, -0.01, 0.01)
    series = near * near * (0.5 + near * (1 / 6 + near * (1 / 24 + near * (1 / 120 + near / 720))))
    return np.where(np.abs(y) < 0.01, series, np.expm1(y) - y)


def _log_cdf_many(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """log P(a, a e^y) for large a: the uniform expansion P = Phi(eta sqrt(a)) - R(eta, a), eta^2/2 = e^y - 1 - y."""
    from scipy.special import log_ndtr

    eta = np.sign(y) * np.sqrt(2.0 * _excess(y))
    z = eta * np.sqrt(a)
    logs = log_ndtr(z)
    h = np.clip(eta, -0.1, 0.1)
    first = -1 / 3 + h * (1 / 12 + h * (-2 / 135 + h * (1 / 864 + h / 2835)))
    close = np.abs(z) < 38.0
    ratio = np.exp(-0.5 * np.where(close, z, 0.0) ** 2 - np.where(close, logs, 0.0)) / np.sqrt(2.0 * np.pi * a)
    # The density over the distribution function: far left the correction no longer matters, far right it is 0.
    return np.asarray(logs + np.where(close, np.log1p(-first * ratio), 0.0))


def _log_cdf(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """log of the regularised incomplete gamma function P(a, a e^y), accurate at both ends; a along the last axis."""
    y = np.minimum(y, 690.0)
    if (a == 1.0).all():
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(-np.expm1(-np.exp(y))))
    from scipy.special import gammainc, gammaincc

    out, many = np.empty(np.broadcast_shapes(y.shape, a.shape)), 2.0 * a > _MANY
    few = ~many
    if few.any():
        x = a[few] * np.exp(y[..., few])
        with np.errstate(divide="ignore"):
            low = gammainc(a[few], x)
            out[..., few] = np.where(low < 0.5, np.log(low), np.log1p(-gammaincc(a[few], x)))
    if many.any():
        out[..., many] = _log_cdf_many(y[..., many], a[many])
    return out


def _log_density(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """log of x^a e^{-x} / Gamma(a) at x = a e^y, without the cancellation of large a."""
    y = np.minimum(y, 690.0)
    if (a == 1.0).all():
        return np.asarray(y - np.exp(y))
    from scipy.special import gammaln

    large, small = np.maximum(a, 20.0), np.minimum(a, 20.0)
    inv2 = 1.0 / (large * large)
    stirling = (1.0 / 12.0 - inv2 * (1.0 / 360.0 - inv2 / 1260.0)) / large
    high = 0.5 * np.log(large / (2.0 * np.pi)) - large * _excess(y) - stirling
    low = small * (y + np.log(small) - np.exp(y)) - gammaln(small)
    return np.where(a >= 20.0, high, low)


@dataclass(frozen=True, eq=False)
class _Chances:
    """The law in the time s = lambda_max t: relative rates (K,), half the components (K,), ln(n delta^2).

    Inside it counts u = s - ln(n delta^2)/2 from the arrival of k_max without fluctuations, where the
    narrowest arrivals are resolved to any width: ln(X_k/a_k) = ln(n delta^2) (1 - speed_k) - 2 speed_k u.
    """

    speed: np.ndarray
    half: np.ndarray
    log_room: float

    @property
    def origin(self) -> float:
        """The s of u = 0."""
        return 0.5 * self.log_room

    def exponent(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.log_room * (1.0 - self.speed) - 2.0 * self.speed * np.asarray(u)[..., None])

    def log_survival_at(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(_log_cdf(self.exponent(u), self.half).sum(axis=-1))

    def log_survival(self, s: np.ndarray) -> np.ndarray:
        return self.log_survival_at(np.asarray(s) - self.origin)

    def _bracket(self, log_level: float, rtol: float, scale: float = 0.0) -> tuple[float, float]:
        """Both sides of the u at which log survival = log_level, to rtol (scale + |u|)."""
        low, high = -self.origin, 1.0 - min(self.origin, 0.0)
        if float(self.log_survival_at(np.array([low]))[0]) <= log_level:
            return low, low
        while float(self.log_survival_at(np.array([high]))[0]) > log_level:
            low, high = high, 2.0 * high
        middle = 0.5 * (low + high)
        while high - low > rtol * (scale + abs(middle)) and low < middle < high:
            if float(self.log_survival_at(np.array([middle]))[0]) > log_level:
                low = middle
            else:
                high = middle
            middle = 0.5 * (low + high)
        return low, high

    def solve(self, log_level: float) -> float:
        """The s at which log survival = log_level (0 if it starts lower)."""
        low, high = self._bracket(log_level, 1e-13, abs(self.origin))
        return max(self.origin + 0.5 * (low + high), 0.0)

    def racing(self) -> np.ndarray:
        """Which degrees can arrive (to 1e-17) before the fastest alone surely has; the others change nothing."""
        stop = self.only(np.argsort(-self.speed)[:1])._bracket(-40.0, 1e-3)[1]
        return np.asarray(_log_cdf(self.exponent(np.array(stop)), self.half) < -1e-17)

    def only(self, which: np.ndarray) -> _Chances:
        return _Chances(self.speed[which], self.half[which], self.log_room)

    def _edges(self, start: float, stop: float) -> np.ndarray:
        """Panels: equal ones, and around every sharp arrival some of its own width."""
        sharp = 2.0 * self.half > _SHARP
        place = self.log_room * (1.0 - self.speed[sharp]) / (2.0 * self.speed[sharp])
        width = 0.5 / (self.speed[sharp] * np.sqrt(self.half[sharp]))
        own = (place[:, None] + width[:, None] * np.array([-36.0, -18, -9, -6, -4, -2, 0, 2, 4, 6, 9])).ravel()
        own = own[(own > start) & (own < stop)]
        return np.unique(np.concatenate([np.linspace(start, stop, _PANELS + 1), own]))

    def integrate(self) -> tuple[np.ndarray, float, float]:
        """P(k wins) for every degree, the atom at s = 0, and the mean of s."""
        begin = -self.origin
        atom = max(0.0, -math.expm1(float(self.log_survival_at(np.array([begin]))[0])))
        start = self._bracket(-1e-15, 1e-3)[0] if atom < 1e-15 else begin
        stop = self._bracket(-38.0, 1e-3)[1]
        if stop <= start:
            return np.zeros_like(self.speed), atom, 0.0
        x, w = np.polynomial.legendre.leggauss(_NODES)
        edges = self._edges(start, stop)
        while True:
            width = np.diff(edges)
            u = (edges[:-1, None] + 0.5 * (x + 1.0) * width[:, None]).ravel()
            weight = (0.5 * width[:, None] * w).ravel()
            exponent = self.exponent(u)
            logs = _log_cdf(exponent, self.half)
            total = logs.sum(axis=-1)
            alive = total > -700.0
            log_hazard = np.full_like(logs, -np.inf)
            log_hazard[alive] = _log_density(exponent[alive], self.half) - logs[alive] + total[alive, None]
            wins = 2.0 * self.speed * (weight @ np.exp(log_hazard))
            full = 2 * edges.size > _MAX_PANELS or 2 * logs.size > _MAX_VALUES
            if abs(wins.sum() + atom - 1.0) < 1e-9 or full:
                return wins, atom, self.origin + start + float(weight @ np.exp(total))
            edges = np.sort(np.concatenate([edges, edges[:-1] + 0.5 * width]))


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


def _components(degree: int, dim: int) -> float:
    """D_k as a float, at most _MAX_COMPONENTS; from its logarithm where the whole number is too long to count."""
    k, d = degree, dim
    log = math.log((2 * k + d - 2) / (k + d - 2)) if k + d > 2 else 0.0
    log += math.lgamma(k + d - 1) - math.lgamma(k + 1) - math.lgamma(d - 1)
    return float(multiplicity(k, d)) if log < 30.0 else min(math.exp(min(log, 700.0)), _MAX_COMPONENTS)


def _chances(degrees: np.ndarray, relative: np.ndarray, dim: int, log_room: float) -> _Chances:
    components = np.array([_components(int(k), dim) for k in degrees])
    # An arrival of sd 1/(2 speed sqrt(half)) much narrower than its distance to the first one is a step.
    distance = np.abs(log_room * (1.0 - relative)) / (2.0 * relative)
    finest = (2.0 * relative * np.maximum(_NARROWEST * distance, 1e-60)) ** -2.0
    return _Chances(relative, np.minimum(0.5 * components, np.maximum(finest, 0.5 * _MANY)), log_room)


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
    everyone = _chances(degrees, relative, dim, math.log(n) + 2.0 * math.log(delta))
    racing = everyone.racing()
    chances, wins = everyone.only(racing), np.zeros(degrees.size)
    wins[racing], atom, mean = chances.integrate()
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
        everyone = _chances(degrees[field], relative[field], dim, log_room)
        racing = everyone.racing()
        wins = everyone.only(racing).integrate()[0]
        return float(wins[field[racing] == index].sum()) - probability

    # Against its strongest rival alone k_max needs fewer tokens: a cheap lower bound, and the answer near a
    # tie.
    least = max(-2.0 * math.log10(delta), math.log10(2.0))
    bound = _first_above(lambda x: excess(x, rivals), least, 290.0)
    if math.isinf(bound):
        return math.inf
    return 10.0 ** _first_above(lambda x: excess(x, np.arange(degrees.size)), bound, 290.0)
