"""Leading eigenvalues of a linear map that is only known by its products: those with the largest real parts.

Small maps become a matrix. Large ones go to Arnoldi's method (ARPACK), which from one start vector may miss copies of
a multiple eigenvalue, and harmonics of degree k come D_k at a time. So what was found is deflated and the rest is
searched again, until nothing is left above the lowest eigenvalue kept; a Rayleigh-Ritz step on all of it gives the
eigenvectors. Start vectors are fixed: the result is repeatable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .loop import SolveError

__all__ = ["BLOCK", "DENSE", "Spectrum", "leading_spectrum"]

DENSE = 1024  # rows up to which the whole matrix is made
BLOCK = 32  # columns handed over at once
_FALLBACK = 4096  # rows up to which the matrix is made after all where Arnoldi's method does not converge
_LOOK = 1e-3  # accuracy, relative to the largest eigenvalue, of the search for what was missed
_ROUNDS = 40
_RESTARTS = 200

Product = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Spectrum:
    """Eigenpairs by decreasing real part.

    **Fields:** `values` (m,) complex; `vectors` (size, m) complex columns of unit length; `residuals` (m,), the
    lengths |Jv − λv|; `scale`, the largest |λ| seen; `method`, "dense" or "arnoldi".
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    scale: float
    method: str


def leading_spectrum(product: Product, size: int, count: int, *, dense: int = DENSE) -> Spectrum:
    """The `count` eigenvalues of largest real part (one more where that would cut a complex pair).

    **Arguments:** `product` turns real columns (size, k) into their images (size, k); `count` at most `size`; `dense`,
    the size up to which the matrix is made (also made if `count` is a third of the size or more).

    **Raises:** :class:`SolveError` if Arnoldi's method does not converge.
    """
    method = "dense" if size <= dense or 3 * count >= size else "arnoldi"
    if method == "arnoldi":
        try:
            basis, scale = _invariant_basis(product, size, count)
            values, small = _eigenpairs(basis.T @ _in_blocks(product, basis))
            vectors = basis @ small
        except SolveError:
            if size > _FALLBACK:
                raise
            method = "dense"
    if method == "dense":
        values, vectors = _eigenpairs(_in_blocks(product, np.eye(size)))
        scale = float(np.abs(values).max())
    kept = min(count, len(values))
    if (
        kept < len(values)
        and values[kept - 1].imag > 0
        and np.isclose(values[kept], values[kept - 1].conj(), rtol=1e-9)
    ):
        kept += 1
    values, vectors = values[:kept], vectors[:, :kept]
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    images = _in_blocks(product, np.ascontiguousarray(vectors.real))
    if np.iscomplexobj(vectors) and vectors.imag.any():
        images = images + 1j * _in_blocks(product, np.ascontiguousarray(vectors.imag))
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    return Spectrum(values, vectors.astype(np.complex128), residuals, scale, method)


def _in_blocks(product: Product, columns: np.ndarray) -> np.ndarray:
    parts = [product(columns[:, start : start + BLOCK]) for start in range(0, columns.shape[1], BLOCK)]
    return np.concatenate(parts, axis=1)


def _eigenpairs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All eigenpairs by decreasing real, then imaginary, part; orthonormal ones where the matrix is symmetric."""
    size = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() <= 1e-12 * size:
        values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
        return values[::-1].astype(np.complex128), vectors[:, ::-1]
    values, vectors = np.linalg.eig(matrix)
    # Copies of one eigenvalue differ by rounding: without a grid, pairs would be torn apart.
    order = np.lexsort((-values.imag, -np.round(values.real / (1e-10 * max(np.abs(values).max(), 1e-300)))))
    return values[order].astype(np.complex128), vectors[:, order]


def _invariant_basis(product: Product, size: int, count: int) -> tuple[np.ndarray, float]:
    """Orthonormal columns that span the eigenvectors of (at least) the `count` leading eigenvalues."""
    if not product(np.random.default_rng(0).standard_normal((size, 1))).any():
        return np.eye(size)[:, :count], 0.0
    scale = float(np.abs(_arnoldi(product, size, 1, tolerance=0.1, which="LM")[0][0]))

    # Arnoldi's method stops at an error relative to |λ|: a shift makes that relative to the largest.
    def shifted(columns: np.ndarray) -> np.ndarray:
        return product(columns) + 2.0 * scale * columns

    basis = _orthonormal(np.empty((size, 0)), _arnoldi(shifted, size, count)[1])
    for turn in range(1, _ROUNDS):
        lowest = np.sort(_ritz(product, basis).real)[::-1][count - 1]

        def rest(columns: np.ndarray, basis: np.ndarray = basis) -> np.ndarray:
            outside = columns - basis @ (basis.T @ columns)
            image = shifted(outside)
            return image - basis @ (basis.T @ image)

        # A look that is not exact tells whether something is left above the lowest.
        top = _arnoldi(rest, size, 1, seed=turn, tolerance=_LOOK)[0][0].real - 2.0 * scale
        if top <= lowest + _LOOK * scale:
            return basis, scale
        basis = _orthonormal(basis, _arnoldi(rest, size, 1, seed=turn)[1])
    raise SolveError(f"more than {_ROUNDS} searches found further eigenvalues; ask for more than {count} at once")


def _ritz(product: Product, basis: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.eigvals(basis.T @ _in_blocks(product, basis)))


def _orthonormal(basis: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The basis, with the real and imaginary parts of further vectors."""
    parts = np.concatenate([vectors.real, vectors.imag], axis=1)
    for _ in range(2):
        parts = parts - basis @ (basis.T @ parts)
    left, lengths, _ = np.linalg.svd(parts, full_matrices=False)
    return np.concatenate([basis, left[:, lengths > 1e-6 * lengths.max(initial=0.0)]], axis=1)


def _arnoldi(
    product: Product, size: int, count: int, *, seed: int = 0, tolerance: float = 1e-13, which: str = "LR"
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

    operator = LinearOperator((size, size), matvec=lambda x: product(x.reshape(-1, 1))[:, 0], dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(size)
    try:
        values, vectors = eigs(
            operator,
            k=count,
            which=which,
            v0=start,
            ncv=min(size, max(3 * count, 40)),
            maxiter=_RESTARTS,
            tol=tolerance,
        )
    except ArpackNoConvergence as error:
        raise SolveError(
            f"Arnoldi's method found {len(error.eigenvalues)} of {count} eigenvalues; ask for fewer, or raise `dense`"
        ) from None
    return np.asarray(values), np.asarray(vectors)
