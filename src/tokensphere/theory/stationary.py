"""Stationary states of the noisy transformer dX = χ dt + √(2/κ) dW (USA), zonal, in any dimension.

    u(q) = e^{U(q)}/∫e^U dσ,    U = κ Σ_{k≥1} D_k ŵ_k m_k P_k(q),    m_k = ∫ P_k dμ,    q = ⟨x, e⟩
    F − F_uniform = κ⁻¹ ∫ u log u dσ − ½ Σ_{k≥1} D_k ŵ_k m_k²          e^{βq}/β = Σ_k D_k ŵ_k P_k(q)

A state of order R = m_1 is a solution (κ, m_2, m_3, …) of these equations, one for every R in (0, 1): the branch that
leaves the uniform law at κ_c. Where κ falls along it, its states are unstable: the transition is then a jump, at the κ
where the free energies F are equal, and order that is there already lasts down to the fold, the least κ.

[2604.16288, 2606.05140; the equations derived]
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim
from ..special import gegenbauer, laplacian_eigenvalue, mean_resultant, multiplicity
from .growth import check_real, growth_rates
from .noisy import critical_kappa

__all__ = ["NoisyTransition", "StationaryState", "noisy_transition", "stationary_state", "stationary_states"]

_NEGLIGIBLE = 1e-17  # of the first eigenvalue
_FIRST, _LAST = 1e-3, 0.995  # orders between which states are looked for
_GRID = 60


@dataclass(frozen=True)
class StationaryState:
    """One zonal stationary state.

    **Fields:** `beta`, `dim`, `kappa`; `order` R; `means` (K+1,) m_k, from m_0 = 1; `free_energy` F − F_uniform;
    `slope` dκ/dR along the branch: negative where the state is unstable.
    """

    beta: float
    dim: int
    kappa: float
    order: float
    means: np.ndarray
    free_energy: float
    slope: float

    @property
    def stable(self) -> bool:
        """Whether κ grows with R here."""
        return self.slope > 0

    def density(self, q: Any) -> np.ndarray:
        """u(q) with respect to the uniform probability, at any cosines q = ⟨x, e⟩."""
        law = _law(self.beta, self.dim)
        cosines = np.asarray(q, dtype=np.float64)
        potential = self.kappa * self.means[1:] * law.strengths
        log_z = law.log_mass(potential)
        table = gegenbauer(law.degrees, self.dim, cosines)
        return np.asarray(np.exp(np.tensordot(potential, table, axes=1) - log_z))


@dataclass(frozen=True)
class NoisyTransition:
    """How order appears as κ grows.

    **Fields:** `continuous`; `kappa` where the ordered state takes over (κ_c, or that of equal free energies) and its
    `order` there (0 if continuous); `fold_kappa`, `fold_order`: the least κ with an ordered state (κ_c and 0 if
    continuous); `critical` κ_c, up to which the uniform law is stable.
    """

    continuous: bool
    kappa: float
    order: float
    fold_kappa: float
    fold_order: float
    critical: float


class _Law:
    """Eigenvalues and a quadrature rule for one (β, d)."""

    def __init__(self, beta: float, dim: int) -> None:
        count = 8
        while True:
            degrees = np.arange(1, count + 1)
            weak = growth_rates(beta, dim, degrees, "usa") / laplacian_eigenvalue(degrees, dim)
            strengths = weak * np.array([float(multiplicity(int(k), dim)) for k in degrees])
            if strengths[-1] <= _NEGLIGIBLE * strengths.max():
                break
            count *= 2
        kept = np.flatnonzero(strengths > _NEGLIGIBLE * strengths.max())[-1] + 1
        self.degrees, self.strengths, self.dim = degrees[:kept], strengths[:kept], dim
        nodes, weights = np.polynomial.legendre.leggauss(max(400, 12 * int(kept)))
        theta = 0.5 * math.pi * (nodes + 1.0)
        logs = np.log(weights) + (dim - 2) * np.log(np.sin(theta))
        logs -= logs.max()
        self.log_weights = logs - math.log(float(np.exp(logs).sum()))
        self.table = np.asarray(gegenbauer(self.degrees, dim, np.cos(theta)))

    def tilted(self, potential: np.ndarray) -> tuple[np.ndarray, float]:
        """Probabilities (nodes,) of the law ∝ exp Σ potential_k P_k, and log ∫ exp dσ."""
        logs = self.log_weights + potential @ self.table
        top = float(logs.max())
        p = np.exp(logs - top)
        total = float(p.sum())
        return p / total, top + math.log(total)

    def log_mass(self, potential: np.ndarray) -> float:
        return self.tilted(potential)[1]


@functools.lru_cache(maxsize=16)
def _law(beta: float, dim: int) -> _Law:
    return _Law(beta, dim)


def _start(law: _Law, order: float) -> tuple[float, np.ndarray]:
    """κ and means of a von Mises–Fisher law of this order, for Newton's method."""
    from scipy.optimize import brentq

    high = 1.0
    while mean_resultant(law.dim, high) < order:
        high *= 2.0
    c = brentq(lambda z: mean_resultant(law.dim, z) - order, 0.0, high, xtol=1e-14)
    tilt = np.zeros(len(law.degrees))
    tilt[0] = c
    means = law.table @ law.tilted(tilt)[0]
    return c / float((law.strengths * means)[0]), means


def _newton(law: _Law, kappa: float, means: np.ndarray, order: float) -> tuple[float, np.ndarray, float] | None:
    """κ, means and dκ/dR at the given order, from a guess; `None` if it does not lead there."""
    means = means.copy()
    means[0] = order
    for _ in range(60):
        p, _ = law.tilted(kappa * law.strengths * means)
        found = law.table @ p
        centred = law.table - found[:, None]
        covariance = (centred * p) @ centred.T
        # Unknowns (κ, m_2, …); residual = m − ∫ P dμ.
        pull = covariance * law.strengths
        jacobian = np.eye(len(means)) - kappa * pull
        to_order = jacobian[:, 0].copy()
        jacobian[:, 0] = -pull @ means
        # Rows and columns in units of their size: dκ against the means.
        step = np.linalg.solve(jacobian, found - means)
        largest = max(abs(step[0]) / kappa, float(np.abs(step[1:]).max(initial=0.0)))
        damp = min(1.0, 0.3 / largest) if largest > 0 else 1.0
        kappa += damp * step[0]
        means[1:] += damp * step[1:]
        if not (math.isfinite(kappa) and kappa > 0):
            return None
        if largest < 1e-13 or (largest < 1e-10 and damp == 1.0):
            return kappa, means, float(np.linalg.solve(jacobian, -to_order)[0])
    return None


def stationary_state(order: float, beta: float, dim: int) -> StationaryState:
    """The stationary state with |∫ x dμ| = `order`: its κ, means, free energy and stability.

    **Arguments:** `order` R in (0, 1); `beta` ≥ 0; `dim` ≥ 2. **Returns:** :class:`StationaryState`, about 1e-12.

    **Raises:** `InputError`; `RateOverflowError` where the USA rates are no floats. **Source:** derived.
    """
    r, beta, dim = check_real(order, "order"), check_beta(beta), check_dim(dim)
    if not 0.0 < r < 1.0:
        raise InputError(f"order must lie strictly between 0 and 1, got {order!r}")
    law = _law(beta, dim)
    found = _newton(law, *_start(law, r), r)
    steps = 8
    while found is None and steps <= 512:  # from far: along the branch, in steps that shrink until each one works
        path = np.linspace(0.05 * r, r, steps)
        kappa, means = _start(law, float(path[0]))
        for target in path:
            found = _newton(law, kappa, means, float(target))
            if found is None:
                break
            kappa, means = found[0], found[1]
        steps *= 2
    if found is None:
        raise InputError(f"no stationary state of order {r:g} was found at beta = {beta:g}, dim = {dim}")
    kappa, means, slope = float(found[0]), found[1], found[2]
    log_z = law.log_mass(kappa * law.strengths * means)
    free = 0.5 * float(law.strengths @ means**2) - log_z / kappa
    return StationaryState(beta, dim, kappa, r, np.concatenate([[1.0], means]), free, slope)


def stationary_states(kappa: float, beta: float, dim: int) -> list[StationaryState]:
    """All ordered states of the first branch at this κ, by increasing order; empty where only the uniform law rests.

    Orders from 0.001 to 0.995 are looked at. **Raises:** as :func:`stationary_state`. **Source:** derived.
    """
    from scipy.optimize import brentq

    wanted = check_real(kappa, "kappa", 0.0)
    grid = np.linspace(_FIRST, _LAST, _GRID)
    offset = np.array([stationary_state(float(r), beta, dim).kappa - wanted for r in grid])
    found = []
    for i in np.flatnonzero(np.sign(offset[1:]) != np.sign(offset[:-1])):
        r = brentq(lambda x: stationary_state(float(x), beta, dim).kappa - wanted, grid[i], grid[i + 1], xtol=1e-13)
        found.append(stationary_state(float(r), beta, dim))
    return found


def noisy_transition(beta: float, dim: int) -> NoisyTransition:
    """Whether order appears continuously or by a jump as κ grows, and where.

    **Arguments:** `beta` ≥ 0; `dim` ≥ 2. **Returns:** :class:`NoisyTransition`.

    **Raises:** as :func:`stationary_state`. **Source:** [2604.16288] for the kind; the values derived.
    """
    from scipy.optimize import brentq

    critical = critical_kappa(beta, dim)
    grid = np.linspace(_FIRST, _LAST, _GRID)
    states = [stationary_state(float(r), beta, dim) for r in grid]
    falling = np.array([state.slope < 0 for state in states])
    if not falling[: _GRID // 2].any():
        return NoisyTransition(True, critical, 0.0, critical, 0.0, critical)
    last = int(np.flatnonzero(falling[:-1] & ~falling[1:])[0])
    fold = float(brentq(lambda r: stationary_state(float(r), beta, dim).slope, grid[last], grid[last + 1], xtol=1e-12))
    level = float(
        brentq(lambda r: stationary_state(float(r), beta, dim).free_energy, max(fold, grid[last]), _LAST, xtol=1e-13)
    )
    return NoisyTransition(
        False,
        stationary_state(level, beta, dim).kappa,
        level,
        stationary_state(fold, beta, dim).kappa,
        fold,
        critical,
    )
