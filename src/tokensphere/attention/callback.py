"""How compiled code reaches a sum that NumPy libraries evaluate on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tokensphere.jaxsetup import is_traced, jax

from .base import Attended

__all__ = ["on_the_host"]


def on_the_host(sums: Callable[..., Any], queries: Any, keys: Any, values: Any, weights: Any, beta: Any) -> Attended:
    """`sums(queries, keys, values, weights, beta)` at once, or as a callback where an argument is traced.

    **Arguments:** `sums` takes and returns NumPy arrays: log Z (m,) and the mean (m, c), both float64; the others as
    of :class:`~tokensphere.attention.AbstractAttention`. Under `vmap` it is called once for each member.
    """
    operands = (queries, keys, values, weights, beta)
    if not is_traced(*operands):
        return Attended(*sums(*operands))
    m, width = np.shape(queries)[0], np.shape(keys if values is None else values)[-1]
    shapes = (jax.ShapeDtypeStruct((m,), np.float64), jax.ShapeDtypeStruct((m, width), np.float64))
    return Attended(*jax.pure_callback(sums, shapes, *operands, vmap_method="sequential"))
