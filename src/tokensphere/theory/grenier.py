"""Grenier's expansion on the circle: the density as a power series in the size of the perturbation.

    μ = 1 + Σ_j ε^j g_j,      ∂_t g_j = L g_j − ∂_θ Σ_{i<j} g_{j−i} ∂_θ Φ_i,      g_1(0) = f,  g_j(0) = 0
    USA      Φ_i = v a ∗ g_i,      a_m = I_m/β
    SA       Φ_i = v ℓ_i,          Σ_i ε^i ℓ_i = β^{-1} log(1 + β a ∗ Σ_j ε^j g_j),     a_m = I_m/(βI_0)

The logarithm is that of the series, v − v²/2 + v³/3 − …, sorted by powers of ε:

    ℓ_j = a ∗ g_j − (β/j) Σ_{i<j} i ℓ_i (a ∗ g_{j−i})

If f has degrees up to D, then g_j is a trigonometric polynomial of degree jD: the system of order p is finite and
exact. Each order is a linear equation whose source is known from the lower ones. [2410.23228; SA derived]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, check_times
from .collocation import Collocation
from .growth import check_flow, check_real, growth_rates
from .quasi_linear import QuasiLinear
from .records import Prediction

__all__ = ["Expansion", "grenier_expansion"]

_RESOLVED = 1e-13
_LOG_RANGE = 300.0  # squares of the terms are floats too


@dataclass(frozen=True, eq=False)
class Expansion:
    """The terms g_0 = 1, g_1, …, g_p of the density with respect to the uniform probability on the circle.

    **Fields:** `setting`, the equation and what the theory says of it (:class:`QuasiLinear`); `order` p; `times`
    (T,); `terms` (p + 1, T, K + 1) complex, `terms[j]` the Fourier coefficients of g_j for m = 0 … K = pD (those of
    −m are their conjugates); `perturbation` f (D + 1,); `epsilon`, or `None`.
    """

    setting: QuasiLinear
    order: int
    times: np.ndarray
    terms: np.ndarray
    perturbation: np.ndarray
    epsilon: float | None = None

    def _epsilon(self, epsilon: float | None) -> float:
        given = self.epsilon if epsilon is None else epsilon
        if given is None:
            raise InputError("epsilon is not known: give it here or to grenier_expansion")
        return check_epsilon(given)

    def _order(self, order: int | None, most: int) -> int:
        wanted = most if order is None else check_positive_int(order, "order")
        if wanted > most:
            raise InputError(f"order must be at most {most} for an expansion of order {self.order}, got {order!r}")
        return wanted

    def density(self, epsilon: float | None = None, order: int | None = None) -> np.ndarray:
        """Coefficients c_m of 1 + Σ_{j ≤ order} ε^j g_j, m = 0 … K: (T, K + 1) complex.

        **Arguments:** `epsilon` (default that of the expansion); `order` ≤ p (default p). **Raises:** InputError.
        """
        powers = self._epsilon(epsilon) ** np.arange(self._order(order, self.order) + 1)
        return np.asarray(np.tensordot(powers, self.terms[: powers.size], axes=1))

    def norms(self) -> np.ndarray:
        """L² norms (p + 1, T) of the terms, as densities with respect to dθ: (Σ_{m∈Z} |g_j(m)|²/2π)^{1/2}."""
        squares = np.abs(self.terms) ** 2
        return np.asarray(np.sqrt((2.0 * squares.sum(axis=-1) - squares[..., 0]) / (2.0 * np.pi)))

    def growth_constants(self) -> np.ndarray:
        """‖g_j‖ e^{−j λ_max t}, (p + 1, T): bounded in time, since ‖g_j‖ ≤ C_j e^{j λ_max t}."""
        decay = np.arange(self.order + 1)[:, None] * (max(self.setting.rate, 0.0) * self.times)
        return np.asarray(self.norms() * np.exp(-decay))

    def leading_error(self, epsilon: float | None = None, order: int | None = None) -> np.ndarray:
        """ε^{q+1} ‖g_{q+1}‖, the L² error (with respect to dθ) of order q as ε → 0: (T,).

        **Arguments:** `epsilon`; `order` q < p (default p − 1). **Raises:** InputError.
        """
        after = self._order(order, self.order - 1) + 1
        return np.asarray(self._epsilon(epsilon) ** after * self.norms()[after])

    def predictions(self, epsilon: float | None = None, order: int | None = None) -> tuple[Prediction, ...]:
        """What is proved of the expansion of this order at the last time, each with its hypotheses.

        Order needed, end of the quasi-linear phase, size of the remainder, distance to the k_max-periodic manifold.
        A value whose hypotheses fail is `None`. **Arguments, errors:** as :meth:`density`.
        """
        given, wanted = self._epsilon(epsilon), self._order(order, self.order)
        return self.setting.predictions(given * self.perturbation, wanted, float(self.times[-1]))


def check_epsilon(epsilon: Any) -> float:
    """Return ε as a float > 0, or raise InputError."""
    value = check_real(epsilon, "epsilon")
    if value <= 0:
        raise InputError(f"epsilon must be > 0, got {epsilon!r}")
    return value


def check_perturbation(perturbation: Any) -> np.ndarray:
    """Return f_m, m = 0 … D, with f_0 = 0 and f_D ≠ 0, from an array or a mapping {degree: coefficient}."""
    try:
        if isinstance(perturbation, Mapping):
            degrees = [check_positive_int(k, "degree of perturbation") for k in perturbation]
            f = np.zeros(max(degrees, default=0) + 1, dtype=np.complex128)
            f[degrees] = list(perturbation.values())
        else:
            f = np.array(perturbation, dtype=np.complex128)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("perturbation must be coefficients for m = 0, 1, ... or a mapping {degree: number}") from None
    if f.ndim != 1 or not np.isfinite(f).all():
        raise InputError(f"perturbation must be a finite list of coefficients, got shape {f.shape}")
    present = np.flatnonzero(f)
    if not present.size:
        raise InputError("perturbation is zero: give at least one coefficient of degree >= 1")
    if present[0] == 0:
        raise InputError(f"perturbation[0] must be 0, since the mass stays 1, got {f[0]:g}")
    return f[: present[-1] + 1]


@dataclass(frozen=True, eq=False)
class _Hierarchy:
    """The equations of orders 1 … p for h_j = e^{−jΛt} g_j, which stay bounded: Λ = `scale` ≥ every λ_m.

    `rates` λ_m and `symbol` a_m for m = 0 … K; `log` is β for SA and 0 for USA; `value` v; `reach[j]` tells the
    degrees that products of j terms of f can have (the others stay exactly 0).
    """

    order: int
    rates: np.ndarray
    symbol: np.ndarray
    scale: float
    log: float
    value: float
    reach: np.ndarray

    def window(self, start: np.ndarray, length: float, method: Collocation) -> np.ndarray:
        """h_j at the points of a window, (p + 1, n, K + 1), from `start` (p + 1, K + 1)."""
        degrees = np.arange(self.rates.size)
        # Every product of order j <= p has degree at most K: on this grid none is aliased.
        grid = 1 << int(2 * self.rates.size).bit_length()
        shape = (self.order + 1, method.points)
        h = np.zeros((*shape, degrees.size), dtype=np.complex128)
        fields, pulled, logs, slopes = (np.zeros((*shape, grid)) for _ in range(4))
        for j in range(1, self.order + 1):
            flux, logarithm = np.zeros((2, method.points, grid))
            for i in range(1, j):
                flux += fields[j - i] * slopes[i]
                if self.log:
                    logarithm -= (self.log * i / j) * logs[i] * pulled[j - i]
            beyond, transport = (np.fft.rfft(x, norm="forward")[:, : degrees.size] for x in (logarithm, flux))
            source = self.value * degrees * (degrees * beyond - 1j * transport)
            here = self.reach[j]
            h[j][:, here] = method.solve(self.rates[here] - j * self.scale, start[j, here], source[:, here], length)
            fields[j], pulled[j] = _on_grid(h[j], grid), _on_grid(self.symbol * h[j], grid)
            logs[j] = pulled[j] + logarithm
            slopes[j] = _on_grid(1j * degrees * (self.symbol * h[j] + beyond), grid)
        return h

    def solve(self, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        """h_j at `times`, (p + 1, T, K + 1), in windows as long as the points resolve them."""
        method = Collocation()
        out = np.zeros((self.order + 1, times.size, self.rates.size), dtype=np.complex128)
        out[:, times == 0.0] = start[:, None]
        t, end, length = 0.0, float(times[-1]), float(times[-1])
        while t < end:
            h = self.window(start, length, method)
            if max(method.unresolved(h[j]) for j in range(1, self.order + 1)) > _RESOLVED and length > 1e-9 * end:
                length *= 0.5
                continue
            upto = end if end - t <= length else t + length
            for i in np.flatnonzero((times > t) & (times <= upto)):
                out[:, i] = [method.evaluate(h[j], (times[i : i + 1] - t) / length)[0] for j in range(self.order + 1)]
            start, t = h[:, -1], upto
            length = min(2.0 * length, end - t)
        return out


def _on_grid(coefficients: np.ndarray, grid: int) -> np.ndarray:
    return np.fft.irfft(coefficients, grid, norm="forward")


def _reachable(support: np.ndarray, order: int, top: int) -> np.ndarray:
    """(order + 1, top + 1) booleans: which degrees are sums of j elements of ± the support."""
    two_sided = np.concatenate([support[:0:-1], support]).astype(np.float64)
    out, sums = np.zeros((order + 1, top + 1), dtype=bool), np.ones(1)
    for j in range(1, order + 1):
        sums = np.minimum(np.rint(np.convolve(sums, two_sided)), 1.0)
        half = sums[sums.size // 2 :]
        out[j, : half.size] = half > 0
    out[:, 0] = False  # mass is conserved
    return out


def grenier_expansion(
    beta: float,
    perturbation: Any,
    order: int,
    times: Any,
    flow: str = "usa",
    epsilon: float | None = None,
    *,
    threshold: float = 0.1,
    value: float = 1.0,
    noise: float = 0.0,
) -> Expansion:
    """Terms of order 1 … p of the density that starts as 1 + ε f on the circle.

    **Arguments:** `beta` ≥ 0; `perturbation` f, its Fourier coefficients f_0 = 0, f_1, …, f_D (real density with
    respect to the uniform probability: f_{−m} is the conjugate; cos kθ has f_k = 1/2), or a mapping {degree:
    coefficient}; `order` p ≥ 1; `times` ≥ 0, increasing; `flow` "usa", "usa-shifted" or "sa"; `epsilon` > 0, for the
    estimates (default: given there); `threshold` δ in (0, 1) of the order parameters, where the quasi-linear phase
    ends; `value` v of V = vI; `noise` τ ≥ 0 of √(2τ) dW, which turns λ_m into λ_m − τm².

    **Returns:** :class:`Expansion`. Terms have a relative error (of their norm) below about 1e-12.

    **Raises:** InputError naming the value, also for times at which a term leaves the float range;
    RateOverflowError as :func:`growth_rates`.

    **Source:** [2410.23228] for USA (formulas derived); SA derived.
    """
    beta, flow, order = check_beta(beta), check_flow(flow), check_positive_int(order, "order")
    f, at = check_perturbation(perturbation), check_times(times)
    if at[0] < 0:
        raise InputError(f"times must be >= 0, got {at[0]:g}")
    epsilon = None if epsilon is None else check_epsilon(epsilon)
    setting = QuasiLinear(beta, flow, threshold, value, noise)

    top = order * (f.size - 1)
    degrees = np.arange(top + 1)
    rates = growth_rates(beta, 2, degrees, flow, noise=setting.noise, value=setting.value)
    symbol = growth_rates(beta, 2, degrees, flow) / np.maximum(degrees, 1) ** 2
    scale = max(float(rates.max()), 0.0)
    size = float(np.abs(f).max())
    if order * (np.log(size) + scale * at[-1]) > _LOG_RANGE:
        fix = "end earlier, lower the order or scale the perturbation down"
        raise InputError(f"times must end where the term of order {order} is a float, got {at[-1]:g}: {fix}")
    start = np.zeros((order + 1, top + 1), dtype=np.complex128)
    start[1, : f.size] = f / size
    log = beta if flow == "sa" else 0.0
    reach = _reachable(f != 0, order, top)
    h = _Hierarchy(order, rates, symbol, scale, log, setting.value, reach).solve(start, at)
    # g_j of s f is s^j times that of f.
    terms = h * np.exp(np.arange(order + 1)[:, None] * (np.log(size) + scale * at))[..., None]
    terms[0, :, 0] = 1.0
    return Expansion(setting, order, at, terms, f, epsilon)
