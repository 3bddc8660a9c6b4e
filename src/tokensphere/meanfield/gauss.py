"""Zonal functions on S^{d−1}: orthonormal polynomials in q = ⟨x, e⟩, their slopes and Gauss nodes, in any dimension.

    w(q) ∝ (1 − q²)^{(d−3)/2} of mass 1,      p_k = √D_k P_k,      ∫ p_k p_l w = δ_kl
    q p_k = b_{k+1} p_{k+1} + b_k p_{k−1},    b_k² = k(k+d−3) / ((2k+d−2)(2k+d−4)),   b_1² = 1/d
    √(1−q²) p_k' = √Λ_k s_k,                  ∫ s_k s_l w = δ_kl,   s_k = √(d/(d−1)) √(1−q²) p_{k−1} of dimension d + 2

|p_k| ≤ √D_k, which is the largest number that appears: dimensions of thousands are no harder than three.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tokensphere.errors import InputError
from tokensphere.special import laplacian_eigenvalue

__all__ = ["GaussRule", "ZonalTable", "gauss_rule", "iterate_orthonormal", "root_multiplicities", "zonal_table"]

_LARGEST_LOG = 690.0  # of √D_k


class GaussRule(NamedTuple):
    """Nodes q (n,), increasing and symmetric, and weights (n,) of sum 1: exact for degrees up to 2n − 1."""

    nodes: np.ndarray
    weights: np.ndarray


class ZonalTable(NamedTuple):
    """p_k and s_k at the nodes of a Gauss rule, (K+1, n) each, unweighted."""

    rule: GaussRule
    values: np.ndarray
    slopes: np.ndarray


def _steps(dim: int, count: int) -> np.ndarray:
    """b_1..b_count."""
    k = np.arange(2.0, count + 1.0)
    squares = k * (k + dim - 3.0) / ((2.0 * k + dim - 2.0) * (2.0 * k + dim - 4.0))
    return np.sqrt(np.concatenate([[1.0 / dim], squares]))


def iterate_orthonormal(dim: int, q: np.ndarray, top: int) -> Iterator[np.ndarray]:
    """Yield p_0(q), ..., p_top(q); arrays of the shape of `q`."""
    b = _steps(dim, max(top, 1))
    before, now = np.zeros_like(q), np.ones_like(q)
    yield now
    for k in range(top):
        before, now = now, (q * now - (b[k - 1] if k else 0.0) * before) / b[k]
        yield now


@functools.lru_cache(maxsize=64)
def root_multiplicities(dim: int, top: int) -> np.ndarray:
    """√D_k, k = 0..`top`.

    **Raises:** `InputError` where they are no floats.
    """
    k = np.arange(1.0, top)
    growth = (2 * k + dim) * (k + dim - 2) / ((2 * k + dim - 2) * (k + 1))  # D_{k+1} / D_k, k >= 1
    growth = np.concatenate([[1.0, dim], growth])[: top + 1]
    logs = 0.5 * np.cumsum(np.log(growth))
    if logs[-1] > _LARGEST_LOG:
        most = int(np.searchsorted(logs, _LARGEST_LOG)) - 1
        raise InputError(f"resolution must be at most {most} in dim = {dim}, got {top}")
    roots = np.cumprod(np.sqrt(growth))
    roots.setflags(write=False)
    return roots


@functools.lru_cache(maxsize=16)
def gauss_rule(dim: int, count: int) -> GaussRule:
    """The Gauss rule of w with `count` nodes, by the eigenvalues of its Jacobi matrix and two Newton steps."""
    from scipy.linalg import eigvalsh_tridiagonal

    b = _steps(dim, count)
    q = np.asarray(eigvalsh_tridiagonal(np.zeros(count), b[: count - 1]))
    for _ in range(3):
        # Christoffel-Darboux at a root of p_n: Σ_{k<n} p_k² = b_n p_n' p_{n−1}; 1/Σ is the weight
        before, now = np.zeros_like(q), np.ones_like(q)
        total, logs = np.ones_like(q), np.zeros_like(q)
        for k in range(count):
            before, now = now, (q * now - (b[k - 1] if k else 0.0) * before) / b[k]
            if k < count - 1:
                total = total + now * now
            large = total > 1e200
            if large.any():
                factor = np.where(large, 1e-100, 1.0)
                before, now, total, logs = before * factor, now * factor, total * factor**2, logs - 2 * np.log(factor)
        weights = np.exp(-logs - np.log(total))
        q = q - now * b[-1] * before / total
    weights = weights + weights[::-1]
    rule = GaussRule(0.5 * (q - q[::-1]), weights / weights.sum())
    for part in rule:
        part.setflags(write=False)
    return rule


@functools.lru_cache(maxsize=8)
def zonal_table(dim: int, top: int, count: int) -> ZonalTable:
    """p_0..p_top and s_0..s_top at the Gauss nodes of w with `count` nodes."""
    root_multiplicities(dim, top)
    rule = gauss_rule(dim, count)
    q = rule.nodes
    values = np.stack(list(iterate_orthonormal(dim, q, top)))
    height = np.sqrt((1.0 - q) * (1.0 + q)) * math.sqrt(dim / (dim - 1.0))
    slopes = np.zeros_like(values)
    for k, row in enumerate(iterate_orthonormal(dim + 2, q, top - 1)):
        slopes[k + 1] = height * row
    for part in (values, slopes):
        part.setflags(write=False)
    return ZonalTable(rule, values, slopes)


def root_laplacian(dim: int, top: int) -> np.ndarray:
    """√Λ_k, k = 0..`top`."""
    return np.sqrt(laplacian_eigenvalue(np.arange(top + 1), dim))
