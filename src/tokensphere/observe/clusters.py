"""Clusters: the connected components of the graph that joins tokens within an angle of each other.

Exact for any number of tokens, in time and memory that do not grow when tokens pile up: neither an n x n
array nor a list of all close pairs is ever made.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError, check_tokens, check_weights
from .components import circle_components, gram_components, tree_components

__all__ = ["Clusters", "clusters", "count_clusters"]

_TREE_DIM = 8  # k-d trees stop paying beyond


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Clusters in order of decreasing mass (equal masses: in order of their first token).

    **Fields:** `labels` (n,) the cluster of every token, 0..count-1; `masses` (count,) summing to 1;
    `positions` (count, dim) unit rows, the normalised weighted mean (nan where that mean is zero);
    `sizes` (count,) numbers of tokens; `angle` the threshold used.
    """

    labels: np.ndarray
    masses: np.ndarray
    positions: np.ndarray
    sizes: np.ndarray
    angle: float

    @property
    def count(self) -> int:
        """The number of clusters."""
        return int(self.masses.size)


def clusters(tokens: Any, angle: float, weights: Any = None) -> Clusters:
    """Return the connected components of the graph with an edge where geodesic(x_i, x_j) <= angle.

    Two tokens are in one cluster when a chain of tokens with steps of at most `angle` joins them (single
    linkage). Tokens of zero weight count as links.

    Circle: gaps between sorted angles, O(n log n). Up to dim 8: nearest-neighbour queries in k-d trees,
    O(n log^2 n) in practice. Higher dim: blocked inner products, O(n^2 dim) at worst, blocks skipped when
    a bound or an earlier union decides them.

    **Arguments:** `tokens` (n, dim) unit rows; `angle` in (0, pi) radians; `weights` (n,) masses summing
    to 1, None = 1/n.

    **Returns:** :class:`Clusters`.

    **Raises:** `InputError` for bad tokens or weights, or an angle outside (0, pi).
    """
    points, labels = _components(tokens, angle)
    n = points.shape[0]
    masses = check_weights(weights, n)
    count = int(labels.max()) + 1
    first = np.full(count, n)
    np.minimum.at(first, labels, np.arange(n))
    mass = np.bincount(labels, weights=masses, minlength=count)
    sizes = np.bincount(labels, minlength=count)
    # Equal masses may differ by rounding: compare them to 12 digits before the first token decides.
    order = np.lexsort((first, -np.round(mass, 12)))
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    share = np.where(mass[labels] > 0, masses, 1.0)  # a cluster of weightless tokens still has a position
    mean = np.stack([np.bincount(labels, weights=share * column, minlength=count) for column in points.T], axis=1)
    length = np.linalg.norm(mean, axis=1)
    weight = np.bincount(labels, weights=share, minlength=count)
    clear = length > 1e-14 * weight
    positions = np.full(mean.shape, np.nan)
    positions[clear] = mean[clear] / length[clear, None]
    return Clusters(rank[labels], mass[order], positions[order], sizes[order], float(angle))


def count_clusters(tokens: Any, angle: float, weights: Any = None, min_mass: float = 0.0) -> int:
    """Return the number of clusters (see :func:`clusters`) whose mass is at least `min_mass`.

    **Arguments:** `tokens` (n, dim) unit rows; `angle` in (0, pi) radians; `weights` (n,) masses summing
    to 1, None = 1/n; `min_mass` in [0, 1], default 0 (every cluster counts).

    **Returns:** int.

    **Raises:** `InputError` for bad tokens, angle, weights or min_mass.
    """
    least = float(min_mass)
    if not 0.0 <= least <= 1.0:
        raise InputError(f"min_mass must be in [0, 1], got {min_mass!r}")
    points, labels = _components(tokens, angle)
    mass = np.bincount(labels, weights=check_weights(weights, points.shape[0]))
    return int((mass >= least * (1.0 - 1e-12)).sum())


def _components(tokens: Any, angle: float) -> tuple[np.ndarray, np.ndarray]:
    points = check_tokens(tokens)
    width = float(angle)
    if not 0.0 < width < math.pi:
        raise InputError(f"angle must be in (0, pi) radians, got {angle!r}")
    dim = points.shape[1]
    if dim == 2:
        return points, circle_components(points, width)
    return points, (tree_components if dim <= _TREE_DIM else gram_components)(points, width)
