"""Zonal harmonics on S^(dim-1): normalised Gegenbauer polynomials, their counts and eigenvalues.

P_k(q) = C_k^nu(q) / C_k^nu(1),   nu = d/2 - 1   (d = 2: Chebyshev T_k)
(k + d - 2) P_{k+1} = (2k + d - 2) q P_k - k P_{k-1}
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, check_dim, check_positive_int

__all__ = ["basis_coefficient", "check_degrees", "gegenbauer", "laplacian_eigenvalue", "multiplicity"]


def check_degrees(degrees: Any) -> np.ndarray:
    """Return degrees as an int64 array of any shape with entries >= 0, or raise InputError."""
    array = np.asarray(degrees)
    if array.size == 0 or array.dtype.kind not in "iuf":
        raise InputError(f"degrees must be whole numbers >= 0, got {degrees!r}")
    bad = ~np.isfinite(array) | (array < 0) | (array != np.floor(array))
    if bad.any():
        raise InputError(f"degrees must be whole numbers >= 0, got {np.atleast_1d(array)[np.atleast_1d(bad)][0]}")
    return array.astype(np.int64)


def iterate_gegenbauer(dim: int, q: np.ndarray) -> Iterator[np.ndarray]:
    """Yield P_0(q), P_1(q), P_2(q), ... for ever; arrays of the shape of `q`."""
    before, now = np.ones_like(q), np.array(q, dtype=np.float64)
    yield before
    k = 1
    while True:
        yield now
        before, now = now, ((2 * k + dim - 2) * q * now - k * before) / (k + dim - 2)
        k += 1


def gegenbauer(degrees: Any, dim: int, q: Any) -> np.ndarray:
    """Normalised Gegenbauer polynomials P_k(q), with P_k(1) = 1.

    **Arguments:** `degrees` whole number or (m,) of them, >= 0; `dim` >= 2; `q` cosines in [-1, 1], any
    shape.

    **Returns:** array of shape `degrees.shape + q.shape`.

    **Raises:** InputError for a bad degree, dim or a cosine outside [-1, 1] (1e-12 of slack).

    **Source:** classical three-term recurrence.
    """
    wanted, dim, q = check_degrees(degrees), check_dim(dim), np.asarray(q, dtype=np.float64)
    if not (np.abs(q) <= 1.0 + 1e-12).all():
        raise InputError(f"q must be cosines in [-1, 1], got {q[~(np.abs(q) <= 1.0 + 1e-12)][0]}")
    out = np.empty((wanted.size, *q.shape))
    flat = wanted.ravel()
    top = int(flat.max())
    for k, values in enumerate(iterate_gegenbauer(dim, q)):
        out[flat == k] = values
        if k == top:
            break
    return out.reshape(wanted.shape + q.shape)


def multiplicity(degree: int, dim: int) -> int:
    """Number D_k of independent spherical harmonics of one degree, exactly.

        D_k = C(k+d-1, d-1) - C(k+d-3, d-1)      (d = 2: 2 for k >= 1; D_0 = 1)

    **Arguments:** `degree` >= 0; `dim` >= 2.  **Returns:** int of any size.  **Raises:** InputError.

    **Source:** classical.
    """
    k, dim = check_positive_int(degree, "degree", least=0), check_dim(dim)
    if k < 2:
        return 1 if k == 0 else dim
    return math.comb(k + dim - 1, dim - 1) - math.comb(k + dim - 3, dim - 1)


def laplacian_eigenvalue(degree: Any, dim: int) -> np.ndarray:
    """Eigenvalue Lambda_k = k (k + d - 2) of minus the Laplacian of S^(dim-1).

    **Arguments:** `degree` >= 0, number or array; `dim` >= 2.

    **Returns:** float64 array of the shape of `degree`.  **Raises:** InputError.

    **Source:** classical.
    """
    k = check_degrees(degree).astype(np.float64)
    return np.asarray(k * (k + check_dim(dim) - 2))


def basis_coefficient(eigenvalue: Any, degree: Any, dim: int) -> np.ndarray:
    """Turn a Funk-Hecke eigenvalue a_k into the coefficient w_k of W = sum_k w_k C_k^nu.

        w_k = a_k (k + nu) / nu,       nu = d/2 - 1 > 0

    Growth rates use a_k. Using w_k in its place gives a wrong dominant degree, e.g. at (dim, beta) = (3, 7).

    **Arguments:** `eigenvalue` a_k and `degree` k, numbers or arrays that broadcast; `dim` >= 3.

    **Returns:** float64 array.  **Raises:** InputError (also for dim = 2, where nu = 0 and the basis is cos k
    theta).

    **Source:** derived.
    """
    if check_dim(dim) < 3:
        raise InputError("dim must be >= 3 for a Gegenbauer basis; on the circle use the cosine series")
    nu = 0.5 * dim - 1.0
    return np.asarray(np.asarray(eigenvalue, dtype=np.float64) * (check_degrees(degree) + nu) / nu)
