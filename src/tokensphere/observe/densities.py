"""The measurements of tokens on the circle, for densities: phases, bumps, distances to special states.

A density is given by its Fourier coefficients c_m = μ̂_m, m = 0..K: u(θ) = c_0 + 2 Σ_{m≥1} Re(c_m e^{imθ}) with respect
to dθ/2π (as in :class:`tokensphere.meanfield.CircleMeanField`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_positive_int
from ..sphere import from_angles
from .phases import Phases, phases
from .states import KClusterDistance, k_cluster_distance, periodic_defect

if TYPE_CHECKING:
    import xarray

__all__ = ["count_bumps", "density_defect", "density_distance", "density_phases", "density_tokens"]


def _coefficients(values: Any) -> np.ndarray:
    c = np.asarray(values, dtype=np.complex128)
    if c.ndim != 1 or c.size < 2 or not np.isfinite(c).all():
        raise InputError(f"coefficients must be finite, of shape (K + 1,) with K >= 1, got shape {c.shape}")
    if abs(c[0] - 1.0) > 1e-9:
        raise InputError(f"the density must have mass 1 (coefficient 0), got {c[0]:.10g}")
    return c


def _on_grid(c: np.ndarray, count: int) -> np.ndarray:
    """u at 2πj/count; modes that the grid does not see are left out."""
    return np.asarray(np.fft.irfft(c[: count // 2 + 1], count, norm="forward"))


def density_tokens(coefficients: Any, count: int = 8192) -> tuple[np.ndarray, np.ndarray]:
    """Weighted tokens on an equispaced grid: masses u(θ_j)/count, negative ones cut off.

    Within π/count of the density in every W_p as long as its modes beyond count/2 vanish.

    **Arguments:** `coefficients` (K+1,); `count` of tokens.

    **Returns:** tokens (count, 2) and weights (count,) summing to 1.

    **Raises:** `InputError` for coefficients that are not those of a density of mass 1, or a bad count.
    """
    c, count = _coefficients(coefficients), check_positive_int(count, "count", least=4)
    masses = np.maximum(_on_grid(c, count), 0.0)
    return from_angles(2.0 * np.pi * np.arange(count) / count), masses / masses.sum()


def count_bumps(coefficients: Any, least: float = 1.0, drop: float = 0.5) -> int:
    """The number of bumps of a density: maxima above `least` with a dip to below `drop` times the lower one between.

    **Arguments:** `coefficients` (K+1,); `least` height with respect to the uniform density (default 1); `drop` in
    (0, 1), default 1/2.

    **Returns:** int, 0 for a density that nowhere rises above `least` or never dips.

    **Raises:** `InputError` for bad coefficients or a drop outside (0, 1).
    """
    c = _coefficients(coefficients)
    if not 0 < drop < 1:
        raise InputError(f"drop must lie between 0 and 1, got {drop!r}")
    u = _on_grid(c, max(512, 8 * c.size))
    lowest = int(np.argmin(u))
    u = np.roll(u, -lowest)  # starts in the deepest valley, so no bump is cut
    bumps, top, valley = 0, -np.inf, float(u[0])
    rising = True
    for height in (*u.tolist(), float(u[0])):
        if rising:
            top = max(top, height)
            if height < drop * top:
                bumps += top > least
                rising, valley = False, height
        else:
            valley = min(valley, height)
            if drop * height > valley:
                rising, top = True, height
    return int(bumps)


def density_defect(coefficients: Any, k: int, max_degree: int | None = None) -> float:
    """Relative distance of a density to the k-periodic ones; see :func:`k_periodic_defect`.

    **Arguments:** `coefficients` (K+1,); `k` >= 1; `max_degree` >= k, default 2 k.

    **Returns:** float >= 0, inf when no multiple of k is present.

    **Raises:** `InputError` for a bad argument.
    """
    c, k = _coefficients(coefficients), check_positive_int(k, "k")
    highest = 2 * k if max_degree is None else check_positive_int(max_degree, "max_degree", least=k)
    present = np.zeros(highest + 1, dtype=np.complex128)
    kept = min(present.size, c.size)
    present[:kept] = c[:kept]
    return periodic_defect(present, k)


def density_distance(coefficients: Any, k: int, count: int = 8192) -> KClusterDistance:
    """The nearest k-cluster state to a density and its W_2 in radians (error at most π/count).

    **Arguments, errors:** as :func:`density_tokens` and :func:`k_cluster_distance`.
    """
    tokens, weights = density_tokens(coefficients, count)
    return k_cluster_distance(tokens, k, weights)


def density_phases(run: xarray.Dataset) -> Phases:
    """The phases of a density on the circle, read as those of tokens are, with bumps in the place of clusters.

    **Arguments:** `run` from :func:`tokensphere.solve.evolve` on the circle. Where it ended `UNDER_RESOLVED` before the
    clusters were formed, the later times are `None`.

    **Returns:** :class:`Phases`.

    **Raises:** `InputError` for a run in another geometry.
    """
    if run.attrs.get("geometry") != "circle":
        raise InputError(f"density_phases needs a run on the circle, got geometry {run.attrs.get('geometry')!r}")
    bumps = [count_bumps(c) for c in run["coefficients"].values]
    return phases(run["time"].values, run["order"].values, run["speed_squared"].values, bumps)
