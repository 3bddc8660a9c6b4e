"""The interaction sum on the circle by non-uniform Fourier transforms (ducc0): O(n + √β).

With μ̂_k = Σ_j w_j e^{−ikθ_j} and e^{β cos φ} = Σ_k I_k(β) e^{ikφ},

    Z(θ) = Σ_j w_j e^{β cos(θ−θ_j)}              = Σ_k I_k(β) μ̂_k e^{ikθ},
    F(θ) = Σ_j w_j e^{β cos(θ−θ_j)} sin(θ_j−θ)   = i Σ_k (k/β) I_k(β) μ̂_k e^{ikθ},

so one transform forward gives every μ̂_k and one transform back gives Z (real part) and the tangential force F
(imaginary part) together. All coefficients carry the factor e^{−β}; log Z carries the scale.
"""

from __future__ import annotations

import functools
import os
from typing import Any, ClassVar

import ducc0
import equinox as eqx
import numpy as np
from scipy.special import ive

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax

from .base import AbstractAttention, Attended

__all__ = ["Circle", "circle_modes"]

_EPSILON = 3e-13  # the best that ducc0 offers in double precision, with a margin
_ALL_THREADS_FROM = 50_000  # below this many points a second thread costs more than it gives


def circle_modes(beta: float, tolerance: float = 1e-16) -> int:
    """Number of Fourier modes K such that I_k(β) ≤ tolerance · I_0(β) for every k > K; about 8.5 √β."""
    beta = abs(float(beta))
    guess = int(9.5 * np.sqrt(beta)) + 24
    small = ive(np.arange(guess + 1), beta) <= tolerance * ive(0, beta)
    return int(np.argmax(small)) if small.any() else guess


@functools.lru_cache(maxsize=256)
def _coefficients(beta: float, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """e^{−|β|} I_k(β) and e^{−|β|} (k/β) I_k(β) = e^{−|β|} (I_{k−1} − I_{k+1})/2 for k = 0..K+1."""
    modes = circle_modes(beta, tolerance) + 1
    bessel = ive(np.arange(modes + 2), abs(beta))
    force = np.concatenate([[0.0], (bessel[:-2] - bessel[2:]) / 2])
    bessel = bessel[:-1]
    if beta < 0:  # I_k(−β) = (−1)^k I_k(β), and k/β changes sign
        sign = np.where(np.arange(modes + 1) % 2 == 0, 1.0, -1.0)
        bessel, force = bessel * sign, -force * sign
    bessel.setflags(write=False)
    force.setflags(write=False)
    return bessel, force


def _threads(points: int) -> int:
    return len(os.sched_getaffinity(0)) if points >= _ALL_THREADS_FROM else 1


class _Transform:
    """Both non-uniform transforms for one set of angles and modes k = −K..K."""

    def __init__(self, angles: np.ndarray, modes: int) -> None:
        self._size, self._grid = angles.size, 2 * modes + 2
        self._plan = ducc0.nufft.plan(
            nu2u=False,
            coord=angles[:, None],
            grid_shape=(self._grid,),
            epsilon=_EPSILON,
            nthreads=_threads(angles.size),
            periodicity=2 * np.pi,
        )

    def analyse(self, masses: np.ndarray) -> np.ndarray:
        """Σ_j masses_j e^{−ikθ_j} for k = −K..K (masses may be complex)."""
        out = np.zeros(self._grid, dtype=np.complex128)
        self._plan.nu2u(forward=True, points=masses.astype(np.complex128), out=out)
        return out[1:]

    def synthesise(self, coefficients: np.ndarray) -> np.ndarray:
        """Σ_k c_k e^{ikθ_i} for c_k, k = −K..K."""
        out = np.empty(self._size, dtype=np.complex128)
        self._plan.u2nu(forward=False, grid=np.concatenate([[0.0], coefficients]), out=out)
        return out


def _mirror(half: np.ndarray, parity: float) -> np.ndarray:
    """Coefficients for k = −K..K from those of k = 0..K and their parity in k."""
    return np.concatenate([parity * half[:0:-1], half])


class Circle(AbstractAttention):
    """Spectral sum for tokens on the circle (dim 2, B = c·I), through ducc0.

    Sums are exact to 1e-12 of the largest one. Where a query is so far from every key that its own Z_i falls
    below `1e-13 / row_tolerance` of the largest, its row is summed directly instead, so that `log_z` and
    `mean` keep the relative accuracy `row_tolerance` everywhere.

    Runs on the host: compiled code calls it back, and it cannot be differentiated (use `Dense` for that).

    **Raises:** `InputError` if the arrays are not (n, 2).
    """

    on_host: ClassVar[bool] = True

    row_tolerance: float = eqx.field(static=True, default=1e-7)

    def __call__(
        self,
        queries: Any,
        keys: Any,
        values: Any = None,
        weights: Any = None,
        *,
        beta: Any,
        tangent: bool = False,
    ) -> Attended:
        if np.shape(keys)[-1] != 2 or np.shape(queries)[-1] != 2:
            raise InputError(f"Circle attention needs dim 2, got keys {np.shape(keys)}; use Dense")
        m = np.shape(queries)[0]
        width = 2 if values is None else np.shape(values)[-1]
        tangent = tangent and values is None
        host = functools.partial(_sums, tangent=tangent, same=keys is queries, row_tolerance=self.row_tolerance)
        operands = (queries, keys, values, weights, beta)
        if not is_traced(*operands):
            return Attended(*host(*operands))
        shapes = (jax.ShapeDtypeStruct((m,), np.float64), jax.ShapeDtypeStruct((m, width), np.float64))
        return Attended(*jax.pure_callback(host, shapes, *operands, vmap_method="sequential"))


def _sums(
    queries: Any,
    keys: Any,
    values: Any,
    weights: Any,
    beta: Any,
    *,
    tangent: bool,
    same: bool,
    row_tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean. NumPy only: this runs inside compiled code."""
    queries, keys = np.asarray(queries), np.asarray(keys)
    values = None if values is None else np.asarray(values)
    beta = float(beta)
    n = keys.shape[0]
    masses = np.full(n, 1.0 / n) if weights is None else np.asarray(weights)
    bessel, force = _coefficients(beta, 1e-16)
    modes = bessel.size - 1
    at_keys = _Transform(np.arctan2(keys[:, 1], keys[:, 0]), modes)
    at_queries = at_keys if same else _Transform(np.arctan2(queries[:, 1], queries[:, 0]), modes)
    moments = at_keys.analyse(masses)
    even = _mirror(bessel, 1.0)
    potential = even * moments
    if tangent:
        pull = _mirror(force, -1.0) * moments
        # Scale the two parts alike, so that each is accurate relative to its own size.
        size_z, size_f = np.linalg.norm(potential), np.linalg.norm(pull)
        scale = size_z / size_f if size_f > 0 else 1.0
        both = at_queries.synthesise(potential - scale * pull)
        z = both.real.copy()
        mean = _tangents(both.imag / (scale * z), queries)
    else:
        z = at_queries.synthesise(potential).real
        parts = [at_queries.synthesise(even * part) for part in _value_moments(at_keys, masses, moments, values)]
        columns = np.stack([column for part in parts for column in (part.real, part.imag)], axis=1)
        mean = columns[:, : 2 if values is None else values.shape[1]] / z[:, None]
    far = np.flatnonzero(z < z.max() * 1e-13 / row_tolerance)
    if far.size:
        z[far], mean[far] = _direct_rows(queries[far], keys, values, masses, beta, tangent)
    return np.log(z) + abs(beta), mean


def _tangents(lengths: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Tangent vectors of the given signed lengths, counter-clockwise."""
    out = np.empty_like(points)
    np.multiply(lengths, points[:, 1], out=out[:, 0])
    np.negative(out[:, 0], out=out[:, 0])
    np.multiply(lengths, points[:, 0], out=out[:, 1])
    return out


def _value_moments(
    at_keys: _Transform, masses: np.ndarray, moments: np.ndarray, values: np.ndarray | None
) -> list[np.ndarray]:
    """Modes of Σ_j w_j v_j δ_{θ_j}, two real components of v to one complex transform."""
    if values is None:  # v = e^{iθ} only shifts the modes by one
        return [np.concatenate([[0.0], moments[:-1]])]
    pairs = []
    for j in range(0, values.shape[1], 2):
        second = values[:, j + 1] if j + 1 < values.shape[1] else 0.0
        pairs.append(at_keys.analyse(masses * (values[:, j] + 1j * second)))
    return pairs


def _direct_rows(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    tangent: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Z (scaled by e^{−|β|}) and the mean, term by term for a few queries."""
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    values = keys if values is None else values
    z = np.empty(len(unit))
    sums = np.empty((len(unit), values.shape[1]))
    rows = max(1, 2**21 // len(keys))
    for start in range(0, len(unit), rows):
        part = slice(start, start + rows)
        weighted = np.exp(beta * (unit[part] @ keys.T) - abs(beta)) * masses
        z[part], sums[part] = weighted.sum(axis=1), weighted @ values
    if tangent:
        sums -= np.sum(sums * unit, axis=1, keepdims=True) * unit
    return z, sums / z[:, None]
