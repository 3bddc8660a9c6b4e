"""Energy identities (C1): which attention flows climb an energy, at which rate, and which do not.

USA, V = B symmetric         dE/dt = Σ w_i |dx_i/dt|²
SA, V = B symmetric          dE/dt = Σ w_i Z_i |dx_i/dt|²
USA heads, V_h = B_h         dE/dt = Σ w_i |dx_i/dt|²,    E = Σ_h E_{β,B_h}                  [2512.01868; heads derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import AbstractFlow, MultiHead, SelfAttention, UnnormalizedSelfAttention
from tokensphere.observe import energy_monotone, staircase_energy
from tokensphere.solve import simulate
from tokensphere.sphere import uniform

__all__ = ["energy_identities"]

_N, _DIM, _BETA, _SEED = 12, 4, 3.0, 1
_LARGE_BETA = 2000.0
_TIMES = 101
_FALL = 1e-3  # of the span: a fall that is no rounding


def energy_identities(progress: Progress) -> Outcome:
    """C1: centred differences of E along the velocity against Σ w|dx/dt|² and Σ w Z|dx/dt|²; flows without an energy.

    12 tokens of random masses, dim 4, β = 3; B = I, random symmetric ones, and two heads.
    """
    tokens = uniform(_N, _DIM, _SEED)
    masses = np.random.default_rng(_SEED).dirichlet(np.full(_N, 4.0))
    one, two = _symmetric(11), _symmetric(23)
    climbing: dict[str, tuple[AbstractFlow, tuple[Any, ...]]] = {
        "USA, B = I": (UnnormalizedSelfAttention(_BETA), (None,)),
        "SA, B = I": (SelfAttention(_BETA), (None,)),
        "USA, B symmetric": (UnnormalizedSelfAttention(_BETA, one, one), (one,)),
        "SA, B symmetric": (SelfAttention(_BETA, one, one), (one,)),
        "USA, V = -B": (UnnormalizedSelfAttention(_BETA, -one, one), (one,)),
        "USA, 2 heads": (MultiHead([UnnormalizedSelfAttention(_BETA, b, b) for b in (one, two)]), (one, two)),
    }
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    for part, (name, (flow, matrices)) in enumerate(climbing.items()):
        progress(0.1 * part, name)
        softmax, sign = isinstance(flow, SelfAttention), -1 if "-" in name else 1
        slope = _slope(flow, matrices, tokens, masses)
        squares = masses * np.sum(flow.velocity(tokens, masses) ** 2, axis=1)
        z = _z(tokens, masses, matrices[0]) if softmax else np.ones(_N)
        claim = f"{'-' if sign < 0 else ''}sum m {'Z ' if softmax else ''}|dx/dt|^2"
        rate = sign * float(squares @ z)
        verdicts.append(compare(f"{name}: dE/dt is {claim}", rate, slope, 1e-8, relative=True, source=_source(name)))
        if softmax:
            apart = abs(slope / float(squares.sum()) - 1.0)
            sentence = f"the sum without Z is off by {apart:.0%} of itself"
            verdicts.append(exact(f"{name}: without Z it is not", apart > 0.1, "differs", f"{apart:.3g}", sentence))
        times, energies = _along(flow, matrices, tokens, masses)
        fall = energy_monotone(times, sign * energies, 1e-7).largest_decrease
        wrong_way = "rise" if sign < 0 else "fall"
        verdicts.append(compare(f"{name}: largest {wrong_way} of E along the run, of its span", 0.0, fall, 1e-7))
        curves.append(_scaled(name, times, energies))
    falling, shown = _without_energy(progress, tokens, masses, (one, two))
    finite = staircase_energy(tokens, _LARGE_BETA, masses)
    verdicts += [
        *falling,
        exact(
            f"staircase energy at beta = {_LARGE_BETA:g}",
            0 < finite <= 1 and abs(finite / float(masses @ masses) - 1.0) < 1e-6,
            f"{float(masses @ masses):.6g}, that of {_N} clusters",
            f"{finite:.6g}",
            "finite, and the sum of the squared masses of tokens that are far apart",
        ),
    ]
    label = "energy, from its least (0) to its largest (1)"
    panels = (
        Panel("V = ±B symmetric: monotone", "time / length of the run", label, tuple(curves)),
        Panel("no monotone energy", "time / length of the run", label, shown),
    )
    data = {c.label.translate(_WORDS): c.y for c in (*curves, *shown)}
    return Outcome(tuple(verdicts), panels, data)


_WORDS = str.maketrans({" ": "_", ",": "", "=": "", "-": "minus", "±": ""})


def _source(name: str) -> str:
    return "derived" if "heads" in name else "2512.01868"


def _symmetric(seed: int) -> np.ndarray:
    g = np.random.default_rng(seed).standard_normal((_DIM, _DIM)) / np.sqrt(_DIM)
    return np.asarray(g + g.T) / 2.0


def _z(tokens: np.ndarray, masses: np.ndarray, matrix: Any) -> np.ndarray:
    """Z_i = Σ_j w_j e^{β x_iᵀB x_j}, for any B."""
    queries = tokens if matrix is None else tokens @ matrix
    return np.exp(np.asarray(Dense()(queries, tokens, None, masses, beta=_BETA).log_z))


def _energy(tokens: np.ndarray, masses: np.ndarray, matrices: tuple[Any, ...]) -> float:
    """Σ_h (1/2β) Σ_ij w_i w_j e^{β x_iᵀB_h x_j}, also where B is not symmetric and flows have no energy."""
    return float(sum(masses @ _z(tokens, masses, b) for b in matrices)) / (2.0 * _BETA)


def _slope(flow: AbstractFlow, matrices: tuple[Any, ...], tokens: np.ndarray, masses: np.ndarray) -> float:
    """dE/dt by centred differences of fourth order along the velocity."""
    velocity = flow.velocity(tokens, masses)
    h = 1e-3 / float(np.abs(velocity).max())

    def at(step: float) -> float:
        moved = tokens + step * velocity
        return _energy(moved / np.linalg.norm(moved, axis=1, keepdims=True), masses, matrices)

    return (8.0 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12.0 * h)


def _along(
    flow: AbstractFlow, matrices: tuple[Any, ...], tokens: np.ndarray, masses: np.ndarray, reach: float = 12.0
) -> tuple[np.ndarray, np.ndarray]:
    """Energies along a run of `reach` times the time in which the fastest token would turn by a radian."""
    stop = reach / float(np.abs(flow.velocity(tokens, masses)).max())
    times = np.linspace(0.0, stop, _TIMES)
    run = simulate(flow, tokens, times, weights=masses, rtol=1e-8)
    return times, np.array([_energy(x, masses, matrices) for x in run.tokens.values])


def _scaled(name: str, times: np.ndarray, energies: np.ndarray) -> Curve:
    return Curve(name, times / times[-1], (energies - energies.min()) / float(np.ptp(energies)))


def _without_energy(
    progress: Progress, tokens: np.ndarray, masses: np.ndarray, pair: tuple[np.ndarray, np.ndarray]
) -> tuple[list[Verdict], tuple[Curve, ...]]:
    """Flows for which E is not monotone: counterexamples, one for each hypothesis."""
    skew = np.random.default_rng(5).standard_normal((_DIM, _DIM))
    skewed = pair[0] + 0.3 * (skew - skew.T)
    value = np.random.default_rng(10).standard_normal((_DIM, _DIM)) / np.sqrt(_DIM)
    cases: dict[str, tuple[AbstractFlow, tuple[Any, ...], float]] = {
        "SA, V = B not symmetric": (SelfAttention(_BETA, skewed, skewed), (skewed,), 30.0),
        "SA, V not ±B": (SelfAttention(_BETA, value), (None,), 12.0),
        "SA, 2 heads": (MultiHead([SelfAttention(_BETA, b, b) for b in pair]), pair, 60.0),
    }
    verdicts, curves = [], []
    for part, (name, (flow, matrices, reach)) in enumerate(cases.items()):
        progress(0.65 + 0.1 * part, name)
        times, energies = _along(flow, matrices, tokens, masses, reach)
        rises, falls = (energy_monotone(times, s * energies).largest_decrease for s in (-1.0, 1.0))
        verdicts.append(
            exact(
                f"{name}: E is not monotone",
                min(rises, falls) > _FALL,
                "rises and falls",
                f"largest rise {rises:.2g}, fall {falls:.2g} of the span",
                f"between two of {_TIMES} saved times of one run: a counterexample, not a statement about all runs",
            )
        )
        curves.append(_scaled(name, times, energies))
    return verdicts, tuple(curves)
