"""Noise √(2τ) P_{x_i} ∘ dW_i, independent for every token, or with one W in R^d common to all: its random numbers.

They are a function of (seed, step, token) and of nothing else, so that a run continued from a stored `State` draws
what the unbroken one would have drawn, and a process with a slice of the tokens draws what one process with all of
them would (:mod:`tokensphere.sphere.streams`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.parallel import Shard
from tokensphere.sphere.streams import counted_normals

__all__ = ["Noise", "check_noise", "deviation"]

_STREAM = 0x6E6F697365  # apart from whatever else is drawn from the same seed


def check_noise(noise: Any, seed: Any) -> tuple[float, int]:
    """Intensity τ as a float and seed as an int.

    **Raises:** `InputError` unless τ is a finite number ≥ 0 and the seed a whole number ≥ 0.
    """
    number = isinstance(noise, int | float | np.integer | np.floating) and not isinstance(noise, bool)
    if not number or not (math.isfinite(noise) and noise >= 0):
        raise InputError(f"noise must be a finite number >= 0, got {noise!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, got {seed!r}")
    return float(noise), int(seed)


def deviation(intensity: float, size: float, dim: int) -> float:
    """Standard deviation of the components of a tangent Gaussian step that stands for Brownian motion over `size`.

        √s e^{−(d−2)s/12},    s = 2τ · size

    On flat space √s is exact in law. On the sphere a geodesic step v has, by E f(Exp_x v) = f + (E|v|²/2m) Δf +
    E|v|⁴ [Δ²f/8m(m+2) + (m−1)Δf/12m(m+2)] + …, m = d − 1, the law of the heat flow e^{τ·size·Δ} up to O(s³) if E|v|²
    is smaller than m s by the factor 1 − (m−1)s/6: geodesics of a sphere meet again, and a step goes the less far in
    law the more they do. Without the factor the error is (d−1)(d−2)(τ·size)²/3 for degree 1.
    """
    s = 2.0 * intensity * size
    return math.sqrt(s) * math.exp(-(dim - 2) * s / 12.0)


@dataclass(frozen=True)
class Noise:
    """Noise of `intensity` τ with the random numbers of `seed`; `common` to all tokens, or of each its own."""

    intensity: float
    seed: int
    common: bool = False

    def normals(self, step: int, first: int, count: int, width: int) -> np.ndarray:
        """Standard normal numbers (count, width) of tokens `first` .. `first + count` in step number `step`."""
        return counted_normals(self.seed, _STREAM, step, first, count, width)

    def kicks(self, step: int, size: float, parts: int, n: int, dim: int, shard: Shard | None = None) -> np.ndarray:
        """The random displacements of one step of length `size`, which takes them in `parts` equal parts.

        **Returns:** (parts, n, width), radians; width 1 on the circle, where a number is the whole of a tangent
        vector, and `dim` otherwise, before projection. With `shard` those of its slice (n its length). Common noise:
        (parts, 1, dim) in every dimension, increments of √(2τ) W for the slices and processes alike.
        """
        if self.common:
            increments = self.normals(step, 0, 1, parts * dim).reshape(parts, 1, dim)
            return increments * math.sqrt(2.0 * self.intensity * size / parts)
        width = 1 if dim == 2 else dim
        first, count = (0, n) if shard is None else (shard.start, shard.count)
        normals = self.normals(step, first, count, parts * width)
        rows = (normals if shard is None else shard.fill(normals)).reshape(-1, parts, width)
        return np.ascontiguousarray(rows.swapaxes(0, 1)) * deviation(self.intensity, size / parts, dim)
