"""The interaction sum over collapsed tokens: what lies together is summed as one token with the mass of all.

Tokens in one cell of a grid are at most δ apart. Replacing each by the first of its cell changes a logit by at most
ε = |β| |q| δ, hence Z by a factor within e^{±ε} and the mean by at most 2ε + δ times the size of the values; a query
takes what the first of its cell receives, which is the same change once more. With 4ε + δ ≤ `tolerance` the sum keeps
it whatever the configuration, and coincident tokens are summed exactly.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError

from .base import AbstractAttention, Attended
from .callback import on_the_host
from .check import check_call
from .dense import Dense

__all__ = ["Collapsed"]


class Collapsed(AbstractAttention):
    """Sums collapsed groups of tokens as one token each, through the backend `inner` (default `Dense`).

    `tolerance` (default 1e-12) is the error allowed in log Z and in the mean, for keys and values of about unit size.
    Cost: a sort of the tokens, and the inner sum over the groups. Where fewer than a third of the tokens would be
    saved, the inner sum is taken as it is. Runs on the host; compiled code calls it back.

    **Raises:** `InputError` if `tolerance` is not in (0, 1), if `inner` is causal or masked, or as `inner` does.
    """

    on_host: ClassVar[bool] = True
    isotropic_only: ClassVar[bool] = False

    inner: AbstractAttention = Dense()
    tolerance: float = eqx.field(static=True, default=1e-12)

    def __check_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}")
        if isinstance(self.inner, Dense) and (self.inner.causal or self.inner.mask is not None):
            raise InputError("collapsed tokens have no order: the inner attention must be neither causal nor masked")

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
        host = functools.partial(self._sums, same=queries is keys, tangent=tangent)
        return on_the_host(host, queries, keys, values, weights, beta)

    def _sums(
        self, queries: Any, keys: Any, values: Any, weights: Any, beta: Any, *, same: bool, tangent: bool
    ) -> Attended:
        keys = np.asarray(keys, dtype=np.float64)
        queries = keys if same else np.asarray(queries, dtype=np.float64)
        inner = functools.partial(self.inner, beta=float(beta), tangent=tangent)
        reach = abs(float(beta)) * float(np.sqrt(np.einsum("ij,ij->i", queries, queries).max()))
        distance = self.tolerance / (4 * reach + 1)
        first, group = _cells(keys, distance)
        if 3 * first.size > 2 * len(keys):
            return inner(queries, keys, None if values is None else np.asarray(values), weights)
        count = first.size
        masses = np.full(len(keys), 1.0 / len(keys)) if weights is None else np.asarray(weights, dtype=np.float64)
        mass = np.bincount(group, masses, count)
        kept = np.flatnonzero(mass > 0)
        some = keys[first]
        carried = None if values is None else _means(np.asarray(values), masses, mass, group)[kept]
        if not same:
            return inner(queries, some[kept], carried, mass[kept])
        if kept.size == count:
            log_z, mean = inner(some, some, carried, mass)
        else:
            log_z, mean = inner(some, some[kept], carried, mass[kept])
        return Attended(np.asarray(log_z)[group], np.asarray(mean)[group])


def _cells(points: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Groups of points that share a cell of diameter `distance`: the first member of each, and everyone's group."""
    side = max(distance / np.sqrt(points.shape[1]), np.finfo(float).tiny)
    cells = np.floor(points / side)
    cells += 0.0  # −0 and 0 are one cell
    rows = np.ascontiguousarray(cells).view(np.dtype((np.void, cells.dtype.itemsize * cells.shape[1]))).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    return first, group


def _means(values: np.ndarray, masses: np.ndarray, mass: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The mean value of every group, weighted by the masses."""
    share = masses / np.where(mass > 0, mass, 1.0)[group]
    return np.stack([np.bincount(group, share * column, mass.size) for column in values.T], axis=1)
