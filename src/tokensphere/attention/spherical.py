"""Sums over the 2-sphere by spherical harmonics at arbitrary points (ducc0), in plain NumPy.

With μ_lm = Σ_j w_j conj Y_lm(y_j) and e^{β(t−1)} = Σ_l (2l+1) a_l P_l(t), the addition theorem gives

    Z(x) e^{−β} = Σ_l 4π a_l Σ_m μ_lm Y_lm(x),      F(x) e^{−β} = (1/β) ∇Z e^{−β} = Σ_l 4π (a_l/β) Σ_m μ_lm ∇Y_lm(x),

F = P_x Σ_j w_j e^{β⟨x,y_j⟩−β} y_j being the tangential force. One transform forward gives every μ_lm; one transform
back gives Z and one of spin 1 the two components of its gradient. Masses are real, so that only m ≥ 0 is kept:
(L+1)(L+2)/2 complex numbers. Tokens go through in blocks of fixed size: moments add up over blocks, in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import ducc0
import numpy as np

from tokensphere.errors import InputError
from tokensphere.special import bessel_ratios
from tokensphere.threads import in_chunks, threads_for

from .band import band_limit, transform_accuracy

__all__ = [
    "MAX_BETA_SPHERE",
    "Places",
    "SphereKernel",
    "analyse",
    "root_mean_square",
    "sphere_degrees",
    "sphere_kernel",
    "synthesise",
    "weigh",
]

MAX_BETA_SPHERE = 1e5  # 2,500 degrees: ten seconds a sum, whatever the number of tokens
_BLOCK = 2**20  # tokens in one transform: enough to keep every thread busy, few enough to keep memory down


class SphereKernel(NamedTuple):
    """The kernel in degrees l = 0..L, times e^{−|β|}.

    `potential` 4π a_l gives Z, `pull` 4π a_l/β the tangential force, `radial` the sum with the kernel t e^{βt}, which
    is the radial part of the mean. `epsilon` is the accuracy of the transforms.
    """

    beta: float
    potential: np.ndarray
    pull: np.ndarray
    radial: np.ndarray
    epsilon: float

    @property
    def degrees(self) -> int:
        """L."""
        return self.potential.size - 1


@functools.lru_cache(maxsize=256)
def sphere_kernel(beta: float, tolerance: float = 1e-12) -> SphereKernel:
    """The degrees of e^{β(t−1)} that a sum of the given tolerance (relative to the largest force) needs.

    **Raises:** `InputError` if |β| > 1e5 or β is not a number.
    """
    if not abs(beta) <= MAX_BETA_SPHERE:
        raise InputError(f"Harmonic attention needs |beta| <= {MAX_BETA_SPHERE:g}, got {beta:g}; use Dense")
    size = abs(float(beta))
    top = int(9.5 * np.sqrt(size)) + 24
    ratios = bessel_ratios(0.5, size, top + 2)
    # a_l = a_{l−1} r_{l−1} and r_{l−1} = β / (2l + 1 + β r_l): the same without β is a_l/β, which has a limit at β = 0
    first = -np.expm1(-2 * size) / (2 * size) if size > 0 else 1.0  # a_0 = e^{−β} sinh(β)/β
    values = first * np.concatenate([[1.0], np.cumprod(ratios[:-1])])
    degrees = np.arange(values.size)
    slopes = np.concatenate([[0.0], values[:-1] / (2 * degrees[1:] + 1 + size * ratios[1:])])
    lower = np.concatenate([[0.0], values[:-1]])
    radial = (degrees * lower + (degrees + 1) * np.append(values[1:], 0.0)) / (2 * degrees + 1)
    count = band_limit(size, values[:-1], slopes[:-1], 2.0 * degrees[:-1] + 1, tolerance) + 1
    # a_l(−β) = (−1)^l a_l(β), and both 1/β and the factor t change sign
    parity = np.where((degrees % 2 == 1) & (beta < 0), -1.0, 1.0)[:count] * 4 * np.pi
    odd = -parity if beta < 0 else parity
    parts = (parity * values[:count], odd * slopes[:count], odd * radial[:count])
    for part in parts:
        part.setflags(write=False)
    return SphereKernel(float(beta), *parts, transform_accuracy(tolerance))


def sphere_degrees(beta: float, tolerance: float = 1e-12) -> int:
    """The largest degree L of a sum over the 2-sphere; about 8 √β at full precision."""
    return sphere_kernel(abs(float(beta)), tolerance).degrees


@functools.lru_cache(maxsize=8)
def _degree_of(top: int) -> np.ndarray:
    """The degree l of every stored coefficient: m = 0 first, then m = 1, …; within one m from l = m to L."""
    degree = np.concatenate([np.arange(m, top + 1) for m in range(top + 1)])
    degree.setflags(write=False)
    return degree


class Places:
    """Unit points (n, 3) as colatitudes and longitudes, with the transforms of degree up to L there."""

    def __init__(self, points: np.ndarray, degrees: int, epsilon: float) -> None:
        self.points, self._degrees, self._epsilon = points, degrees, epsilon
        # At many degrees a transform costs L³ whatever the number of tokens: blocks grow with L².
        self._block = max(_BLOCK, 4 * (degrees + 1) ** 2)
        self._angles = np.empty((len(points), 2))
        in_chunks(len(points), self._locate)

    def _locate(self, part: slice) -> None:
        x, y, z = self.points[part].T.copy()
        self._angles[part, 0] = np.arctan2(np.hypot(x, y), z)
        longitude = np.arctan2(y, x)
        longitude[longitude < 0] += 2 * np.pi
        # rounding may have given 2π itself, and at a pole the sign of a zero would choose the longitude
        longitude[(longitude >= 2 * np.pi) | ((x == 0) & (y == 0))] = 0.0
        self._angles[part, 1] = longitude

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + self._block) for start in range(0, len(self.points), self._block))

    def analyse(self, rows: np.ndarray) -> np.ndarray:
        """Σ_j rows_cj conj Y_lm(y_j) for m ≥ 0, shape (c, (L+1)(L+2)/2), for real rows (c, n)."""
        top = self._degrees
        out = np.zeros((len(rows), (top + 1) * (top + 2) // 2), dtype=np.complex128)
        for total, row in zip(out, rows, strict=True):
            for part in self._blocks():
                total += ducc0.sht.adjoint_synthesis_general(
                    map=np.ascontiguousarray(row[None, part], dtype=np.float64),
                    loc=self._angles[part],
                    spin=0,
                    lmax=top,
                    epsilon=self._epsilon,
                    nthreads=threads_for(len(self.points)),
                )[0]
        return out

    def synthesise(self, coefficients: np.ndarray) -> np.ndarray:
        """Σ_lm c_lm Y_lm(x_i), real, shape (c, n), for every row of coefficients (c, (L+1)(L+2)/2)."""
        out = np.empty((len(coefficients), len(self.points)))
        for row, target in zip(coefficients, out, strict=True):
            for part in self._blocks():
                self._back(row, part, 0, target[None, part])
        return out

    def gradient(self, coefficients: np.ndarray) -> np.ndarray:
        """Σ_lm c_lm ∇Y_lm(x_i): tangent vectors, shape (n, 3), for one row of coefficients.

        With ρ = sin θ the components along e_θ = (z cos φ, z sin φ, −ρ) and e_φ = (−sin φ, cos φ, 0) become Cartesian
        without a trigonometric function; at a pole φ = 0 names the same frame here and in the transform.
        """
        out = np.empty(self.points.shape)
        for part in self._blocks():
            points, target = self.points[part], out[part]
            along, across = self._back(coefficients, part, 1, np.empty((2, len(points))))
            in_chunks(len(points), functools.partial(_to_cartesian, points, along, across, target))
        return out

    def _back(self, coefficients: np.ndarray, part: slice, spin: int, out: np.ndarray) -> np.ndarray:
        result: np.ndarray = ducc0.sht.synthesis_general(
            alm=coefficients[None],
            loc=self._angles[part],
            spin=spin,
            lmax=self._degrees,
            epsilon=self._epsilon,
            nthreads=threads_for(len(self.points)),
            mode="DERIV1" if spin else "STANDARD",
            map=out,
        )
        return result


def _to_cartesian(points: np.ndarray, along: np.ndarray, across: np.ndarray, out: np.ndarray, part: slice) -> None:
    """Vectors with the given components along e_θ and e_φ, for some of the points."""
    x, y, z = points[part].T.copy()
    length = np.sqrt(x * x + y * y)
    tiny = length < 1e-140  # squares have lost their digits
    length[tiny] = np.hypot(x[tiny], y[tiny])
    pole = length == 0
    length[pole] = 1.0
    cosine, sine = x / length, y / length
    cosine[pole], length[pole] = 1.0, 0.0
    inward = z * along[part]
    out[part, 0] = cosine * inward - sine * across[part]
    out[part, 1] = sine * inward + cosine * across[part]
    out[part, 2] = -length * along[part]


def analyse(tokens: np.ndarray, masses: np.ndarray, kernel: SphereKernel, places: Places | None = None) -> np.ndarray:
    """Moments Σ_j w_j conj Y_lm(y_j), m ≥ 0, of unit tokens. Moments of parts of a cloud add up.

    **Arguments:** `tokens` (n, 3); `masses` (n,), or (c, n) for several analyses; `places` of these tokens, if there
    are some already.

    **Returns:** complex128, ((L+1)(L+2)/2,) or (c, (L+1)(L+2)/2); m = 0 first, within one m from l = m to L.
    """
    places = places or Places(tokens, kernel.degrees, kernel.epsilon)
    moments = places.analyse(np.atleast_2d(masses))
    return moments if masses.ndim == 2 else moments[0]


def synthesise(
    moments: np.ndarray, tokens: np.ndarray, kernel: SphereKernel, places: Places | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Z e^{−|β|} (n,) and the tangential force F e^{−|β|} (n, 3) at any unit points.

    **Arguments:** `moments` ((L+1)(L+2)/2,) from :func:`analyse`; `tokens` (n, 3); `places` of these points, if there
    are some already.
    """
    places = places or Places(tokens, kernel.degrees, kernel.epsilon)
    z = places.synthesise(weigh(kernel.potential, moments)[None])[0]
    return z, places.gradient(weigh(kernel.pull, moments))


def weigh(eigenvalues: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Coefficients multiplied degree by degree."""
    return eigenvalues[_degree_of(eigenvalues.size - 1)] * moments


def root_mean_square(coefficients: np.ndarray, degrees: int) -> float:
    """Root mean square over the sphere of the real function with these coefficients, m ≥ 0."""
    zonal = np.linalg.norm(coefficients[: degrees + 1])
    return float(np.sqrt((2 * np.linalg.norm(coefficients) ** 2 - zonal**2) / (4 * np.pi)))
