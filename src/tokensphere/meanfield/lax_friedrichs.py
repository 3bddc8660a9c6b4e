"""The published finite-volume scheme, for comparison only: it adds a diffusion of its own.

    u_j⁺ = ½(u_{j+1} + u_{j−1}) − (Δt/2Δx) (u_{j+1}χ_{j+1} − u_{j−1}χ_{j−1})      (Lax–Friedrichs, USA)
    correct     χ(θ) = ∫ h'(θ − φ) u(φ) dφ/2π,      h(θ) = e^{β cos θ}/β
    reflected   χ(θ) = ∫ h'(θ + φ) u(φ) dφ/2π       (a cross-correlation taken for a convolution)

The mean of two neighbours is a diffusion with coefficient Δx²/2Δt: 25 Δx at Δt = 0.02 Δx, of first order only. Mode k
of a small perturbation grows with the rate

    r_k = ln[cos kΔx ± Δt λ_k sin(kΔx)/(kΔx)] / Δt,

+ for the correct kernel; with the reflected one cosines grow with + and sines decay with −. Use
:class:`tokensphere.meanfield.CircleMeanField` for anything but this comparison.

[scheme: authors' notebook of 2410.23228; rates derived]
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_beta, check_positive_int, check_times
from tokensphere.theory import growth_rates
from tokensphere.theory.growth import check_real

__all__ = ["lax_friedrichs", "lax_friedrichs_rate"]


def lax_friedrichs(
    density: Any, beta: float, times: Any, *, step_ratio: float = 0.02, reflected: bool = False
) -> np.ndarray:
    """Follow a density with the scheme above, in steps Δt = `step_ratio` · Δx (a little less where the save times are
    no multiples of it).

    **Arguments:** `density` (M,) values u_j with respect to dθ/2π at θ_j = 2πj/M; `beta` > 0; `times` increasing, the
    first is that of `density`; `reflected` uses the reflected kernel.

    **Returns:** (len(times), M) float64.

    **Raises:** `InputError` for bad input, or as soon as a step is not stable (Δt max|χ| > Δx).
    """
    u = np.array(density, dtype=np.float64)
    if u.ndim != 1 or u.size < 8 or not np.isfinite(u).all():
        raise InputError(f"density must be at least 8 finite values (M,), got shape {u.shape}")
    if check_beta(beta) == 0.0:
        raise InputError("beta must be > 0 for a mean-field equation")
    save, ratio = check_times(times), check_real(step_ratio, "step_ratio", 1e-6)
    width = 2.0 * np.pi / u.size
    kernel = _kernel(float(beta), u.size)
    frames = [u.copy()]
    for start, stop in itertools.pairwise(save):
        count = max(1, math.ceil((stop - start) / (ratio * width) - 1e-9))
        pace = (stop - start) / count / (2.0 * width)
        for _ in range(count):
            drift = _drift(u, kernel, reflected)
            if not 2.0 * pace * max(float(drift.max()), -float(drift.min())) <= 1.0:
                raise InputError(
                    f"the scheme is unstable with step_ratio = {step_ratio:g} before t = {stop:g}: "
                    f"a step moves mass by more than a cell; make step_ratio smaller"
                )
            flux = u * drift
            ahead, behind = np.roll(u, -1), np.roll(u, 1)
            u = 0.5 * (ahead + behind) - pace * (np.roll(flux, -1) - np.roll(flux, 1))
        frames.append(u.copy())
    return np.stack(frames)


def _kernel(beta: float, points: int) -> np.ndarray:
    """(I_k(β)/β) i k for the modes that matter."""
    from scipy.special import iv

    from tokensphere.attention.fourier import circle_modes

    k = np.arange(min(circle_modes(beta), (points - 1) // 2) + 1)
    return 1j * k * iv(k, beta) / beta


def _drift(u: np.ndarray, kernel: np.ndarray, reflected: bool) -> np.ndarray:
    from scipy.fft import irfft, rfft

    modes = rfft(u, norm="forward")[: kernel.size]
    chi: np.ndarray = irfft(kernel * (modes.conj() if reflected else modes), u.size, norm="forward")
    return chi


def lax_friedrichs_rate(
    beta: float, degree: int, cells: int, *, step_ratio: float = 0.02, decaying: bool = False
) -> float:
    """The growth rate r_k of the scheme for a small perturbation of degree k, exactly.

    **Arguments:** `beta` > 0; `degree` k ≥ 1; `cells` M; `decaying` for the sine under the reflected kernel.

    **Returns:** float; the equation itself has λ_k. At β = 5, k = 3, M = 400: 15.020 and, decaying, −22.200, where
    λ_3 = 18.596.

    **Raises:** `InputError` for bad input, or if the factor is not positive (the mode then alternates in sign).
    """
    k, count = check_positive_int(degree, "degree"), check_positive_int(cells, "cells", least=8)
    width = 2.0 * np.pi / count
    step = check_real(step_ratio, "step_ratio", 1e-6) * width
    rate = float(growth_rates(beta, 2, k, "usa")) * (-1.0 if decaying else 1.0)
    factor = math.cos(k * width) + step * rate * math.sin(k * width) / (k * width)
    if not factor > 0.0:
        raise InputError(f"{count} cells are too few for degree {k}: a step multiplies it by {factor:.3g}")
    return math.log(factor) / step
