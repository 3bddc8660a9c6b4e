"""Order parameters of tokens that many processes share: each adds up its slice, the sums are added, then squared.

A_k² = |Σ_r s_k^(r)|²,   s_k^(r) the moments or spherical-harmonic sums of the slice of process r
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .harmonics import low_power, low_sums, moment_sums, sphere_power, sphere_sums, zonal_sequence

if TYPE_CHECKING:
    from tokensphere.parallel import Mesh

__all__ = ["shared_power"]

_BLOCK = 512


def shared_power(mesh: Mesh, points: np.ndarray, degrees: list[int], masses: np.ndarray) -> np.ndarray:
    """Return A_k^2 for every degree asked, as :func:`harmonic_power` over the tokens of all processes.

    What travels: the moments (dim 2), the spherical-harmonic sums (dim 3), first and second moments (degrees up to
    2); in other cases the tokens themselves, and every process takes the pairs of its own rows.

    **Arguments:** `points` (m, dim) and `masses` (m,), the slice of this process, as long on every process;
    masses sum to 1 over all of them; `degrees` whole numbers >= 0. All processes call together.

    **Returns:** (len(degrees),) float64, the same bits on every process.
    """
    n, dim = len(points) * mesh.size, points.shape[1]
    highest = max(degrees)
    if dim == 2:
        sums = mesh.sum(moment_sums(np.arctan2(points[:, 1], points[:, 0]), highest, masses))
        power = (np.abs(sums) ** 2)[degrees]
    elif highest <= 2 and (dim <= n or highest < 2):
        table = [1.0] + [low_power(mesh.sum(low_sums(points, masses, k))) for k in range(1, highest + 1)]
        power = np.array([table[k] for k in degrees])
    elif dim == 3 and n * (n / 2.0) > (highest + 1.0) ** 2:
        power = sphere_power(mesh.sum(sphere_sums(points, masses, highest)), highest)[degrees]
    else:
        power = mesh.sum(_pair_sums(mesh, points, masses, highest))[degrees]
    return np.maximum(power, 0.0)


def _pair_sums(mesh: Mesh, points: np.ndarray, masses: np.ndarray, highest: int) -> np.ndarray:
    """Σ_i w_i Σ_j w_j P_k(⟨x_i, x_j⟩), k = 0..highest, i in this slice, j in all."""
    everything = mesh.gather(np.concatenate([points, masses[:, None]], axis=1)).reshape(-1, points.shape[1] + 1)
    others, other_masses = everything[:, :-1], everything[:, -1]
    table = np.zeros(highest + 1)
    for i in range(0, len(points), _BLOCK):
        rows = slice(i, i + _BLOCK)
        for j in range(0, len(others), _BLOCK):
            columns = slice(j, j + _BLOCK)
            inner = np.clip(points[rows] @ others[columns].T, -1.0, 1.0)
            for k, values in enumerate(zonal_sequence(inner, highest, points.shape[1])):
                if k <= highest:
                    table[k] += float(masses[rows] @ values @ other_masses[columns])
    return table
