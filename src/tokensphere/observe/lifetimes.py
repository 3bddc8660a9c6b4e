"""Lifetimes of metastable states over many starts, and how they grow with β.

    S(t) = Π_{t_i ≤ t} (1 − d_i/r_i)                     Kaplan–Meier: d_i ends among r_i runs still under observation
    log T = bβ − log β + log A + e_1/β + …               two clusters: T ≈ C e^{bβ}/(β sin² φ_0)

A run that stops before its state does is *censored*: it says that the lifetime is longer, and leaving it out (or
counting its length) would bias every average downwards. Times are logarithms, base 10, so that they may be larger than
any float.                                                          [Kaplan & Meier 1958; Brookmeyer & Crowley 1982]
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import InputError, check_positive_int
from .cluster_tree import ClusterTree, cluster_tree

__all__ = ["LifetimeFit", "Lifetimes", "fit_lifetimes", "lifetime", "lifetimes", "survival"]


@dataclasses.dataclass(frozen=True)
class Lifetimes:
    """Lifetimes of an ensemble.

    **Fields:** `log10_times` (k,), the distinct ends seen, increasing; `survival` (k,), S just after each, with
    `lower` and `upper` (k,) bounds of pointwise confidence; `count` of runs and how many were `censored`; `median`
    (log10; inf where more than half outlived their runs) with its `interval`; `mean` of log10 T with its
    `mean_interval` (nan if any was censored); `confidence` of all intervals; `method` of the median's.
    """

    log10_times: np.ndarray
    survival: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    count: int
    censored: int
    median: float
    interval: tuple[float, float]
    mean: float
    mean_interval: tuple[float, float]
    confidence: float
    method: str


def survival(
    log10_times: Any, observed: Any = None, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Lifetimes:
    """The survival curve of lifetimes, some of them known only to be longer.

    Bounds of S are those of log(−log S) with Greenwood's variance. The median's interval holds the times at which
    these bounds allow S = 1/2 (Brookmeyer and Crowley); without censoring it is that of the order statistics, which
    is exact whatever the law. The interval of the mean is the bootstrap's.

    **Arguments:** `log10_times` (m,), log10 of the lifetimes, or of how long the run went on; `observed` (m,), whether
    the end was seen (default: all were); `confidence` in (0, 1); `resamples` and `seed` of the bootstrap.

    **Returns:** :class:`Lifetimes`.  **Raises:** `InputError`.

    **Source:** Kaplan & Meier 1958; Brookmeyer & Crowley 1982.
    """
    from scipy.special import ndtri

    t = np.asarray(log10_times, dtype=np.float64)
    if t.ndim != 1 or t.size < 1 or np.isnan(t).any():
        raise InputError(f"log10_times must be a list of at least one number, got shape {t.shape}")
    seen = np.ones(t.size, dtype=bool) if observed is None else np.asarray(observed, dtype=bool)
    if seen.shape != t.shape:
        raise InputError(f"observed must have shape {t.shape}, one truth a lifetime, got {seen.shape}")
    if not 0.0 < float(confidence) < 1.0:
        raise InputError(f"confidence must lie in (0, 1), got {confidence!r}")
    ends, deaths = np.unique(t[seen], return_counts=True)
    at_risk = np.array([(t >= end).sum() for end in ends])
    s = np.cumprod(1.0 - deaths / at_risk)
    z = float(ndtri(0.5 + 0.5 * confidence))
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        width = np.exp(z * np.sqrt(greenwood) / np.abs(np.log(s)))
        lower, upper = s**width, s ** (1.0 / width)
    none_left = s <= 0
    lower[none_left] = 0.0
    # After the last end nothing is known but that there was one: the bound before it stays.
    upper[none_left] = upper[~none_left][-1] if (~none_left).any() else 1.0
    every = bool(seen.all())
    if every:
        median, interval = float(np.median(t)), _order_interval(np.sort(t), confidence)
        method = "order statistics"
    else:
        median = _first(ends, s)
        interval = _first(ends, lower), _first(ends, upper)
        method = "Kaplan-Meier, bounds of log(-log S)"
    mean, spread = math.nan, (math.nan, math.nan)
    if every and np.isfinite(t).all():
        mean = float(t.mean())
        rng = np.random.default_rng(seed)
        means = t[rng.integers(0, t.size, (check_positive_int(resamples, "resamples"), t.size))].mean(axis=1)
        low, high = np.quantile(means, [0.5 - 0.5 * confidence, 0.5 + 0.5 * confidence])
        spread = float(low), float(high)
    return Lifetimes(
        ends, s, lower, upper, t.size, int((~seen).sum()), median, interval, mean, spread, float(confidence), method
    )


def _first(ends: np.ndarray, curve: np.ndarray) -> float:
    """The first time at which a curve is at most one half; inf if it never is."""
    below = curve <= 0.5 + 1e-12
    return float(ends[np.argmax(below)]) if below.any() else math.inf


def _order_interval(ordered: np.ndarray, confidence: float) -> tuple[float, float]:
    """The narrowest [t_(r), t_(m+1−r)] that holds the median with at least this probability; (−inf, inf) for few."""
    from scipy.stats import binom

    m = ordered.size
    # P(t_(r) <= median <= t_(m+1-r)) = 1 - 2 P(Bin(m, 1/2) < r)
    for r in range(m // 2 + 1, 0, -1):
        if m + 1 - r >= r and 1.0 - 2.0 * binom.cdf(r - 1, m, 0.5) >= confidence:
            return float(ordered[r - 1]), float(ordered[m - r])
    return -math.inf, math.inf


def lifetime(run: Any, clusters: int) -> tuple[float, bool] | None:
    """How long a run has exactly so many clusters: log10 of the duration, and whether the end was seen.

    **Arguments:** `run`, a :class:`ClusterTree` or a dataset of :func:`tokensphere.solve.coarsen`; `clusters` ≥ 1.

    **Returns:** (log10 T, observed); `None` if the number of clusters never was this one.

    **Raises:** `InputError`.
    """
    tree = run if isinstance(run, ClusterTree) else cluster_tree(run)
    times, numbers = tree.counts()
    at = np.flatnonzero(numbers == check_positive_int(clusters, "clusters"))
    if not at.size:
        return None
    i = int(at[0])
    observed = i + 1 < times.size
    start, end = float(times[i]), float(times[i + 1]) if observed else tree.log10_end
    if end <= start:
        return -math.inf, observed
    # log10(10^end − 10^start)
    return end + math.log10(-math.expm1((start - end) * math.log(10.0))), observed


def lifetimes(runs: Iterable[Any], clusters: int, **options: Any) -> Lifetimes:
    """The lifetimes of the state of `clusters` clusters over an ensemble of runs, one for each start.

    **Arguments:** `runs` as :func:`lifetime` takes them; those that never had so many clusters are left out; `options`
    of :func:`survival`.

    **Returns:** :class:`Lifetimes`.  **Raises:** `InputError`, also if no run had so many clusters.
    """
    if check_positive_int(clusters, "clusters") == 1:
        raise InputError("clusters must be >= 2: one cluster never ends")
    found = [value for value in (lifetime(run, clusters) for run in runs) if value is not None]
    if not found:
        raise InputError(f"no run ever had {clusters} clusters")
    return survival([time for time, _ in found], [seen for _, seen in found], **options)


@dataclasses.dataclass(frozen=True)
class LifetimeFit:
    """log T = barrier·β − log β + log_prefactor + Σ_k corrections_k β^{−k}.

    **Fields:** `barrier` b and `log_prefactor` log A with their standard errors (of the residuals; nan without any to
    spare); `corrections`; `residual`, the largest; `naive_barrier`, the slope of log T on β alone, for comparison: it
    lacks 1/β and is wrong at every β.
    """

    barrier: float
    barrier_error: float
    log_prefactor: float
    log_prefactor_error: float
    corrections: tuple[float, ...]
    residual: float
    naive_barrier: float

    def constant(self, angle: float) -> float:
        """C of T ≈ C e^{bβ}/(β sin² φ_0), for two clusters at the angle φ_0."""
        return math.exp(self.log_prefactor) * math.sin(angle) ** 2


def fit_lifetimes(beta: Any, log_times: Any, *, corrections: int = 1) -> LifetimeFit:
    """Fit lifetimes over β, with the term −log β of the prefactor.

    For two clusters at φ_0: b = 1 − cos φ_0 and A = C/sin² φ_0 (`theory.lifetime_constant`). At finite β the next
    terms are 1/β, 1/β², …, of which `corrections` are fitted.

    **Arguments:** `beta` (m,) > 0, different; `log_times` (m,), *natural* logarithms; `corrections` ≥ 0, with at
    least two fewer than m.

    **Returns:** :class:`LifetimeFit`.  **Raises:** `InputError`.

    **Source:** derived (Laplace's method).
    """
    b, y = np.asarray(beta, dtype=np.float64), np.asarray(log_times, dtype=np.float64)
    extra = check_positive_int(corrections, "corrections", least=0)
    if b.ndim != 1 or b.shape != y.shape or not (np.isfinite(b).all() and np.isfinite(y).all()):
        raise InputError(f"beta and log_times must be finite and of one length, got {b.shape} and {y.shape}")
    if (b <= 0).any() or np.unique(b).size < 2 + extra:
        raise InputError(f"need at least {2 + extra} different values of beta > 0 to fit {2 + extra} numbers")
    design = np.stack([b, *(b**-k for k in range(extra + 1))], axis=1)
    scale = np.abs(design).max(axis=0)
    found, *_ = np.linalg.lstsq(design / scale, y + np.log(b), rcond=None)
    numbers = found / scale
    residuals = y + np.log(b) - design @ numbers
    spare = b.size - numbers.size
    errors = np.full(numbers.size, math.nan)
    if spare > 0:
        inverse = np.linalg.inv((design / scale).T @ (design / scale))
        errors = np.sqrt(np.diag(inverse) * float(residuals @ residuals) / spare) / scale
    centred = b - b.mean()
    return LifetimeFit(
        float(numbers[0]),
        float(errors[0]),
        float(numbers[1]),
        float(errors[1]),
        tuple(numbers[2:].tolist()),
        float(np.abs(residuals).max()),
        float(centred @ y / (centred @ centred)),
    )
