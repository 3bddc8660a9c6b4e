"""Linearisation around any density: the same question for a mean-field equation.

    d δc/dt = J δc,      J = ∂/∂c (rate(c) − damping · c)

in real coordinates: the real and imaginary parts of the coefficients, without the mass. Derivatives are differences of
fourth order, exact for the quadratic rates of USA but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import check_positive_int
from tokensphere.meanfield import AbstractMeanField
from tokensphere.theory import Hypothesis

from .linearise import stationarity
from .loop import SolveError
from .spectrum import DENSE, leading_spectrum

__all__ = ["DensityLinearisation", "linearise_density"]

_STEP = 1e-3


@dataclass(frozen=True)
class DensityLinearisation:
    """The leading part of the spectrum of J at a density.

    **Fields:** `eigenvalues` (m,) complex, by decreasing real part; `modes` (m, 2, *shape of the coefficients*), the
    coefficients of the real and of the imaginary part of each mode, a perturbation being
    e^{at} (cos(bt) modes[:, 0] − sin(bt) modes[:, 1]) for λ = a + ib; `residuals` (m,), relative to the size of the
    mode; `speed`, the length of dc/dt; `solver`; `hypotheses`; `equation`; `coefficients`; `scale`, the largest |λ| of
    the whole spectrum.
    """

    eigenvalues: np.ndarray
    modes: np.ndarray
    residuals: np.ndarray
    speed: float
    solver: str
    hypotheses: tuple[Hypothesis, ...]
    equation: AbstractMeanField
    coefficients: np.ndarray
    scale: float

    @property
    def stationary(self) -> bool:
        """Whether the density rests, so that eigenvalues are growth rates."""
        return bool(self.hypotheses[0].holds)


def linearise_density(
    equation: AbstractMeanField,
    coefficients: Any,
    *,
    count: int = 12,
    dense: int = DENSE,
    tolerance: float = 1e-6,
) -> DensityLinearisation:
    """The leading eigenvalues and modes of a mean-field equation around any density.

    **Arguments:** `equation` and the `coefficients` of a state; `count` eigenvalues, those of largest real part;
    `dense`, the number of real unknowns up to which the matrix is made; `tolerance`, how far the coefficients may move
    per e-folding for the state to count as stationary.

    **Returns:** :class:`DensityLinearisation`.

    **Raises:** `InputError`; :class:`SolveError` if the eigenvalues do not converge or the rate is not finite.
    """
    c = equation.check(coefficients)
    damping = np.asarray(equation.damping())
    complex_numbers = np.iscomplexobj(c)

    def pack(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(-1)
        return np.concatenate([flat.real, flat.imag]) if complex_numbers else flat.real.copy()

    def unpack(numbers: np.ndarray) -> np.ndarray:
        half = numbers.size // 2
        return (numbers[:half] + 1j * numbers[half:] if complex_numbers else numbers).reshape(c.shape)

    def total(numbers: np.ndarray) -> np.ndarray:
        state = unpack(numbers)
        return pack(equation.rate(state) - damping * state)

    base = pack(c)
    motion = total(base)
    if not np.isfinite(motion).all():
        raise SolveError("the rate of the density is not finite")

    def derivative(direction: np.ndarray) -> np.ndarray:
        largest = float(np.abs(direction).max())
        if largest == 0.0:
            return np.zeros_like(direction)
        step = _STEP / largest
        near = total(base + step * direction) - total(base - step * direction)
        far = total(base + 2 * step * direction) - total(base - 2 * step * direction)
        return (8.0 * near - far) / (12.0 * step)

    kept = _free(equation, base, unpack)

    def product(columns: np.ndarray) -> np.ndarray:
        out = np.empty((kept.size, columns.shape[1]))
        direction = np.zeros_like(base)
        for k, column in enumerate(columns.T):
            direction[kept] = column
            out[:, k] = derivative(direction)[kept]
        return out

    found = leading_spectrum(product, kept.size, min(check_positive_int(count, "count"), kept.size), dense=dense)
    modes = np.zeros((len(found.values), 2, *c.shape), dtype=c.dtype)
    for k, vector in enumerate(found.vectors.T):
        for part, numbers in enumerate((vector.real, vector.imag)):
            direction = np.zeros_like(base)
            direction[kept] = numbers
            modes[k, part] = unpack(direction)
    speed = float(np.linalg.norm(motion))
    hypotheses = (
        stationarity(speed, found.scale, tolerance),
        Hypothesis(
            "the density is resolved", equation.tail(c) <= 1e-6, f"last tenth of the spectrum {equation.tail(c):.3g}"
        ),
    )
    return DensityLinearisation(
        found.values, modes, found.residuals, speed, found.method, hypotheses, equation, c, found.scale
    )


def _free(equation: AbstractMeanField, base: np.ndarray, unpack: Any) -> np.ndarray:
    """Coordinates that can move: not the mass, nor imaginary parts of coefficients that are real by their nature."""
    state = unpack(base)
    rate = equation.rate(state)

    def felt(j: int, number: Any) -> bool:
        moved = base.copy()
        moved[j] += _STEP
        return bool(np.any(number(unpack(moved)) != number(state)))

    imaginary = range(base.size // 2, base.size) if np.iscomplexobj(state) else range(0)
    fixed = {j for j in imaginary if not felt(j, lambda c: equation.rate(c) - rate)}
    if felt(0, equation.mass):
        fixed |= {0} | set(imaginary[:1])
    return np.array([j for j in range(base.size) if j not in fixed])
