"""The mean-field equation on the circle, by Fourier coefficients.

    u(θ) = Σ_{|m|≤K} c_m e^{imθ}   (density with respect to dθ/2π, c_m = μ̂_m = ∫ e^{−imθ} dμ, c_{−m} = conj c_m)
    dc_m/dt = −i m (uχ)^_m − τ m² c_m
    USA   χ = v Σ_m i m (I_m/β) c_m e^{imθ},      SA   χ = (v/β) Z'/Z,   Z = Σ_m I_m c_m e^{imθ}

Products are taken on a grid fine enough that no product of two band-limited functions is aliased into the degrees
kept; for SA, whose χ is not band limited, it is finer still. Rotations of the start rotate the solution.

[Bruno, Pasqualotto, Agazzi 2410.23228, eq. 2; coefficients derived]
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokensphere.errors import InputError

from .base import AbstractMeanField
from .starts import uniform_plus

__all__ = ["CircleMeanField"]

# Grid points per degree kept: a product of three band-limited functions has an exact mean from 3 on.
_POINTS = {"usa": 3, "usa-shifted": 3, "sa": 6}


@dataclass(frozen=True)
class CircleMeanField(AbstractMeanField):
    """Densities on the circle; coefficients c (resolution + 1,) complex, c_0 = 1.

    **Fields:** as :class:`AbstractMeanField`; `resolution` K, the highest mode.

    >>> import tokensphere as ts
    >>> equation = ts.meanfield.CircleMeanField(beta=5.0, flow="usa")
    >>> run = ts.solve.evolve(equation, equation.harmonics({3: 1e-6}), [0.0, 0.1])
    """

    geometry: ClassVar[str] = "circle"
    dim: ClassVar[int | None] = 2

    # -- states -----------------------------------------------------------------------------------------------

    def harmonics(self, amplitudes: Mapping[int, complex]) -> np.ndarray:
        """Coefficients of the uniform law with the given c_m, m ≥ 1: u = 1 + 2 Σ Re(c_m e^{imθ}).

        **Raises:** `InputError` for a degree that is not kept, or a density that is negative somewhere.
        """
        return uniform_plus(amplitudes, self.resolution)

    def check(self, coefficients: Any) -> np.ndarray:
        c = np.asarray(coefficients, dtype=np.complex128)
        if c.shape != (self.resolution + 1,):
            raise InputError(f"coefficients must have shape ({self.resolution + 1},), got {c.shape}")
        if not np.isfinite(c).all():
            raise InputError(f"coefficient {int(np.argmin(np.isfinite(c)))} is not finite")
        if abs(c[0] - 1.0) > 1e-9:
            raise InputError(f"the density must have mass 1 (coefficient 0), got {c[0]:.10g}")
        return c

    def lift(self, coefficients: np.ndarray) -> np.ndarray:
        c = np.zeros(self.resolution + 1, dtype=np.complex128)
        kept = min(c.size, len(coefficients))
        c[:kept] = coefficients[:kept]
        return c

    def density(self, coefficients: np.ndarray, angles: Any) -> np.ndarray:
        """u(θ) at any angles (radians), with respect to dθ/2π."""
        theta = np.asarray(angles, dtype=np.float64)
        m = np.arange(1, len(coefficients))
        waves = np.exp(1j * theta[..., None] * m)
        return np.real(coefficients[0]) + 2 * np.real(waves @ coefficients[1:])

    # -- the equation -----------------------------------------------------------------------------------------

    def rate(self, coefficients: np.ndarray) -> np.ndarray:
        u = self._grid(coefficients)
        degrees = np.arange(self.resolution + 1)
        transported: np.ndarray = -1j * degrees * self._modes(u * self._drift(coefficients))
        return transported

    def damping(self) -> np.ndarray:
        return self.noise * np.arange(self.resolution + 1, dtype=np.float64) ** 2

    def mass(self, coefficients: np.ndarray) -> float:
        return float(coefficients[0].real)

    def least(self, coefficients: np.ndarray) -> float:
        return float(self._grid(coefficients).min())

    def energy(self, coefficients: np.ndarray) -> float:
        power = np.abs(coefficients) ** 2
        total = power[0] * self._kernel[0] + 2 * float(power[1:] @ self._kernel[1:])
        with np.errstate(over="ignore"):
            return float(0.5 / self.beta * total * np.exp(self.scale))

    def dissipation(self, coefficients: np.ndarray) -> float:
        slope = self._grid(1j * np.arange(self.resolution + 1) * self._kernel / self.beta * coefficients)
        with np.errstate(over="ignore"):
            slope = slope * np.exp(self.scale)
        return float(np.mean(self._grid(coefficients) * slope * self._drift(coefficients)))

    def speed_squared(self, coefficients: np.ndarray) -> float:
        return float(np.mean(self._grid(coefficients) * self._drift(coefficients) ** 2))

    def entropy(self, coefficients: np.ndarray) -> float:
        from scipy.special import xlogy

        u = self._grid(coefficients)
        return float("nan") if u.min() < 0 else float(np.mean(xlogy(u, u)))

    def order(self, coefficients: np.ndarray, degrees: Any) -> np.ndarray:
        wanted = np.asarray(degrees, dtype=np.int64)
        kept = wanted <= self.resolution
        return np.where(kept, np.abs(coefficients)[np.where(kept, wanted, 0)], 0.0)

    def tail(self, coefficients: np.ndarray) -> float:
        amplitudes = np.abs(coefficients[1:])
        largest = float(amplitudes.max())
        last = amplitudes[int(np.floor(0.9 * self.resolution)) :]
        return float(last.max() / largest) if largest > 0 else 0.0

    # -- on the grid ------------------------------------------------------------------------------------------

    @functools.cached_property
    def _kernel(self) -> np.ndarray:
        """e^{−β} I_m(β)."""
        from scipy.special import ive

        return np.asarray(ive(np.arange(self.resolution + 1), self.beta))

    @functools.cached_property
    def _points(self) -> int:
        from scipy.fft import next_fast_len

        return int(next_fast_len(_POINTS[self.flow] * self.resolution + 1, real=True))

    def _grid(self, coefficients: np.ndarray) -> np.ndarray:
        """The real function with these modes, on the grid."""
        from scipy.fft import irfft

        values: np.ndarray = irfft(coefficients, self._points, norm="forward")
        return values

    def _modes(self, values: np.ndarray) -> np.ndarray:
        from scipy.fft import rfft

        modes: np.ndarray = rfft(values, norm="forward")[: self.resolution + 1]
        return modes

    def _drift(self, coefficients: np.ndarray) -> np.ndarray:
        """χ on the grid."""
        potential = self._kernel * coefficients
        slope = self._grid(1j * np.arange(self.resolution + 1) * potential) * (self.value / self.beta)
        if self.flow == "sa":
            return slope / self._grid(potential)
        return slope * np.exp(self.scale)
