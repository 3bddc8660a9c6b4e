"""What grows: the modes of a state by their growth rate, and the degrees of spherical harmonics they consist of.

A mode u moves the measure μ = Σ w_i δ_{x_i} by δμ = −div(μu), whose harmonic coefficients are Σ_i w_i ⟨∇Y(x_i), u_i⟩.

    content_k = (1/Λ_k) Σ_m |∫ Y_km dδμ|² / the same over all degrees looked at

The factor 1/Λ_k measures δμ in the norm H^{−1}, the length of a displacement in W2; in it a few point masses are as
good a state as a density. The degree that dominates the fastest mode is the empirical k_max of the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_positive_int
from tokensphere.flows import AbstractFlow
from tokensphere.meanfield import AbstractMeanField
from tokensphere.special import laplacian_eigenvalue, multiplicity
from tokensphere.special.gegenbauer import iterate_gegenbauer
from tokensphere.theory import Hypothesis

from .linearise import Linearisation, linearise
from .linearise_density import DensityLinearisation, linearise_density

__all__ = ["GrowthModes", "degree_content", "what_grows"]

_MOST = 32
_SAME = 1e-6  # rates that differ by less, relative to the largest eigenvalue, belong to one multiple eigenvalue
_ROUNDING = 1e-13  # of the squared length of a mode: less is no change of the measure
_ROWS = 2**20


@dataclass(frozen=True)
class GrowthModes:
    """Modes by decreasing growth rate, and what they are made of.

    **Fields:** `rates` (m,) complex eigenvalues; `degrees` (K,), those looked at; `content` (m, K), each degree's share
    of a mode (rows sum to 1; 0 for a mode that moves tokens but not the measure); `dominant` (m,), the degree of the
    largest share (0 where there is none; the lowest of equal ones); `k_max`, that of the fastest mode and its copies,
    or `None` if nothing grows; `hypotheses`; `linearisation`.
    """

    rates: np.ndarray
    degrees: np.ndarray
    content: np.ndarray
    dominant: np.ndarray
    k_max: int | None
    hypotheses: tuple[Hypothesis, ...]
    linearisation: Linearisation | DensityLinearisation


def what_grows(
    state: AbstractFlow | AbstractMeanField,
    at: Any,
    weights: Any = None,
    *,
    count: int = 12,
    highest: int | None = None,
    **options: Any,
) -> GrowthModes:
    """Which perturbations of a state grow, how fast, and of which degree.

    **Arguments:** a flow and tokens (n, dim) with `weights`, or a mean-field equation and coefficients; `count` modes;
    `highest` degree looked at (default: what the tokens can tell apart, at most 32); `options` of :func:`linearise` or
    :func:`linearise_density`.

    **Returns:** :class:`GrowthModes`, whose `hypotheses` say if the state is not stationary.

    **Raises:** `InputError`; :class:`SolveError`.
    """
    found: Linearisation | DensityLinearisation
    if isinstance(state, AbstractMeanField):
        if weights is not None:
            raise InputError("weights belong to tokens; a density has none")
        found = linearise_density(state, at, count=count, **options)
        degrees = np.arange(1, _top(highest, min(_MOST, state.resolution)) + 1)
        content = _density_content(found, degrees)
    else:
        found = linearise(state, at, weights, count=count, **options)
        degrees = np.arange(1, _top(highest, _resolvable(*found.tokens.shape)) + 1)
        content = degree_content(found.tokens, found.modes, degrees, found.weights)
    dominant = _dominant(content, degrees)
    rates = found.eigenvalues
    scale = found.scale
    first = rates.real >= rates.real[0] - _SAME * scale
    k_max = None
    if rates.real[0] > _SAME * scale:
        k_max = int(_dominant(content[first].sum(axis=0, keepdims=True), degrees)[0]) or None
    grows = Hypothesis("a perturbation grows", k_max is not None, f"largest real part {rates.real[0]:.6g}")
    return GrowthModes(rates, degrees, content, dominant, k_max, (*found.hypotheses, grows), found)


def degree_content(tokens: Any, modes: Any, degrees: Any, weights: Any = None) -> np.ndarray:
    """The share of each degree in the change of the measure by tangent fields.

    **Arguments:** `tokens` (n, dim); `modes` (m, n, dim), real or complex; `degrees` (K,) ≥ 1; `weights` (n,).

    **Returns:** (m, K) ≥ 0, rows that sum to 1, or 0 for a field that moves no mass. O(m n K) on the circle, else
    O(m n² (dim + K)) time and O(n) memory.

    **Raises:** `InputError`.
    """
    from tokensphere.errors import check_tokens, check_weights

    x = check_tokens(tokens)
    u, k = np.asarray(modes), np.atleast_1d(np.asarray(degrees))
    u = u if np.iscomplexobj(u) and u.imag.any() else u.real
    if u.ndim != 3 or u.shape[1:] != x.shape:
        raise InputError(f"modes must have shape (m, {x.shape[0]}, {x.shape[1]}), got {u.shape}")
    if k.size == 0 or (k < 1).any():
        raise InputError(f"degrees must be whole numbers >= 1, got {degrees!r}")
    masses = check_weights(weights, len(x))
    power = (_circle_power if x.shape[1] == 2 else _sphere_power)(x, u * masses[:, None], k)
    size = np.einsum("n,mnd->m", masses, np.abs(u) ** 2)
    return _shares(power, _ROUNDING * np.maximum(size, 1e-300))


def _top(highest: int | None, default: int) -> int:
    return default if highest is None else check_positive_int(highest, "highest")


def _resolvable(n: int, dim: int) -> int:
    """The highest degree whose harmonics, with those below, are not more than the tokens."""
    if dim == 2:
        return max(1, min(_MOST, (n - 1) // 2))
    counts = np.cumsum(_multiplicities(np.arange(_MOST + 1), dim))
    return max(1, int(np.searchsorted(counts, n, side="right")) - 1)


def _multiplicities(degrees: np.ndarray, dim: int) -> np.ndarray:
    return np.array([float(multiplicity(int(k), dim)) for k in degrees])


def _shares(power: np.ndarray, floor: Any) -> np.ndarray:
    power = np.maximum(power, 0.0)
    total = power.sum(axis=1, keepdims=True)
    seen = total[:, 0] > floor
    return np.where(seen[:, None], power / np.where(total > 0, total, 1.0), 0.0)


def _dominant(content: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    best = content.max(axis=1, keepdims=True)
    first = np.argmax(content >= best * (1.0 - 1e-6), axis=1)
    return np.where(best[:, 0] > 0, degrees[first], 0)


def _circle_power(x: np.ndarray, moved: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Σ_± |Σ_i w_i u_i e^{∓ikθ_i}|²: with Y = e^{ikθ} the factor k² of the gradient is Λ_k."""
    along = moved[..., 1] * x[:, 0] - moved[..., 0] * x[:, 1]
    waves = np.exp(1j * np.outer(np.arctan2(x[:, 1], x[:, 0]), degrees))
    return np.asarray(np.abs(along @ waves) ** 2 + np.abs(along @ waves.conj()) ** 2)


def _sphere_power(x: np.ndarray, moved: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """(D_k/Λ_k) Σ_ij [P_k'(q) ⟨u_i, ū_j⟩ + P_k''(q) ⟨u_i, x_j⟩⟨x_i, ū_j⟩], q = ⟨x_i, x_j⟩, masses within u.

    P_k' = Λ_k/(d−1) P_{k−1} in dimension d + 2, and so P_k'' in dimension d + 4.
    """
    n, dim = x.shape
    highest = int(degrees.max())
    table = np.zeros((len(moved), highest + 1))
    rows = max(1, _ROWS // n)
    counts = _multiplicities(np.arange(highest + 1), dim)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        q = np.clip(x[part] @ x.T, -1.0, 1.0)
        inner = np.stack([np.real(u[part] @ u.conj().T).ravel() for u in moved])
        outer = np.stack([np.real((u[part] @ x.T) * (x[part] @ u.conj().T)).ravel() for u in moved])
        slopes, bends = iterate_gegenbauer(dim + 2, q), iterate_gegenbauer(dim + 4, q)
        for k in range(1, highest + 1):
            factor = counts[k] / (dim - 1.0)
            table[:, k] += factor * (inner @ next(slopes).ravel())
            if k > 1:
                table[:, k] += factor * (k - 1.0) * (k + dim - 1.0) / (dim + 1.0) * (outer @ next(bends).ravel())
    return table[:, degrees]


def _density_content(found: DensityLinearisation, degrees: np.ndarray) -> np.ndarray:
    """The same for modes of a density, whose order parameters are those of a signed measure: A_k² D_k/Λ_k."""
    equation = found.equation
    if equation.geometry not in ("circle", "zonal", "sphere"):
        raise InputError(
            f"degrees of modes are not known for the geometry {equation.geometry!r}; use linearise_density"
        )
    dim = equation.dim
    assert dim is not None
    factors = _multiplicities(degrees, dim) / laplacian_eigenvalue(degrees, dim)
    power = np.stack([sum(equation.order(part, degrees) ** 2 for part in mode) for mode in found.modes]) * factors
    return _shares(power, math.ulp(0.0))
