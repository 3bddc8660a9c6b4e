"""Long contexts: one layer at β = γ log n (C10).

ρ' = 1 − (1−ρ)(α+a−b)²/[ρ(1+α)² + (1−ρ)((a+α)² + (n−1)b²)],   γ_c = 1/(1−ρ)         [2510.05554; finite n derived]
The other scale, for one query among independent uniform keys, is in :mod:`.near_keys`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact, not_applicable
from tokensphere.flows import SelfAttention
from tokensphere.sphere import equiangular
from tokensphere.theory import critical_gamma, long_context, phase_bounds

from .near_keys import near_keys

__all__ = ["long_contexts"]

_SEED = 1000
_RHOS = (0.1, 0.3, 0.5, 0.8)
_RATIOS = np.linspace(0.5, 1.5, 11)
_COUNTS = 10.0 ** np.arange(2, 16)
_SIMPLEX = (100, 1000)
_SPARSE, _QUERIES = 1_000_000, 6  # queries against all keys
_SHOWN = 0.5
# dimension, tokens, queries of the Gaussian tokens; 1e6 tokens of dimension 512 are 4 GB
_GAUSSIAN = ((512, 10_000, 96), (32, 1_000_000, 48), (2, 1_000_000, 48))
_CHUNK = 1 << 16


def _rate(name: str, ratio: float, *counts: float) -> Verdict:
    """Slope of log|ρ' − limit| over log n at γ = ratio γ_c, ρ = 1/2, against that of the stated error scale."""
    found = [long_context(ratio * critical_gamma(_SHOWN), n, _SHOWN) for n in counts]
    # near ρ' = 1 the digits are in the gap
    far = [f.gap if f.phase == "averaging" else abs(f.after - f.limit) for f in found]
    predicted, measured = (
        float(np.log(pair[1] / pair[0]) / np.log(counts[1] / counts[0]))
        for pair in ([f.error_scale for f in found], far)
    )
    return compare(name, predicted, measured, 0.01)


def _formula(progress: Progress) -> tuple[list[Verdict], list[Panel]]:
    """The finite-n formula alone, from n = 10² to 10¹⁵."""
    progress(0.0, "formulas up to n = 1e15")
    worst = 0.0
    for rho in _RHOS:
        for ratio in (0.5, 1.0, 1.5):
            found = long_context(ratio * critical_gamma(rho), 1e15, rho)
            worst = max(worst, abs(found.after - found.limit))
    near = long_context(1.1 * critical_gamma(_SHOWN), 1e9, _SHOWN)
    verdicts = [
        compare("limits 1, 4rho/(1+3rho), rho at 0.5, 1, 1.5 of gamma_c, n = 1e15", 0.0, worst, 1e-6),
        _rate("below gamma_c: slope of the distance to the limit over n", 0.5, 1e6, 1e12),
        _rate("at gamma_c: slope", 1.0, 1e4, 1e8),
        _rate("above gamma_c: slope", 1.5, 1e6, 1e12),
        exact(
            "10 % above gamma_c the limit is far even at n = 1e9",
            abs(near.after - near.limit) > 0.01,
            "> 0.01",
            abs(near.after - near.limit),
            f"rho' = {near.after:.4f}, its limit {near.limit:.4f}",
        ),
    ]
    curves = []
    for i, ratio in enumerate((0.5, 0.9, 1.0, 1.1, 1.5)):
        layers = [long_context(ratio * critical_gamma(_SHOWN), n, _SHOWN) for n in _COUNTS]
        far = [f.gap if f.phase == "averaging" else abs(f.after - f.limit) for f in layers]
        curves.append(Curve(f"{ratio:g} of the critical γ", _COUNTS, np.array(far), color=i))
    panel = Panel("distance to the limit, by formula", "tokens n", r"$|\rho' - \lim \rho'|$", tuple(curves), True, True)
    return verdicts, [panel]


def _dense(n: int, rho: float, gamma: float, residual: float) -> float:
    """The largest distance of an inner product after the layer to the formula: n tokens, the package's attention."""
    tokens = equiangular(n, n, rho, _SEED)
    moved = np.asarray(SelfAttention(gamma * np.log(n)).resolve(n, n).attended(tokens)) + residual * tokens
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    gram = moved @ moved.T
    return float(np.abs(gram[~np.eye(n, dtype=bool)] - long_context(gamma, n, rho, residual).after).max())


def sparse_simplex(n: int, rho: float, gamma: float, queries: int) -> np.ndarray:
    """Inner products after one layer of `queries` of the n tokens √ρ e_0 + √(1−ρ) e_i, an exact simplex in R^{n+1}.

    Every query is held against all n keys; the tokens are held by their two entries that are not zero.
    """
    shared, own = np.sqrt(rho), np.sqrt(1.0 - rho)
    asked = np.linspace(0, n - 1, queries).astype(int)
    inner = np.full((queries, n), shared * shared)
    inner[np.arange(queries), asked] += own * own
    logits = gamma * np.log(n) * inner
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    # Σ_j w_j x_j; NumPy adds in pairs, for a running sum of a million equal numbers drifts by 1e-10
    moved = np.concatenate([shared * weights.sum(axis=1, keepdims=True), own * weights], axis=1)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    gram = moved @ moved.T
    return np.asarray(gram[~np.eye(queries, dtype=bool)])


def _simplices(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Exact simplices by tokens, n = 100, 1000 and 10⁶."""
    verdicts: list[Verdict] = []
    for i, n in enumerate(_SIMPLEX):
        progress(0.05 + 0.1 * i, f"simplices of {n} tokens")
        worst = 0.0
        for rho in _RHOS:
            for ratio in _RATIOS if i == 0 else (0.5, 1.0, 1.5):
                worst = max(worst, *(_dense(n, rho, ratio * critical_gamma(rho), alpha) for alpha in (0.0, 1.0)))
        verdicts.append(compare(f"simplex of {n} tokens, residual 0 and 1: largest error of rho'", 0.0, worst, 1e-12))
    ratios, errors, million = (0.5, 1.0, 1.1), [], []
    for i, rho in enumerate(_RHOS):
        progress(0.25 + 0.05 * i, f"a simplex of {_SPARSE:,} tokens, rho = {rho:g}")
        for ratio in ratios if rho == _SHOWN else (1.0,):
            gram = sparse_simplex(_SPARSE, rho, ratio * critical_gamma(rho), _QUERIES)
            errors.append(float(np.abs(gram - long_context(ratio * critical_gamma(rho), _SPARSE, rho).after).max()))
            if rho == _SHOWN:
                million.append(gram.mean())
    name = f"simplex of 1e6 tokens, {_QUERIES} queries against all keys: largest error of rho'"
    verdicts.append(compare(name, 0.0, max(errors), 1e-12))
    fine, curves = np.linspace(0.5, 1.5, 201), []
    for i, count in enumerate((1e2, 1e6, 1e15)):
        values = [long_context(r * critical_gamma(_SHOWN), count, _SHOWN).after for r in fine]
        curves.append(
            Curve(f"formula, n = 1e{round(np.log10(count))}", fine, np.array(values), predicted=True, color=i)
        )
    points = [_mean_dense(_SIMPLEX[0], _SHOWN, r * critical_gamma(_SHOWN)) for r in _RATIOS]
    curves += [
        Curve(f"tokens, n = {_SIMPLEX[0]}", _RATIOS, np.array(points), "points", color=0),
        Curve("tokens, n = 1e6", np.array(ratios), np.array(million), "points", color=1),
    ]
    title = f"one layer on the simplex, ρ = {_SHOWN:g}"
    panel = Panel(title, r"$\gamma/\gamma_c$", r"inner product $\rho'$ after the layer", tuple(curves))
    return verdicts, panel, {"simplex_ratios": _RATIOS, "simplex_100": points, "simplex_1e6": million}


def _mean_dense(n: int, rho: float, gamma: float) -> float:
    tokens = equiangular(n, n, rho, _SEED)
    moved = np.asarray(SelfAttention(gamma * np.log(n)).resolve(n, n).attended(tokens))
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return float((np.sum(moved.sum(axis=0) ** 2) - n) / (n * (n - 1)))


def _chunks(n: int, dim: int, rho: float) -> Iterator[np.ndarray]:
    """Tokens √ρ z_0 + √(1−ρ) z_i, z Gaussian, on the unit sphere: the same ones whenever asked."""
    rng = np.random.default_rng(_SEED + dim)
    common = np.sqrt(rho) * rng.standard_normal(dim)
    for first in range(0, n, _CHUNK):
        rows = common + np.sqrt(1.0 - rho) * rng.standard_normal((min(_CHUNK, n - first), dim))
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _gaussian(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Gaussian tokens: nearly a simplex in high dimension, none in dimension 2."""
    verdicts, curves, data, attention = [], [], dict[str, Any](), Dense()
    fine = np.linspace(0.5, 1.5, 101)
    for i, (dim, n, count) in enumerate(_GAUSSIAN):
        progress(0.45 + 0.1 * i, f"{n:,} Gaussian tokens of dimension {dim}")
        asked = next(_chunks(n, dim, _SHOWN))[:count]
        betas = _RATIOS * critical_gamma(_SHOWN) * np.log(n)
        logs = np.full((len(betas), count), -np.inf)
        outputs = np.zeros((len(betas), count, dim))
        least, most, total, own = 1.0, -1.0, 0.0, np.zeros((len(betas), count))
        for j, keys in enumerate(_chunks(n, dim, _SHOWN)):
            inner = asked @ keys.T
            if j == 0:
                inner[np.arange(count), np.arange(count)] = np.nan
            least, most = min(least, float(np.nanmin(inner))), max(most, float(np.nanmax(inner)))
            total += float(np.nansum(inner))
            for k, beta in enumerate(betas):
                log_z, mean = (np.asarray(x) for x in attention(asked, keys, beta=beta))
                log_z = log_z + np.log(len(keys))
                joined = np.logaddexp(logs[k], log_z)
                old, new = np.exp(logs[k] - joined), np.exp(log_z - joined)
                outputs[k] = old[:, None] * outputs[k] + new[:, None] * mean
                logs[k] = joined
        own = np.exp(betas[:, None] - logs)
        mean_inner = total / (count * (n - 1))
        moved = outputs / np.linalg.norm(outputs, axis=2, keepdims=True)
        gram = np.einsum("kid,kjd->kij", moved, moved)[:, ~np.eye(count, dtype=bool)]
        angle = np.degrees(np.arccos(np.clip(gram, -1, 1))).mean(axis=1)
        label = f"d = {dim}, n = {n:,}"
        curves.append(Curve(label, _RATIOS, angle, "points", color=i))
        values = [long_context(r * critical_gamma(_SHOWN), n, _SHOWN).after for r in fine]
        curves.append(
            Curve(f"simplex, n = {n:,}" if i < 2 else "", fine, np.degrees(np.arccos(values)), predicted=True, color=i)
        )
        data |= {f"angle_{dim}": angle, f"own_{dim}": own.mean(axis=1), f"mean_inner_{dim}": mean_inner}
        verdicts += _near_simplex(dim, n, (least, most), own)
    title = r"Gaussian tokens $\sqrt{\rho}z_0 + \sqrt{1-\rho}z_i$, ρ = " + f"{_SHOWN:g}"
    return verdicts, Panel(title, r"$\gamma/\gamma_c$", "mean angle after the layer, degrees", tuple(curves)), data


def _near_simplex(dim: int, n: int, inner: tuple[float, float], own: np.ndarray) -> list[Verdict]:
    """Own weights against the bounds for tokens that are nearly a simplex."""
    gammas = _RATIOS * critical_gamma(_SHOWN)
    low, high = (1.0 / (1.0 + (n - 1) * np.exp(-gammas * np.log(n) * (1.0 - c))) for c in (inner[1], inner[0]))
    inside = bool((own.min(axis=1) >= low * (1 - 1e-9)).all() and (own.max(axis=1) <= high * (1 + 1e-9)).all())
    first, last = phase_bounds(*inner) if inner[1] < 1 - 1e-9 else (1.0 / (1.0 - inner[0]), np.inf)
    text = f"inner products in [{inner[0]:.3f}, {inner[1]:.3f}]: intermediate phase {first:.3g} < gamma < {last:.3g}"
    name = f"d = {dim}: own weights between the bounds of the near-simplex"
    verdicts = [exact(name, inside, "inside", "inside" if inside else "outside", text)]
    if last > 2 * first:
        verdicts.append(
            not_applicable(
                f"d = {dim}: angle against the simplex",
                f"the intermediate phase, {first:.3g} < gamma < {last:.3g}, covers the range and its constants are not "
                "known: these tokens are no simplex",
            )
        )
    return verdicts


def long_contexts(progress: Progress) -> Outcome:
    """C10: one layer at β = γ log n by formula to n = 10¹⁵ and by tokens to 10⁶, and the scale n^{2/(d−1)}.

    Simplices of 100 and 1000 tokens go through the package's attention whole; of 10⁶ tokens, six queries are held
    against all keys. Gaussian tokens: 48 to 96 queries against all keys, 10⁴ in dimension 512 and 10⁶ in 32 and 2.
    """
    verdicts, panels = _formula(progress)
    simplices, panel, data = _simplices(progress)
    gaussian, angles, more = _gaussian(progress)
    keys, counts, yet_more = near_keys(lambda fraction, text: progress(0.75 + 0.24 * fraction, text))
    return Outcome((*simplices, *verdicts, *gaussian, *keys), (panel, *panels, angles, *counts), data | more | yet_more)
