"""The contract of the interaction sum.

For queries q_i, keys y_j, values v_j and masses w_j an attention backend returns

    log Z_i = log Σ_j w_j e^{β⟨q_i, y_j⟩},      mean_i = Σ_j w_j e^{β⟨q_i, y_j⟩} v_j / Z_i.

Everything above uses only this pair: the unnormalised sum is `exp(log Z) · mean`.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx

from tokensphere.parallel import TokenMesh

__all__ = ["AbstractAttention", "Attended"]


class Attended(NamedTuple):
    """What the queries receive: `log_z` (m,) and `mean` (m, dim of the values)."""

    log_z: Any
    mean: Any


class AbstractAttention(eqx.Module):
    """One way to evaluate the interaction sum. Subclasses are final and hold only their settings.

    `on_host` says that the work is done by a NumPy library: given NumPy arrays such a backend returns NumPy
    arrays, and time steppers then stay on the host as well; inside compiled code it is called back.
    `isotropic_only` says that queries and keys must be of unit length, so that B must be a multiple of I.
    """

    on_host: ClassVar[bool] = False
    isotropic_only: ClassVar[bool] = False
    shareable: ClassVar[bool] = False

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
        """The same sum when every process of `mesh` holds a slice of the queries and of the keys (NumPy arrays).

        `weights` are the slice's part of all masses and must be given. Called by
        :class:`tokensphere.attention.Sharded` on all processes together, for a backend that is `shareable`.
        """
        raise NotImplementedError

    def total(self, partial: Any) -> Any:
        """Σ over the processes that share the tokens of a partial sum: the sum itself where there is one process."""
        return partial

    @abc.abstractmethod
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
        """Evaluate the sum.

        **Arguments:**

        - `queries` (m, d): what asks. On the sphere the caller passes Bᵀx for the logit βxᵀBy.
        - `keys` (n, d), `values` (n, d_v): what is asked and what is returned; `values=None` means the keys.
        - `weights` (n,): masses; `None` means 1/n each.
        - `beta`: inverse temperature; a negative number repels.
        - `tangent`: the caller will project `mean` on the tangent space of each (unit) query, so a backend
          may leave out its radial part.

        **Returns:** :class:`Attended`.
        """
