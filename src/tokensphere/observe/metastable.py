"""Metastable states: how long a number of clusters lasts, which pair ends it, and how fast that pair had drifted.

    plateau    a stretch of saved times with one number of clusters
    drift      gap(t) = rest + D e^{omega t} of the pair that merges;   omega by a line through ln |gap - rest|

k equal clusters on the circle rest 2 pi/k apart and leave that state at the rates omega_m of
`theory.k_cluster_state`, mode by mode:  e_m(t) = (1/k) sum_j (theta_j - 2 pi j/k) e^{-2 pi i j m/k} ~ e^{omega_m t}.
Unequal clusters rest elsewhere; then the line goes through ln |d gap/dt|, whose slope is the same.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from ..errors import InputError, check_times, check_weights
from ..sphere import geodesic
from ..theory import k_cluster_state
from .clusters import Clusters, clusters
from .order import GrowthFit, fit_growth
from .series import check_series, positive_level

__all__ = ["MetastableState", "Plateau", "displacement_modes", "metastable_states", "plateaus"]

Ending = Literal["merger", "split", "loss", "series ends"]


@dataclasses.dataclass(frozen=True)
class Plateau:
    """A stretch of saved times with one number of clusters.

    **Fields:** `count` of clusters; `start` and `last`, its first and last saved times; `end`, the first saved time
    with another count (late by at most one interval), or None if the series ends first; `ending` "merger" (fewer
    clusters after it), "split" (more), "loss" (fewer, and none of them joined) or "series ends".
    """

    count: int
    start: float
    last: float
    end: float | None
    ending: Ending

    @property
    def duration(self) -> float:
        """From the first saved time to the end; to the last saved time if the series ends first."""
        return (self.last if self.end is None else self.end) - self.start


def _stretches(counts: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every stretch of equal counts."""
    change = np.flatnonzero(np.diff(counts)) + 1
    firsts = np.concatenate([[0], change])
    lasts = np.concatenate([change - 1, [counts.size - 1]])
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _plateau(times: np.ndarray, counts: np.ndarray, first: int, last: int) -> Plateau:
    ending: Ending = "series ends"
    end = None
    if last + 1 < times.size:
        end = float(times[last + 1])
        ending = "merger" if counts[last + 1] < counts[last] else "split"
    return Plateau(int(counts[first]), float(times[first]), float(times[last]), end, ending)


def plateaus(times: Any, counts: Any, least_duration: float = 0.0) -> tuple[Plateau, ...]:
    """The plateaus of a series of cluster counts, in order of time.

    **Arguments:** `times` (m,) increasing; `counts` (m,) whole numbers of clusters; `least_duration`, shorter
    plateaus are left out (0 keeps all).

    **Returns:** a tuple of :class:`Plateau`.  **Raises:** `InputError` for a bad series or duration.
    """
    t, c = check_series(times, counts, "counts")
    least = _check_duration(least_duration)
    found = [_plateau(t, c, first, last) for first, last in _stretches(c)]
    return tuple(p for p in found if p.duration >= least)


def _check_duration(value: Any) -> float:
    least = float(value)
    if not math.isfinite(least) or least < 0:
        raise InputError(f"least_duration must be a finite number >= 0, got {value!r}")
    return least


@dataclasses.dataclass(frozen=True)
class MetastableState:
    """A plateau of clusters, and how it broke.

    **Fields:** `plateau`; `masses` (count,) and `positions` (count, dim) of its clusters in its last frame, on the
    circle in order of angle, else of decreasing mass; `pairs`, the clusters that merged at its end, by their place
    in `positions`; `gaps` (frames,), the geodesic distance of the first pair at the `times` (frames,) of the plateau
    (empty where none merged); `drift`, the rate at which that gap left its rest (its numbers are nan, with a reason,
    where it cannot be told); `predicted`, the drift rates omega_1 .. omega_{count-1} of as many equal clusters, empty
    off the circle or where no `beta` was given.
    """

    plateau: Plateau
    masses: np.ndarray
    positions: np.ndarray
    pairs: tuple[tuple[int, int], ...]
    times: np.ndarray
    gaps: np.ndarray
    drift: GrowthFit
    predicted: tuple[float, ...]

    @property
    def fastest_predicted(self) -> float:
        """The largest predicted drift rate, nan if there is none."""
        return max(self.predicted, default=math.nan)


def metastable_states(
    times: Any,
    tokens: Any,
    angle: float,
    weights: Any = None,
    *,
    min_mass: float = 0.0,
    least_duration: float = 0.0,
    window: tuple[float, float] = (1e-7, 1e-2),
    beta: float | None = None,
    flow: str = "usa",
) -> tuple[MetastableState, ...]:
    """The plateaus of the number of clusters of moving tokens, the pairs that merged and their drift before it.

    **Arguments:** `times` (m,) increasing; `tokens` (m, n, dim), unit rows at each; `angle` in (0, pi) at which
    tokens count as joined; `weights` (n,) masses; `min_mass`, lighter clusters are not counted; `least_duration`,
    shorter plateaus are left out; `window`, the departures of the gap from rest (radians) over which the drift is
    read; `beta` and `flow` ("sa", "usa" or "usa-shifted") for the predicted rates.

    **Returns:** a tuple of :class:`MetastableState`, in order of time.

    **Raises:** `InputError` for bad input.

    A gap mixes all modes of the drift: it has the rate omega_max from the time on at which the fastest mode has
    outgrown the others (see :func:`displacement_modes` for one mode alone).

    **Source:** drift rates derived; metastability of the k-cluster states, [2410.23228].
    """
    t = check_times(times)
    frames = np.asarray(tokens, dtype=np.float64)
    if frames.ndim != 3 or frames.shape[0] != t.size:
        raise InputError(f"tokens must have shape ({t.size}, n, dim), one cloud a time, got {frames.shape}")
    masses = check_weights(weights, frames.shape[1])
    lower, upper = positive_level(window[0], "window[0]"), positive_level(window[1], "window[1]")
    if lower >= upper:
        raise InputError(f"window must increase, got {window!r}")
    if not 0.0 <= float(min_mass) <= 1.0:
        raise InputError(f"min_mass must be in [0, 1], got {min_mass!r}")
    least = _check_duration(least_duration)
    found = [clusters(frame, angle, masses) for frame in frames]
    heavy = [int((c.masses >= min_mass * (1.0 - 1e-12)).sum()) for c in found]
    counts = np.array(heavy)
    rates: dict[int, tuple[float, ...]] = {}
    states = []
    for first, last in _stretches(counts):
        plateau = _plateau(t, counts, first, last)
        if plateau.duration < least:
            continue
        count = plateau.count
        if beta is not None and frames.shape[2] == 2 and count > 0 and count not in rates:
            rates[count] = k_cluster_state(beta, count, flow).drift_rates
        order = _in_order(found[last], count)
        members = [np.flatnonzero(found[last].labels == label) for label in order]
        pairs: tuple[tuple[int, int], ...] = ()
        if plateau.ending == "merger":
            pairs = _joined(found[last].positions[order], [found[last + 1].labels[m[0]] for m in members])
            if not pairs:
                plateau = dataclasses.replace(plateau, ending="loss")
        gaps, own_times = np.empty(0), t[first : last + 1]
        drift = GrowthFit(math.nan, math.nan, math.nan, math.nan, 0, math.nan, "no pair of clusters merged")
        if pairs:
            one, two = (_centres(frames[first : last + 1], members[i], masses) for i in pairs[0])
            gaps = geodesic(one, two)
            rest = _rest(found[last].masses[order], frames.shape[2])
            drift = _drift(own_times, gaps, rest, lower, upper)
        states.append(
            MetastableState(
                plateau,
                found[last].masses[order],
                found[last].positions[order],
                pairs,
                own_times,
                gaps,
                drift,
                rates.get(count, ()),
            )
        )
    return tuple(states)


def _in_order(found: Clusters, count: int) -> np.ndarray:
    """Labels of the `count` heaviest clusters: on the circle by angle, else by decreasing mass."""
    if found.positions.shape[1] != 2:
        return np.arange(count)
    place = found.positions[:count]
    return np.argsort(np.mod(np.arctan2(place[:, 1], place[:, 0]), 2.0 * np.pi), kind="stable")


def _joined(positions: np.ndarray, after: list[int]) -> tuple[tuple[int, int], ...]:
    """For every cluster of the next frame that several joined, the nearest two of them."""
    pairs = []
    for label in dict.fromkeys(after):
        group = [i for i, own in enumerate(after) if own == label]
        if len(group) > 1:
            options = [(i, j) for a, i in enumerate(group) for j in group[a + 1 :]]
            pairs.append(max(options, key=lambda pair: float(positions[pair[0]] @ positions[pair[1]])))
    return tuple(pairs)


def _centres(frames: np.ndarray, members: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Mean directions (frames, dim) of a fixed set of tokens."""
    share = masses[members] if masses[members].any() else np.ones(members.size)
    mean = np.einsum("fnd,n->fd", frames[:, members], share)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.where(length > 0, length, 1.0))


def _rest(masses: np.ndarray, dim: int) -> float | None:
    """The gap of neighbours among equal clusters on the circle; None where it is not known."""
    equal = dim == 2 and np.ptp(masses) <= 1e-9 * masses.max()
    return 2.0 * math.pi / masses.size if equal else None


def _drift(times: np.ndarray, gaps: np.ndarray, rest: float | None, lower: float, upper: float) -> GrowthFit:
    """The growth rate of the departure of the gap from rest while it lies between `lower` and `upper`."""
    if rest is not None:
        return fit_growth(times, np.abs(gaps - rest), lower, upper)
    # Speeds of the gap grow at the same rate; they are read while the gap is within `upper` of where it began.
    early = np.abs(gaps - gaps[0]) <= upper
    stop = gaps.size if early.all() else int(np.argmin(early))
    if stop < 4:
        reason = f"only {stop} samples lie within {upper:g} of the first gap; save more times there"
        return GrowthFit(math.nan, math.nan, math.nan, math.nan, max(stop - 1, 0), math.nan, reason)
    speed = np.abs(np.diff(gaps[:stop])) / np.diff(times[:stop])
    middle = 0.5 * (times[: stop - 1] + times[1:stop])
    floor = 1e-14 / float(np.diff(times[:stop]).min())  # the rounding of a gap
    top = 2.0 * float(speed.max())
    if top <= floor:
        return GrowthFit(math.nan, math.nan, math.nan, math.nan, 0, math.nan, "the gap does not move")
    return fit_growth(middle, speed, floor, top)


def displacement_modes(angles: Any) -> np.ndarray:
    """Displacements of k points on the circle from k equidistant ones, mode by mode.

        e_m = |(1/k) sum_j (theta_j - 2 pi j/k - mean) e^{-2 pi i j m/k}|,   theta_0 <= theta_1 <= ...

    **Arguments:** `angles` (..., k) radians, in any order.

    **Returns:** (..., k // 2) float64, m = 1 .. k // 2 (e_{k-m} = e_m). Near the state of k equal clusters e_m grows
    as e^{omega_m t}, omega_m of `theory.k_cluster_state`.

    **Raises:** `InputError` for fewer than 2 angles, or one that is not finite.

    **Source:** derived.
    """
    theta = np.asarray(angles, dtype=np.float64)
    if theta.ndim < 1 or theta.shape[-1] < 2 or not np.isfinite(theta).all():
        raise InputError(f"angles must be finite, with at least 2 in the last axis, got shape {theta.shape}")
    k = theta.shape[-1]
    ordered = np.sort(np.mod(theta, 2.0 * np.pi), axis=-1)
    away = ordered - 2.0 * np.pi * np.arange(k) / k
    return np.asarray(np.abs(np.fft.fft(away, axis=-1))[..., 1 : k // 2 + 1] / k)
