"""Starts near the uniform law: random tilts by one harmonic, and quiet (noise-free) starts.

A random start carries noise n^{-1/2} in every degree. A quiet start carries only the wanted degree, which
is what a growth rate needs to be measured to many digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_dim, check_positive_int
from .geometry import from_angles
from .harmonics import zonal
from .random import draw_uniform, generator, unit_vector

__all__ = ["equispaced", "perturbed_uniform", "quiet"]

_MOST_POINTS = 20_000_000


def equispaced(n: int, amplitude: float = 0.0, degree: int = 1, phase: float = 0.0) -> np.ndarray:
    """Return n equal-mass tokens on the circle, equispaced and displaced by one mode (a quiet start).

        theta_j = a_j - (2 A / k) sin(k a_j - phase),   a_j = 2 pi j / n

    To first order in A the measure is (1 + 2 A cos(k theta - phase)) d theta / 2 pi, so mu_hat_k = A
    e^{-i phase} and the order parameter of degree k is A (exactly J_1(2A)). Degree m k is excited at
    order A^m, and, as for any n tokens, degrees m + n Z repeat m; every other degree is zero to rounding.

    **Arguments:** `n` >= 1; `amplitude` A with |A| < 1/2 (tokens keep their order), default 0; `degree` k
    with 1 <= k < n/2, default 1; `phase` radians, default 0 (pi/2 gives the sine mode).

    **Returns:** (n, 2) float64 unit rows; token j is near angle 2 pi j / n.

    **Raises:** `InputError` for a bad argument, naming it.
    """
    n, k = check_positive_int(n, "n"), check_positive_int(degree, "degree")
    size, shift = float(amplitude), float(phase)
    if not abs(size) < 0.5:
        raise InputError(f"amplitude must be between -1/2 and 1/2, got {amplitude!r}")
    if not math.isfinite(shift):
        raise InputError(f"phase must be finite, got {phase!r}")
    if size != 0.0 and 2 * k >= n:
        raise InputError(f"degree must be below n/2 = {n / 2:g} to be seen by {n} tokens, got {k}")
    j = np.arange(n)
    # k j mod n keeps the argument small, so that high degrees lose no digits.
    wave = np.sin(2.0 * np.pi * ((k * j) % n) / n - shift)
    return from_angles(2.0 * np.pi * j / n - (2.0 * size / k) * wave)


def _tilt(dim: int, degree: int, amplitude: float) -> tuple[float, float]:
    """Return (eps, lowest value of eps P_k), eps P_k the tilt; an error if the density is negative."""
    eps = float(amplitude) * (2.0 if dim == 2 else 1.0)
    if not math.isfinite(eps):
        raise InputError(f"amplitude must be finite, got {amplitude!r}")
    grid = np.cos(np.linspace(0.0, np.pi, 64 * degree + 1))
    lowest = float((eps * zonal(grid, degree, dim)).min())
    if lowest < -1.0 - 1e-12:
        raise InputError(
            f"amplitude {amplitude!r} makes the density negative (1 + tilt reaches {1 + lowest:.3g}); "
            f"use at most {abs(float(amplitude) / lowest):.4g} in size"
        )
    return eps, lowest


def perturbed_uniform(
    n: int, dim: int, degree: int, amplitude: float, seed: int, phase: float = 0.0, axis: Any = None
) -> np.ndarray:
    """Return n independent tokens of the uniform law tilted by one zonal harmonic.

        circle: density 1 + 2 eps cos(k theta - phase);   dim >= 3: density 1 + eps P_k(<x, e>)

    with respect to the uniform probability; P_k = C_k^nu / C_k^nu(1), nu = dim/2 - 1. As n grows the
    order parameter of degree k tends to eps on the circle and to eps / D_k in dim >= 3 (D_k the number of
    harmonics of degree k); noise adds 1/n to its square.

    **Arguments:** `n` >= 1; `dim` >= 2; `degree` k >= 1; `amplitude` eps; `seed` a whole number >= 0;
    `phase` radians, circle only, default 0; `axis` (dim,) the direction e, default the first coordinate
    vector (on the circle it adds k times its angle to the phase).

    **Returns:** (n, dim) float64 unit rows. Exact rejection from the uniform law.

    **Raises:** `InputError` when the density would be negative or an argument is bad.
    """
    n, dim, k = check_positive_int(n, "n"), check_dim(dim), check_positive_int(degree, "degree")
    shift = float(phase)
    if not math.isfinite(shift) or (dim > 2 and shift != 0.0):
        raise InputError(f"phase must be a finite number, and 0 unless dim = 2, got {phase!r}")
    e = np.eye(dim)[0] if axis is None else unit_vector(axis, "axis")
    if e.size != dim:
        raise InputError(f"axis must have shape ({dim},), got ({e.size},)")
    if dim == 2:
        turn = math.atan2(e[1], e[0]) + shift / k
        e = np.array([math.cos(turn), math.sin(turn)])
    eps, _ = _tilt(dim, k, amplitude)
    highest = 1.0 + abs(eps)
    rng = generator(seed)
    tokens = np.empty((n, dim))
    filled = 0
    while filled < n:
        draws = draw_uniform(rng, int(highest * 1.1 * (n - filled)) + 16, dim)
        density = 1.0 + eps * zonal(np.clip(draws @ e, -1.0, 1.0), k, dim)
        kept = draws[rng.random(draws.shape[0]) * highest < density][: n - filled]
        tokens[filled : filled + kept.shape[0]] = kept
        filled += kept.shape[0]
    return tokens


def quiet(dim: int, degree: int, amplitude: float, resolution: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted tokens (tokens, weights) of the tilted uniform law, without noise.

        weights_i = quadrature weight_i * (1 + eps P_k(x_i[0])),   circle: 1 + 2 eps cos(k theta)

    The nodes are a product rule: Gauss-Gegenbauer in each polar coordinate, equispaced in the last angle.
    It is exact for spherical polynomials up to degree 2 L - 1, L the resolution, so the order parameters
    are exact: A_k = eps / D_k (circle: eps) and zero in the other degrees m with 1 <= m <= 2 L - 1 - k.
    Choose L so that I_{2L}(beta) is negligible.

    **Arguments:** `dim` >= 2; `degree` k >= 1; `amplitude` eps; `resolution` L > k, default 16 (2
    L^(dim-1) tokens: 512 in dim 3, 8192 in dim 4).

    **Returns:** tokens (n, dim) float64 unit rows and weights (n,) summing to 1, n = 2 L^(dim-1).

    **Raises:** `InputError` when the density would be negative, L is too small for the degree, there
    would be more than 2e7 tokens, or an argument is bad.
    """
    dim, k = check_dim(dim), check_positive_int(degree, "degree")
    size = check_positive_int(resolution, "resolution")
    if size <= k:
        raise InputError(f"resolution must be above the degree {k}, got {size}")
    count = 2 * size ** (dim - 1)
    if count > _MOST_POINTS:
        raise InputError(f"resolution {size} in dim {dim} would give {count:.2g} tokens, more than 2e7")
    eps, _ = _tilt(dim, k, amplitude)
    tokens, weights = _product_rule(dim, size)
    weights = weights * np.maximum(1.0 + eps * zonal(tokens[:, 0], k, dim), 0.0)
    return tokens, weights / weights.sum()


def _product_rule(dim: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes x = (q, sqrt(1 - q^2) y), y nodes one dimension lower, and weights of sum 1."""
    if dim == 2:
        return from_angles(np.pi * (np.arange(2 * size) + 0.5) / size), np.full(2 * size, 0.5 / size)
    from scipy.special import roots_gegenbauer

    q, mass = roots_gegenbauer(size, dim / 2.0 - 1.0)
    inner, inner_mass = _product_rule(dim - 1, size)
    product = np.empty((size, inner.shape[0], dim))
    product[:, :, 0] = q[:, None]
    product[:, :, 1:] = np.sqrt((1.0 - q) * (1.0 + q))[:, None, None] * inner
    tokens = product.reshape(-1, dim)
    tokens /= np.linalg.norm(tokens, axis=1)[:, None]
    return tokens, np.outer(mass / mass.sum(), inner_mass).ravel()
