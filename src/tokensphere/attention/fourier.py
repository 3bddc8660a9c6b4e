"""Fourier sums on the circle by non-uniform transforms (ducc0), in plain NumPy.

With μ̂_k = Σ_j w_j e^{−ikθ_j} and e^{β cos φ} = Σ_k I_k(β) e^{ikφ},

    Z(θ) = Σ_j w_j e^{β cos(θ−θ_j)}              = Σ_k I_k(β) μ̂_k e^{ikθ},
    F(θ) = Σ_j w_j e^{β cos(θ−θ_j)} sin(θ_j−θ)   = i Σ_k (k/β) I_k(β) μ̂_k e^{ikθ},

so one transform forward gives every μ̂_k and one transform back gives Z and the tangential force F together, as real
and imaginary part. Everything here carries the factor e^{−|β|}. Masses are real, so that only k ≥ 0 is kept.
Tokens go through in blocks of fixed size: moments add up over blocks, in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import ducc0
import numpy as np
from scipy.special import ive

from tokensphere.errors import InputError
from tokensphere.threads import in_chunks, threads_for

from .band import band_limit, transform_accuracy

__all__ = ["BLOCK", "MAX_BETA", "CircleKernel", "Transform", "analyse", "circle_kernel", "circle_modes", "synthesise"]

MAX_BETA = 1e9  # SciPy's scaled Bessel functions give NaN a little above
BLOCK = 2**20  # tokens in one transform: enough to keep every thread busy, few enough to keep memory down


class CircleKernel(NamedTuple):
    """The kernel in modes k = 0..K, times e^{−|β|}.

    `potential` I_k(β) gives Z, `pull` (k/β) I_k(β) the tangential force, `radial` I_k'(β) the sum with the
    kernel e^{β cos φ} cos φ, which is the radial part of the mean. `epsilon` is the accuracy of the transforms.
    """

    beta: float
    potential: np.ndarray
    pull: np.ndarray
    radial: np.ndarray
    epsilon: float

    @property
    def modes(self) -> int:
        """K."""
        return self.potential.size - 1


def circle_modes(beta: float, tolerance: float = 1e-16) -> int:
    """Number of Fourier modes K such that I_k(β) ≤ tolerance · I_0(β) for every k > K; about 8.5 √β."""
    beta = abs(float(beta))
    guess = int(9.5 * np.sqrt(beta)) + 24
    small = ive(np.arange(guess + 1), beta) <= tolerance * ive(0, beta)
    return int(np.argmax(small)) if small.any() else guess


@functools.lru_cache(maxsize=256)
def circle_kernel(beta: float, tolerance: float = 1e-12) -> CircleKernel:
    """The modes of e^{β cos φ} that a sum of the given tolerance (relative to the largest force) needs.

    **Raises:** `InputError` if |β| > 1e9 or β is not a number.
    """
    if not abs(beta) <= MAX_BETA:
        raise InputError(f"Circle attention needs |beta| <= {MAX_BETA:g}, got {beta:g}; use Dense")
    modes = circle_modes(beta) + 1
    bessel = ive(np.arange(modes + 2), abs(beta))
    pull = np.concatenate([[0.0], (bessel[:-2] - bessel[2:]) / 2])
    radial = np.concatenate([bessel[1:2], (bessel[:-2] + bessel[2:]) / 2])
    degrees = np.arange(modes + 1)
    counts = np.where(degrees == 0, 1.0, 2.0)
    size = band_limit(beta, bessel[:-1], pull / np.maximum(degrees, 1), counts, tolerance) + 1
    # I_k(−β) = (−1)^k I_k(β), and both k/β and the derivative in β change sign
    parity = np.where((degrees % 2 == 1) & (beta < 0), -1.0, 1.0)[:size]
    odd = -parity if beta < 0 else parity
    parts = (parity * bessel[:size], odd * pull[:size], odd * radial[:size])
    for part in parts:
        part.setflags(write=False)
    return CircleKernel(float(beta), *parts, transform_accuracy(tolerance))


class Transform:
    """Both non-uniform transforms of real data for one set of angles and modes k = 0..K, two rows at a time."""

    def __init__(self, angles: np.ndarray, modes: int, epsilon: float) -> None:
        self._angles, self._modes, self._epsilon = angles, modes, epsilon
        self._only = self._plan(angles) if angles.size <= BLOCK else None

    def _plan(self, angles: np.ndarray) -> ducc0.nufft.plan:
        return ducc0.nufft.plan(
            nu2u=False,
            coord=angles[:, None],
            grid_shape=(2 * self._modes + 2,),
            epsilon=self._epsilon,
            nthreads=threads_for(angles.size),
            periodicity=2 * np.pi,
        )

    def _blocks(self) -> Iterator[tuple[slice, ducc0.nufft.plan]]:
        """Blocks of tokens in a fixed order, each with its plan; many plans at once would cost memory."""
        for start in range(0, self._angles.size, BLOCK):
            part = slice(start, start + BLOCK)
            yield part, self._only if self._only is not None else self._plan(self._angles[part])

    def analyse(self, rows: np.ndarray) -> np.ndarray:
        """Σ_j rows_cj e^{−ikθ_j}, shape (c, K+1), for real rows (c, n)."""
        modes = self._modes
        out = np.empty((len(rows), modes + 1), dtype=np.complex128)
        for first in range(0, len(rows), 2):
            pair = rows[first : first + 2]
            total = np.zeros(2 * modes + 2, dtype=np.complex128)
            for part, plan in self._blocks():
                points = _as_complex(pair[:, part])
                total += plan.nu2u(forward=True, points=points, out=np.zeros_like(total))
            positive, negative = total[modes + 1 :], total[modes + 1 : 0 : -1].conj()
            out[first] = (positive + negative) / 2
            if len(pair) == 2:
                out[first + 1] = (positive - negative) / 2j
        return out

    def synthesise(self, coefficients: np.ndarray) -> np.ndarray:
        """Re (c_0 + 2 Σ_{k>0} c_k e^{ikθ_i}), shape (c, n), for every row of coefficients (c, K+1)."""
        out = np.empty((len(coefficients), self._angles.size))
        for first in range(0, len(coefficients), 2):
            grid, scale = _one_grid(coefficients[first : first + 2])
            for part, plan in self._blocks():
                both = plan.u2nu(forward=False, grid=grid, out=np.empty(self._angles[part].size, np.complex128))
                _split(both, scale, out[first : first + 2, part])
        return out

    def synthesise_pair(self, coefficients: np.ndarray) -> tuple[np.ndarray, float]:
        """The same for two rows, as one complex row (n,) and a scale: a_i + scale · b_i · √−1."""
        out = np.empty(self._angles.size, dtype=np.complex128)
        grid, scale = _one_grid(coefficients)
        for part, plan in self._blocks():
            plan.u2nu(forward=False, grid=grid, out=out[part])
        return out, scale


def _both_signs(half: np.ndarray) -> np.ndarray:
    """Modes k = −K−1..K of a real function from those of k = 0..K (the first is unused)."""
    return np.concatenate([[0.0], half[:0:-1].conj(), [half[0].real], half[1:]])


def _one_grid(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Modes k = −K−1..K of a_i + scale · b_i · √−1 from one or two rows of modes k = 0..K of real functions.

    Two rows are scaled alike, so that each is accurate relative to its own size.
    """
    sizes = np.linalg.norm(rows, axis=1)
    scale = float(sizes[0] / sizes[-1]) if sizes.all() else 1.0
    return _both_signs(rows[0]) + (1j * scale * _both_signs(rows[1]) if len(rows) == 2 else 0.0), scale


def _as_complex(rows: np.ndarray) -> np.ndarray:
    """One real row, or two as real and imaginary part."""
    out = np.empty(rows.shape[1], dtype=np.complex128)

    def fill(part: slice) -> None:
        if len(rows) == 1:
            out[part] = rows[0, part]
        else:
            out.real[part], out.imag[part] = rows[0, part], rows[1, part]

    in_chunks(out.size, fill)
    return out


def _split(both: np.ndarray, scale: float, out: np.ndarray) -> None:
    """The opposite, with the imaginary part divided by `scale`."""

    def take(part: slice) -> None:
        out[0, part] = both.real[part]
        if len(out) == 2:
            np.divide(both.imag[part], scale, out=out[1, part])

    in_chunks(both.size, take)


def analyse(angles: np.ndarray, masses: np.ndarray, kernel: CircleKernel) -> np.ndarray:
    """Moments Σ_j w_j e^{−ikθ_j}, k = 0..K, of tokens on the circle. Moments of parts of a cloud add up.

    **Arguments:** `angles` (n,) radians; `masses` (n,), or (c, n) for several analyses.

    **Returns:** complex128, (K+1,) or (c, K+1).
    """
    moments = Transform(angles, kernel.modes, kernel.epsilon).analyse(np.atleast_2d(masses))
    return moments if masses.ndim == 2 else moments[0]


def synthesise(
    moments: np.ndarray, angles: np.ndarray, kernel: CircleKernel, transform: Transform | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Z e^{−|β|} and the tangential force F e^{−|β|} (counter-clockwise), (n,) each, at any angles.

    **Arguments:** `moments` (K+1,) from :func:`analyse`; `angles` (n,) radians; `transform` for these angles, if
    there is one already.
    """
    transform = transform or Transform(angles, kernel.modes, kernel.epsilon)
    z, force = transform.synthesise(np.stack([kernel.potential * moments, 1j * kernel.pull * moments]))
    return z, force
