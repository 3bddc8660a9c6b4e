"""Noise against order (C21): R over κ, and hysteresis only beyond β_*.

dX = χ dt + √(2/κ) dW, USA. β ≤ β_*: R leaves 0 continuously at κ_c. Beyond: between the fold and κ_c the end depends on
the start.                                                                                         [2604.16288; derived]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.meanfield import CircleMeanField, ZonalMeanField
from tokensphere.solve import evolve, simulate
from tokensphere.sphere import uniform
from tokensphere.theory import (
    critical_kappa,
    noisy_transition,
    order_at_rest,
    stationary_state,
    stationary_states,
    tricritical_beta,
)

__all__ = ["noisy_thresholds"]

_CASES = ((2, 2.0), (2, 5.0), (3, 1.0), (3, 3.0))  # d, β: below and beyond β_* in each dimension
_RATIOS = np.array([0.75, 0.915, 0.935, 1.1])  # κ/κ_c
_SPAN = 75.0  # length of a run, in units of κ_c/(d−1)
_SMALL, _LARGE = 0.02, 0.85  # R of the starts
_RESOLUTION, _FINEST = 20, 40
_ORDER_TOLERANCE, _SPLIT = 0.005, 0.1

_TOKENS = 4000
_KAPPAS = {2: np.array([1.5, 2.5, 3.0, 4.0]), 3: np.array([2.0, 4.0, 5.0])}  # at β = 0
_TOKEN_TOLERANCE = 0.05
_BISTABLE, _FINE = 0.94, 0.02  # κ/κ_c and step of the token runs at d = 2, β = 5


@dataclass(frozen=True)
class _Branches:
    """Ends R of density runs over κ/κ_c, from a small and from a large order."""

    dim: int
    beta: float
    up: np.ndarray
    down: np.ndarray

    @property
    def name(self) -> str:
        return f"d = {self.dim}, beta = {self.beta:g}"

    @property
    def split(self) -> np.ndarray:
        """Where the end depends on the start."""
        return np.abs(self.up - self.down) > _SPLIT


def noisy_thresholds(progress: Progress) -> Outcome:
    """C21: densities from both sides at β below and beyond β_*, tokens at β = 0 and where both states are stable."""
    verdicts: list[Verdict] = []
    panels: list[Panel] = []
    data: dict[str, Any] = {"kappa_over_critical": _RATIOS}
    for i, (dim, beta) in enumerate(_CASES):
        progress(0.6 * i / len(_CASES), f"densities, d = {dim}, beta = {beta:g}")
        branches = _densities(dim, beta)
        verdicts += _judge(branches)
        data |= {f"up_{dim}_{beta:g}": branches.up, f"down_{dim}_{beta:g}": branches.down}
        panels.append(_panel(branches))
    ends: dict[int, np.ndarray] = {}
    for dim, kappas in _KAPPAS.items():
        progress(0.6 + 0.1 * (dim - 2), f"tokens at beta = 0, d = {dim}")
        ends[dim] = np.array([_tokens(0.0, float(kappa), dim, True) for kappa in kappas])
        verdicts += [
            compare(
                f"R of {_TOKENS} tokens, d = {dim}, beta = 0, kappa = {kappa:g}",
                order_at_rest(float(kappa), dim),
                float(end),
                _TOKEN_TOLERANCE,
            )
            for kappa, end in zip(kappas, ends[dim], strict=True)
        ]
        data |= {f"kappa_{dim}": kappas, f"order_{dim}": ends[dim]}
    progress(0.85, "tokens where two states are stable")
    judged, both = _judge_tokens()
    verdicts += judged
    data["order_bistable"] = np.array(both)
    points = Curve(f"{_TOKENS} tokens", np.full(2, _BISTABLE), np.array(both), "points", color=4)
    at = _CASES.index((2, 5.0))
    panels[at] = dataclasses.replace(panels[at], curves=(*panels[at].curves, points))
    panels.append(_resting_panel(ends))
    return Outcome(tuple(verdicts), tuple(panels), data)


def _densities(dim: int, beta: float) -> _Branches:
    critical = critical_kappa(beta, dim)
    starts = [stationary_state(order, beta, dim) for order in (_SMALL, _LARGE)]
    times = np.array([0.0, _SPAN * critical / (dim - 1)])
    ends = np.empty((2, len(_RATIOS)))
    for j, ratio in enumerate(_RATIOS.tolist()):
        fields: dict[str, Any] = {
            "beta": beta,
            "flow": "usa",
            "resolution": _RESOLUTION,
            "noise": 1.0 / (ratio * critical),
        }
        equation: Any = CircleMeanField(**fields) if dim == 2 else ZonalMeanField(**fields, dim=dim)
        for k, state in enumerate(starts):
            start = equation.lift(state.means) if dim == 2 else equation.from_function(state.density)
            run = evolve(equation, start, times, rtol=1e-6, largest=_FINEST, degrees=[1])
            ends[k, j] = run.order.values[-1, 0]
    return _Branches(dim, beta, ends[0], ends[1])


def _predicted(ratio: float, dim: int, beta: float) -> tuple[float, float]:
    """R at the end from a small and from a large order."""
    stable = [state.order for state in stationary_states(ratio * critical_kappa(beta, dim), beta, dim) if state.stable]
    high = stable[-1] if stable else 0.0
    return (high if ratio > 1.0 else 0.0), high


def _judge(branches: _Branches) -> list[Verdict]:
    dim, beta, name = branches.dim, branches.beta, branches.name
    law = np.array([_predicted(ratio, dim, beta) for ratio in _RATIOS.tolist()])
    error = float(np.abs(np.stack([branches.up, branches.down], axis=1) - law).max())
    jump = beta > tricritical_beta(dim)
    fold = noisy_transition(beta, dim).fold_kappa / critical_kappa(beta, dim)
    where = [float(r) for r in _RATIOS if fold < r < 1.0] if jump else []
    seen = _RATIOS[branches.split].tolist()
    kind = "beyond" if jump else "below"
    return [
        compare(f"R over kappa, {name}, largest error", 0.0, error, _ORDER_TOLERANCE),
        exact(
            f"kappa/kappa_c where the end depends on the start, {name}",
            seen == where,
            where or "nowhere",
            seen or "nowhere",
            f"beta is {kind} beta_* = {tricritical_beta(dim):.5g}; fold at {fold:.4g} of kappa_c",
        ),
    ]


def _panel(branches: _Branches) -> Panel:
    dim, beta = branches.dim, branches.beta
    critical = critical_kappa(beta, dim)
    orders = np.linspace(0.02, 0.95, 60)
    states = [stationary_state(float(order), beta, dim) for order in orders]
    ratios = np.array([state.kappa for state in states]) / critical
    kept = ratios < 1.35
    stable = np.array([state.stable for state in states]) & kept
    curves = [Curve("stable", ratios[stable], orders[stable], predicted=True, color=0)]
    if (kept & ~stable).any():
        curves.append(Curve("unstable", ratios[kept & ~stable], orders[kept & ~stable], predicted=True, color=1))
    curves += [
        Curve("from small order", _RATIOS, branches.up, "points", color=2),
        Curve("from large order", _RATIOS, branches.down, "points", color=3),
    ]
    return Panel(f"d = {dim}, β = {beta:g}", r"$\kappa/\kappa_c$", "order parameter R", tuple(curves))


def _tokens(beta: float, kappa: float, dim: int, ordered: bool, fraction: float = 0.05, seed: int = 0) -> float:
    """R of tokens, its mean over the last half of a run, from one cluster or from uniform tokens.

    `fraction` is the step in units of κ_c/(d−1), in which the force of a cluster grows with β.
    """
    start = np.tile(np.eye(dim)[0], (_TOKENS, 1)) if ordered else uniform(_TOKENS, dim, seed)
    unit = critical_kappa(beta, dim) / (dim - 1)  # the time of a mode of degree 1 under the noise alone
    end, step = 24.0 * unit, fraction * unit
    times = np.concatenate([[0.0], np.linspace(0.5 * end, end, 13)])
    flow = UnnormalizedSelfAttention(beta)
    run = simulate(flow, start, times, method="strang", step_size=step, noise=1.0 / kappa, seed=seed)
    return float(np.linalg.norm(run.tokens.values[1:].mean(axis=1), axis=1).mean())


def _judge_tokens() -> tuple[list[Verdict], list[float]]:
    """d = 2, β = 5 between the fold and κ_c: ordered tokens stay so, uniform ones too. Also R of both."""
    dim, beta = 2, 5.0
    kappa = _BISTABLE * critical_kappa(beta, dim)
    ordered, disordered = (_tokens(beta, kappa, dim, start, _FINE) for start in (True, False))
    verdicts = [
        compare(
            f"R of tokens that start in one cluster, d = {dim}, beta = {beta:g}, kappa/kappa_c = {_BISTABLE}",
            _predicted(_BISTABLE, dim, beta)[1],
            ordered,
            _TOKEN_TOLERANCE,
        ),
        exact(
            "R of uniform tokens there",
            disordered < stationary_states(kappa, beta, dim)[0].order,
            0.0,
            disordered,
            "stays below the unstable state between the two",
        ),
    ]
    return verdicts, [ordered, disordered]


def _resting_panel(ends: dict[int, np.ndarray]) -> Panel:
    curves = []
    for color, (dim, kappas) in enumerate(_KAPPAS.items()):
        fine = np.linspace(1.0, 5.2, 120)
        law = np.array([order_at_rest(kappa, dim) for kappa in fine.tolist()])
        curves.append(Curve(f"{_TOKENS} tokens, d = {dim}", kappas, ends[dim], "points", color=color))
        curves.append(Curve("", fine, law, predicted=True, color=color))
    return Panel("β = 0", r"$\kappa$", "order parameter R", tuple(curves))
