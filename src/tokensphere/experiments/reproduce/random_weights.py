"""Random value matrices (C22): two tokens meet, or become antipodal beyond a threshold of β.

y ← N(x + √η V A), V fresh in every layer: exponents (d−1) sech²β − 2 of 1 + u at −1 and −(d−1) of 1 − u at 1,
threshold arccosh √((d−1)/2)                                                                                 [derived]
"""

from __future__ import annotations

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare
from tokensphere.flows import EnsembleFlow, RandomValues, SelfAttention
from tokensphere.solve import random_value_pair, simulate
from tokensphere.sphere import from_angles
from tokensphere.theory import alignment_probability, antipodal_exponent, antipodal_threshold

__all__ = ["random_values"]

_DIM, _STEP, _GAP = 8, 0.004, 1e-3
_BETAS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
_PAIRS, _LAYERS = 4000, 400  # pairs side by side, and layers: as many independent changes of log(1+u) as their product
_TOLERANCE, _THRESHOLD_TOLERANCE = 0.15, 0.05

_ENDS = ((0.5, 1000.0, 3), (-0.7, 2.0, 8), (0.2, 1.5, 8))  # u_0, β, d; β = 1000: tokens attend to themselves
_MANY, _COARSE, _LONG = 2000, 0.02, 10.0
_EARLY = 1.0


def _pairs(u: float, dim: int) -> np.ndarray:
    """Two tokens with this inner product."""
    tokens = np.zeros((2, dim))
    tokens[:, :2] = from_angles([0.0, float(np.arccos(u))])
    return tokens


def _flow(beta: float, dim: int, pairs: int, step: float) -> RandomValues:
    inner = EnsembleFlow(SelfAttention(beta, attention=Dense()).resolve(2, dim), pairs)
    return RandomValues(inner, seed=0, step_size=step)


def _slope(beta: float, pairs: int, layers: int) -> tuple[float, float]:
    """Mean change of log(1+u) by a layer from u = −1 + gap, a unit of time, and its standard error."""
    flow = _flow(beta, _DIM, pairs, _STEP)
    # 1 + u = |x + y|²/2 keeps its digits near the antipode
    half = np.sqrt(0.5 * _GAP)
    pair = np.zeros((2, _DIM))
    pair[:, 0], pair[0, 1], pair[1, 1] = half, np.sqrt(1.0 - half**2), -np.sqrt(1.0 - half**2)
    tokens = np.tile(pair, (pairs, 1))
    total = squares = 0.0
    for layer in range(layers):
        t = layer * _STEP
        new = flow.layer(tokens, flow.attended(tokens, None, t), _STEP, t)
        changes = np.log(0.5 * np.sum((new[::2] + new[1::2]) ** 2, axis=1) / _GAP)
        total += float(changes.sum())
        squares += float(changes @ changes)
    count = pairs * layers
    mean = total / count
    return mean / _STEP, float(np.sqrt((squares / count - mean**2) / count)) / _STEP


def random_values(progress: Progress) -> Outcome:
    """C22: the exponent at the antipodal pair over β, the threshold, and which end pairs reach.

    At η = 0.004 the slopes of layers stand above the exponents by O(η), about 0.1 at large β.
    """
    found = np.empty((len(_BETAS), 2))
    for i, beta in enumerate(_BETAS.tolist()):
        progress(0.6 * i / len(_BETAS), f"exponent at beta {beta:g}")
        found[i] = _slope(beta, _PAIRS, _LAYERS)
    law = np.array([antipodal_exponent(beta, _DIM) for beta in _BETAS.tolist()])
    verdicts = [
        compare(f"slope of E log(1+u) at beta = {beta:g}", float(want), float(slope), _TOLERANCE)
        for beta, want, (slope, _) in zip(_BETAS, law, found, strict=True)
    ]
    # The exponent is linear in sech²β: where a straight line through the slopes crosses zero.
    steep, level = np.polyfit(np.cosh(_BETAS) ** -2.0, found[:, 0], 1)
    crossing = float(np.arccosh(np.sqrt(steep / -level)))
    verdicts.append(
        compare("beta where the slopes change sign", antipodal_threshold(_DIM), crossing, _THRESHOLD_TOLERANCE)
    )
    shares, curves = [], []
    times = np.array([0.0, _EARLY, _LONG])
    for i, (u, beta, dim) in enumerate(_ENDS):
        progress(0.6 + 0.13 * i, f"which end: beta {beta:g}, dim {dim}")
        tokens = np.tile(_pairs(u, dim), (_MANY, 1))
        flow = _flow(beta, dim, _MANY, _COARSE)
        frames = simulate(flow, tokens, times, method="layer", step_size=_COARSE).tokens.values
        product = np.sum(frames[:, ::2] * frames[:, 1::2], axis=2)
        own = np.tanh(random_value_pair(u, beta, dim, times, paths=_MANY, seed=i, step_size=_COARSE))
        verdicts += _judge(u, beta, dim, product, own)
        shares.append([float((product[-1] > 0).mean()), alignment_probability(u, beta, dim)])
        curves += _distribution(i, f"β = {beta:g}, d = {dim}, $u_0$ = {u:g}", product[1], own[1])
    fine = np.linspace(0.3, 3.2, 60)
    slopes, errors = found.T
    panels = (
        Panel(
            f"exponent of 1 + u at the antipodal pair, d = {_DIM}",
            r"inverse temperature $\beta$",
            "slope of E log(1+u)",
            (
                Curve("layers", _BETAS, slopes, "points", low=slopes - errors, high=slopes + errors),
                Curve(
                    r"$(d-1)\,\mathrm{sech}^2\beta-2$",
                    fine,
                    np.array([antipodal_exponent(beta, _DIM) for beta in fine.tolist()]),
                    predicted=True,
                ),
            ),
        ),
        Panel(f"law of u at t = {_EARLY:g}", "inner product u", "share of pairs below u", tuple(curves)),
    )
    data = {"beta": _BETAS, "slope": found[:, 0], "slope_error": found[:, 1], "exponent": law}
    return Outcome(tuple(verdicts), panels, data | {"threshold": crossing, "share_aligned": np.array(shares)})


def _judge(u: float, beta: float, dim: int, layers: np.ndarray, own: np.ndarray) -> list[Verdict]:
    """Shares at +1 at the end, and means early on: layers against theory and against the stochastic equation."""
    name = f"u_0 = {u:g}, beta = {beta:g}, d = {dim}"
    wanted = alignment_probability(u, beta, dim)
    error = 4.0 * float(np.sqrt(max(wanted * (1.0 - wanted), 1e-3) / layers.shape[1]))
    spread = 4.0 * float(np.hypot(layers[1].std(), own[1].std()) / np.sqrt(layers.shape[1]))
    return [
        compare(f"share of pairs that meet, {name}", wanted, float((layers[-1] > 0).mean()), error),
        compare(f"share of paths of the equation that meet, {name}", wanted, float((own[-1] > 0).mean()), error),
        compare(
            f"mean of u at t = {_EARLY:g}, equation against layers, {name}",
            float(own[1].mean()),
            float(layers[1].mean()),
            spread + _COARSE,
        ),
    ]


def _distribution(color: int, label: str, layers: np.ndarray, own: np.ndarray) -> list[Curve]:
    share = (np.arange(len(layers)) + 0.5) / len(layers)
    kept = slice(None, None, max(1, len(layers) // 60))
    return [
        Curve(label, np.sort(layers)[kept], share[kept], "points", color=color),
        Curve("", np.sort(own)[kept], share[kept], predicted=True, color=color),
    ]
