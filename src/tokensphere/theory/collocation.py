"""Linear equations without coupling and with a known source, to rounding, by Chebyshev collocation in time.

    y' = κ y + s(t),     y(t_0) = y_0        solved as (1 − ℓκJ) y = y_0 + ℓ J s

y and s stand for their values at the n Chebyshev points of a window of length ℓ, J integrates such values from the
start of the window. The equation is implicit, so that a strongly damped κ costs no small steps, and its solution is
known at every time of the window, not only at the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev

__all__ = ["Collocation"]


@dataclass(frozen=True)
class Collocation:
    """The `points` Chebyshev points of a window, 0 = start and 1 = end."""

    points: int = 32

    @cached_property
    def nodes(self) -> np.ndarray:
        """(n,) increasing, in [0, 1]."""
        return np.asarray(0.5 * (1.0 + chebyshev.chebpts2(self.points)))

    @cached_property
    def transform(self) -> np.ndarray:
        """(n, n) from values at the points to Chebyshev coefficients."""
        return np.asarray(np.linalg.inv(chebyshev.chebvander(2.0 * self.nodes - 1.0, self.points - 1)))

    @cached_property
    def integral(self) -> np.ndarray:
        """(n, n) from values at the points to those of the integral from the start of a window of length 1."""
        primitive = chebyshev.chebint(np.eye(self.points), lbnd=-1.0, scl=0.5, axis=0)
        return np.asarray(self.at(self.nodes, self.points) @ primitive @ self.transform)

    def at(self, places: np.ndarray, degree: int | None = None) -> np.ndarray:
        """Chebyshev polynomials up to `degree` (default n − 1) at `places` in [0, 1], a row each."""
        return np.asarray(chebyshev.chebvander(2.0 * places - 1.0, self.points - 1 if degree is None else degree))

    def solve(self, rates: np.ndarray, start: np.ndarray, source: np.ndarray, length: float) -> np.ndarray:
        """Values (n, m) of y at the points.

        **Arguments:** `rates` κ (m,) real; `start` y_0 (m,) and `source` (n, m), complex; `length` of the window.
        """
        matrices = np.eye(self.points) - length * rates[:, None, None] * self.integral
        known = (start + length * (self.integral @ source)).T
        # One real factorisation for the real and the imaginary part.
        pairs = np.linalg.solve(matrices, np.stack([known.real, known.imag], axis=-1))
        return np.asarray((pairs[..., 0] + 1j * pairs[..., 1]).T)

    def unresolved(self, values: np.ndarray) -> float:
        """Largest of the last three Chebyshev coefficients of `values` (n, m) over the largest value (0 for zeros)."""
        largest = float(np.abs(values).max(initial=0.0))
        return float(np.abs(self.transform[-3:] @ values).max()) / largest if largest else 0.0

    def evaluate(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """`values` (n, m) at the `places` (q,) of the window: (q, m)."""
        return np.asarray(self.at(places) @ (self.transform @ values))
