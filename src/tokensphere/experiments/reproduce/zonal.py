"""Densities on the 2-sphere: the reference zonal solution (M24), and three solvers of one equation (M24b).

    ∂_t u = −div(u χ);    zonal: u = Σ c_k p_k(q),   sphere: u = Σ c_lm Y_lm(x),   tokens: Σ_j w_j δ_{x_j}    [derived]

Tokens stand on a product quadrature of the sphere with weights ∝ u at time zero, so that they carry no noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention
from tokensphere.meanfield import SphereMeanField, ZonalMeanField
from tokensphere.observe import energy, order_parameters
from tokensphere.solve import evolve, simulate
from tokensphere.special import gegenbauer
from tokensphere.sphere import quiet
from tokensphere.theory import growth_rates

from .following import all_hold, at_most

__all__ = ["three_solvers", "zonal_reference"]

_BETA, _DIM = 5.0, 3
_START = {2: 0.02, 3: 0.05}  # u_0 = 1 + .02 P_2 + .05 P_3
_KNOWN = {2: 0.0102459, 3: 0.0195752}  # ⟨P_k⟩ at t = .1
_TOLERANCE = 1e-6
_SLOPE = 1e-8  # dE/dt by centred differences
_NODES = 24  # of the product quadrature: 2 · 24² tokens
_DEGREES = np.arange(1, 5)

# M24b
_RESOLUTION = 40
_FOLDS, _LUMP_FOLDS = 3.0, 2.0  # e-folds of the fastest degree: into the quasi-linear phase
_AXIS = (1.0, -2.0, 0.5)
_CENTRES = np.array([[0.3, -0.5, 0.8], [0.9, 0.1, -0.4], [-0.2, 0.7, 0.1]])
_KAPPAS, _SHARES = (0.7, 0.4, 1.0), (0.5, 0.2, 0.3)


def zonal_reference(progress: Progress) -> Outcome:
    """M24: ⟨P_k⟩, energy and dE/dt of the zonal solution from u_0 = 1 + .02 P_2 + .05 P_3, and of weighted tokens."""
    equation = ZonalMeanField(_BETA, "usa", 64, dim=_DIM)
    times = np.linspace(0.0, 0.1, 21)
    start = equation.from_degrees(_START)
    run = evolve(equation, start, times)
    means = np.array([equation.means(c)[_DEGREES] for c in run.coefficients.values])
    progress(0.2, "weighted tokens")
    tokens, weights = _tokens(equation.density(start, _places()[:, 0]))
    moved = simulate(UnnormalizedSelfAttention(_BETA), tokens, times, weights=weights, rtol=1e-10).tokens.values
    seen = np.array([gegenbauer(_DEGREES, _DIM, np.clip(x[:, 0], -1.0, 1.0)) @ weights for x in moved])
    energies = np.array([energy(x, _BETA, weights) for x in moved])
    progress(0.8, "energy")
    slope_error = _slope_error(equation, run.coefficients.values[len(times) // 2])
    verdicts = (
        *(
            compare(f"<P_{k}> of the density at t = 0.1", known, float(means[-1, k - 1]), _TOLERANCE)
            for k, known in _KNOWN.items()
        ),
        at_most(
            "largest distance of <P_k>, k = 1..4, tokens and density", float(np.abs(seen - means).max()), _TOLERANCE
        ),
        at_most("largest distance of the energies", float(np.abs(energies - run.energy.values).max()), _TOLERANCE),
        at_most("relative error of dE/dt against centred differences", slope_error, _SLOPE),
        at_most("largest fall of the energy", max(0.0, float(np.max(-np.diff(run.energy.values)))), 0.0),
        at_most("largest error of the mass", float(np.abs(run.mass.values - 1.0).max()), 1e-14),
    )
    q = np.linspace(-1.0, 1.0, 201)
    profiles = tuple(
        Curve(f"t = {times[i]:g}", q, equation.density(run.coefficients.values[i], q)) for i in (0, 10, 20)
    )
    lines = [Curve(rf"$\langle P_{k}\rangle$", times, means[:, k - 1], color=i) for i, k in enumerate(_START)]
    points = [Curve("tokens", times, seen[:, k - 1], "points", color=i) for i, k in enumerate(_START)]
    panels = (
        Panel("density (lines) and weighted tokens", "time t", r"$\langle P_k\rangle$", (*lines, *points)),
        Panel(
            "energy",
            "time t",
            "E",
            (Curve("density", times, run.energy.values), Curve("tokens", times, energies, "points")),
        ),
        Panel("profile", r"$q = \langle x, e\rangle$", "density u", profiles),
    )
    data = {
        "time": times,
        "means": means,
        "tokens_means": seen,
        "energy": run.energy.values,
        "slope": run.dissipation.values,
    }
    return Outcome(verdicts, panels, data)


def three_solvers(progress: Progress) -> Outcome:
    """M24b: zonal, spherical-harmonic and token solutions of one equation agree, SA and USA, and without symmetry."""
    verdicts, curves, distances = [], [], []
    data: dict[str, Any] = {}
    for i, flow in enumerate(("usa", "sa")):
        progress(0.5 * i, f"{flow}, zonal start")
        paths = _paths(flow, zonal=True)
        name = flow.upper()
        verdicts += [
            at_most(f"{name}: zonal and sphere, largest distance of A_k", paths.between_densities, _TOLERANCE),
            at_most(f"{name}: sphere and tokens, largest distance of A_k", paths.to_tokens, _TOLERANCE),
        ]
        progress(0.5 * i + 0.25, f"{flow}, three lumps")
        lumps = _paths(flow, zonal=False)
        verdicts += [
            at_most(f"{name}, three lumps: sphere and tokens, largest distance of A_k", lumps.to_tokens, _TOLERANCE),
            at_most(f"{name}, three lumps: error of dE/dt, relative", lumps.slope_error, _SLOPE),
        ]
        change = float(np.abs(lumps.sphere[-1] - lumps.sphere[0]).max())
        verdicts.append(
            all_hold(f"{name}, three lumps: the density moves", 1, int(change > 0.05), "changes of A_k > 0.05")
        )
        for rank, k in enumerate((2, 3)):
            label = rf"$A_{k}$ {name}"
            curves += [
                Curve(label, paths.times, paths.zonal[:, k - 1], color=2 * i + rank),
                Curve("", paths.times, paths.tokens[:, k - 1], "points", color=2 * i + rank),
            ]
        for label, path, color in (("zonal start", paths, 2 * i), ("three lumps", lumps, 2 * i + 1)):
            gap = np.maximum(np.abs(path.sphere - path.tokens).max(axis=1), 1e-17)
            distances.append(Curve(f"{name}, {label}", path.times, gap, color=color))
        data |= {f"{flow}_zonal": paths.zonal, f"{flow}_sphere": paths.sphere, f"{flow}_tokens": paths.tokens}
        data[f"{flow}_lumps_sphere"], data[f"{flow}_lumps_tokens"] = lumps.sphere, lumps.tokens
    panels = (
        Panel("zonal (lines) and tokens (points)", r"$\lambda_{max} t$", "order parameter", tuple(curves), log_y=True),
        Panel(
            "sphere against tokens", r"$\lambda_{max} t$", r"largest distance of $A_k$", tuple(distances), log_y=True
        ),
        _map("three lumps under SA, at the end", lumps),
    )
    return Outcome(tuple(verdicts), panels, data)


@dataclass(frozen=True)
class _Paths:
    """Order parameters (times, degrees) of the solvers; `times` in units of 1/λ_max; the last state on the sphere."""

    times: np.ndarray
    zonal: np.ndarray
    sphere: np.ndarray
    tokens: np.ndarray
    equation: SphereMeanField
    last: np.ndarray
    slope_error: float

    @property
    def between_densities(self) -> float:
        return float(np.abs(self.zonal - self.sphere).max())

    @property
    def to_tokens(self) -> float:
        return float(np.abs(self.tokens - self.sphere).max())


def _paths(flow: str, zonal: bool) -> _Paths:
    """The same start followed by every solver that can: the zonal one only for a zonal start."""
    fastest = float(growth_rates(_BETA, _DIM, np.arange(1, 8), flow).max())
    times = np.linspace(0.0, (_FOLDS if zonal else _LUMP_FOLDS) / fastest, 13)
    sphere = SphereMeanField(_BETA, flow, _RESOLUTION)
    start = sphere.from_degrees(_START, _AXIS) if zonal else sphere.von_mises_fisher(_CENTRES, _KAPPAS, _SHARES)
    run = evolve(sphere, start, times, degrees=_DEGREES, largest=2 * _RESOLUTION)
    times = run.time.values  # fewer where the density became too sharp
    line = np.full((len(times), len(_DEGREES)), np.nan)
    if zonal:
        narrow = ZonalMeanField(_BETA, flow, _RESOLUTION, dim=_DIM)
        line = evolve(narrow, narrow.from_degrees(_START), times, degrees=_DEGREES).order.values
    tokens, weights = _tokens(sphere.density(start, _places()))
    law = SelfAttention(_BETA) if flow == "sa" else UnnormalizedSelfAttention(_BETA)
    moved = simulate(law, tokens, times, weights=weights, rtol=1e-10).tokens.values
    seen = np.array([order_parameters(x, _DEGREES, weights) for x in moved])
    last = sphere.refined(int(run.resolution.values[-1]))
    state = run.coefficients.values[-1]
    return _Paths(times * fastest, line, run.order.values, seen, last, state, _slope_error(last, state))


def _places() -> np.ndarray:
    """Tokens of a product quadrature of the sphere."""
    return quiet(_DIM, 1, 0.0, _NODES)[0]


def _tokens(density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The quadrature's tokens, with weights that carry a density given there."""
    tokens, weights = quiet(_DIM, 1, 0.0, _NODES)
    weights = weights * np.maximum(density, 0.0)
    return tokens, weights / weights.sum()


def _slope_error(equation: ZonalMeanField | SphereMeanField, c: np.ndarray) -> float:
    """Relative distance of the dissipation to dE/dt by centred differences along the rate (exact: E is quadratic)."""
    rate = equation.rate(c)
    step = 1e-3 / float(np.abs(rate).max())
    slope = (equation.energy(c + step * rate) - equation.energy(c - step * rate)) / (2.0 * step)
    return abs(slope / equation.dissipation(c) - 1.0)


def _map(title: str, paths: _Paths) -> Image:
    """The density over longitude and height z, which shows areas in proportion."""
    height, longitude = np.linspace(-1.0, 1.0, 91), np.linspace(-np.pi, np.pi, 181)
    z, phi = np.meshgrid(height, longitude, indexing="ij")
    flat = np.sqrt(1.0 - z * z)
    points = np.stack([flat * np.cos(phi), flat * np.sin(phi), z], axis=-1).reshape(-1, 3)
    values = paths.equation.density(paths.last, points).reshape(z.shape)
    return Image(title, "longitude (radians)", "height z", values, (-np.pi, np.pi, -1.0, 1.0), "density u")
