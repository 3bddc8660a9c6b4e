"""Funk-Hecke eigenvalues: what a zonal kernel does to each degree of spherical harmonics.

    integral K(<x,y>) Y_k(y) dsigma(y) = a_k Y_k(x)
    a_k = integral K(q) P_k(q) w(q) dq,      w ~ (1-q^2)^{(d-3)/2}

sigma is the uniform *probability*. The exponential kernel has a closed form; any smooth kernel goes through
composite Gauss-Legendre quadrature in the polar angle, where the weight is sin^{d-2}(theta).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim
from .bessel import bessel_ratios, log_scaled_partition
from .gegenbauer import check_degrees, iterate_gegenbauer

__all__ = ["funk_hecke", "funk_hecke_exponential", "log_funk_hecke", "log_funk_hecke_exponential"]

_NODES = 16
_PANELS = 64
_MAX_PANELS = 1 << 13


def log_funk_hecke_exponential(beta: float, dim: int, degrees: Any, scaled: bool = True) -> np.ndarray:
    """Natural logarithm of :func:`funk_hecke_exponential`: finite where the value itself is not a float.

    **Arguments, errors, source:** as :func:`funk_hecke_exponential`.  **Returns:** shape of `degrees`; -inf
    for 0.
    """
    beta, dim, wanted = check_beta(beta), check_dim(dim), check_degrees(degrees)
    top = int(wanted.max())
    logs = np.zeros(top + 1)
    if top:
        with np.errstate(divide="ignore"):
            logs[1:] = np.cumsum(np.log(bessel_ratios(0.5 * dim - 1.0, beta, top)))
    return np.asarray(logs[wanted] + log_scaled_partition(dim, beta) + (0.0 if scaled else beta))


def funk_hecke_exponential(beta: float, dim: int, degrees: Any, scaled: bool = True) -> np.ndarray:
    """Eigenvalues of e^{beta q} with respect to the uniform probability on S^(dim-1).

        a_k = Gamma(d/2) (2/beta)^nu I_{k+nu}(beta),     nu = d/2 - 1

    **Arguments:** `beta` >= 0; `dim` >= 2; `degrees` >= 0, any shape; `scaled` (default True) multiplies by
    e^{-beta}, i.e. takes the kernel e^{beta (q-1)}.

    **Returns:** float64 array of the shape of `degrees`.

    **Raises:** InputError for bad input, or when `scaled=False` leaves the float range.

    **Source:** derived (Funk-Hecke and the Rayleigh expansion).
    """
    logs = log_funk_hecke_exponential(beta, dim, degrees, scaled)
    if (logs > 709.78).any():
        raise InputError(f"beta = {beta} overflows e^(beta q); use scaled=True or log_funk_hecke_exponential")
    return np.asarray(np.exp(logs))


def _grid(panels: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(_NODES)
    width = np.pi / panels
    theta = (np.arange(panels)[:, None] + 0.5 * (x + 1.0)[None, :]) * width
    return theta.ravel(), np.tile(0.5 * width * w, panels)


def _converge(
    log_magnitude: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    dim: int,
    wanted: np.ndarray,
    rtol: float,
    angle: bool,
) -> tuple[np.ndarray, float, float]:
    """Integrals of sign * exp(log_magnitude) * P_k divided by exp(scale), the scale, and their total mass."""
    flat = wanted.ravel()
    top = int(flat.max())
    panels = max(_PANELS, 1 << max(top // 4, 1).bit_length())
    limit = max(_MAX_PANELS, 4 * panels)
    previous: np.ndarray | None = None
    old_scale = 0.0
    agreements = 0
    error = np.inf
    while panels <= limit:
        theta, w = _grid(panels)
        q = np.cos(theta)
        log_weight = (dim - 2) * np.log(np.sin(theta)) + np.log(w)
        peak = log_weight.max()
        log_weight -= peak + np.log(np.exp(log_weight - peak).sum())
        sign, logs = log_magnitude(theta if angle else q)
        logs = logs + log_weight
        scale = float(logs.max())
        if not np.isfinite(scale):
            scale = 0.0
        integrand = sign * np.exp(logs - scale)
        mass = float(np.abs(integrand).sum())
        sums = np.empty(flat.size)
        for k, values in enumerate(iterate_gegenbauer(dim, q)):
            sums[flat == k] = float((integrand * values).sum())
            if k == top:
                break
        current = np.append(sums, mass)
        if previous is not None:
            error = float(np.abs(current * np.exp(scale - old_scale) - previous).max()) / max(previous[-1], 1e-300)
            agreements = agreements + 1 if error <= rtol else 0
            if agreements == 2 or mass == 0.0:
                return sums.reshape(wanted.shape), scale, mass
        previous, old_scale = current, scale
        panels *= 2
    raise RuntimeError(
        f"the Funk-Hecke quadrature did not converge to rtol = {rtol:g} with {panels // 2 * _NODES} nodes "
        f"(last change {error:.1e}); the kernel is not smooth enough, or rtol is too small"
    )


def _check_rtol(rtol: float) -> float:
    if not 1e-15 < rtol < 1:
        raise InputError(f"rtol must be between 1e-15 and 1, got {rtol!r}")
    return float(rtol)


def funk_hecke(
    kernel: Callable[[np.ndarray], Any], dim: int, degrees: Any, rtol: float = 1e-12, *, angle: bool = False
) -> np.ndarray:
    """Eigenvalues a_k of any smooth zonal kernel, by quadrature.

        a_k = integral_0^pi K(cos t) P_k(cos t) sin^{d-2}(t) dt / integral_0^pi sin^{d-2}(t) dt

    **Arguments:** `kernel` a function of an array of cosines that returns an array of the same shape (pass a
    shifted kernel, e.g. e^{beta (q-1)}, so that it does not overflow); `dim` >= 2; `degrees` >= 0, any shape;
    `rtol` the error allowed, relative to integral |K| dsigma (default 1e-12); `angle=True` calls the kernel
    with angles in radians instead: from a cosine, e^{beta (q-1)} keeps only 16 - log10(beta) digits, so at
    beta = 1e6 write it as e^{-2 beta sin^2(t/2)}.

    **Returns:** float64 array of the shape of `degrees`.

    **Raises:** InputError for bad input or a kernel value that is not finite; RuntimeError when doubling the
    panels does not converge (a discontinuous kernel).

    **Source:** classical.
    """
    dim, wanted, rtol = check_dim(dim), check_degrees(degrees), _check_rtol(rtol)

    def log_magnitude(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(kernel(q), dtype=np.float64)
        if values.shape != q.shape:
            raise InputError(f"kernel must return shape {q.shape} for an input of that shape, got {values.shape}")
        if not np.isfinite(values).all():
            i = int(np.argmin(np.isfinite(values)))
            raise InputError(f"kernel({q[i]:.6g}) is {values[i]}; pass a shifted kernel that stays finite")
        with np.errstate(divide="ignore"):
            return np.sign(values), np.log(np.abs(values))

    sums, scale, _ = _converge(log_magnitude, dim, wanted, rtol, angle)
    return np.asarray(sums * np.exp(scale))


def log_funk_hecke(
    log_kernel: Callable[[np.ndarray], Any],
    dim: int,
    degrees: Any,
    rtol: float = 1e-12,
    *,
    angle: bool = False,
) -> tuple[float, np.ndarray]:
    """Eigenvalues of a positive kernel given by its logarithm, when a_0 itself is not a float.

    **Arguments:** `log_kernel` the function q -> log K(q); the others as in :func:`funk_hecke`.

    **Returns:** `(log_a0, ratios)`: log of integral K dsigma, and a_k / a_0 of the shape of `degrees`.

    **Raises:** as :func:`funk_hecke`.

    **Source:** classical.
    """
    dim, wanted, rtol = check_dim(dim), check_degrees(degrees), _check_rtol(rtol)

    def log_magnitude(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs = np.asarray(log_kernel(q), dtype=np.float64)
        if logs.shape != q.shape or np.isnan(logs).any() or (logs == np.inf).any():
            raise InputError(f"log_kernel must return {q.shape} numbers below inf, got shape {logs.shape}")
        return np.ones_like(logs), logs

    sums, scale, mass = _converge(log_magnitude, dim, wanted, rtol, angle)
    return scale + float(np.log(mass)), np.asarray(sums / mass)
