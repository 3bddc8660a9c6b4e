"""One query among n independent uniform keys: an average, a few keys or the nearest one, by β/n^{2/(d−1)}.

Part of C10; the numbers of :mod:`tokensphere.theory.near_keys` against drawn keys.            [2605.08505; derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.sphere import uniform
from tokensphere.theory import competing_beta, effective_keys, key_regime

__all__ = ["near_keys"]

_SEED = 1010
# dimension, keys, draws
_DRAWS = ((3, 100, 400), (3, 10_000, 200), (3, 1_000_000, 8), (5, 10_000, 200))
_RATIOS = 10.0 ** np.linspace(-3, 3, 13)
_BOUND = 4.0  # standard errors
_AVERAGE, _NEAREST = 1e-3, 1e3  # β/n^{2/(d−1)} of the two extremes


def _draw(dim: int, n: int, draws: int, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ΣA² (draws, betas), the tangent output (draws, betas, dim − 1) and the weight of the nearest key."""
    squares, tangent = np.zeros((draws, len(betas))), np.zeros((draws, len(betas), dim - 1))
    nearest = np.zeros((draws, len(betas)))
    for i in range(draws):
        keys = uniform(n, dim, _SEED + 1000 * dim + i)
        along = keys[:, 0] - keys[:, 0].max()
        for j, beta in enumerate(betas):
            close = along > -750.0 / beta  # the others have weight 0
            weights = np.exp(beta * along[close])
            weights /= weights.sum()
            squares[i, j] = weights @ weights
            tangent[i, j] = weights @ keys[close, 1:]
            nearest[i, j] = weights.max()
    return squares, tangent, nearest


def near_keys(progress: Progress) -> tuple[list[Verdict], list[Panel], dict[str, Any]]:
    """Keys that count, over seven decades of β: drawn and predicted."""
    verdicts, curves, data = [], [], dict[str, Any](key_ratios=_RATIOS)
    fine = 10.0 ** np.linspace(-3, 3, 31)
    for i, (dim, n, draws) in enumerate(_DRAWS):
        progress(0.9 * i / len(_DRAWS), f"a query among {n:,} keys of dimension {dim}")
        scale = competing_beta(n, dim)
        squares, tangent, nearest = _draw(dim, n, draws, _RATIOS * scale)
        mean, deviation = squares.mean(axis=0), squares.std(axis=0, ddof=1)
        wanted = np.array([1.0 / effective_keys(n, beta, dim) for beta in _RATIOS * scale])
        # where one key has nearly all weight, a rare draw decides: the largest variance of a number in [0, 1]
        deviation = np.where(wanted > 0.9, np.sqrt(wanted * (1.0 - wanted)), deviation)
        off = float((np.abs(mean - wanted) / deviation).max() * np.sqrt(draws))
        name = f"d = {dim}, n = {n:,}: mean of sum A^2 at {len(_RATIOS)} beta, largest error in standard errors"
        verdicts.append(compare(name, 0.0, off, _BOUND))
        predicted = np.array([effective_keys(n, r * scale, dim) for r in fine])
        label = f"d = {dim}, n = {n:,}"
        curves.append(Curve(label, _RATIOS, 1.0 / mean, "points", color=i))
        curves.append(Curve("exact mean" if i == 0 else "", fine, predicted, predicted=True, color=i))
        data |= {f"keys_{dim}_{n}": 1.0 / mean, f"keys_predicted_{dim}_{n}": 1.0 / wanted}
        if (dim, n) == (3, 10_000):
            verdicts += _extremes(n, dim, tangent, nearest)
    panel = Panel(
        r"keys that count for one query among $n$ uniform keys",
        r"$\beta / n^{2/(d-1)}$",
        r"$1/\mathrm{E}\,\Sigma_j A_j^2$",
        tuple(curves),
        True,
        True,
    )
    return verdicts, [panel], data


def _extremes(n: int, dim: int, tangent: np.ndarray, nearest: np.ndarray) -> list[Verdict]:
    """Far below the scale: Gaussian fluctuations of the predicted size; far above: the nearest key."""
    low, high = int(np.argmin(np.abs(_RATIOS - _AVERAGE))), int(np.argmin(np.abs(_RATIOS - _NEAREST)))
    found = key_regime(n, _RATIOS[low] * competing_beta(n, dim), dim)
    sample = tangent[:, low].ravel()
    size = len(sample)
    spread = float(np.sqrt(np.mean(sample**2)))
    kurtosis = float(np.mean(sample**4) / np.mean(sample**2) ** 2 - 3.0)
    share = float(nearest[:, high].mean())
    name = f"d = {dim}, n = {n:,}, beta = {_RATIOS[low]:.3g} of the scale"
    return [
        compare(
            f"{name}: spread of the output in a tangent direction, relative, within {_BOUND:g} standard errors",
            1.0,
            spread / found.spread,
            _BOUND / np.sqrt(2.0 * size),
        ),
        compare(f"{name}: its excess kurtosis (Gaussian)", 0.0, kurtosis, _BOUND * np.sqrt(24.0 / size)),
        exact(
            f"d = {dim}, n = {n:,}, beta = {_RATIOS[high]:.3g} of the scale: mean weight of the nearest key",
            share > 0.98,
            "> 0.98",
            share,
            "attention is the nearest key",
        ),
    ]
