"""The mean-field equation on the circle in Lagrangian form: quantiles that move, exact through the birth of Diracs.

    X(s) = F^{−1}(s),  X(s + 1) = X(s) + 2π,  s_j = (j + ½)/n,        u(X) = 2π/X_s
    ∂_t X = χ[μ](X) − τ ∂_x log u(X) = χ[μ](X) + τ X_ss/X_s²

The mean ∫ f dμ = ∫ f(X(s)) ds of a periodic integrand is the plain mean over the midpoints, with spectral accuracy
while X is smooth. Without noise the quantiles are n tokens of equal mass under the flow itself: nothing is resolved,
nothing can blow up, and clusters become Diracs without a limit. Every interaction sum is one Fourier sum, O(n + √β).

With noise the derivatives of X are spectral; X stays smooth, and the equation is stiff: steps of size
(X_s/π n)²/τ, so a few hundred quantiles are the right number.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokensphere.attention import Circle
from tokensphere.errors import InputError, check_positive_int
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention
from tokensphere.sphere import from_angles, moments
from tokensphere.sphere.random import generator

from .base import AbstractMeanField
from .distribution import CircleDistribution

__all__ = ["QuantileMeanField", "quiet_tokens", "random_tokens"]

_DISORDER = 1e-6  # how far rounding may put neighbours of one cluster out of order, radians


def quiet_tokens(coefficients: Any, n: int) -> np.ndarray:
    """n tokens of equal mass at the quantiles F^{−1}((j + ½)/n) of a density on the circle: a start without noise.

    **Arguments:** `coefficients` (K+1,) complex c_m, or a :class:`CircleDistribution`; `n` ≥ 1.

    **Returns:** (n, 2) float64 unit rows, in order from angle −π. Their moments are c_m to spectral accuracy.

    **Raises:** `InputError` for a bad density or n.
    """
    return from_angles(_quantiles(coefficients, n))


def random_tokens(coefficients: Any, n: int, seed: int) -> np.ndarray:
    """n independent tokens of a density on the circle, by inverse transform: exact to rounding.

    **Arguments:** as :func:`quiet_tokens`; `seed` a whole number ≥ 0.

    **Returns:** (n, 2) float64 unit rows.

    **Raises:** `InputError` for a bad density, n or seed.
    """
    count = check_positive_int(n, "n")
    return from_angles(_law(coefficients).inverse(generator(seed).random(count)))


def _law(coefficients: Any) -> CircleDistribution:
    return coefficients if isinstance(coefficients, CircleDistribution) else CircleDistribution(coefficients)


def _quantiles(coefficients: Any, n: int) -> np.ndarray:
    count = check_positive_int(n, "n")
    return _law(coefficients).inverse((np.arange(count) + 0.5) / count)


@dataclass(frozen=True)
class QuantileMeanField(AbstractMeanField):
    """Densities on the circle; states are n = `resolution` unwrapped angles X_j, in order, over one turn.

    **Fields:** as :class:`AbstractMeanField`; `resolution` n, the number of quantiles.

    >>> import tokensphere as ts
    >>> equation = ts.meanfield.QuantileMeanField(beta=5.0, flow="usa", resolution=512)
    >>> run = ts.solve.evolve(equation, equation.start([1, 0, 0, 0.01]), [0.0, 1.0])
    """

    geometry: ClassVar[str] = "circle, quantiles"
    dim: ClassVar[int | None] = 2

    # -- states -----------------------------------------------------------------------------------------------

    def start(self, coefficients: Any) -> np.ndarray:
        """Quantiles of the density with Fourier coefficients c_m, m = 0..K, to rounding.

        **Raises:** `InputError` for a bad density.
        """
        return _quantiles(coefficients, self.resolution)

    def check(self, coefficients: Any) -> np.ndarray:
        x = np.array(coefficients, dtype=np.float64)
        if x.shape != (self.resolution,):
            raise InputError(f"quantiles must have shape ({self.resolution},), got {x.shape}")
        if not np.isfinite(x).all():
            raise InputError(f"quantile {int(np.argmin(np.isfinite(x)))} is not finite")
        gaps = _gaps(x)
        if gaps.min() < -_DISORDER:
            j = int(np.argmin(gaps))
            raise InputError(
                f"quantiles must increase and span one turn, but number {j} is {-gaps[j]:.3g} rad ahead of the next"
            )
        return x

    def lift(self, coefficients: np.ndarray) -> np.ndarray:
        return _at_midpoints(coefficients, self.resolution)

    def coefficients(self, state: np.ndarray, highest: int) -> np.ndarray:
        """c_m = ∫ e^{−imθ} dμ for m = 0..`highest`: spectrally accurate while X is smooth and m is well below n."""
        return moments(state, highest)

    def tokens(self, state: np.ndarray) -> np.ndarray:
        """The quantiles as tokens (n, 2) of equal mass."""
        return from_angles(state)

    def density(self, state: np.ndarray, edges: Any) -> np.ndarray:
        """Mean density, with respect to dθ/2π, between neighbouring `edges` (increasing angles over at most a turn).

        The mass 1/n between two quantiles is spread evenly: never negative, total mass exact, through Diracs as well
        (where no mass is, one gap still carries 1/n).

        **Returns:** (len(edges) − 1,).
        """
        cuts = np.asarray(edges, dtype=np.float64)
        if cuts.ndim != 1 or cuts.size < 2 or not (np.diff(cuts) > 0).all() or cuts[-1] - cuts[0] > 7.0:
            raise InputError("edges must be at least two increasing angles over at most one turn")
        # Three turns hold every cut, whatever turn the state is in.
        x = np.sort(state - 2.0 * np.pi * np.round((state.mean() - cuts.mean()) / (2.0 * np.pi)))
        levels = (np.arange(self.resolution) + 0.5) / self.resolution
        places = np.concatenate([x + 2.0 * np.pi * turn for turn in (-2, -1, 0, 1, 2)])
        mass = np.interp(cuts, places, np.concatenate([levels + turn for turn in (-2, -1, 0, 1, 2)]))
        return np.diff(mass) * 2.0 * np.pi / np.diff(cuts)

    # -- the equation -----------------------------------------------------------------------------------------

    def rate(self, coefficients: np.ndarray) -> np.ndarray:
        drift = self._drift(coefficients)
        if self.noise:
            first, second = _derivatives(coefficients)
            drift = drift + self.noise * second / first**2
        return drift

    def damping(self) -> np.ndarray:
        return np.zeros(self.resolution)

    def mass(self, coefficients: np.ndarray) -> float:
        return float(np.full(self.resolution, 1.0 / self.resolution).sum())

    def least(self, coefficients: np.ndarray) -> float:
        return float(1.0 / self._stretch(coefficients).max())

    def energy(self, coefficients: np.ndarray) -> float:
        return self._flow.energy(from_angles(coefficients), shifted=True) * self._unshift

    def dissipation(self, coefficients: np.ndarray) -> float:
        return self._flow.energy_rate(from_angles(coefficients), shifted=True) * self._unshift

    def speed_squared(self, coefficients: np.ndarray) -> float:
        return float(np.mean(self._drift(coefficients) ** 2))

    def entropy(self, coefficients: np.ndarray) -> float:
        stretch = self._stretch(coefficients)
        return float(-np.mean(np.log(stretch))) if stretch.min() > 0 else float("inf")

    def order(self, coefficients: np.ndarray, degrees: Any) -> np.ndarray:
        wanted = np.asarray(degrees, dtype=np.int64)
        return np.abs(moments(coefficients, int(wanted.max())))[wanted]

    def tail(self, coefficients: np.ndarray) -> float:
        """0 without noise: quantiles need no resolution. With noise, the spectrum of X(s) − 2πs."""
        if not self.noise:
            return 0.0
        return _spectral_tail(coefficients)

    def size(self, coefficients: np.ndarray) -> float:
        """Largest displacement from the uniform law, radians, but at least 0.01: sums are exact to 1e-12 only."""
        return max(float(np.abs(_displacement(coefficients)).max()), 0.01)

    # -- helpers ----------------------------------------------------------------------------------------------

    @functools.cached_property
    def _flow(self) -> SelfAttention | UnnormalizedSelfAttention:
        if self.flow == "sa":
            return SelfAttention(self.beta, value=self.value, attention=Circle())
        shifted = self.flow == "usa-shifted"
        return UnnormalizedSelfAttention(self.beta, value=self.value, shifted=shifted, attention=Circle())

    @property
    def _unshift(self) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(self.scale))

    @functools.cached_property
    def _masses(self) -> np.ndarray:
        return np.full(self.resolution, 1.0 / self.resolution)

    def _drift(self, state: np.ndarray) -> np.ndarray:
        """χ at the quantiles."""
        return self._flow.angular_field(state, self._masses, 0.0)

    def _stretch(self, state: np.ndarray) -> np.ndarray:
        """X_s/2π, the inverse of the density: spectral where X is smooth, else from the gaps between quantiles."""
        if _spectral_tail(state) < 1e-6:
            first = _derivatives(state)[0] / (2.0 * np.pi)
            if first.min() > 0:
                return first
        return np.maximum(_gaps(state), 0.0) * (self.resolution / (2.0 * np.pi))


def _gaps(x: np.ndarray) -> np.ndarray:
    """X_{j+1} − X_j, the last one round the circle."""
    return np.diff(x, append=x[0] + 2.0 * np.pi)


def _displacement(x: np.ndarray) -> np.ndarray:
    """X(s_j) − 2πs_j without its mean: a periodic function."""
    moved = x - 2.0 * np.pi * (np.arange(x.size) + 0.5) / x.size
    shifted: np.ndarray = moved - moved.mean()
    return shifted


def _spectral_tail(x: np.ndarray) -> float:
    amplitudes = np.abs(np.fft.rfft(_displacement(x)))[1:]
    largest = float(amplitudes.max())
    last = amplitudes[int(0.9 * amplitudes.size) :]
    return float(last.max()) / largest if largest > 1e-13 * x.size else 0.0


def _derivatives(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X_s and X_ss at the midpoints."""
    modes = np.fft.rfft(_displacement(x))
    k = 2.0 * np.pi * np.arange(modes.size)
    first = 1j * k * modes
    if x.size % 2 == 0:
        first[-1] = 0.0  # the slope of the highest mode is not seen by the points
    return 2.0 * np.pi + np.fft.irfft(first, x.size), np.fft.irfft(-(k**2) * modes, x.size)


def _at_midpoints(x: np.ndarray, n: int) -> np.ndarray:
    """X at n other midpoints, by trigonometric interpolation of X(s) − 2πs (nothing to do where n is the same)."""
    if x.size == n:
        return np.array(x, dtype=np.float64)
    moved = x - 2.0 * np.pi * (np.arange(x.size) + 0.5) / x.size
    modes = np.fft.rfft(moved)
    k = np.arange(modes.size)
    modes *= np.exp(-1j * np.pi * k / x.size)  # midpoints of the old grid
    if x.size % 2 == 0:
        modes[-1] *= 0.5
    kept = np.zeros(n // 2 + 1, dtype=np.complex128)
    size = min(kept.size, modes.size)
    kept[:size] = modes[:size] * np.exp(1j * np.pi * k[:size] / n)
    if n % 2 == 0 and kept.size <= modes.size:
        kept[-1] = 2.0 * kept[-1].real
    return np.fft.irfft(kept, n) * (n / x.size) + 2.0 * np.pi * (np.arange(n) + 0.5) / n
