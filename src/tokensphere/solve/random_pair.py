"""Two tokens under random value matrices, as the stochastic equation of their inner product.

    dv = [(d−2)(1−s) + s tanh v] dt + √(2s) dW,    u = tanh v = ⟨x_1, x_2⟩    [derived]

Euler–Maruyama in v, so that u stays inside (−1, 1) and 1 ± u keep their digits near the ends.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_positive_int, check_times
from tokensphere.sphere.random import generator
from tokensphere.theory import random_value_motion

__all__ = ["random_value_pair"]


def random_value_pair(
    u: float, beta: float | None, dim: int, times: Any, *, paths: int, seed: int, step_size: float = 0.01
) -> np.ndarray:
    """artanh u(t) of independent paths that start at the inner product `u`.

    **Arguments:** `u` in (−1, 1); `beta` ≥ 0, or `None` for tokens that attend to themselves only; `dim` ≥ 2; `times`
    increasing, the first one the start; `paths` ≥ 1; `seed`; `step_size`, the largest step (weak order 1).

    **Returns:** v (time, path), float64; u = tanh v, and log(1+u) = v + log(2) − log(2 cosh v) without loss of digits.

    **Raises:** `InputError`. **Source:** derived.
    """
    save, count = check_times(times), check_positive_int(paths, "paths")
    if not (isinstance(u, int | float | np.number) and abs(u) < 1):
        raise InputError(f"u must lie strictly between -1 and 1, got {u!r}")
    if not (math.isfinite(step_size) and step_size > 0):
        raise InputError(f"step_size must be a positive number, got {step_size!r}")
    rng = generator(seed)
    v = np.full(count, math.atanh(u))
    frames = [v]
    for span in np.diff(save):
        steps = max(1, math.ceil(span / step_size - 1e-9))
        size = span / steps
        for _ in range(steps):
            drift, noise = random_value_motion(v, beta, dim)
            v = v + size * drift + math.sqrt(size) * noise * rng.standard_normal(count)
        frames.append(v)
    return np.stack(frames)
