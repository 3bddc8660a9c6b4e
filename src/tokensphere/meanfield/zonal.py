"""The mean-field equation for zonal densities on S^{d−1}, any d ≥ 2, in one variable q = ⟨x, e⟩.

    u(q) = Σ_{k≤K} c_k p_k(q)        p_k = √D_k P_k orthonormal for the weight w(q) ∝ (1−q²)^{(d−3)/2}
    dc_k/dt = √Λ_k ∫ s_k u χ w dq − τ Λ_k c_k,          χ = ⟨χ, ∇θ⟩ along the meridian, √(1−q²) p_k' = √Λ_k s_k
    USA   χ = v Z0 Σ (b_k/β) √Λ_k c_k s_k,              SA   χ = v Σ (b_k/β) √Λ_k c_k s_k / Σ b_k c_k p_k

c_k = ∫ p_k dμ, so ⟨P_k⟩ = c_k/√D_k and u = Σ √D_k c_k P_k. In this basis the size of a coefficient is its share of the
density in every dimension, while coefficients of the P_k themselves carry rounding amplified by √D_k (1e18 for k = 64
in dim 64). In high dimension a density becomes sharp early, when its mean is of order d^{−1/2}. Gauss nodes make the
quadratic products of USA exact; SA, which divides by Z, has more of them.

[Weak form of Bruno, Pasqualotto, Agazzi 2410.23228, eq. 2; derived]
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokensphere.errors import InputError, check_dim, check_positive_int, check_tokens, check_weights
from tokensphere.special import laplacian_eigenvalue
from tokensphere.theory.growth import check_real

from .base import AbstractMeanField
from .eigenvalues import DegreeKernel, degree_kernel, heat_means, von_mises_fisher_means
from .gauss import ZonalTable, iterate_orthonormal, root_laplacian, root_multiplicities, zonal_table

__all__ = ["ZonalMeanField"]

_ROUNDING = 1e-14  # of the norm of c: error of every coefficient
_FLOOR = 1e-15  # of the largest Z: below, Z is lost in rounding


@dataclass(frozen=True)
class ZonalMeanField(AbstractMeanField):
    """Zonal densities on S^(dim−1); coefficients c (resolution + 1,) real, c_0 = 1, c_k = √D_k ⟨P_k⟩.

    **Fields:** as :class:`AbstractMeanField`; `dim` ≥ 2, default 3; `resolution` K, the highest degree.

    >>> import tokensphere as ts
    >>> equation = ts.meanfield.ZonalMeanField(beta=5.0, flow="usa", dim=3)
    >>> run = ts.solve.evolve(equation, equation.from_degrees({2: 0.02, 3: 0.05}), [0.0, 0.1])
    """

    dim: int = 3  # type: ignore[misc]

    geometry: ClassVar[str] = "zonal"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "dim", check_dim(self.dim))
        root_multiplicities(self.dim, self.resolution)

    # -- states -----------------------------------------------------------------------------------------------

    def uniform(self) -> np.ndarray:
        """Coefficients of the uniform law."""
        c = np.zeros(self.resolution + 1)
        c[0] = 1.0
        return c

    def from_degrees(self, amplitudes: Mapping[int, float]) -> np.ndarray:
        """Coefficients of u = 1 + Σ ε_k P_k from `amplitudes` {k: ε_k}, k ≥ 1.

        **Raises:** `InputError` for a degree that is not kept, or a density that is negative somewhere.
        """
        c = self.uniform()
        for degree, amplitude in amplitudes.items():
            k = check_positive_int(degree, "degree")
            if k > self.resolution:
                raise InputError(f"degree must be at most the resolution {self.resolution}, got {k}")
            c[k] = check_real(amplitude, "amplitude") / self._roots[k]
        q = np.cos(np.linspace(0.0, np.pi, 16 * max(amplitudes, default=1) + 1))
        lowest = float(self.density(c, q).min())
        if lowest < -1e-12:
            raise InputError(f"these amplitudes make the density negative (it reaches {lowest:.3g}); make them smaller")
        return c

    def from_function(self, density: Callable[[np.ndarray], Any]) -> np.ndarray:
        """Coefficients of the density proportional to a function f(q) ≥ 0 of q = ⟨x, e⟩, by quadrature.

        The tail of the result tells whether the resolution is enough for it.

        **Raises:** `InputError` for values that are not finite, negative, or all zero.
        """
        table = self._table
        values = np.asarray(density(table.rule.nodes.copy()), dtype=np.float64)
        if values.shape not in ((), table.rule.nodes.shape):
            raise InputError(f"the density must return {table.rule.nodes.shape} numbers, got shape {values.shape}")
        values = np.broadcast_to(values, table.rule.nodes.shape)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(f"the density is {values[i]:.6g} at q = {table.rule.nodes[i]:.6g}; it must be >= 0")
        c: np.ndarray = (table.values * table.rule.weights) @ values
        if not c[0] > 0:
            raise InputError("the density vanishes everywhere")
        return c / c[0]

    def von_mises_fisher(self, concentrations: Any, proportions: Any = None) -> np.ndarray:
        """Coefficients of a mixture Σ_j p_j vMF(κ_j) of laws ∝ e^{κ_j q}; κ_j < 0 has its mean at −e.

        **Arguments:** `concentrations` one number or (m,); `proportions` (m,) summing to 1, default 1/m each.
        """
        kappas = np.atleast_1d(np.asarray(concentrations, dtype=np.float64))
        if kappas.ndim != 1 or not np.isfinite(kappas).all():
            raise InputError(f"concentrations must be finite numbers, got {concentrations!r}")
        shares = check_weights(proportions, kappas.size)
        means = sum(
            p * von_mises_fisher_means(float(kappa), self.dim, self.resolution)
            for p, kappa in zip(shares, kappas, strict=True)
        )
        return self._resolved(self._roots * means)

    def from_tokens(self, tokens: Any, axis: Any, width: float, weights: Any = None) -> np.ndarray:
        """Coefficients of a cloud turned about an axis and smoothed by the heat kernel: ⟨P_k⟩ e^{−h²Λ_k/2}.

        **Arguments:** `tokens` (n, dim) unit rows; `axis` e (dim,); `width` h > 0 of the kernel, in radians a
        coordinate; `weights` (n,) masses.

        **Raises:** `InputError` also where the resolution is too low for the width and the cut density is negative.
        """
        from tokensphere.sphere.harmonics import zonal_sequence
        from tokensphere.sphere.random import unit_vector

        points, e = check_tokens(tokens), unit_vector(axis, "axis")
        if points.shape[1] != self.dim or e.size != self.dim:
            raise InputError(f"tokens and axis must have dim = {self.dim}, got {points.shape[1]} and {e.size}")
        masses = check_weights(weights, len(points))
        rows = zonal_sequence(np.clip(points @ e, -1.0, 1.0), self.resolution, self.dim)
        means = np.array([masses @ row for row in rows])
        return self._resolved(self._roots * means * heat_means(width, self.dim, self.resolution))

    def check(self, coefficients: Any) -> np.ndarray:
        c = np.asarray(coefficients)
        if c.shape != (self.resolution + 1,) or c.dtype.kind not in "iuf":
            raise InputError(f"coefficients must be {self.resolution + 1} real numbers, got {c.dtype} of {c.shape}")
        c = c.astype(np.float64)
        if not np.isfinite(c).all():
            raise InputError(f"coefficient {int(np.argmin(np.isfinite(c)))} is not finite")
        if abs(c[0] - 1.0) > 1e-9:
            raise InputError(f"the density must have mass 1 (coefficient 0), got {c[0]:.10g}")
        return c

    def lift(self, coefficients: np.ndarray) -> np.ndarray:
        c = np.zeros(self.resolution + 1)
        kept = min(c.size, len(coefficients))
        c[:kept] = coefficients[:kept]
        return c

    def density(self, coefficients: np.ndarray, q: Any) -> np.ndarray:
        """u at any cosines q = ⟨x, e⟩, with respect to the uniform probability."""
        cosines = np.asarray(q, dtype=np.float64)
        rows = iterate_orthonormal(self.dim, cosines, len(coefficients) - 1)
        return np.asarray(sum(c * row for c, row in zip(coefficients, rows, strict=True)))

    def means(self, coefficients: np.ndarray) -> np.ndarray:
        """⟨P_k⟩ = ∫ P_k(⟨x, e⟩) dμ, k = 0..K: order parameters with their sign."""
        return np.asarray(coefficients / self._roots)

    # -- the equation -----------------------------------------------------------------------------------------

    def rate(self, coefficients: np.ndarray) -> np.ndarray:
        return self._rate(coefficients, self._nodes)

    def aliasing(self, coefficients: np.ndarray) -> float:
        """Change of the rate under twice as many nodes, relative to its largest entry: 0 but for rounding for USA."""
        rate, finer = self.rate(coefficients), self._rate(coefficients, 2 * self._nodes)
        largest = float(np.abs(finer).max())
        return float(np.abs(rate - finer).max()) / largest if largest > 0 else 0.0

    def damping(self) -> np.ndarray:
        return np.asarray(self.noise * laplacian_eigenvalue(np.arange(self.resolution + 1), self.dim))

    def mass(self, coefficients: np.ndarray) -> float:
        return float(coefficients[0])

    def least(self, coefficients: np.ndarray) -> float:
        u, error = self._clean(coefficients)
        return float(u[(error < 1e-6) | (u < -error)].min())

    def energy(self, coefficients: np.ndarray) -> float:
        relative = float(self._kernel.potential @ coefficients**2) / (2.0 * self.beta)
        return relative * self._kernel.unit(self.scale)

    def dissipation(self, coefficients: np.ndarray) -> float:
        unit = self._kernel.unit(self.scale)
        if math.isinf(unit):
            return math.inf
        slope = (self._pull * coefficients) @ self._table.slopes
        return unit * float(self._share(coefficients) @ (slope * self._drift(coefficients, self._table)))

    def speed_squared(self, coefficients: np.ndarray) -> float:
        return float(self._share(coefficients) @ self._drift(coefficients, self._table) ** 2)

    def entropy(self, coefficients: np.ndarray) -> float:
        from scipy.special import xlogy

        u, error = self._clean(coefficients)
        u = np.where(np.abs(u) <= error, 0.0, u)
        return math.nan if u.min() < 0 else float(self._table.rule.weights @ xlogy(u, u))

    def order(self, coefficients: np.ndarray, degrees: Any) -> np.ndarray:
        wanted = np.asarray(degrees, dtype=np.int64)
        kept = wanted <= self.resolution
        return np.where(kept, np.abs(self.means(coefficients))[np.where(kept, wanted, 0)], 0.0)

    def tail(self, coefficients: np.ndarray) -> float:
        amplitudes = np.abs(coefficients[1:])
        largest = float(amplitudes.max())
        last = amplitudes[int(np.floor(0.9 * self.resolution)) :]
        return float(last.max() / largest) if largest > 0 else 0.0

    # -- on the nodes -----------------------------------------------------------------------------------------

    @property
    def _nodes(self) -> int:
        """USA: products of degree 3K have an exact integral. SA: Z⁻¹ is no polynomial."""
        return 3 * self.resolution // 2 + 2 if self.flow != "sa" else 2 * self.resolution + 16

    @functools.cached_property
    def _kernel(self) -> DegreeKernel:
        return degree_kernel(self.beta, self.dim, self.resolution)

    @functools.cached_property
    def _roots(self) -> np.ndarray:
        return root_multiplicities(self.dim, self.resolution)

    @functools.cached_property
    def _pull(self) -> np.ndarray:
        """(b_k/β) √Λ_k."""
        return np.asarray(self._kernel.pull * root_laplacian(self.dim, self.resolution))

    @property
    def _table(self) -> ZonalTable:
        return zonal_table(self.dim, self.resolution, self._nodes)

    def _rate(self, coefficients: np.ndarray, nodes: int) -> np.ndarray:
        table = zonal_table(self.dim, self.resolution, nodes)
        root = np.sqrt(table.rule.weights)
        # √w u and √w s_k are of order one where u and s_k themselves are not (nodes near the poles in high dimension)
        flux = ((coefficients @ table.values) * root) * self._drift(coefficients, table)
        moved: np.ndarray = table.slopes @ (root * flux)
        return root_laplacian(self.dim, self.resolution) * moved

    def _drift(self, coefficients: np.ndarray, table: ZonalTable) -> np.ndarray:
        """χ along the meridian at the nodes."""
        slope = self.value * ((self._pull * coefficients) @ table.slopes)
        if self.flow == "sa":
            z = (self._kernel.potential * coefficients) @ table.values
            return np.asarray(slope / np.maximum(z, _FLOOR * z.max()))
        return np.asarray(slope * self._kernel.unit(self.scale))

    def _share(self, coefficients: np.ndarray) -> np.ndarray:
        """The mass of every node."""
        return np.asarray(self._table.rule.weights * (coefficients @ self._table.values))

    def _clean(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The density at the nodes and its rounding errors, which swamp it near the poles in high dimensions."""
        values = self._table.values
        return coefficients @ values, _ROUNDING * np.linalg.norm(coefficients) * np.abs(values).max(axis=0)

    def _resolved(self, coefficients: np.ndarray) -> np.ndarray:
        """The coefficients of a positive density, if the resolution is enough for it to stay so."""
        u, error = self._clean(coefficients)
        if (u + error).min() < -1e-9 * u.max():
            raise InputError(
                f"resolution = {self.resolution} is too low for this density: cut there it falls to {u.min():.3g}; "
                "raise the resolution, or make the density wider"
            )
        return coefficients
