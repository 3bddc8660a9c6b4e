"""The interaction sum on the circle by non-uniform Fourier transforms: O(n + √β)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Mesh
from tokensphere.threads import in_chunks

from .band import FINEST, check_tolerances
from .base import AbstractAttention, Attended
from .far import shared_rows
from .fourier import CircleKernel, Transform, circle_kernel, synthesise
from .rows import far_rows, far_sums
from .spectral import Receipt, Received, attend, far_threshold
from .units import UNIT_ERROR, check_units

__all__ = ["Circle"]

_COMPILED_FROM = 200_000  # tokens from which loading a compiler pays


class Circle(AbstractAttention):
    """Spectral sum for tokens on the circle (dim 2, B = c·I), through ducc0.

    `tolerance` (1e-12 to 1e-2) is the error allowed in Z and in the force, relative to the largest one; it sets the
    number of modes and the accuracy of the transforms. Where a query is so far from every key that its own Z_i is
    lost in that error, its row is summed directly instead, so that `log_z` and `mean` keep the relative accuracy
    `row_tolerance` everywhere (default √(tolerance/100), that is 1e-7).

    Runs on the host: compiled code calls it back, and it cannot be differentiated (use `CircleSeries` for that).

    **Raises:** `InputError` if the arrays are not (n, 2), a query or key is not of unit length, or |β| > 1e9.
    """

    on_host: ClassVar[bool] = True
    shareable: ClassVar[bool] = True
    isotropic_only: ClassVar[bool] = True

    tolerance: float = eqx.field(static=True, default=FINEST)
    row_tolerance: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        check_tolerances(self.tolerance, self.row_tolerance)

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
        return type(self).shared(self, SERIAL, queries, keys, values, weights, beta=beta, tangent=tangent)

    def shared(
        self,
        mesh: Mesh,
        queries: Any,
        keys: Any,
        values: Any = None,
        weights: Any = None,
        *,
        beta: Any,
        tangent: bool = False,
    ) -> Attended:
        """See :class:`AbstractAttention`: only the moments, K+1 complex numbers, are summed over the processes."""
        return attend(
            _SPACE,
            queries,
            keys,
            values,
            weights,
            beta=beta,
            tangent=tangent,
            tolerance=self.tolerance,
            row_tolerance=self.row_tolerance,
            mesh=mesh,
        )

    def pull(self, angles: np.ndarray, masses: np.ndarray, beta: float, mesh: Mesh = SERIAL) -> np.ndarray:
        """e^{−|β|} Σ_j w_j e^{β cos(θ_i−θ_j)} sin(θ_j−θ_i): the unnormalised force along the circle, (n,).

        **Raises:** `InputError` naming the first angle or mass that is not finite.
        """
        masses = _check_finite(angles, masses)
        kernel = circle_kernel(beta, self.tolerance)
        transform = Transform(angles, kernel.modes, kernel.epsilon)
        moments = mesh.sum(transform.analyse(masses[None]))
        return transform.synthesise(1j * kernel.pull * moments)[0]

    def mean_pull(self, angles: np.ndarray, masses: np.ndarray, beta: float, mesh: Mesh = SERIAL) -> np.ndarray:
        """The same sum divided by Z_i: the tangential part of the mean, (n,).

        **Raises:** `InputError` naming the first angle or mass that is not finite.
        """
        masses = _check_finite(angles, masses)
        kernel = circle_kernel(beta, self.tolerance)
        threshold = far_threshold(self.tolerance, self.row_tolerance)
        transform = Transform(angles, kernel.modes, kernel.epsilon)
        moments = mesh.sum(transform.analyse(masses[None])[0])
        z, along = synthesise(moments, angles, kernel, transform)
        far = far_rows(z, _root_mean_square(kernel.potential * moments), threshold, mesh)
        z[far] = 1.0  # a placeholder
        along /= z
        if mesh.size > 1:
            if mesh.agree(far.size > 0):
                keys = np.stack([np.cos(angles), np.sin(angles)], axis=1)
                _, mean = shared_rows(mesh, keys[far], keys, None, masses, beta, True)
                along[far] = mean[:, 1] * keys[far, 0] - mean[:, 0] * keys[far, 1]
        elif far.size:
            keys = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            points, place = keys[far], Transform(angles[far], kernel.modes, kernel.epsilon)
            _, mean = far_sums(
                points,
                keys,
                None,
                masses,
                beta,
                tangent=True,
                own=masses[far],
                threshold=threshold,
                spectral=lambda light: _SPACE.receive(transform.analyse(light[None])[0], place, points, kernel, True),
            )
            along[far] = mean[:, 1] * points[:, 0] - mean[:, 0] * points[:, 1]
        return along


class _Space:
    """The circle, as :class:`tokensphere.attention.spectral.Space` wants it."""

    name, dim = "Circle", 2

    def kernel(self, beta: float, tolerance: float) -> CircleKernel:
        return circle_kernel(beta, tolerance)

    def place(self, points: np.ndarray, kernel: CircleKernel, called: str) -> Transform:
        angles = np.empty(len(points))
        if len(points) >= _COMPILED_FROM:
            from .angles import angles as compiled

            unit: list[int] = []

            def turn(part: slice) -> None:
                unit.append(compiled(points[part].reshape(-1), angles[part], UNIT_ERROR))

            in_chunks(len(points), turn)
            if sum(unit) < len(points):
                check_units(points, called, self.name)
        else:
            check_units(points, called, self.name)
            in_chunks(len(points), lambda part: np.arctan2(points[part, 1], points[part, 0], out=angles[part]))
        return Transform(angles, kernel.modes, kernel.epsilon)

    def receive(
        self, moments: np.ndarray, place: Transform, points: np.ndarray, kernel: CircleKernel, tangent: bool
    ) -> Receipt:
        parts = [kernel.potential * moments, 1j * kernel.pull * moments]
        size = _root_mean_square(parts[0])
        if tangent and len(points) >= _COMPILED_FROM:
            from .turned import Turned

            return Turned(*place.synthesise_pair(np.stack(parts)), points, size)
        if not tangent:
            parts.append(kernel.radial * moments)
        z, along, *radial = place.synthesise(np.stack(parts))
        sums = np.empty_like(points)

        def turn(part: slice) -> None:
            sums[part, 0] = -along[part] * points[part, 1]
            sums[part, 1] = along[part] * points[part, 0]
            if radial:
                sums[part] += radial[0][part, None] * points[part]

        in_chunks(len(points), turn)
        return Received(z, sums, size)

    def receive_values(self, moments: np.ndarray, place: Transform, kernel: CircleKernel) -> Received:
        z, *columns = place.synthesise(kernel.potential * moments)
        return Received(z, np.stack(columns, axis=1), _root_mean_square(kernel.potential * moments[0]))


_SPACE = _Space()


def _root_mean_square(modes: np.ndarray) -> float:
    """Root mean square over the circle of the real function with modes k = 0..K."""
    return float(np.sqrt(2 * np.linalg.norm(modes) ** 2 - abs(modes[0]) ** 2))


def _check_finite(angles: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """The masses as real numbers."""
    masses = np.asarray(masses).real
    for name, array in (("angle", angles), ("mass", masses)):
        if not np.isfinite(array.sum()):  # one pass; a sum of finite angles and masses does not overflow
            bad = np.flatnonzero(~np.isfinite(array))
            raise InputError(f"the {name} of token {bad[0] if bad.size else 0} is not finite: {array[bad[:1]]}")
    return masses
