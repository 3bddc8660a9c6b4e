"""Alignment, the first scale at large beta: tokens run to the leading eigenspace of V B^T in a time of order 1.

    dx/dt = P_x V B^T x / |B^T x|          (beta -> infinity of SA, when tokens are everywhere)

In the time d tau = dt / |B^T x| this is the projection of the linear flow dz/d tau = M z, M = V B^T: tokens end on
the eigenspace E of M with the largest real part, whatever its sign, at the rate of the spectral gap.

    E a line                    two antipodal points       rate gap / |B^T v|
    E the plane of a pair       a rotating great circle    rate gap * (period in tau) / (period in t)
    anything else               degenerate: points or tori of a larger eigenspace

[structure: 2509.25040; formulas derived]
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_dim, check_times, check_tokens
from .records import Hypothesis, Prediction

__all__ = ["AlignmentLimit", "alignment_limit", "alignment_orbit"]

KINDS = ("antipodal points", "great circle", "degenerate")
_TIE = 1e-9  # real parts closer than this, relative to |M|, count as equal
_NODES = 256  # of a period: the integrand is analytic


@dataclass(frozen=True)
class AlignmentLimit:
    """Where tokens align, and how fast.

    **Fields:** `kind`, one of "antipodal points", "great circle", "degenerate"; `basis` (m, dim) orthonormal rows of
    the limit eigenspace; `eigenvalues` (dim,) of V B^T by decreasing real part; `gap` between the real parts on and
    off the eigenspace (inf if there is nothing off it); `rate` at which the distance to it decays, in the flow's time
    (for "degenerate" the smallest possible); `period` of the rotation in the flow's time, or `None`; `hypotheses`.
    """

    kind: str
    basis: np.ndarray
    eigenvalues: np.ndarray
    gap: float
    rate: float
    period: float | None
    hypotheses: tuple[Hypothesis, ...]

    def distance(self, tokens: Any) -> np.ndarray:
        """Sine of the angle between every token (n, dim) and the limit eigenspace, (n,). **Raises:** InputError."""
        points = check_tokens(tokens)
        if points.shape[1] != self.basis.shape[1]:
            raise InputError(f"tokens have dim {points.shape[1]}, but the matrices have dim {self.basis.shape[1]}")
        return np.linalg.norm(points - (points @ self.basis.T) @ self.basis, axis=1)

    @property
    def prediction(self) -> Prediction:
        """The rate as a record."""
        return Prediction(
            f"alignment on {self.kind}",
            self.rate if math.isfinite(self.rate) else None,
            "1/time",
            "Re(lambda_1 - lambda_off) * <1/|B^T x|> on the limit, lambda of V B^T",
            "derived, [2509.25040]",
            self.hypotheses,
            "beta -> infinity at times of order 1",
        )


def _matrices(value: Any, query_key: Any, dim: int | None) -> tuple[np.ndarray, np.ndarray]:
    """V and B as matrices of one size."""
    given = {}
    for name, matrix in (("value", value), ("query_key", query_key)):
        array = np.asarray(1.0 if matrix is None else matrix, dtype=np.float64)
        if not np.isfinite(array).all():
            raise InputError(f"{name} has an entry that is not finite")
        if array.ndim != 0 and (array.ndim != 2 or array.shape[0] != array.shape[1]):
            raise InputError(f"{name} must be a number or a square matrix, got shape {array.shape}")
        given[name] = array
    sizes = {len(array) for array in given.values() if array.ndim} | (set() if dim is None else {check_dim(dim)})
    if len(sizes) != 1:
        wrong = f"sizes {sorted(sizes)} do not fit" if sizes else "two numbers do not tell the dimension"
        raise InputError(f"value, query_key and dim must name one dimension: {wrong}")
    size = sizes.pop()
    v, b = (array if array.ndim else array * np.eye(size) for array in (given["value"], given["query_key"]))
    return v, b


def alignment_limit(value: Any = None, query_key: Any = None, dim: int | None = None) -> AlignmentLimit:
    """The eigenspace of V B^T on which tokens align, with the rate and the kind of motion there.

    **Arguments:** `value` V and `query_key` B: `None` (identity), a number, or (dim, dim); `dim`, needed when neither
    is a matrix.

    **Returns:** :class:`AlignmentLimit`.

    **Raises:** InputError for matrices that do not fit, are not finite, or a B that is zero.

    **Source:** derived, [2509.25040].
    """
    from scipy.linalg import schur

    v, b = _matrices(value, query_key, dim)
    if not b.any():
        raise InputError("query_key is zero: there is no direction B^T x to align with")
    m = v @ b.T
    size = float(np.linalg.norm(m, 2))
    eigenvalues = np.linalg.eigvals(m)
    eigenvalues = eigenvalues[np.lexsort((-eigenvalues.imag, -eigenvalues.real))]
    leading = eigenvalues.real >= eigenvalues.real[0] - _TIE * size
    count = int(leading.sum())
    off = eigenvalues[~leading]
    floor = -math.inf if off.size == 0 else 0.5 * float(eigenvalues.real[count - 1] + off.real.max())
    _, vectors, kept = schur(m, output="real", sort=lambda re, im=0.0: re > floor)
    basis = np.asarray(vectors[:, :count].T)
    gap = math.inf if off.size == 0 else float(eigenvalues[0].real - off.real.max())
    turning = abs(eigenvalues[0].imag) > _TIE * size
    kind = KINDS[0] if count == 1 else KINDS[1] if count == 2 and turning else KINDS[2]
    pulls = np.linalg.svd(basis @ b, compute_uv=False)  # |B^T x| on the eigenspace lies between these
    period = None
    if kind == "great circle":
        tau, period = _periods(basis @ m @ basis.T, basis @ b)
        rate = gap * tau / period
    else:
        rate = gap / float(pulls.max()) if pulls.max() > 0 else math.inf
    condition = float(np.linalg.cond(b))
    restricted = np.linalg.eig(basis @ m @ basis.T)[1]
    semisimple = bool(np.linalg.cond(restricted) < 1e6)
    hypotheses = (
        Hypothesis("B is invertible", condition < 1e12, f"condition number {condition:.3g}"),
        Hypothesis(
            "the leading eigenvalue of V B^T, or its complex pair, is simple",
            kind != "degenerate",
            f"{count} eigenvalues share the largest real part {eigenvalues[0].real:.6g}; gap {gap:.3g}",
        ),
        Hypothesis("the leading eigenvalues have independent eigenvectors", semisimple, "else the approach is 1/t"),
        Hypothesis("the support of the tokens is the whole sphere at the start", None, "attention then picks B^T x"),
        Hypothesis("no mass starts on the other invariant subspaces", None, "true for laws with a density"),
    )
    assert int(kept) == count
    return AlignmentLimit(kind, basis, eigenvalues, gap, rate, period, hypotheses)


def _periods(plane: np.ndarray, pull: np.ndarray) -> tuple[float, float]:
    """One turn of x = N(e^{plane tau} x_0) in tau and in t, with dt = |B^T x| d tau, `pull` the rows of basis B."""
    growth = 0.5 * float(np.trace(plane))
    spin = plane - growth * np.eye(2)  # spin^2 = -omega^2 I
    omega = math.sqrt(float(np.linalg.det(spin)))
    tau = 2.0 * math.pi / omega
    angles = 2.0 * math.pi * np.arange(_NODES) / _NODES
    orbit = np.cos(angles)[:, None] * np.array([1.0, 0.0]) + np.sin(angles)[:, None] * spin[:, 0] / omega
    speed = np.linalg.norm(orbit @ pull, axis=1) / np.linalg.norm(orbit, axis=1)
    return tau, tau * float(speed.mean())


def alignment_orbit(tokens: Any, taus: Any, value: Any = None, query_key: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Exact orbits of the alignment flow in the linear time tau, with the flow's time at each.

        x(tau) = e^{M tau} x_0 / |e^{M tau} x_0|,     t(tau) = integral of |B^T x| d tau

    **Arguments:** `tokens` (n, dim) at taus[0]; `taus` (m,) increasing; `value`, `query_key` as
    :func:`alignment_limit`.

    **Returns:** tokens (m, n, dim), and times (m, n), which differ from token to token.

    **Raises:** InputError.  **Source:** derived.
    """
    from scipy.linalg import expm

    points, save = check_tokens(tokens), check_times(taus)
    v, b = _matrices(value, query_key, points.shape[1])
    m = v @ b.T
    nodes, masses = np.polynomial.legendre.leggauss(20)
    clock = np.zeros(len(points))
    orbit, times = [points], [clock]
    for start, stop in itertools.pairwise(save):
        pieces = max(1, math.ceil(float(stop - start) * float(np.linalg.norm(m, 2))))
        length = (stop - start) / pieces
        inner = [expm(m * (0.5 * length * (1.0 + node))) for node in nodes]
        whole = expm(m * length)
        for _ in range(pieces):
            for mass, step in zip(masses, inner, strict=True):
                z = points @ step.T
                clock = clock + 0.5 * length * mass * np.linalg.norm(z @ b, axis=1) / np.linalg.norm(z, axis=1)
            points = points @ whole.T
            points = points / np.linalg.norm(points, axis=1)[:, None]
        orbit.append(points)
        times.append(clock)
    return np.stack(orbit), np.stack(times)
