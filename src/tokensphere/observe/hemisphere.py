"""Do tokens lie in an open hemisphere? Then SA and USA bring them together, exponentially fast [2312.10794, Theorem 3].

margin = max_{|w|=1} min_i ⟨w, x_i⟩ > 0
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import check_tokens

__all__ = ["Hemisphere", "in_hemisphere"]

_ROUNDING = 1e-9  # a margin below this cannot be told from 0


@dataclasses.dataclass(frozen=True, eq=False)
class Hemisphere:
    """**Fields:** `inside`, whether all tokens lie in an open hemisphere; `pole` (dim,) unit vector w of one (the best
    tried where there is none); `margin`, min_i ⟨pole, x_i⟩, positive where `inside`: a proof that can be checked.
    """

    inside: bool
    pole: np.ndarray
    margin: float

    def __bool__(self) -> bool:
        return self.inside


def in_hemisphere(tokens: Any) -> Hemisphere:
    """Whether all tokens lie in an open hemisphere, with a pole that proves it.

    On the circle by the largest gap between angles, which gives the largest margin there is. Otherwise the mean of
    the tokens is tried, then a linear programme in w, max s with ⟨w, x_i⟩ ≥ s and |w_k| ≤ 1 decides: s > 0 exactly
    where a hemisphere exists. Tokens that leave a margin below 1e-9 count as not inside.

    **Arguments:** `tokens` (n, dim) unit rows. **Returns:** :class:`Hemisphere`. **Raises:** `InputError`.
    """
    points = check_tokens(tokens)
    if points.shape[1] == 2:
        return _judged(points, _middle(np.arctan2(points[:, 1], points[:, 0])))
    mean = points.mean(axis=0)
    found = _judged(points, mean)
    if found.inside:
        return found
    decided = _judged(points, _programme(points))
    return decided if decided.inside or decided.margin > found.margin else found


def _judged(points: np.ndarray, direction: np.ndarray) -> Hemisphere:
    length = float(np.linalg.norm(direction))
    pole = direction / length if length > 0 else np.eye(points.shape[1])[0]
    margin = float((points @ pole).min())
    return Hemisphere(margin > _ROUNDING, pole, margin)


def _middle(theta: np.ndarray) -> np.ndarray:
    """The middle of the shortest arc that holds all angles."""
    ordered = np.sort(theta)
    gaps = np.diff(ordered, append=ordered[0] + 2.0 * np.pi)
    last = int(gaps.argmax())
    middle = ordered[last] + 0.5 * gaps[last] + np.pi
    return np.array([np.cos(middle), np.sin(middle)])


def _programme(points: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog

    n, dim = points.shape
    constraints = np.concatenate([-points, np.ones((n, 1))], axis=1)
    cost = np.append(np.zeros(dim), -1.0)
    bounds = [(-1.0, 1.0)] * dim + [(None, None)]
    found = linprog(cost, constraints, np.zeros(n), bounds=bounds, method="highs")
    return np.zeros(dim) if found.x is None else np.asarray(found.x[:dim])
