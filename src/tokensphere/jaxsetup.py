"""The one place where JAX is configured: 64-bit numbers, synchronous CPU dispatch.

Synchronous dispatch lets host callbacks (ducc0 transforms) run inside compiled code without deadlocks.
Every module that needs JAX imports it from here.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)

import jax.numpy as jnp  # noqa: E402

__all__ = ["is_traced", "jax", "jnp", "namespace", "rowwise_dot"]

_PLAIN = (np.ndarray, np.generic, float, int, type(None))


def is_traced(*values: object) -> bool:
    """Whether any of the values is abstract, so that its numbers cannot be looked at."""
    return any(
        isinstance(leaf, jax.core.Tracer)
        for value in values
        if not isinstance(value, _PLAIN)  # going through a tree costs as much as a small sum
        for leaf in jax.tree.leaves(value)
    )


def namespace(*arrays: object) -> Any:
    """`numpy` if all arrays are NumPy's (work stays on the host), else `jax.numpy`."""
    return np if all(isinstance(array, (np.ndarray, np.generic)) for array in arrays) else jnp


def rowwise_dot(a: Any, b: Any) -> Any:
    """⟨a_i, b_i⟩ for every row, shape (n, 1) (NumPy or JAX arrays)."""
    return namespace(a, b).einsum("ij,ij->i", a, b)[:, None]
