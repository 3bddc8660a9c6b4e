"""Compiled passes over the rows of arrays, in double precision whatever the arrays hold."""

from __future__ import annotations

from typing import Any

from .compiled import compiled

__all__ = ["accumulate", "dots", "finish", "shifted"]

_fast = compiled({"contract", "reassoc", "nsz"})


@_fast
def dots(x: Any, y: Any, out: Any) -> None:
    """out_i = ⟨x_i, y_i⟩; where `y` has one row, it serves all."""
    for i in range(out.size):
        a, b, total = x[i], y[i if y.shape[0] > 1 else 0], 0.0
        for k in range(a.size):
            total += float(a[k]) * float(b[k])
        out[i] = total


@_fast
def shifted(x: Any, center: Any, factors: Any, out: Any) -> None:
    """out_i = factors_i (x_i − center), with `center` (1, d)."""
    for i in range(factors.size):
        source, target, factor = x[i], out[i], factors[i]
        for k in range(source.size):
            target[k] = factor * (source[k] - center[0, k])


@_fast
def accumulate(sums: Any, product: Any) -> None:
    """sums += product."""
    for i in range(product.shape[0]):
        target, source = sums[i], product[i]
        for k in range(source.size):
            target[k] += source[k]


@_fast
def finish(sums: Any, values: Any, own: Any, z: Any, out: Any) -> None:
    """out_i = (sums_i + own_i values_i) / z_i; `own` may be empty, for zeros."""
    for i in range(z.size):
        source, target, scale = sums[i], out[i], 1.0 / z[i]
        if own.size:
            value, factor = values[i], own[i]
            for k in range(source.size):
                target[k] = (source[k] + factor * value[k]) * scale
        else:
            for k in range(source.size):
                target[k] = source[k] * scale
