"""Fourier sums on the circle by non-uniform transforms (ducc0), in plain NumPy.

With μ̂_k = Σ_j w_j e^{−ikθ_j} and e^{β cos φ} = Σ_k I_k(β) e^{ikφ},

    Z(θ) = Σ_j w_j e^{β cos(θ−θ_j)}              = Σ_k I_k(β) μ̂_k e^{ikθ},
    F(θ) = Σ_j w_j e^{β cos(θ−θ_j)} sin(θ_j−θ)   = i Σ_k (k/β) I_k(β) μ̂_k e^{ikθ},

so one transform forward gives every μ̂_k and one transform back gives Z and the tangential force F together, as real
and imaginary part. Everything here carries the factor e^{−|β|}.
"""

from __future__ import annotations

import functools

import ducc0
import numpy as np
from scipy.special import ive

from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Mesh
from tokensphere.threads import threads_for

__all__ = [
    "MAX_BETA",
    "Transform",
    "circle_modes",
    "coefficients",
    "far_rows",
    "force",
    "mirror",
    "potential_and_force",
]

MAX_BETA = 1e9  # SciPy's scaled Bessel functions give NaN a little above
_EPSILON = 3e-13  # the best that ducc0 offers in double precision, with a margin


def circle_modes(beta: float, tolerance: float = 1e-16) -> int:
    """Number of Fourier modes K such that I_k(β) ≤ tolerance · I_0(β) for every k > K; about 8.5 √β."""
    beta = abs(float(beta))
    guess = int(9.5 * np.sqrt(beta)) + 24
    small = ive(np.arange(guess + 1), beta) <= tolerance * ive(0, beta)
    return int(np.argmax(small)) if small.any() else guess


@functools.lru_cache(maxsize=256)
def coefficients(beta: float, tolerance: float = 1e-16) -> tuple[np.ndarray, np.ndarray]:
    """e^{−|β|} I_k(β) and e^{−|β|} (k/β) I_k(β) = e^{−|β|} (I_{k−1} − I_{k+1})/2 for k = 0..K+1."""
    if not abs(beta) <= MAX_BETA:
        raise InputError(f"Circle attention needs |beta| <= {MAX_BETA:g}, got {beta:g}; use Dense")
    modes = circle_modes(beta, tolerance) + 1
    bessel = ive(np.arange(modes + 2), abs(beta))
    force = np.concatenate([[0.0], (bessel[:-2] - bessel[2:]) / 2])
    bessel = bessel[:-1]
    if beta < 0:  # I_k(−β) = (−1)^k I_k(β), and k/β changes sign
        sign = np.where(np.arange(modes + 1) % 2 == 0, 1.0, -1.0)
        bessel, force = bessel * sign, -force * sign
    bessel.setflags(write=False)
    force.setflags(write=False)
    return bessel, force


class Transform:
    """Both non-uniform transforms for one set of angles and modes k = −K..K."""

    def __init__(self, angles: np.ndarray, modes: int) -> None:
        self._size, self._grid = angles.size, 2 * modes + 2
        self._plan = ducc0.nufft.plan(
            nu2u=False,
            coord=angles[:, None],
            grid_shape=(self._grid,),
            epsilon=_EPSILON,
            nthreads=threads_for(angles.size),
            periodicity=2 * np.pi,
        )

    def analyse(self, masses: np.ndarray) -> np.ndarray:
        """Σ_j masses_j e^{−ikθ_j} for k = −K..K (masses may be complex)."""
        out = np.zeros(self._grid, dtype=np.complex128)
        self._plan.nu2u(forward=True, points=masses.astype(np.complex128), out=out)
        return out[1:]

    def synthesise(self, coefficients: np.ndarray) -> np.ndarray:
        """Σ_k c_k e^{ikθ_i} for c_k, k = −K..K."""
        out = np.empty(self._size, dtype=np.complex128)
        self._plan.u2nu(forward=False, grid=np.concatenate([[0.0], coefficients]), out=out)
        return out


def mirror(half: np.ndarray, parity: float) -> np.ndarray:
    """Coefficients for k = −K..K from those of k = 0..K and their parity in k."""
    return np.concatenate([parity * half[:0:-1], half])


def force(angles: np.ndarray, masses: np.ndarray, beta: float, mesh: Mesh = SERIAL) -> np.ndarray:
    """F(θ_i) e^{−|β|} for tokens that attend to themselves, accurate relative to the largest force."""
    _, pull = coefficients(beta)
    transform = Transform(angles, pull.size - 1)
    return transform.synthesise(-mirror(pull, -1.0) * mesh.sum(transform.analyse(masses))).imag


def potential_and_force(
    at_queries: Transform, potential: np.ndarray, pull: np.ndarray, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Z(θ_i) e^{−|β|} and F(θ_i) e^{−|β|} from one transform; `potential` holds the modes of Z."""
    modes = mirror(pull, -1.0) * moments
    # Scaled alike, so that each part is accurate relative to its own size.
    size = np.linalg.norm(modes)
    scale = np.linalg.norm(potential) / size if size > 0 else 1.0
    both = at_queries.synthesise(potential - scale * modes)
    return both.real.copy(), both.imag / scale


def far_rows(z: np.ndarray, potential: np.ndarray, row_tolerance: float, mesh: Mesh = SERIAL) -> np.ndarray:
    """Queries so far from every key that Z_i itself is lost in the error of the largest Z."""
    # The norm is the root mean square of Z over the circle.
    largest = max(float(mesh.max(z.max())), float(np.linalg.norm(potential)))
    return np.flatnonzero(z < largest * 1e-13 / row_tolerance)
