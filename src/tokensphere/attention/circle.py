"""The interaction sum on the circle by non-uniform Fourier transforms: O(n + √β)."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced, jax
from tokensphere.parallel import SERIAL, Mesh, TokenMesh

from .base import AbstractAttention, Attended
from .far import shared_rows
from .fourier import Transform, coefficients, far_rows, force, mirror, potential_and_force

__all__ = ["Circle"]


def _angles(points: np.ndarray, name: str) -> np.ndarray:
    good = np.abs(np.einsum("ij,ij->i", points, points) - 1.0) <= 1e-6
    if not good.all():
        i = int(np.argmin(good))
        raise InputError(f"Circle attention needs {name} of unit length, got {points[i]} for token {i}")
    return np.arctan2(points[:, 1], points[:, 0])


class Circle(AbstractAttention):
    """Spectral sum for tokens on the circle (dim 2, B = c·I), through ducc0.

    Sums are exact to 1e-12 of the largest one. Where a query is so far from every key that its own Z_i falls
    below `1e-13 / row_tolerance` of the largest, its row is summed directly instead, so that `log_z` and
    `mean` keep the relative accuracy `row_tolerance` everywhere.

    Runs on the host: compiled code calls it back, and it cannot be differentiated (use `Dense` for that).

    **Raises:** `InputError` if the arrays are not (n, 2), a query or key is not of unit length, or |β| > 1e9.
    """

    on_host: ClassVar[bool] = True
    isotropic_only: ClassVar[bool] = True

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
        """See :class:`AbstractAttention`: only the moments, 2K+1 complex numbers, are summed over the processes."""
        tangent = tangent and values is None
        host = functools.partial(_sums, tangent=tangent, same=keys is queries, row_tolerance=self.row_tolerance)
        return Attended(*host(queries, keys, values, weights, beta, mesh=mesh))

    def pull(self, angles: np.ndarray, masses: np.ndarray, beta: float, mesh: Mesh = SERIAL) -> np.ndarray:
        """e^{−|β|} Σ_j w_j e^{β cos(θ_i−θ_j)} sin(θ_j−θ_i): the unnormalised force along the circle, (n,)."""
        return force(angles, masses, beta, mesh)

    def mean_pull(self, angles: np.ndarray, masses: np.ndarray, beta: float, mesh: Mesh = SERIAL) -> np.ndarray:
        """The same sum divided by Z_i: the tangential part of the mean, (n,)."""
        bessel, pull = coefficients(beta)
        transform = Transform(angles, bessel.size - 1)
        moments = mesh.sum(transform.analyse(masses))
        potential = mirror(bessel, 1.0) * moments
        z, along = potential_and_force(transform, potential, pull, moments)
        far = far_rows(z, potential, self.row_tolerance, mesh)
        z[far] = 1.0
        along /= z
        if mesh.agree(far.size > 0):
            keys = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            _, mean = shared_rows(mesh, keys[far], keys, None, masses.real, beta, True)
            along[far] = mean[:, 1] * keys[far, 0] - mean[:, 0] * keys[far, 1]
        return along


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
    mesh: Mesh = SERIAL,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean. NumPy only: this runs inside compiled code."""
    queries, keys = np.asarray(queries, dtype=np.float64), np.asarray(keys, dtype=np.float64)
    values = None if values is None else np.asarray(values, dtype=np.float64)
    beta = float(beta)
    n = keys.shape[0]
    masses = np.full(n, 1.0 / n) if weights is None else np.asarray(weights)
    bessel, pull = coefficients(beta)
    at_keys = Transform(_angles(keys, "keys"), bessel.size - 1)
    at_queries = at_keys if same else Transform(_angles(queries, "queries"), bessel.size - 1)
    moments = mesh.sum(at_keys.analyse(masses))
    even = mirror(bessel, 1.0)
    potential = even * moments
    along: np.ndarray | None = None
    if tangent:
        z, along = potential_and_force(at_queries, potential, pull, moments)
    else:
        z = at_queries.synthesise(potential).real.copy()
    far = far_rows(z, potential, row_tolerance, mesh)
    z[far] = 1.0  # a placeholder: these rows are summed directly
    log_z = np.log(z) + abs(beta)
    if along is not None:
        mean = _tangents(along / z, queries)
    else:
        parts = [at_queries.synthesise(even * part) for part in _value_moments(at_keys, masses, moments, values, mesh)]
        columns = np.stack([column for part in parts for column in (part.real, part.imag)], axis=1)
        mean = columns[:, : 2 if values is None else values.shape[1]] / z[:, None]
    if mesh.agree(far.size > 0):
        log_z[far], mean[far] = shared_rows(mesh, queries[far], keys, values, masses, beta, tangent)
    return log_z, mean


def _tangents(lengths: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Tangent vectors of the given signed lengths, counter-clockwise."""
    out = np.empty_like(points)
    np.multiply(lengths, points[:, 1], out=out[:, 0])
    np.negative(out[:, 0], out=out[:, 0])
    np.multiply(lengths, points[:, 0], out=out[:, 1])
    return out


def _value_moments(
    at_keys: Transform, masses: np.ndarray, moments: np.ndarray, values: np.ndarray | None, mesh: Mesh
) -> list[np.ndarray]:
    """Modes of Σ_j w_j v_j δ_{θ_j}, two real components of v to one complex transform."""
    if values is None:  # v = e^{iθ} only shifts the modes by one
        return [np.concatenate([[0.0], moments[:-1]])]
    pairs = []
    for j in range(0, values.shape[1], 2):
        second = values[:, j + 1] if j + 1 < values.shape[1] else 0.0
        pairs.append(mesh.sum(at_keys.analyse(masses * (values[:, j] + 1j * second))))
    return pairs
