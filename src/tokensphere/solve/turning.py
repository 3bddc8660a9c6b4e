"""Runge–Kutta steps on the circle, taken in the angles, in NumPy.

Rotations of the plane commute, so a Runge–Kutta method for dθ_i/dt is the exact Lie-group method for the tokens
x_i = (cos θ_i, sin θ_i): same order, always on the circle, and half the numbers to move about.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.flows import AbstractFlow

from .tableaus import Tableau

__all__ = ["turn"]


def turn(
    flow: AbstractFlow,
    method: Tableau,
    t: float,
    size: float,
    tokens: np.ndarray,
    velocity: np.ndarray,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """New tokens, their velocity and the error of every token in radians (`None` without an estimate)."""
    field = type(flow).angular_field  # unbound: see tokensphere.flows.base
    masses = np.full(len(tokens), 1.0 / len(tokens)) if weights is None else weights
    masses = masses.astype(np.complex128)  # once a step, as the transforms want it
    start = np.arctan2(tokens[:, 1], tokens[:, 0])
    stages, angles = [velocity[:, 1] * tokens[:, 0] - velocity[:, 0] * tokens[:, 1]], start
    for row, node in zip(method.rows, method.nodes[1:], strict=True):
        angles = _combine(start, size, row, stages)
        stages.append(field(flow, angles, masses, t + node * size))
    if method.first_same_as_last:
        rate = stages[-1]
    else:
        angles = _combine(start, size, method.weights, stages)
        rate = field(flow, angles, masses, t + size)
    new = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    new_velocity = np.stack([-new[:, 1] * rate, new[:, 0] * rate], axis=1)
    error = None if method.error is None else np.abs(_combine(0.0, size, method.error, stages))
    return new, new_velocity, error


def _combine(start: Any, size: float, coefficients: tuple[float, ...], stages: list[np.ndarray]) -> np.ndarray:
    """start + size · Σ c_i k_i, without more than two temporary arrays."""
    out, buffer = np.zeros_like(stages[0]), np.empty_like(stages[0])
    for coefficient, stage in zip(coefficients, stages, strict=True):
        if coefficient != 0.0:
            out += np.multiply(stage, coefficient, out=buffer)
    out *= size
    out += start
    return out
