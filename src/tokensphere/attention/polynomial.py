"""The interaction sum by polynomial features: any dimension at moderate β, O(n N) with N = C(L+d, d).

On t = ⟨q,y⟩ ∈ [−ρ, ρ], ρ = max|q| max|y|, the kernel is close to a polynomial of degree L,

    e^{β(t−ρ)} ≈ Σ_k c_k (t/ρ)^k,      t^k = ⟨q,y⟩^k = Σ_{|α|=k} (k!/α!) q^α y^α,

so the n² pairs collapse into the N moments Σ_j w_j y^α of degree up to L. Moments with a value y_i are those with
exponents α + e_i. The polynomial interpolates at Chebyshev points, its largest error δ on [−ρ, ρ] is measured, and a
row is accepted where δ + rounding ≤ `tolerance` · Z_i; all others are summed directly. So the tolerance holds row
by row whatever the tokens are.
"""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Mesh, TokenMesh
from tokensphere.special import log_scaled_partition
from tokensphere.threads import available_threads, one_blas_thread, run_all

from .base import AbstractAttention, Attended
from .callback import on_the_host
from .check import check_call
from .far import shared_rows

__all__ = ["Polynomial", "feature_count", "feature_degree"]

MAX_FEATURES = 200_000
_ROOM = 2**16  # features held at once, those of 16 tokens at least
_PIECES = 32  # of the tokens; fixed, so that the order of additions is
_HELD = 2**24  # moments held at once
_SHARE = 0.1  # of the tolerance, allowed to the polynomial where Z has the size of uniform tokens


class Polynomial(AbstractAttention):
    """Sum by monomial features, exact to `tolerance` (default 1e-12) in log Z and in the mean, row by row.

    The number of features C(L+d, d) decides whether it beats the direct sum: from 10⁵ tokens it does in dim 4 to 8 at
    β = 1 and in dim 4 and 5 at β = 5. Rows that are far from every key are summed directly. Runs on the host;
    compiled code calls it back.

    **Raises:** `InputError` if more than 200,000 features would be needed or rounding would spoil the tolerance, or if
    `tolerance` is not in [1e-13, 1e-2].
    """

    on_host: ClassVar[bool] = True
    shareable: ClassVar[bool] = True
    isotropic_only: ClassVar[bool] = False

    tolerance: float = eqx.field(static=True, default=1e-12)

    def __check_init__(self) -> None:
        if not 1e-13 <= self.tolerance <= 1e-2:
            raise InputError(f"tolerance must be between 1e-13 and 1e-2, got {self.tolerance!r}")

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
        check_call(queries, keys, values, weights, beta)
        return on_the_host(self._sums, queries, keys, values, weights, beta)

    def shared(
        self,
        mesh: TokenMesh,
        queries: Any,
        keys: Any,
        values: Any = None,
        weights: Any = None,
        *,
        beta: Any,
        tangent: bool = False,
    ) -> Attended:
        """See :class:`AbstractAttention`: only the moments, N numbers for each value, are summed over the processes."""
        return Attended(*self._sums(queries, keys, values, weights, beta, mesh))

    def _sums(
        self, queries: Any, keys: Any, values: Any, weights: Any, beta: Any, mesh: Mesh = SERIAL
    ) -> tuple[np.ndarray, np.ndarray]:
        from .host import attend

        queries, keys = np.asarray(queries, dtype=np.float64), np.asarray(keys, dtype=np.float64)
        n, dim = keys.shape
        masses = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=np.float64)
        given = keys if values is None else np.asarray(values, dtype=np.float64)
        reach = float(np.prod(mesh.max([_largest(queries), _largest(keys)])))
        polynomial = fit(float(beta) * reach, dim, self.tolerance)
        features = Features.of(dim, polynomial.degree + (values is None))
        scale = 1.0 / reach if reach > 0 else 1.0
        rows = masses[None] if values is None else np.vstack([masses, (masses * given.T)])
        moments = mesh.sum(features.moments(keys, rows))
        inner = features.factor[: features.upto(polynomial.degree)] * _spread(polynomial.coefficients, features)
        if values is None:
            size = inner.size
            coefficients = np.stack([moments[0, :size], *(moments[0][features.raised[i, :size]] for i in range(dim))])
        else:
            coefficients = moments
        sums = features.evaluate(queries * scale, coefficients * inner)
        z = sums[0]
        far = np.flatnonzero(~(z * self.tolerance >= polynomial.noise))
        with np.errstate(divide="ignore", invalid="ignore"):
            log_z = np.log(z) + abs(float(beta)) * reach
            mean = np.ascontiguousarray((sums[1:] / z).T)
        if mesh.size > 1:
            if mesh.agree(far.size > 0):
                log_z[far], mean[far] = shared_rows(mesh, queries[far], keys, given, masses, float(beta), False)
        elif far.size:
            log_z[far], mean[far] = attend(queries[far], keys, given, masses, float(beta))
        return log_z, mean


def _largest(points: np.ndarray) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", points, points).max()))


class Fit(NamedTuple):
    """Σ_k c_k s^k ≈ e^{β(s − sign β)} on s ∈ [−1, 1]: its degree, its largest `error`, and `size` Σ|c_k|."""

    degree: int
    coefficients: np.ndarray
    error: float
    size: float

    @property
    def noise(self) -> float:
        """Error of Z to be expected, rounding included."""
        return self.error + 2e-16 * self.size


@functools.lru_cache(maxsize=256)
def fit(beta: float, dim: int, tolerance: float) -> Fit:
    """The polynomial of least degree with error below a tenth of the tolerance times Z of uniform tokens.

    **Raises:** `InputError` if it needs more than 200,000 features, or if rounding would spoil the tolerance.
    """
    from scipy.special import ive

    size = abs(beta)
    # Z of the uniform measure, through its logarithm: in high dimension its factors leave the floats
    uniform = math.exp(log_scaled_partition(max(dim, 2), size))
    wanted = max(_SHARE * tolerance * uniform, 3e-17)
    # The tail of the Chebyshev series Σ 2 I_k(β) T_k bounds the error.
    count = int(9.5 * np.sqrt(size)) + 40
    tails = np.cumsum((2 * ive(np.arange(count), size))[::-1])[::-1]
    degree = int(np.argmax(tails[1:] <= wanted)) if (tails[1:] <= wanted).any() else count - 2
    if math.comb(degree + 1 + dim, dim) > MAX_FEATURES:
        raise InputError(
            f"Polynomial attention needs {math.comb(degree + 1 + dim, dim):,} features for dim {dim}, "
            f"beta = {beta:g} and tolerance {tolerance:g} (at most {MAX_FEATURES:,}); use Dense"
        )
    series = 2 * ive(np.arange(degree + 1), size)
    series[0] /= 2
    if beta < 0:
        series[1::2] *= -1
    coefficients = np.polynomial.chebyshev.cheb2poly(series) if degree > 0 else series
    coefficients = np.pad(coefficients, (0, degree + 1 - coefficients.size))
    # Powers are an ill-conditioned basis, so the error is measured as well.
    points = np.cos(np.linspace(0, np.pi, 4 * degree + 9))
    measured = np.abs(np.polynomial.polynomial.polyval(points, coefficients) - np.exp(beta * points - size)).max()
    found = Fit(degree, coefficients, max(float(tails[degree + 1]), float(measured)), float(np.abs(coefficients).sum()))
    if not found.noise <= 0.5 * tolerance * uniform:
        raise InputError(
            f"Polynomial attention loses tolerance {tolerance:g} to rounding at dim {dim}, beta = {beta:g}; use Dense"
        )
    return found


def feature_degree(beta: float, dim: int, tolerance: float = 1e-12) -> int | None:
    """The degree L of the polynomial; `None` if the sum cannot be had in this way."""
    try:
        return fit(float(beta), dim, tolerance).degree
    except InputError:
        return None


def feature_count(beta: float, dim: int, tolerance: float = 1e-12) -> int | None:
    """The number of features N = C(L+d, d); `None` if the sum cannot be had in this way."""
    degree = feature_degree(beta, dim, tolerance)
    return None if degree is None else math.comb(degree + dim, dim)


def _spread(coefficients: np.ndarray, features: Features) -> np.ndarray:
    """c_{|α|} for every feature α up to the degree of the polynomial."""
    counts = np.diff([features.upto(k) for k in range(-1, coefficients.size)])
    return np.repeat(coefficients, counts)


class Features:
    """The monomials of degree 0..L in d variables, ordered by degree and then by their smallest variable.

    Those of degree k that begin with x_i are x_i times the *last* ones of degree k − 1, so that features are made by
    one multiplication each. `factor` holds k!/α!; `raised` (d, N′) where α + e_i stands, for |α| < L.
    """

    def __init__(self, dim: int, degree: int) -> None:
        self.dim, self.degree = dim, degree
        self._ends = [0] + [math.comb(k + dim, dim) for k in range(degree + 1)]
        # (source, target, count, variable) of every run of features made by one variable
        runs = []
        for k in range(1, degree + 1):
            target = self._ends[k]
            for i in range(dim):
                count = math.comb(k - 1 + dim - i - 1, dim - i - 1)  # of degree k − 1 in x_i, …, x_{d−1}
                runs.append((self._ends[k] - count, target, count, i))
                target += count
        self.runs = np.array(runs, dtype=np.int64).reshape(-1, 4)
        exponents = np.zeros((self._ends[-1], dim), dtype=np.int64)
        for source, target, count, i in runs:
            exponents[target : target + count] = exponents[source : source + count]
            exponents[target : target + count, i] += 1
        totals = exponents.sum(axis=1)
        logs = np.array([math.lgamma(k + 1) for k in range(degree + 1)])
        self.factor = (
            np.rint(np.exp(logs[totals] - logs[exponents].sum(axis=1)))
            if degree <= 18
            else np.exp(logs[totals] - logs[exponents].sum(axis=1))
        )
        # Numbers that are different for different exponents find α + e_i.
        marks = np.random.default_rng(0).integers(2**62, size=dim, dtype=np.uint64)
        keys = (exponents.astype(np.uint64) * marks).sum(axis=1, dtype=np.uint64)
        order = np.argsort(keys)
        assert (np.diff(keys[order]) > 0).all()
        below = keys[: self.upto(degree - 1)]
        self.raised = np.stack([order[np.searchsorted(keys, below + mark, sorter=order)] for mark in marks])

    @classmethod
    @functools.lru_cache(maxsize=8)
    def of(cls, dim: int, degree: int) -> Features:
        """The same, kept for the next call."""
        return cls(dim, degree)

    def upto(self, degree: int) -> int:
        """The number of features of degree 0..`degree`."""
        return self._ends[degree + 1] if degree >= 0 else 0

    def _block(self) -> int:
        return max(16, _ROOM // self._ends[-1] // 8 * 8)

    def moments(self, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Σ_j rows_cj y_j^α, (c, N)."""
        size = self._ends[-1]
        pieces = max(1, min(_PIECES, len(points), _HELD // (size * len(rows))))
        parts = np.zeros((pieces, len(rows), size))
        edges = np.linspace(0, len(points), len(parts) + 1).astype(int)

        from .kernels import weighted_sums

        def analyse(piece: int) -> None:
            room = np.empty((size, self._block()))
            for begin in range(edges[piece], edges[piece + 1], self._block()):
                end = min(begin + self._block(), edges[piece + 1])
                made = self._made(points[begin:end], room)
                if len(rows) == 1:
                    weighted_sums(made, rows[0, begin:end], parts[piece, 0])
                else:
                    parts[piece] += rows[:, begin:end] @ made.T

        self._share(analyse, len(parts), len(points))
        return parts.sum(axis=0)

    def evaluate(self, points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Σ_α coefficients_cα x_i^α, (c, m)."""
        size = coefficients.shape[1]
        out = np.empty((len(coefficients), len(points)))
        edges = np.linspace(0, len(points), min(_PIECES, len(points)) + 1).astype(int)

        def synthesise(piece: int) -> None:
            room = np.empty((self._ends[-1], self._block()))
            for begin in range(edges[piece], edges[piece + 1], self._block()):
                end = min(begin + self._block(), edges[piece + 1])
                out[:, begin:end] = coefficients @ self._made(points[begin:end], room)[:size]

        self._share(synthesise, len(edges) - 1, len(points))
        return out

    def _made(self, points: np.ndarray, room: np.ndarray) -> np.ndarray:
        """The features of a few points, (N, points)."""
        from .kernels import monomials

        made = room.ravel()[: len(room) * len(points)].reshape(len(room), len(points))
        monomials(np.ascontiguousarray(points.T), self.runs, made)
        return made

    def _share(self, task: Any, pieces: int, n: int) -> None:
        threads = available_threads() if n * self._ends[-1] > 500_000 else 1
        with one_blas_thread():
            run_all(task, range(pieces), threads)
