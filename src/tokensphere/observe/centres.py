"""Rényi centres of a sequence of tokens: the tokens that causal attention lets others gather at.

centre          farther than δ from all previous centres (greedy)
strong centre   farther than δ from all previous tokens: almost frozen for a time exponential in β      [2411.04990]

δ is an angle, c/√β in the theory. Every strong centre is a centre, and one look at the surroundings of each centre
tells: a token within δ of a centre has lost its chance, and a centre with an earlier token there is not strong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, check_tokens, check_weights

__all__ = ["RenyiCentres", "mass_near", "renyi_centres"]

_TREE_DIM = 8  # k-d trees stop paying beyond


@dataclasses.dataclass(frozen=True, eq=False)
class RenyiCentres:
    """Centres in the order of the sequence.

    **Fields:** `indices` (m,) numbers of the tokens that are centres, increasing, the first is 0; `strong` (m,), which
    of them are strong; `angle` δ.
    """

    indices: np.ndarray
    strong: np.ndarray
    angle: float

    @property
    def count(self) -> int:
        """The number of centres."""
        return int(self.indices.size)

    @property
    def strong_indices(self) -> np.ndarray:
        """Numbers of the tokens that are strong centres."""
        return self.indices[self.strong]


def renyi_centres(tokens: Any, angle: float) -> RenyiCentres:
    """The Rényi centres of a sequence of tokens, and which of them are strong.

    A token is looked at once for each centre within δ of it, of which there are few: O(n log n) on the circle and,
    in practice, up to dim 8; beyond, O(m n dim) for m centres.

    **Arguments:** `tokens` (n, dim) unit rows, in order; `angle` δ in (0, π) radians.

    **Returns:** :class:`RenyiCentres`. **Raises:** `InputError` for bad tokens or an angle outside (0, π).
    """
    points, width = check_tokens(tokens), _angle(angle)
    around = _surroundings(points, width)
    open_ = np.ones(len(points), dtype=bool)
    indices, strong = [], []
    first = 0
    while True:
        near = around(first)
        indices.append(first)
        strong.append(int(near.min()) == first)
        open_[near] = False
        rest = open_[first:]
        step = int(rest.argmax())
        if not rest[step]:
            return RenyiCentres(np.array(indices), np.array(strong), width)
        first += step


def mass_near(tokens: Any, centres: Any, angle: float, weights: Any = None) -> float:
    """The mass of the tokens within `angle` of a centre.

    **Arguments:** `tokens` (n, dim) unit rows; `centres` (m, dim) unit rows; `angle` in (0, π) radians; `weights` (n,)
    masses summing to 1, `None` = 1/n.

    **Returns:** float in [0, 1]. **Raises:** `InputError`.
    """
    from scipy.spatial import cKDTree

    points, places, width = check_tokens(tokens), check_tokens(centres), _angle(angle)
    if places.shape[1] != points.shape[1]:
        raise InputError(f"centres have dim {places.shape[1]}, but the tokens have dim {points.shape[1]}")
    masses = check_weights(weights, len(points))
    distance, _ = cKDTree(places).query(points)
    return float(masses[distance <= _chord(width)].sum())


def _angle(angle: float) -> float:
    width = float(angle)
    if not 0.0 < width < math.pi:
        raise InputError(f"angle must be in (0, pi) radians, got {angle!r}")
    return width


def _chord(angle: float) -> float:
    return 2.0 * math.sin(angle / 2.0)


def _surroundings(points: np.ndarray, angle: float) -> Callable[[int], np.ndarray]:
    """A function from the number of a token to those of the tokens within `angle` of it, itself among them."""
    dim = points.shape[1]
    if dim == 2:
        return _arcs(np.arctan2(points[:, 1], points[:, 0]), angle)
    chord = _chord(angle)
    if dim <= _TREE_DIM:
        from scipy.spatial import cKDTree

        tree = cKDTree(points)
        return lambda i: np.array(tree.query_ball_point(points[i], chord))

    def by_distance(i: int) -> np.ndarray:
        close = np.flatnonzero(points @ points[i] >= 1.0 - 0.5 * chord**2 - 1e-9)
        return close[np.linalg.norm(points[close] - points[i], axis=1) <= chord]

    return by_distance


def _arcs(theta: np.ndarray, angle: float) -> Callable[[int], np.ndarray]:
    order = np.argsort(theta, kind="stable")
    # Three turns of the circle, so that no arc of less than a turn is cut.
    turns = theta[order][None, :] + 2.0 * np.pi * np.arange(-1, 2)[:, None]
    ordered, numbers = turns.ravel(), np.tile(order, 3)

    def arc(i: int) -> np.ndarray:
        low = int(np.searchsorted(ordered, theta[i] - angle, "left"))
        high = int(np.searchsorted(ordered, theta[i] + angle, "right"))
        return numbers[low:high]

    return arc
