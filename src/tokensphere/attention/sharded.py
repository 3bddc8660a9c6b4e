"""The same interaction sum with the tokens divided over processes, hosts and devices."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.jaxsetup import is_traced
from tokensphere.parallel import TokenMesh

from .base import AbstractAttention, Attended
from .circle import Circle

__all__ = ["Sharded"]


class Sharded(AbstractAttention):
    """Every process holds a slice of the tokens; `inner` evaluates the sum over all of them.

    | inner | what travels for one evaluation |
    |---|---|
    | `Circle` | 2K+1 numbers (moments of degree 0 to K, K ≈ 8 √β), however many tokens |
    | `Harmonic` | (L+1)(L+2)/2 complex moments, L ≈ 8 √β, however many tokens |
    | `Dense` | the keys and masses of every slice once round a ring |

    With the spectral sums also the largest Z; queries far from every key go to all processes, which sum them over
    their own keys.

    All processes of `mesh` evaluate together, with NumPy arrays of their own slices: as many rows on each (fill
    up with rows of mass 0), and `weights` the slice's part of masses that sum to 1 over all processes (`None`: all
    rows have the same mass). In one process with many devices the slice is the whole and `Dense` divides it.

    **Raises:** `InputError` for a backend that cannot be shared, or inside compiled code.
    """

    on_host: ClassVar[bool] = True

    inner: AbstractAttention
    mesh: TokenMesh = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not self.inner.shareable:
            raise InputError(
                f"{type(self.inner).__name__} attention cannot be shared by many processes; "
                "use Circle, Harmonic, Polynomial, or Dense without a mask and not causal"
            )

    @property
    def isotropic_only(self) -> bool:  # type: ignore[override]
        """As `inner`."""
        return self.inner.isotropic_only

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
        if is_traced(queries, keys, values, weights, beta):
            raise InputError("Sharded attention cannot be used inside compiled code; it divides host arrays")
        same = keys is queries
        queries = np.asarray(queries, dtype=np.float64)
        keys = queries if same else np.asarray(keys, dtype=np.float64)
        values = None if values is None else np.asarray(values, dtype=np.float64)
        if weights is None:
            weights = np.full(len(keys), 1.0 / (len(keys) * self.mesh.size))
        weights = np.asarray(weights)
        return self.inner.shared(self.mesh, queries, keys, values, weights, beta=float(beta), tangent=tangent)

    @property
    def angular(self) -> bool:
        """Whether `pull` and `mean_pull` exist, so that time steppers may turn angles."""
        return isinstance(self.inner, Circle)

    def pull(self, angles: np.ndarray, masses: np.ndarray, beta: float) -> np.ndarray:
        """See :meth:`Circle.pull`."""
        assert isinstance(self.inner, Circle)
        return self.inner.pull(angles, masses, beta, self.mesh)

    def mean_pull(self, angles: np.ndarray, masses: np.ndarray, beta: float) -> np.ndarray:
        """See :meth:`Circle.mean_pull`."""
        assert isinstance(self.inner, Circle)
        return self.inner.mean_pull(angles, masses, beta, self.mesh)

    def total(self, partial: Any) -> Any:
        """Σ over the processes."""
        return self.mesh.sum(np.asarray(partial))
