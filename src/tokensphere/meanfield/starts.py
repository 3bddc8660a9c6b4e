"""Initial densities on the circle, as Fourier coefficients c_m = ∫ e^{−imθ} dμ, m = 0..K, c_0 = 1.

u(θ) = 1 + 2 Re Σ_{m≥1} c_m e^{imθ},   with respect to dθ/2π

Every function checks that the density it returns, with the modes that are kept, is not negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_positive_int, check_tokens
from tokensphere.special import bessel_ratios
from tokensphere.sphere import moments
from tokensphere.sphere.random import generator
from tokensphere.theory.growth import check_real

__all__ = ["least_density", "smoothed_tokens", "uniform_plus", "von_mises_mixture", "white_noise"]

_ROUNDING = 1e-12  # of the mean density: what rounding may put below zero


def least_density(coefficients: np.ndarray) -> float:
    """The smallest value of u on a grid of eight points a mode."""
    size = max(16, 8 * len(coefficients))
    return float(np.fft.irfft(np.asarray(coefficients), size, norm="forward").min())


def _positive(coefficients: np.ndarray, remedy: str) -> np.ndarray:
    """The coefficients, or `InputError` naming the smallest value of their density."""
    lowest = least_density(coefficients)
    if lowest < -_ROUNDING:
        raise InputError(f"the density is negative somewhere: it reaches {lowest:.3g} times the uniform one; {remedy}")
    return coefficients


def uniform_plus(amplitudes: Mapping[int, complex], resolution: int) -> np.ndarray:
    """The uniform law plus harmonics: c_m = the amplitude given for degree m, 0 for the others.

    u = 1 + 2 Σ_m (Re a_m cos mθ − Im a_m sin mθ), so that 2 a_m cos(mθ) has a_m real and 2 |a_m| sin(mθ) has
    a_m = −i |a_m|; |a_m| is the order parameter of degree m.

    **Arguments:** `amplitudes`, degree ≥ 1 → complex a_m; `resolution` K ≥ 1.

    **Returns:** (K+1,) complex128.

    **Raises:** `InputError` for a degree outside 1..K, an amplitude that is not finite, or a density that is negative.
    """
    c = np.zeros(check_positive_int(resolution, "resolution") + 1, dtype=np.complex128)
    c[0] = 1.0
    for degree, amplitude in amplitudes.items():
        m = check_positive_int(degree, "degree")
        if m >= c.size:
            raise InputError(f"degree {m} is above the resolution {c.size - 1}; raise the resolution")
        c[m] = amplitude
        if not np.isfinite(c[m]):
            raise InputError(f"the amplitude of degree {m} must be finite, got {amplitude!r}")
    return _positive(c, "make the amplitudes smaller")


def white_noise(resolution: int | None = None, *, cells: int = 9999, size: float = 0.01, seed: int) -> np.ndarray:
    """The uniform law with independent noise in every cell of a grid: density 1/2π + σ N(0,1) with respect to dθ.

    The values stand at θ_j = 2πj/M and are joined by the trigonometric polynomial through them; c_0 is set to 1, which
    the noise changes by 2πσ/√M. |c_m| are those of n = M/(2πσ)² independent tokens
    (:func:`tokensphere.theory.white_noise_tokens`): E |c_m|² = 1/n in every degree.

    **Arguments:** `resolution` K ≤ (M−1)/2, the highest mode kept, default all; `cells` M, odd, default 9999; `size`
    σ ≥ 0, default 0.01; `seed` a whole number ≥ 0 (the same noise whatever the resolution).

    **Returns:** (K+1,) complex128.

    **Raises:** `InputError` for a bad argument, or a density that is negative (σ is then too large).

    **Source:** Figure 4 of arXiv 2410.23228 has M = 9999, σ = 0.01.
    """
    count = check_positive_int(cells, "cells", least=3)
    if count % 2 == 0:
        raise InputError(f"cells must be odd, so that every mode has its conjugate, got {count}")
    sigma = check_real(size, "size", 0.0)
    highest = (count - 1) // 2 if resolution is None else check_positive_int(resolution, "resolution")
    if highest > (count - 1) // 2:
        raise InputError(f"resolution must be at most {(count - 1) // 2} for {count} cells, got {highest}")
    noise = 2.0 * np.pi * sigma * generator(seed).standard_normal(count)
    c = np.fft.rfft(noise, norm="forward")[: highest + 1]
    c[0] = 1.0
    return _positive(c, "make the noise smaller")


def von_mises_mixture(angles: Any, concentrations: Any, resolution: int, proportions: Any = None) -> np.ndarray:
    """Mixture of von Mises laws: u = Σ_c p_c e^{κ_c cos(θ − θ_c)}/I_0(κ_c), c_m = Σ_c p_c I_m(κ_c)/I_0(κ_c) e^{−imθ_c}.

    **Arguments:** `angles` (c,) centres θ_c; `concentrations` one number or (c,) numbers κ_c ≥ 0; `resolution` K;
    `proportions` (c,) ≥ 0 summing to 1, default equal.

    **Returns:** (K+1,) complex128, to rounding (ratios of Bessel functions by their backward recurrence).

    **Raises:** `InputError` for a bad argument, or where K modes are too few and the cut density is negative.
    """
    centres = np.atleast_1d(np.asarray(angles, dtype=np.float64))
    if centres.ndim != 1 or centres.size < 1 or not np.isfinite(centres).all():
        raise InputError(f"angles must be finite numbers (components,), got {angles!r}")
    kappas = np.asarray(concentrations, dtype=np.float64)
    if kappas.shape not in ((), centres.shape):
        raise InputError(f"concentrations must be one number or have shape {centres.shape}, got {kappas.shape}")
    shares = np.full(centres.size, 1.0 / centres.size) if proportions is None else np.asarray(proportions, float)
    if shares.shape != centres.shape or not (shares >= 0).all() or abs(shares.sum() - 1.0) > 1e-9:
        raise InputError(f"proportions must be {centres.size} numbers >= 0 that sum to 1, got {proportions!r}")
    m = np.arange(check_positive_int(resolution, "resolution") + 1)
    c = np.zeros(m.size, dtype=np.complex128)
    for centre, kappa, share in zip(centres, np.broadcast_to(kappas, centres.shape), shares, strict=True):
        ratios = np.cumprod(np.concatenate([[1.0], bessel_ratios(0.0, kappa, m.size - 1)]))
        c += share / shares.sum() * ratios * np.exp(-1j * m * centre)
    return _positive(c, f"more than {m.size - 1} modes are needed for these concentrations: raise the resolution")


def smoothed_tokens(tokens: Any, width: float, resolution: int, weights: Any = None) -> np.ndarray:
    """A cloud of tokens on the circle, smoothed by the heat kernel of standard deviation h: c_m = e^{−h²m²/2} μ̂_m.

    The bias is known: every order parameter A_m is lowered by the factor e^{−h²m²/2} (1 − h²m²/2 for small hm), and
    the density is within W_1 ≤ h √(2/π) of the tokens.

    **Arguments:** `tokens` (n, 2) unit rows; `width` h > 0, radians; `resolution` K; `weights` (n,) masses summing to
    1, None = 1/n.

    **Returns:** (K+1,) complex128.

    **Raises:** `InputError` for a bad argument, or where K modes are too few for this width and the cut density is
    negative.
    """
    points = check_tokens(tokens)
    if points.shape[1] != 2:
        raise InputError(f"smoothed_tokens needs tokens on the circle (dim = 2), got dim = {points.shape[1]}")
    h = check_real(width, "width", 0.0)
    if h == 0.0:
        raise InputError("width must be > 0: tokens without smoothing are no density")
    highest = check_positive_int(resolution, "resolution")
    c = moments(np.arctan2(points[:, 1], points[:, 0]), highest, weights)
    c = c * np.exp(-0.5 * (h * np.arange(highest + 1)) ** 2)
    c[0] = 1.0
    return _positive(c, f"more than {highest} modes are needed for this width: raise the resolution to {6 / h:.0f}")
