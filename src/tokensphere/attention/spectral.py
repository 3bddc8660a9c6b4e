"""What the spectral sums on the host share: input, rows far from every key, and the call from compiled code.

A space (circle or 2-sphere) places tokens for its transforms, analyses masses into moments Σ_j w_j conj Y_lm(y_j), and
synthesises from moments what every query receives. Everything here is plain NumPy and carries the factor e^{−|β|}.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Mesh
from tokensphere.threads import in_chunks

from .band import noise_level
from .base import Attended
from .callback import on_the_host
from .check import check_call
from .far import shared_rows
from .rows import far_rows, far_sums

__all__ = ["Receipt", "Received", "Space", "attend", "far_threshold"]


class Receipt(Protocol):
    """What queries receive, before it is divided by Z."""

    @property
    def z(self) -> np.ndarray:
        """Z (m,)."""

    @property
    def sums(self) -> np.ndarray:
        """Σ_j w_j K_ij v_j (m, d_v) or its tangential part."""

    @property
    def size(self) -> float:
        """The root mean square of Z over the sphere."""

    def normalised(self, shift: float, threshold: float, mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log Z + shift (m,), the mean (m, d_v) and the indices of the far rows, whose log Z and mean mean nothing.

        The arrays of the receipt may be used for the results.
        """


@dataclass(frozen=True)
class Received:
    """A receipt in three plain fields."""

    z: np.ndarray
    sums: np.ndarray
    size: float

    def normalised(self, shift: float, threshold: float, mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See :class:`Receipt`; in plain NumPy, and in place."""
        z, mean = self.z, self.sums
        far = far_rows(z, self.size, threshold, mesh)
        z[far] = 1.0  # a placeholder

        def normalise(part: slice) -> None:
            mean[part] /= z[part, None]
            np.log(z[part], out=z[part])
            z[part] += shift

        in_chunks(len(z), normalise)
        return z, mean, far


class Space(Protocol):
    """A sphere on which sums are spectral."""

    name: str
    dim: int

    def kernel(self, beta: float, tolerance: float) -> Any:
        """The kernel in degrees, cut for the tolerance."""

    def place(self, points: np.ndarray, kernel: Any, called: str) -> Any:
        """Points (n, dim) made ready for transforms; has `analyse(rows)` for real rows (c, n).

        **Raises:** `InputError` for points off the sphere, as :func:`.units.check_units` does; `called` is their name.
        """

    def receive(self, moments: np.ndarray, place: Any, points: np.ndarray, kernel: Any, tangent: bool) -> Receipt:
        """What points receive from keys as values: from one row of moments."""

    def receive_values(self, moments: np.ndarray, place: Any, kernel: Any) -> Receipt:
        """The same for other values: from the moments of the masses and of every column of masses · values."""


def far_threshold(tolerance: float, row_tolerance: float | None) -> float:
    """Z_i over the largest Z below which a row is far; by default rows keep √(tolerance/100)."""
    noise = noise_level(tolerance)
    return noise / (np.sqrt(0.1 * noise) if row_tolerance is None else row_tolerance)


def attend(
    space: Space,
    queries: Any,
    keys: Any,
    values: Any,
    weights: Any,
    *,
    beta: Any,
    tangent: bool,
    tolerance: float,
    row_tolerance: float | None,
    mesh: Mesh = SERIAL,
) -> Attended:
    """The interaction sum over a space, on the host; compiled code calls it back.

    With `mesh` every process has its slices of queries and keys, and the moments are summed over the processes.
    """
    if mesh.size == 1:  # a slice may have no mass, and must not stop alone
        check_call(queries, keys, values, weights, beta)
    for name, points in (("keys", keys), ("queries", queries)):
        if np.ndim(points) != 2 or np.shape(points)[1] != space.dim:
            shape = np.shape(points)
            raise InputError(f"{space.name} attention needs dim {space.dim}, got {name} {shape}; use Dense")
    host = functools.partial(
        _sums,
        space,
        tangent=tangent and values is None,
        same=keys is queries,
        tolerance=tolerance,
        threshold=far_threshold(tolerance, row_tolerance),
        mesh=mesh,
    )
    return on_the_host(host, queries, keys, values, weights, beta)


def _sums(
    space: Space,
    queries: Any,
    keys: Any,
    values: Any,
    weights: Any,
    beta: Any,
    *,
    tangent: bool,
    same: bool,
    tolerance: float,
    threshold: float,
    mesh: Mesh,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean. NumPy only: this runs inside compiled code."""
    queries, keys = np.asarray(queries, dtype=np.float64), np.asarray(keys, dtype=np.float64)
    values = None if values is None else np.asarray(values, dtype=np.float64)
    beta, n = float(beta), keys.shape[0]
    masses = np.broadcast_to(1.0 / n, n) if weights is None else np.asarray(weights, dtype=np.float64)
    kernel = space.kernel(beta, tolerance)
    at_keys = space.place(keys, kernel, "keys")
    at_queries = at_keys if same else space.place(queries, kernel, "queries")

    def receive(place: Any, points: np.ndarray, masses: np.ndarray) -> Receipt:
        moments = mesh.sum(at_keys.analyse(masses[None]))
        if values is None:
            return space.receive(moments[0], place, points, kernel, tangent)
        columns = mesh.sum(at_keys.analyse(masses * values.T))
        return space.receive_values(np.concatenate([moments, columns]), place, kernel)

    log_z, mean, far = receive(at_queries, queries, masses).normalised(abs(beta), threshold, mesh)
    if mesh.size > 1:
        if mesh.agree(far.size > 0):
            log_z[far], mean[far] = shared_rows(mesh, queries[far], keys, values, masses, beta, tangent)
    elif far.size:
        points = queries[far]
        log_z[far], mean[far] = far_sums(
            points,
            keys,
            values,
            masses,
            beta,
            tangent=tangent,
            own=masses[far] if same else None,
            threshold=threshold,
            spectral=lambda light: receive(space.place(points, kernel, "queries"), points, light),
        )
    return log_z, mean
