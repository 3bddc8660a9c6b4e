"""The mean-field equation on the 2-sphere, by spherical harmonics.

    u(x) = Σ_{l≤L} Σ_m c_lm Y_lm(x)     Y_lm orthonormal for the uniform probability σ: c_lm = ∫ conj Y_lm dμ, c_00 = 1
    dc_lm/dt = ∫ u χ·∇conj Y_lm dσ − τ l(l+1) c_lm
    USA   χ = v Z0 ∇Φ,       SA   χ = v ∇Φ / Σ b_l c_lm Y_lm,       Φ = Σ (b_l/β) c_lm Y_lm

Densities are real: only m ≥ 0 is kept, m = 0 first (l = 0..L), then m = 1 (l = 1..L), …, (L+1)(L+2)/2 complex numbers,
those with m = 0 real. Products are taken on a Gauss-Legendre grid that makes the quadratic ones of USA exact; SA, which
divides by Z, has a finer one. The rate is the adjoint of a gradient, so mass is kept exactly.

[Weak form of Bruno, Pasqualotto, Agazzi 2410.23228, eq. 2; derived]
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokensphere.errors import InputError, check_positive_int, check_tokens, check_weights
from tokensphere.theory.growth import check_real

from .base import AbstractMeanField
from .eigenvalues import DegreeKernel, degree_kernel, heat_means, von_mises_fisher_means
from .sphere_grid import NORM, SphereGrid, count_of, degree_of, sphere_grid

__all__ = ["SphereMeanField"]

_FLOOR = 1e-15  # of the largest Z: below, Z is lost in rounding


@dataclass(frozen=True)
class SphereMeanField(AbstractMeanField):
    """Densities on the 2-sphere; coefficients c ((L+1)(L+2)/2,) complex, c_00 = 1, m ≥ 0 (see the module).

    **Fields:** as :class:`AbstractMeanField`; `resolution` L, the highest degree.

    >>> import tokensphere as ts
    >>> equation = ts.meanfield.SphereMeanField(beta=5.0, flow="usa", resolution=32)
    >>> run = ts.solve.evolve(equation, equation.von_mises_fisher([[0, 0, 1], [1, 0, 0]], 2.0), [0.0, 0.1])
    """

    geometry: ClassVar[str] = "sphere"
    dim: ClassVar[int | None] = 3

    # -- states -----------------------------------------------------------------------------------------------

    def uniform(self) -> np.ndarray:
        """Coefficients of the uniform law."""
        c = np.zeros(self._count, dtype=np.complex128)
        c[0] = 1.0
        return c

    def from_degrees(self, amplitudes: Mapping[int, float], axis: Any = (0.0, 0.0, 1.0)) -> np.ndarray:
        """Coefficients of u = 1 + Σ ε_k P_k(⟨x, e⟩) from `amplitudes` {k: ε_k}, k ≥ 1, about any axis e.

        **Raises:** `InputError` for a degree that is not kept, or a density that is negative somewhere.
        """
        means = np.zeros(self.resolution + 1)
        means[0] = 1.0
        for degree, amplitude in amplitudes.items():
            k = check_positive_int(degree, "degree")
            if k > self.resolution:
                raise InputError(f"degree must be at most the resolution {self.resolution}, got {k}")
            means[k] = check_real(amplitude, "amplitude") / (2 * k + 1)
        c = self.from_zonal(means, axis)
        lowest = self.least(c)
        if lowest < -1e-12:
            raise InputError(f"these amplitudes make the density negative (it reaches {lowest:.3g}); make them smaller")
        return c

    def from_zonal(self, means: Any, axis: Any = (0.0, 0.0, 1.0)) -> np.ndarray:
        """Coefficients of a zonal density about an axis e from its ⟨P_k⟩, k = 0, 1, …; degrees above L are cut."""
        from tokensphere.sphere.random import unit_vector

        given = np.asarray(means, dtype=np.float64)
        if given.ndim != 1 or given.size < 1 or not np.isfinite(given).all():
            raise InputError(f"means must be a list of finite numbers, got shape {given.shape}")
        kept = np.zeros(self.resolution + 1)
        kept[: given.size] = given[: self.resolution + 1]
        return self._smoothed(unit_vector(axis, "axis")[None], np.ones(1), kept)

    def from_function(self, density: Callable[[np.ndarray], Any]) -> np.ndarray:
        """Coefficients of the density proportional to a function f ≥ 0 of points (n, 3) → (n,), by quadrature.

        The tail of the result tells whether the resolution is enough for it.

        **Raises:** `InputError` for values that are not finite, negative, or all zero.
        """
        grid = self._grid
        points = grid.points()
        values = np.asarray(density(points.copy()), dtype=np.float64)
        if values.shape not in ((), (len(points),)):
            raise InputError(f"the density must return ({len(points)},) numbers, got shape {values.shape}")
        values = np.broadcast_to(values, (len(points),))
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(f"the density is {values[i]:.6g} at x = {points[i]}; it must be >= 0")
        c = grid.project(values.reshape(-1, grid.longitudes))
        if not c[0].real > 0:
            raise InputError("the density vanishes everywhere")
        return c / c[0].real

    def von_mises_fisher(self, means: Any, concentrations: Any, proportions: Any = None) -> np.ndarray:
        """Coefficients of a mixture Σ_j p_j vMF(m_j, κ_j), each ∝ e^{κ_j⟨x, m_j⟩}.

        **Arguments:** `means` (3,) or (m, 3) non-zero vectors; `concentrations` one number or (m,), ≥ 0;
        `proportions` (m,) summing to 1, default 1/m each.
        """
        from tokensphere.sphere.random import unit_vector

        centres = np.atleast_2d(np.asarray(means, dtype=np.float64))
        if centres.ndim != 2 or centres.shape[1] != 3:
            raise InputError(f"means must have shape (m, 3), got {centres.shape}")
        kappas = np.asarray(concentrations, dtype=np.float64)
        if kappas.shape not in ((), (len(centres),)) or not (np.isfinite(kappas) & (kappas >= 0)).all():
            raise InputError(f"concentrations must be one number or {len(centres)} numbers >= 0, got {concentrations}")
        shares = check_weights(proportions, len(centres))
        c = np.zeros(self._count, dtype=np.complex128)
        for i, (share, kappa) in enumerate(zip(shares, np.broadcast_to(kappas, (len(centres),)), strict=True)):
            shape = von_mises_fisher_means(float(kappa), 3, self.resolution)
            c += share * self._smoothed(unit_vector(centres[i], f"means[{i}]")[None], np.ones(1), shape)
        return self._resolved(c)

    def from_tokens(self, tokens: Any, width: float, weights: Any = None) -> np.ndarray:
        """Coefficients of a cloud smoothed by the heat kernel: its moments times e^{−h²l(l+1)/2}.

        **Arguments:** `tokens` (n, 3) unit rows; `width` h > 0 of the kernel, in radians a coordinate; `weights` (n,)
        masses.

        **Raises:** `InputError` also where the resolution is too low for the width and the cut density is negative.
        """
        points = check_tokens(tokens)
        if points.shape[1] != 3:
            raise InputError(f"tokens must have shape (n, 3), got {points.shape}")
        masses = check_weights(weights, len(points))
        return self._resolved(self._smoothed(points, masses, heat_means(width, 3, self.resolution)))

    def check(self, coefficients: Any) -> np.ndarray:
        c = np.asarray(coefficients)
        if c.shape != (self._count,) or c.dtype.kind not in "iufc":
            raise InputError(f"coefficients must be {self._count} numbers, got {c.dtype} of shape {c.shape}")
        c = c.astype(np.complex128)
        if not np.isfinite(c).all():
            raise InputError(f"coefficient {int(np.argmin(np.isfinite(c)))} is not finite")
        if abs(c[0] - 1.0) > 1e-9:
            raise InputError(f"the density must have mass 1 (coefficient 0), got {c[0]:.10g}")
        zonal = np.abs(c[: self.resolution + 1].imag)
        if zonal.max() > 1e-12:
            raise InputError(f"coefficients with m = 0 must be real, number {int(zonal.argmax())} is not")
        return c

    def lift(self, coefficients: np.ndarray) -> np.ndarray:
        c = np.zeros(self._count, dtype=np.complex128)
        before = (math.isqrt(8 * len(coefficients) + 1) - 3) // 2
        kept = min(before, self.resolution)
        new, old = 0, 0
        for m in range(kept + 1):
            c[new : new + kept + 1 - m] = coefficients[old : old + kept + 1 - m]
            new, old = new + self.resolution + 1 - m, old + before + 1 - m
        return c

    def density(self, coefficients: np.ndarray, points: Any) -> np.ndarray:
        """u at unit points (n, 3), with respect to the uniform probability."""
        from tokensphere.attention.spherical import Places

        places = Places(check_tokens(points), self.resolution, 3e-13)
        return np.asarray(places.synthesise(NORM * coefficients[None])[0])

    # -- the equation -----------------------------------------------------------------------------------------

    def rate(self, coefficients: np.ndarray) -> np.ndarray:
        return self._rate(coefficients, self._grid)

    def aliasing(self, coefficients: np.ndarray) -> float:
        """Change of the rate on a grid twice as fine, relative to its largest entry: 0 but for rounding for USA."""
        finer = self._rate(coefficients, sphere_grid(self.resolution, 2 * self._exact))
        largest = float(np.abs(finer).max())
        return float(np.abs(self.rate(coefficients) - finer).max()) / largest if largest > 0 else 0.0

    def damping(self) -> np.ndarray:
        degrees = degree_of(self.resolution).astype(np.float64)
        return np.asarray(self.noise * degrees * (degrees + 1.0))

    def mass(self, coefficients: np.ndarray) -> float:
        return float(coefficients[0].real)

    def least(self, coefficients: np.ndarray) -> float:
        return float(self._grid.values(coefficients).min())

    def energy(self, coefficients: np.ndarray) -> float:
        relative = float(self._kernel.potential @ self._power(coefficients)) / (2.0 * self.beta)
        return relative * self._kernel.unit(self.scale)

    def dissipation(self, coefficients: np.ndarray) -> float:
        unit = self._kernel.unit(self.scale)
        if math.isinf(unit):
            return math.inf
        grid = self._grid
        slope = grid.gradient(self._kernel.pull[degree_of(self.resolution)] * coefficients)
        power = np.sum(slope * self._drift(coefficients, grid), axis=0)
        return unit * grid.mean(grid.values(coefficients) * power)

    def speed_squared(self, coefficients: np.ndarray) -> float:
        square = np.sum(self._drift(coefficients, self._grid) ** 2, axis=0)
        return self._grid.mean(self._grid.values(coefficients) * square)

    def entropy(self, coefficients: np.ndarray) -> float:
        from scipy.special import xlogy

        u = self._grid.values(coefficients)
        return math.nan if u.min() < 0 else self._grid.mean(xlogy(u, u))

    def order(self, coefficients: np.ndarray, degrees: Any) -> np.ndarray:
        wanted = np.asarray(degrees, dtype=np.int64)
        table = np.sqrt(self._power(coefficients) / (2.0 * np.arange(self.resolution + 1) + 1.0))
        kept = wanted <= self.resolution
        return np.where(kept, table[np.where(kept, wanted, 0)], 0.0)

    def tail(self, coefficients: np.ndarray) -> float:
        amplitudes, degrees = np.abs(coefficients[1:]), degree_of(self.resolution)[1:]
        largest = float(amplitudes.max())
        last = amplitudes[degrees > 0.9 * self.resolution]
        return float(last.max() / largest) if largest > 0 else 0.0

    # -- on the grid ------------------------------------------------------------------------------------------

    @property
    def _count(self) -> int:
        return count_of(self.resolution)

    @functools.cached_property
    def _kernel(self) -> DegreeKernel:
        return degree_kernel(self.beta, 3, self.resolution)

    @property
    def _exact(self) -> int:
        """Degree of the integrals that are exact. USA: products of degree 3L. SA: Z⁻¹ is no polynomial."""
        return 3 * self.resolution + 1 if self.flow != "sa" else 4 * self.resolution + 16

    @property
    def _grid(self) -> SphereGrid:
        return sphere_grid(self.resolution, self._exact)

    def _rate(self, coefficients: np.ndarray, grid: SphereGrid) -> np.ndarray:
        return grid.transport(grid.values(coefficients) * self._drift(coefficients, grid))

    def _drift(self, coefficients: np.ndarray, grid: SphereGrid) -> np.ndarray:
        """χ on the grid, (2, rings, longitudes)."""
        degrees = degree_of(self.resolution)
        slope = self.value * grid.gradient(self._kernel.pull[degrees] * coefficients)
        if self.flow == "sa":
            z = grid.values(self._kernel.potential[degrees] * coefficients)
            return np.asarray(slope / np.maximum(z, _FLOOR * z.max()))
        return np.asarray(slope * self._kernel.unit(self.scale))

    def _power(self, coefficients: np.ndarray) -> np.ndarray:
        """Σ_m |c_lm|², m = −l..l, for every degree l = 0..L."""
        weights = np.full(self._count, 2.0)
        weights[: self.resolution + 1] = 1.0
        return np.bincount(degree_of(self.resolution), weights=weights * np.abs(coefficients) ** 2)

    def _smoothed(self, points: np.ndarray, masses: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Coefficients of Σ_j w_j times the zonal density of ⟨P_l⟩ = `shape` about x_j."""
        from tokensphere.sphere.harmonics import sphere_sums

        c: np.ndarray = NORM * sphere_sums(points, masses, self.resolution) * shape[degree_of(self.resolution)]
        c[: self.resolution + 1].imag = 0.0
        return c

    def _resolved(self, coefficients: np.ndarray) -> np.ndarray:
        """The coefficients of a positive density, if the resolution is enough for it to stay so."""
        u = self._grid.values(coefficients)
        if u.min() < -1e-9 * u.max():
            raise InputError(
                f"resolution = {self.resolution} is too low for this density: cut there it falls to {u.min():.3g}; "
                "raise the resolution, or make the density wider"
            )
        return coefficients
