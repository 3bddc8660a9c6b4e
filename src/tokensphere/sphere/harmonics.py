"""Harmonic content of a cloud of tokens: Fourier moments on the circle, harmonic power in any dimension.

    mu_hat_k = sum_j w_j e^{-i k theta_j}   (circle),      A_k^2 = sum_ij w_i w_j P_k(<x_i, x_j>)   (any
    dim)

with P_k = C_k^nu / C_k^nu(1), nu = dim/2 - 1 (circle: Chebyshev polynomials), so that A_k = |mu_hat_k| on
the circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, check_positive_int, check_tokens, check_weights
from ..threads import threads_for
from .pairs import gram_blocks

__all__ = ["harmonic_power", "moments"]

_EPSILON = 3e-13  # the tightest tolerance ducc0 meets in double precision, with a margin
_SMALL = 4096  # n K below this: plain exponentials are as fast as a transform


def zonal_sequence(q: np.ndarray, highest: int, dim: int) -> Iterator[np.ndarray]:
    """Yield P_0(q), ..., P_highest(q) by (k+dim-2) P_{k+1} = (2k+dim-2) q P_k - k P_{k-1}, P_1 = q."""
    previous, current = np.ones_like(q), q
    yield previous
    for k in range(1, highest + 1):
        yield current
        previous, current = current, ((2 * k + dim - 2) * q * current - k * previous) / (k + dim - 2)


def zonal(q: np.ndarray, degree: int, dim: int) -> np.ndarray:
    """Return P_degree(q) in ambient dimension `dim` (P_k(1) = 1)."""
    for values in zonal_sequence(q, degree, dim):
        last = values
    return last


def moments(angles: Any, max_degree: int, weights: Any = None) -> np.ndarray:
    """Return the Fourier moments mu_hat_k = sum_j w_j e^{-i k theta_j}, k = 0..K, of tokens on the circle.

    O(n + K log K) by a non-uniform fast Fourier transform (absolute error about 1e-12); plain
    exponentials for few tokens and degrees.

    **Arguments:** `angles` (n,) radians; `max_degree` K >= 0; `weights` (n,) masses summing to 1, None =
    1/n.

    **Returns:** (K+1,) complex128; mu_hat_0 = 1 and mu_hat_{-k} is the conjugate of mu_hat_k.

    **Raises:** `InputError` for angles that are not finite or not (n,), a bad degree or bad weights.
    """
    theta = np.atleast_1d(np.ascontiguousarray(angles, dtype=np.float64))
    if theta.ndim != 1 or theta.size < 1:
        raise InputError(f"angles must have shape (n,) with n >= 1, got {theta.shape}")
    if not np.isfinite(theta).all():
        i = int(np.argmin(np.isfinite(theta)))
        raise InputError(f"angle {i} is not finite: {theta[i]}")
    highest = check_positive_int(max_degree, "max_degree", least=0)
    n = theta.size
    masses = check_weights(weights, n)
    return moment_sums(theta, highest, masses)


def moment_sums(theta: np.ndarray, highest: int, masses: np.ndarray) -> np.ndarray:
    """The sums of :func:`moments`, unchecked, for masses that need not sum to 1."""
    n = theta.size
    if n * (highest + 1) <= _SMALL:
        return np.exp(-1j * np.outer(np.arange(highest + 1), theta)) @ masses
    import ducc0

    size = 2 * (highest + 1)
    modes = ducc0.nufft.nu2u(
        points=masses.astype(np.complex128),
        coord=theta[:, None],
        forward=True,
        epsilon=_EPSILON,
        nthreads=threads_for(n),
        out=np.zeros(size, dtype=np.complex128),
        periodicity=2.0 * np.pi,
    )
    return modes[size // 2 :].copy()


def harmonic_power(tokens: Any, degrees: Any, weights: Any = None) -> np.ndarray:
    """Return A_k^2 = sum_ij w_i w_j P_k(<x_i, x_j>) for every degree asked, never negative.

    The sum over pairs includes i = j: independent uniform tokens have mean A_k^2 = 1/n for k >= 1, and
    A_0 = 1.

    | case | method | cost |
    |---|---|---|
    | dim 2 | squared moments | O(n + K log K) |
    | dim 3 | spherical harmonics at arbitrary points | O(n + K^3) |
    | degrees 0, 1, 2 in any dim | first and second moments | O(n dim^2) |
    | otherwise | blocked pairs, each once | O(n^2 (dim + K)), O(1) extra memory |

    **Arguments:** `tokens` (n, dim) unit rows; `degrees` one or more whole numbers >= 0; `weights` (n,)
    masses summing to 1, None = 1/n.

    **Returns:** (len(degrees),) float64, in the order of `degrees`. Absolute error about 1e-12.

    **Raises:** `InputError` for bad tokens, degrees or weights, naming the first bad one.
    """
    points = check_tokens(tokens)
    wanted = [check_positive_int(k, "degree", least=0) for k in np.atleast_1d(np.asarray(degrees)).ravel().tolist()]
    if not wanted:
        raise InputError("degrees must name at least one degree, got an empty list")
    n, dim = points.shape
    masses = check_weights(weights, n)
    highest = max(wanted)
    if dim == 2:
        table = np.abs(moments(np.arctan2(points[:, 1], points[:, 0]), highest, masses)) ** 2
        power = table[wanted]
    elif highest <= 2 and (dim <= n or highest < 2):
        power = np.array([_low_degree(points, masses, k) for k in wanted])
    elif dim == 3 and n * (n / 2.0) > (highest + 1.0) ** 2:
        power = _sphere_power(points, masses, highest)[wanted]
    else:
        power = _pair_power(points, masses, wanted)
    return np.maximum(power, 0.0)


def _low_degree(points: np.ndarray, masses: np.ndarray, degree: int) -> float:
    """Return A_1^2 = |sum w x|^2 or A_2^2 = d/(d-1) |sum w x x^T - I/d|^2 (no cancellation)."""
    if degree == 0:
        return 1.0
    return low_power(low_sums(points, masses, degree))


def low_sums(points: np.ndarray, masses: np.ndarray, degree: int) -> np.ndarray:
    """Return sum_j w_j x_j (degree 1) or sum_j w_j x_j x_j^T (degree 2)."""
    return masses @ points if degree == 1 else points.T @ (masses[:, None] * points)


def low_power(sums: np.ndarray) -> float:
    """Return A_1^2 or A_2^2 from what `low_sums` gives."""
    if sums.ndim == 1:
        return float(sums @ sums)
    dim = len(sums)
    deviation = sums - np.eye(dim) / dim
    return float(np.sum(deviation**2)) * dim / (dim - 1)


def _sphere_power(points: np.ndarray, masses: np.ndarray, highest: int) -> np.ndarray:
    """Return A_k^2 = 4 pi/(2k+1) sum_m |sum_j w_j conj Y_km(x_j)|^2, k = 0..highest, on the 2-sphere."""
    return sphere_power(sphere_sums(points, masses, highest), highest)


def sphere_sums(points: np.ndarray, masses: np.ndarray, highest: int) -> np.ndarray:
    """Return sum_j w_j conj Y_km(x_j) for m = 0, then m = 1, ...: within one m the degrees run from m up."""
    import ducc0

    n = points.shape[0]
    place = np.empty((n, 2))
    place[:, 0] = np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])
    place[:, 1] = np.mod(np.arctan2(points[:, 1], points[:, 0]), 2.0 * np.pi)
    place[place[:, 1] >= 2.0 * np.pi, 1] = 0.0
    return ducc0.sht.adjoint_synthesis_general(
        map=masses[None, :],
        spin=0,
        lmax=highest,
        mmax=highest,
        loc=place,
        epsilon=_EPSILON,
        nthreads=threads_for(n),
    )[0]


def sphere_power(coefficients: np.ndarray, highest: int) -> np.ndarray:
    """Return A_k^2, k = 0..highest, from what `sphere_sums` gives."""
    square = np.abs(coefficients) ** 2
    power = np.zeros(highest + 1)
    start = 0
    for m in range(highest + 1):
        stop = start + highest + 1 - m
        power[m:] += (1.0 if m == 0 else 2.0) * square[start:stop]
        start = stop
    return power * (4.0 * np.pi / (2.0 * np.arange(highest + 1) + 1.0))


def _pair_power(points: np.ndarray, masses: np.ndarray, wanted: list[int]) -> np.ndarray:
    table = np.zeros(max(wanted) + 1)
    needed = set(wanted)
    for rows, columns, factor, inner in gram_blocks(points):
        for k, values in enumerate(zonal_sequence(inner, max(wanted), points.shape[1])):
            if k in needed:
                table[k] += factor * float(masses[rows] @ values @ masses[columns])
    return table[wanted]
