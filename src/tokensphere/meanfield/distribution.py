"""The distribution function of a density on the circle, its inverse and its integral, to rounding.

    u(θ) = 1 + 2 Re Σ_{m≥1} c_m e^{imθ}   (density with respect to dθ/2π)
    F(θ) = ∫_{−π}^θ u dθ/2π,    F(θ + 2π) = F(θ) + 1,      G(θ) = ∫_{−π}^θ F dθ

A fast Fourier transform gives F and its derivatives at the centres of the cells of a grid, so fine that in each cell
a Taylor polynomial of degree 11 is exact to rounding. Every value then costs twelve additions and products, whatever
the number of modes, and F is inverted by Newton steps within one cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.errors import InputError

__all__ = ["CircleDistribution", "check_modes"]

_TERMS = 12  # of the Taylor polynomial
_POINTS_A_MODE = 16  # (π/16)^12 / 12! < 1e-17: what the terms beyond the last can add
_BLOCK = 1 << 15  # angles evaluated at once
_NEGATIVE = 1e-6  # of the mean density: what rounding and truncation may leave below zero


def check_modes(coefficients: Any) -> np.ndarray:
    """Coefficients of a density on the circle as a complex (K+1,) array.

    **Raises:** `InputError` if they are not (K+1,) finite numbers with c_0 = 1 to 1e-9.
    """
    try:
        c = np.asarray(coefficients, dtype=np.complex128)
    except (TypeError, ValueError):
        raise InputError(f"coefficients must be numbers c_0 .. c_K, got {type(coefficients).__name__}") from None
    if c.ndim != 1 or c.size < 1:
        raise InputError(f"coefficients must have shape (K+1,), got {c.shape}")
    if not np.isfinite(c).all():
        raise InputError(f"coefficient {int(np.argmin(np.isfinite(c)))} is not finite")
    if abs(c[0] - 1.0) > 1e-9:
        raise InputError(f"the density must have mass 1 (coefficient 0), got {c[0]:.10g}")
    return c


class CircleDistribution:
    """The distribution function of one density.

    **Arguments:** `coefficients` c_m, m = 0..K.

    `least` is the smallest value of u over the grid.

    **Raises:** `InputError` for bad coefficients, or a density below −1e-6 somewhere.
    """

    def __init__(self, coefficients: Any) -> None:
        c = check_modes(coefficients)
        top = int(np.flatnonzero(np.abs(c) > 0)[-1]) if np.any(c) else 0  # zeros at the end cost nothing
        size = 1 << int(np.ceil(np.log2(_POINTS_A_MODE * (top + 1))))
        m = np.arange(top + 1, dtype=np.float64)
        # F without its linear part has the modes c_m / (2 pi i m); a row more is its integral. Cells start at -pi.
        width = 2.0 * np.pi / size
        at_centres = c[: top + 1] * np.exp(1j * m * (0.5 * width - np.pi))
        rows = np.zeros((_TERMS + 1, top + 1), dtype=np.complex128)
        rows[1, 1:] = at_centres[1:] / (2j * np.pi * m[1:])
        rows[0, 1:] = rows[1, 1:] / (1j * m[1:])
        for p in range(1, _TERMS):
            rows[p + 1] = rows[p] * (1j * m) * (width / p)
        table = np.fft.irfft(rows, size, norm="forward")
        self._size, self._width, self._table = size, width, table[1:]
        self.least = 1.0 + float((table[2] * (2.0 * np.pi / width)).min())
        if self.least < -_NEGATIVE:
            raise InputError(
                f"the density is negative somewhere (it reaches {self.least:.3g} times the uniform one); "
                f"make the amplitudes smaller, or keep more modes"
            )
        # Constants of integration: the oscillating part of F and of G at -pi.
        self._start = self._start_integral = 0.0
        self._start = float(self._periodic(np.array([-np.pi]))[0])
        self._mean_part = table[0]
        self._start_integral = float(self._periodic_integral(np.array([-np.pi]))[0])
        self._edges = np.maximum.accumulate(self.cumulative(-np.pi + width * np.arange(size + 1)))

    def cumulative(self, angles: Any) -> np.ndarray:
        """F at any angles (radians; unwrapped angles count turns)."""
        theta = np.asarray(angles, dtype=np.float64)
        return (theta + np.pi) / (2.0 * np.pi) + (self._periodic(theta) - self._start)

    def integral(self, angles: Any) -> np.ndarray:
        """G(θ) = ∫_{−π}^θ F, at angles in [−π, π]."""
        theta = np.asarray(angles, dtype=np.float64)
        turned = theta + np.pi
        return (
            turned**2 / (4.0 * np.pi) - self._start * turned + (self._periodic_integral(theta) - self._start_integral)
        )

    def density(self, angles: Any) -> np.ndarray:
        """u at any angles, with respect to dθ/2π."""
        theta = np.asarray(angles, dtype=np.float64)
        factors = np.arange(1, _TERMS)[:, None] * (2.0 * np.pi / self._width)
        return 1.0 + self._evaluate(theta, lambda cell: self._table[1:, cell] * factors)

    def inverse(self, levels: Any) -> np.ndarray:
        """θ with F(θ) = s, as unwrapped angles: in [−π, π) for s in [0, 1), and a turn more for s + 1.

        F(θ) = s to rounding; where u vanishes on an interval, one of its angles.
        """
        s = np.asarray(levels, dtype=np.float64)
        turns = np.floor(s)
        out = np.empty(s.shape)
        flat, fractions = out.reshape(-1), (s - turns).reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            flat[part] = self._solve(fractions[part])
        return out + 2.0 * np.pi * turns

    def _solve(self, s: np.ndarray) -> np.ndarray:
        cell = np.clip(np.searchsorted(self._edges, s, side="right") - 1, 0, self._size - 1)
        terms = self._table[:, cell]
        # In the cell F = terms + (cell + 1/2 + t)/size - start, t in [-1/2, 1/2]; its two parts cancel no digits.
        terms[0] += (cell + 0.5) / self._size - self._start - s
        terms[1] += 1.0 / self._size
        low, high = np.full(s.shape, -0.5), np.full(s.shape, 0.5)
        rise = self._edges[cell + 1] - self._edges[cell]
        t = np.clip((s - self._edges[cell]) / np.maximum(rise, 1e-300) - 0.5, -0.5, 0.5)
        for _ in range(80):
            value, slope = terms[-1], np.zeros(s.shape)
            for term in terms[-2::-1]:
                slope = slope * t + value
                value = value * t + term
            low, high = np.where(value <= 0.0, t, low), np.where(value >= 0.0, t, high)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = t - value / slope
            inside = (step > low) & (step < high) & (slope > 0.0)
            new = np.where(inside, step, 0.5 * (low + high))
            # What one more Newton step would change, from the curvature.
            left = (new - t) ** 2 * np.abs(terms[2]) <= 1e-16 * slope
            settled = (inside & left) | (np.abs(new - t) <= 4e-16)
            t = new
            if settled.all():
                break
        return -np.pi + self._width * (cell + 0.5 + t)

    def _periodic(self, theta: np.ndarray) -> np.ndarray:
        """The oscillating part of F, up to a constant."""
        return self._evaluate(theta, lambda cell: self._table[:, cell])

    def _periodic_integral(self, theta: np.ndarray) -> np.ndarray:
        """The oscillating part of G, up to a constant."""
        factors = self._width / np.arange(1, _TERMS)[:, None]
        return self._evaluate(
            theta, lambda cell: np.concatenate([self._mean_part[None, cell], self._table[:-1, cell] * factors])
        )

    def _evaluate(self, theta: np.ndarray, terms_of: Any) -> np.ndarray:
        """Σ_p terms_p t^p in the cell of every angle, t in [−1/2, 1/2]."""
        out = np.empty(theta.shape)
        flat, angles = out.reshape(-1), theta.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            place = (angles[start : start + _BLOCK] + np.pi) / self._width
            cell = np.floor(place).astype(np.int64)
            t = place - cell - 0.5
            terms = terms_of(cell % self._size)
            value = terms[-1]
            for term in terms[-2::-1]:
                value = value * t + term
            flat[start : start + _BLOCK] = value
        return out
