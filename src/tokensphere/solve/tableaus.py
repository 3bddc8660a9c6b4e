"""Explicit Runge–Kutta methods as numbers: the coefficients of diffrax's solvers, and the classical RK4.

k_i = f(t + c_i h, x + h Σ_{j<i} a_ij k_j),    x⁺ = x + h Σ b_i k_i,    error = h Σ e_i k_i
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tokensphere.errors import InputError, suggest

__all__ = ["METHODS", "Tableau", "tableau"]


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge–Kutta method.

    `rows` are the strictly lower rows of a; `weights` is b; `error` is e, or `None` when the method has no
    error estimate; `order` is the order of convergence. `layered`: not a Runge–Kutta method but layers
    (:mod:`tokensphere.solve.layer`). `kicks`: how many random displacements a step takes where there is noise
    (:mod:`tokensphere.solve.geodesic`); 0 for a method that takes none. With noise `order` is that of the law.
    """

    name: str
    order: int
    rows: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    error: tuple[float, ...] | None = None
    layered: bool = False
    kicks: int = 0

    @property
    def nodes(self) -> tuple[float, ...]:
        """The times c_i of the stages, as fractions of the step."""
        ends = (float(sum(row)) for row in self.rows)
        return (0.0, *(1.0 if abs(end - 1.0) < 1e-14 else end for end in ends))  # no stage lies past its step

    @property
    def first_same_as_last(self) -> bool:
        """Whether the last stage is evaluated at the new tokens."""
        return bool(self.rows) and (*self.rows[-1], 0.0) == self.weights


def _from_diffrax(name: str, solver_name: str, order: int) -> Callable[[], Tableau]:
    def make() -> Tableau:
        import diffrax

        source = getattr(diffrax, solver_name).tableau
        rows = tuple(tuple(float(a) for a in row) for row in source.a_lower)
        weights = np.asarray(source.b_sol, dtype=float)
        error = np.asarray(source.b_error, dtype=float)
        return Tableau(name, order, rows, tuple(weights.tolist()), tuple(error.tolist()))

    return make


_RK4 = (((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))

METHODS: dict[str, Callable[[], Tableau]] = {
    "layer": lambda: Tableau("layer", 1, (), (1.0,), layered=True),
    "euler": lambda: Tableau("euler", 1, (), (1.0,)),
    "rk4": lambda: Tableau("rk4", 4, *_RK4),
    "geodesic": lambda: Tableau("geodesic", 1, (), (1.0,), kicks=1),
    "strang": lambda: Tableau("strang", 2, *_RK4, kicks=2),
    "tsit5": _from_diffrax("tsit5", "Tsit5", 5),
    "dopri8": _from_diffrax("dopri8", "Dopri8", 8),
}


def tableau(method: str) -> Tableau:
    """The method by name: `"layer"`, `"euler"`, `"rk4"`, `"geodesic"`, `"strang"` (fixed steps; the last two take
    noise), `"tsit5"`, `"dopri8"` (adaptive).

    **Raises:** `InputError` for an unknown name.
    """
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'{suggest(method, METHODS)}")
    return METHODS[method]()
