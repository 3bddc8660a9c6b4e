"""Pick the attention backend for a given problem, and say why."""

from __future__ import annotations

from dataclasses import dataclass

from tokensphere.errors import InputError, check_dim, check_positive_int, suggest

from .base import AbstractAttention
from .circle import Circle
from .circle_series import CircleSeries
from .dense import Dense
from .fourier import MAX_BETA, circle_modes
from .harmonic import Harmonic
from .sphere_series import SphereSeries

__all__ = ["BACKENDS", "Choice", "choose"]

BACKENDS: dict[str, type[AbstractAttention]] = {
    "dense": Dense,
    "circle": Circle,
    "harmonic": Harmonic,
    "circle-series": CircleSeries,
    "sphere-series": SphereSeries,
}

# Nanoseconds on one ordinary core pair (benchmarks/attention.py prints them for the machine at hand).
_DENSE_PAIR = 2.0
_DENSE_PAIR_DIM = 0.15
_CIRCLE_TOKEN = 150.0
_CIRCLE_MODE = 60.0
_CIRCLE_CALL = 3e5


@dataclass(frozen=True)
class Choice:
    """A chosen backend: `name`, the `attention` itself, and the `reasons` in plain sentences."""

    name: str
    attention: AbstractAttention
    reasons: tuple[str, ...]

    def explain(self) -> str:
        """The reasons as one paragraph."""
        return f"{self.name}: " + "; ".join(self.reasons)


def choose(
    n: int,
    dim: int,
    *,
    beta: float = 1.0,
    isotropic: bool = True,
    differentiable: bool = False,
    prefer: str | None = None,
) -> Choice:
    """Pick a backend for n tokens in R^dim by a cost model.

    **Arguments:**

    - `beta`: inverse temperature; the number of Fourier modes grows like 8.5 √β.
    - `isotropic`: whether QᵀK is a multiple of the identity; the spectral sum needs it.
    - `differentiable`: whether gradients (or `vmap` without a host call) are wanted.
    - `prefer`: a backend by name (`"dense"`, `"circle"`), overruling the model where it is possible at all.

    **Raises:** `InputError` for an unknown or impossible `prefer`.
    """
    n, dim = check_positive_int(n, "n"), check_dim(dim)
    obstacles = []
    if dim != 2:
        obstacles.append(f"dim is {dim}, and the Fourier sum needs dim 2")
    if not isotropic:
        obstacles.append("query_key is not a multiple of the identity")
    if not abs(beta) <= MAX_BETA:
        obstacles.append(f"beta is {beta:g}, and the Fourier sum needs |beta| <= {MAX_BETA:g}")
    if differentiable:
        obstacles.append("a differentiable sum is wanted and ducc0 runs on the host")
    dense_ns = n * n * (_DENSE_PAIR + _DENSE_PAIR_DIM * dim)
    circle_ns = _CIRCLE_CALL + n * _CIRCLE_TOKEN + circle_modes(beta) * _CIRCLE_MODE if not obstacles else None

    def cost(nanoseconds: float) -> str:
        return f"about {nanoseconds / 1e6:.3g} ms an evaluation"

    if prefer is not None:
        if prefer not in BACKENDS:
            raise InputError(f"unknown attention backend '{prefer}'{suggest(prefer, BACKENDS)}")
        if prefer == "circle" and obstacles:
            raise InputError(f"attention backend 'circle' cannot be used: {obstacles[0]}")
        return Choice(prefer, BACKENDS[prefer](), ("asked for by name",))
    if circle_ns is None:
        return Choice("dense", Dense(), (*obstacles, f"direct sum over {n * n:.3g} pairs, {cost(dense_ns)}"))
    reasons = (
        f"dim 2 with an isotropic kernel allows a Fourier sum with {circle_modes(beta)} modes, {cost(circle_ns)}",
        f"the direct sum over {n * n:.3g} pairs needs {cost(dense_ns)}",
    )
    if circle_ns < dense_ns:
        return Choice("circle", Circle(), reasons)
    return Choice("dense", Dense(), reasons[::-1])
