"""The interaction sum on the 2-sphere by spherical harmonics: O(n + β^{3/2})."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.parallel import SERIAL, Mesh

from .band import FINEST, check_tolerances
from .base import AbstractAttention, Attended
from .spectral import Received, attend
from .spherical import Places, SphereKernel, root_mean_square, sphere_kernel, synthesise, weigh
from .units import check_units

__all__ = ["Harmonic"]


class Harmonic(AbstractAttention):
    """Spectral sum for tokens on the 2-sphere (dim 3, B = c·I), through ducc0.

    `tolerance` (1e-12 to 1e-2) is the error allowed in Z and in the force, relative to the largest one; it sets the
    number of degrees (about 8 √β at 1e-12) and the accuracy of the transforms. Where a query is so far from every key
    that its own Z_i is lost in that error, its row is summed directly instead, so that `log_z` and `mean` keep the
    relative accuracy `row_tolerance` everywhere (default √(tolerance/100), that is 1e-7).

    Runs on the host: compiled code calls it back, and it cannot be differentiated (use `SphereSeries` for that).

    **Raises:** `InputError` if the arrays are not (n, 3), a query or key is not of unit length, or |β| > 1e5 (the cost
    grows as β^{3/2} whatever the number of tokens).
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
        """See :class:`AbstractAttention`: only the (L+1)(L+2)/2 complex moments are summed over the processes."""
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


class _Space:
    """The 2-sphere, as :class:`tokensphere.attention.spectral.Space` wants it."""

    name, dim = "Harmonic", 3

    def kernel(self, beta: float, tolerance: float) -> SphereKernel:
        return sphere_kernel(beta, tolerance)

    def place(self, points: np.ndarray, kernel: SphereKernel, called: str) -> Places:
        check_units(points, called, self.name)
        return Places(points, kernel.degrees, kernel.epsilon)

    def receive(
        self, moments: np.ndarray, place: Places, points: np.ndarray, kernel: SphereKernel, tangent: bool
    ) -> Received:
        z, sums = synthesise(moments, points, kernel, place)
        if not tangent:
            sums += place.synthesise(weigh(kernel.radial, moments)[None]).T * points
        return Received(z, sums, root_mean_square(weigh(kernel.potential, moments), kernel.degrees))

    def receive_values(self, moments: np.ndarray, place: Places, kernel: SphereKernel) -> Received:
        coefficients = np.stack([weigh(kernel.potential, row) for row in moments])
        z, *columns = place.synthesise(coefficients)
        return Received(z, np.stack(columns, axis=1), root_mean_square(coefficients[0], kernel.degrees))


_SPACE = _Space()
