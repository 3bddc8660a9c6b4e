"""Random tokens: uniform, von Mises-Fisher, mixtures and spherical caps. All samplers are exact.

Each call makes its own `numpy.random.Generator(PCG64(seed))`; the same arguments give the same tokens.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError, check_dim, check_positive_int

__all__ = ["cap", "mixture", "uniform", "von_mises_fisher"]


def generator(seed: Any) -> np.random.Generator:
    """Return `Generator(PCG64(seed))`; `seed` is a whole number >= 0, otherwise :class:`InputError`."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, got {seed!r}")
    return np.random.Generator(np.random.PCG64(int(seed)))


def unit_vector(vector: Any, name: str) -> np.ndarray:
    """Return `vector` (dim,) divided by its length, or raise :class:`InputError` naming `name`."""
    v = np.asarray(vector, dtype=np.float64)
    if v.ndim != 1 or v.size < 2 or not np.isfinite(v).all() or not v.any():
        raise InputError(f"{name} must be a finite non-zero vector (dim,) with dim >= 2, got {vector!r}")
    v = v / np.abs(v).max()
    return v / np.linalg.norm(v)


def draw_uniform(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """Return n uniform unit rows of length `dim` >= 1 (dim 2: uniform angles; else normalised Gaussians)."""
    if dim == 2:
        theta = rng.uniform(-np.pi, np.pi, n)
        return np.stack([np.cos(theta), np.sin(theta)], axis=1)
    tokens = rng.standard_normal((n, dim))
    norms = np.linalg.norm(tokens, axis=1)
    while not norms.all():  # probability zero, yet a zero row must never leave this function
        bad = norms == 0
        tokens[bad] = rng.standard_normal((int(bad.sum()), dim))
        norms = np.linalg.norm(tokens, axis=1)
    tokens /= norms[:, None]
    return tokens


def around(rng: np.random.Generator, axis: np.ndarray, versine: np.ndarray) -> np.ndarray:
    """Return tokens x with 1 - <x, axis> = `versine` (n,) and uniform direction around the unit `axis`.

    The versine keeps its relative accuracy, so that very concentrated laws are exact. The tokens are made
    around the first coordinate vector and moved by a Householder reflection.
    """
    n, dim = versine.size, axis.size
    tokens = np.empty((n, dim))
    tokens[:, 0] = 1.0 - versine
    tokens[:, 1:] = np.sqrt(versine * (2.0 - versine))[:, None] * draw_uniform(rng, n, dim - 1)
    sign = 1.0 if axis[0] >= 0 else -1.0  # reflect e_1 to -sign*axis: no cancellation in u
    u = sign * axis
    u[0] += 1.0
    tokens -= np.outer(tokens @ u, u * (2.0 / (u @ u)))
    tokens *= -sign
    return tokens


def uniform(n: int, dim: int, seed: int) -> np.ndarray:
    """Return n independent tokens with the uniform law on S^(dim-1).

    Their harmonic power A_k^2 has mean 1/n in every degree k >= 1.

    **Arguments:** `n` >= 1; `dim` >= 2; `seed` a whole number >= 0.

    **Returns:** (n, dim) float64 unit rows.

    **Raises:** `InputError` for a bad n, dim or seed.
    """
    return draw_uniform(generator(seed), check_positive_int(n, "n"), check_dim(dim))


def von_mises_fisher(n: int, mean: Any, concentration: float, seed: int) -> np.ndarray:
    """Return n independent von Mises-Fisher tokens: density proportional to e^{kappa <x, m>} on S^(dim-1).

    Exact rejection from a scaled beta law, in terms of 1 - <x, m> so that it stays exact for very large
    kappa (tested to 1e12). In dim 3, E<x, m> = coth(kappa) - 1/kappa.

    **Arguments:** `n` >= 1; `mean` (dim,) any non-zero vector, normalised here; `concentration` kappa >= 0
    (0 is the uniform law); `seed` a whole number >= 0.

    **Returns:** (n, dim) float64 unit rows.

    **Raises:** `InputError` for a bad n, mean, concentration or seed.

    **Source:** Wood, Commun. Stat. Simul. Comput. 23 (1994) 157, algorithm VM*.
    """
    n = check_positive_int(n, "n")
    axis = unit_vector(mean, "mean")
    rng = generator(seed)
    return around(rng, axis, _vmf_versines(rng, n, axis.size, _check_concentration(concentration)))


def _check_concentration(value: Any) -> float:
    kappa = float(value)
    if not math.isfinite(kappa) or kappa < 0:
        raise InputError(f"concentration must be a finite number >= 0, got {value!r}")
    return kappa


def _vmf_versines(rng: np.random.Generator, n: int, dim: int, kappa: float) -> np.ndarray:
    """Draw s = 1 - <x, m>, whose law is proportional to e^{-kappa s} (s (2 - s))^{(dim-3)/2} on [0, 2]."""
    m = dim - 1
    b = m / (2.0 * kappa + math.hypot(2.0 * kappa, m))
    x0, one_minus_x0 = (1.0 - b) / (1.0 + b), 2.0 * b / (1.0 + b)
    out = np.empty(n)
    filled = 0
    while filled < n:
        size = int(1.6 * (n - filled)) + 16
        z = rng.beta(m / 2.0, m / 2.0, size)
        s = 2.0 * b * z / (1.0 - (1.0 - b) * z)
        ratio = (one_minus_x0 + x0 * s) * (1.0 + b) ** 2 / (4.0 * b)
        accept = kappa * (one_minus_x0 - s) + m * np.log(ratio) >= -rng.standard_exponential(size)
        kept = s[accept][: n - filled]
        out[filled : filled + kept.size] = kept
        filled += kept.size
    return np.minimum(out, 2.0)


def mixture(n: int, means: Any, concentrations: Any, seed: int, proportions: Any = None) -> np.ndarray:
    """Return n independent tokens of a mixture sum_c p_c vMF(m_c, kappa_c) of von Mises-Fisher laws.

    **Arguments:** `n` >= 1; `means` (c, dim) non-zero rows, normalised here; `concentrations` one number
    or (c,) numbers >= 0; `seed` a whole number >= 0; `proportions` (c,) summing to 1, default 1/c each.

    **Returns:** (n, dim) float64 unit rows, components in random order.

    **Raises:** `InputError` for a bad argument, naming it.
    """
    n = check_positive_int(n, "n")
    centres = np.asarray(means, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[0] < 1:
        raise InputError(f"means must have shape (components, dim), got {centres.shape}")
    count = centres.shape[0]
    axes = [unit_vector(row, f"means[{i}]") for i, row in enumerate(centres)]
    kappas = np.asarray(concentrations, dtype=np.float64)
    if kappas.shape not in ((), (count,)):
        raise InputError(f"concentrations must be one number or have shape ({count},), got {kappas.shape}")
    kappas = np.broadcast_to(kappas, (count,))
    p = np.full(count, 1.0 / count) if proportions is None else np.asarray(proportions, dtype=np.float64)
    if p.shape != (count,) or not np.isfinite(p).all() or (p < 0).any() or abs(p.sum() - 1.0) > 1e-9:
        raise InputError(f"proportions must be {count} numbers >= 0 that sum to 1, got {proportions!r}")
    rng = generator(seed)
    labels = rng.choice(count, size=n, p=p / p.sum())
    tokens = np.empty((n, centres.shape[1]))
    for c in range(count):
        members = np.flatnonzero(labels == c)
        if members.size:
            versines = _vmf_versines(rng, members.size, centres.shape[1], _check_concentration(kappas[c]))
            tokens[members] = around(rng, axes[c], versines)
    return tokens


def cap(n: int, center: Any, angle: float, seed: int) -> np.ndarray:
    """Return n independent tokens, uniform in the cap {x : geodesic(x, center) <= angle} of S^(dim-1).

    Exact for caps of any size in any dimension, including caps whose area underflows.

    **Arguments:** `n` >= 1; `center` (dim,) any non-zero vector, normalised here; `angle` in (0, pi]
    radians (pi is the whole sphere); `seed` a whole number >= 0.

    **Returns:** (n, dim) float64 unit rows.

    **Raises:** `InputError` for a bad n, center, angle or seed.
    """
    n = check_positive_int(n, "n")
    axis = unit_vector(center, "center")
    width = float(angle)
    if not 0.0 < width <= math.pi:
        raise InputError(f"angle must be in (0, pi] radians, got {angle!r}")
    rng = generator(seed)
    return around(rng, axis, 2.0 * _cap_half_versines(rng, n, axis.size, width))


def _cap_half_versines(rng: np.random.Generator, n: int, dim: int, width: float) -> np.ndarray:
    """Draw z = (1 - cos theta)/2, of density proportional to (z (1 - z))^{(dim-3)/2} on [0, sin^2(width/2)].

    dim 2: theta itself is uniform. Wide caps: the beta law, cut. Narrow caps: y = log z has a log-concave
    density on (-inf, log z_max], which lies below the exponential tangent at its right end.
    """
    if dim == 2:
        return np.sin(rng.uniform(0.0, width / 2.0, n)) ** 2
    a = (dim - 1) / 2.0
    top = math.sin(width / 2.0) ** 2
    out = np.empty(n)
    filled = 0
    while filled < n:
        size = 2 * (n - filled) + 16
        if width > math.pi / 2:
            z = rng.beta(a, a, size)
            accept = z <= top
        else:
            fall = rng.standard_exponential(size) / (a - (a - 1.0) * top / (1.0 - top))
            z = top * np.exp(-fall)
            log_ratio = (a - 1.0) * (np.log1p(-z) - math.log1p(-top) - fall * top / (1.0 - top))
            accept = log_ratio >= -rng.standard_exponential(size)
        kept = z[accept][: n - filled]
        out[filled : filled + kept.size] = kept
        filled += kept.size
    return out
