"""Functions on the 2-sphere on a Gauss-Legendre grid, and their spherical-harmonic coefficients (ducc0).

    f(x) = Σ_{l≤L} Σ_m c_lm Y_lm(x)       Y_lm orthonormal for the uniform probability σ: √4π times those for the area

Functions are real: only m ≥ 0 is kept, m = 0 first (l = 0..L), then m = 1 (l = 1..L), …, (L+1)(L+2)/2 complex numbers.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from tokensphere.threads import threads_for

__all__ = ["SphereGrid", "count_of", "degree_of", "sphere_grid"]

NORM = math.sqrt(4.0 * math.pi)  # harmonics of unit norm for the uniform probability over those of unit area norm


def count_of(top: int) -> int:
    """The number of coefficients up to degree `top`."""
    return (top + 1) * (top + 2) // 2


@functools.lru_cache(maxsize=16)
def degree_of(top: int) -> np.ndarray:
    """The degree l of every coefficient."""
    degrees = np.concatenate([np.arange(m, top + 1) for m in range(top + 1)])
    degrees.setflags(write=False)
    return degrees


class SphereGrid(NamedTuple):
    """Coefficients up to degree `top` and rings of points: `cosines` z of every ring, from north to south, `longitudes`
    points in each, `weights` of one point of every ring (1 over the whole grid).
    """

    top: int
    cosines: np.ndarray
    longitudes: int
    weights: np.ndarray

    def points(self) -> np.ndarray:
        """The points of the grid, (rings · longitudes, 3)."""
        z = self.cosines[:, None]
        height = np.sqrt((1.0 - z) * (1.0 + z))
        phi = 2.0 * np.pi * np.arange(self.longitudes)[None, :] / self.longitudes
        return np.stack([height * np.cos(phi), height * np.sin(phi), z + 0.0 * phi], axis=-1).reshape(-1, 3)

    def values(self, coefficients: np.ndarray) -> np.ndarray:
        """f on the grid, (rings, longitudes)."""
        return self._synthesise(coefficients, 0, "STANDARD")[0]

    def gradient(self, coefficients: np.ndarray) -> np.ndarray:
        """∇f on the grid, (2, rings, longitudes): components along the meridian (southwards) and the parallel."""
        return self._synthesise(coefficients, 1, "DERIV1")

    def project(self, values: np.ndarray) -> np.ndarray:
        """∫ f conj Y_lm dσ of a function (rings, longitudes)."""
        return self._adjoint(values[None], 0, "STANDARD")

    def transport(self, field: np.ndarray) -> np.ndarray:
        """∫ F·∇conj Y_lm dσ of a tangent field (2, rings, longitudes): the coefficients of −div F."""
        return self._adjoint(field, 1, "DERIV1")

    def mean(self, values: np.ndarray) -> float:
        """∫ f dσ."""
        return float(self.weights @ values.sum(axis=1))

    @property
    def _threads(self) -> int:
        return threads_for(len(self.cosines) * self.longitudes)

    def _synthesise(self, coefficients: np.ndarray, spin: int, mode: str) -> np.ndarray:
        import ducc0

        out: np.ndarray = ducc0.sht.synthesis_2d(
            alm=np.ascontiguousarray(NORM * coefficients, dtype=np.complex128)[None],
            spin=spin,
            lmax=self.top,
            geometry="GL",
            ntheta=len(self.cosines),
            nphi=self.longitudes,
            nthreads=self._threads,
            mode=mode,
        )
        return out

    def _adjoint(self, maps: np.ndarray, spin: int, mode: str) -> np.ndarray:
        import ducc0

        out: np.ndarray = ducc0.sht.adjoint_synthesis_2d(
            map=np.ascontiguousarray(maps * (NORM * self.weights[:, None])),
            spin=spin,
            lmax=self.top,
            geometry="GL",
            nthreads=self._threads,
            mode=mode,
        )
        return out[0]


@functools.lru_cache(maxsize=16)
def sphere_grid(top: int, exact: int) -> SphereGrid:
    """The smallest convenient grid whose sums integrate spherical polynomials up to degree `exact`."""
    import ducc0
    from scipy.fft import next_fast_len

    rings, longitudes = exact // 2 + 1, int(next_fast_len(exact + 1, real=True))
    # the rings of the transforms themselves: other Gauss rules differ from them by 1e-12 of a weight
    weights = ducc0.sht.get_gridweights("GL", rings) / (4.0 * np.pi * longitudes)
    return SphereGrid(top, np.cos(ducc0.misc.GL_thetas(rings)), longitudes, weights)
