"""Normalisation schemes under random weights, in finite and in infinite dimension (C5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare, exact
from tokensphere.flows import NORMALIZATIONS, AbstractNormalization, Normalized, SelfAttention, evaluate_attended
from tokensphere.sphere import uniform
from tokensphere.threads import one_blas_thread

from .schemes import COLORS, NAMES

__all__ = ["random_layers"]

_C5_N, _C5_DIM, _C5_TIME, _C5_STEP, _C5_DRAWS, _C5_LIMITS = 32, 512, 10.0, 1.0, 6, 60
_C5_LONG = 300  # layers of Pre-LN in infinite dimension
_KAIMING = 2.0  # variance of the entries times their number in a row


def random_layers(progress: Progress) -> Outcome:
    """C5: mean cosine of tokens under random weights, one head, 10 layers with step 1 (T = 10).

    n = 32 < d = 512, β = √d; Q, K, V have entries of variance 2/d, fresh in every layer, the same for all schemes. The
    parameters of the published figure beyond d, β and T are not known. Predicted by d → ∞ (see `_in_the_limit`).
    """
    layers = round(_C5_TIME / _C5_STEP)
    times = _C5_STEP * np.arange(layers + 1)
    found = {name: np.zeros((_C5_DRAWS, layers + 1)) for name in NORMALIZATIONS}
    radii = np.zeros((_C5_DRAWS, layers + 1))
    for draw in range(_C5_DRAWS):
        progress(0.8 * draw / _C5_DRAWS, f"draw {draw + 1} of {_C5_DRAWS}")
        cosines, radii[draw] = _drawn(draw, layers)
        for name, series in cosines.items():
            found[name][draw] = series
    progress(0.8, "infinite dimension")
    with one_blas_thread():
        limits = {name: _in_the_limit(make(), layers) for name, make in NORMALIZATIONS.items()}
        deep = _in_the_limit(NORMALIZATIONS["pre"](), _C5_LONG, 20)
    verdicts = []
    means, errors = {}, {}
    for name in NORMALIZATIONS:
        wanted, ends = limits[name][0][:, -1], found[name][:, -1]
        means[name] = float(wanted.mean()), float(ends.mean())
        errors[name] = 3.0 * float(np.hypot(np.std(ends, ddof=1), np.std(wanted)) / np.sqrt(_C5_DRAWS))
        title = f"{NAMES[name]}: mean cosine at T = {_C5_TIME:g}, against d to infinity, 3 errors + 0.02"
        verdicts.append(compare(title, *means[name], errors[name] + 0.02))
    order = sorted(means, key=lambda name: -means[name][0])
    seen = sorted(means, key=lambda name: -means[name][1])
    apart = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :] if _differ(a, b, means, errors)]
    held = sum(means[a][1] > means[b][1] for a, b in apart)
    listed, measured = (", ".join(NAMES[name] for name in names) for names in (order, seen))
    text = f"{held} of the {len(apart)} pairs that are predicted more than 3 errors apart are in this order"
    verdicts.append(exact("order of the schemes by mean cosine", held == len(apart), listed, measured, text))
    walk = np.sqrt(np.mean(limits["pre"][1], axis=0))
    square = float(np.mean(radii[:, -1]))
    title = "Pre-LN: mean r^2 at T, a random walk of independent steps eta A"
    verdicts.append(compare(title, float(walk[-1] ** 2), square, 0.1, relative=True))
    half = len(times) // 2
    doublings = np.log(times[-1] / times[half])
    wanted_power, power = (float(np.log(r[-1] / r[half]) / doublings) for r in (walk, np.sqrt(radii.mean(axis=0))))
    title = f"Pre-LN: power of t in r from t = {times[half]:g} on, against the random walk"
    verdicts.append(compare(title, wanted_power, power, 0.05))
    long = np.sqrt(np.mean(deep[1], axis=0))
    late = float(np.log(long[-1] / long[_C5_LONG // 2]) / np.log(2.0))
    text = (
        f"d to infinity, t = {_C5_LONG // 2} to {_C5_LONG}: fresh A has no component along y, so that r^2 grows by "
        f"eta^2 |A|^2 a layer, faster at first ({power:.2f} above) because |A| grows as the tokens join"
    )
    verdicts.append(exact("Pre-LN: r ends like sqrt(t), not t", abs(late - 0.5) < 0.05, 0.5, late, text))
    curves = []
    for name in NORMALIZATIONS:
        low, high = np.quantile(found[name], [0.05, 0.95], axis=0)
        mean = found[name].mean(axis=0)
        curves.append(Curve(NAMES[name], times, mean, "points", low=low, high=high, color=COLORS[name]))
        curves.append(Curve("", times, limits[name][0].mean(axis=0), predicted=True, color=COLORS[name]))
    depths = _C5_STEP * np.arange(1, _C5_LONG + 1)
    panels = (
        Panel("mean cosine, 90 % interval (dashed: d → ∞)", "time t (layers)", "mean cosine", tuple(curves)),
        Panel(
            "Pre-LN: radius",
            "time t (layers)",
            "root mean square of r",
            (
                Curve("tokens", times[1:], np.sqrt(radii.mean(axis=0))[1:], "points"),
                Curve("random walk, d → ∞", depths, long[1:], predicted=True),
                Curve("√(2t)", depths, np.sqrt(_KAIMING * depths) * _C5_STEP, color=2),
            ),
            log_x=True,
            log_y=True,
        ),
    )
    data: dict[str, Any] = {"time": times, "mean_square_radius": radii.mean(axis=0)}
    data |= {f"cosine_{name.replace('-', '_')}": found[name] for name in NORMALIZATIONS}
    return Outcome(tuple(verdicts), panels, data)


def _differ(a: str, b: str, means: dict[str, tuple[float, float]], errors: dict[str, float]) -> bool:
    return means[a][0] - means[b][0] > float(np.hypot(errors[a], errors[b]))


def _cosine(tokens: np.ndarray) -> float:
    n = len(tokens)
    return float((np.sum(tokens.sum(axis=0) ** 2) - n) / (n * (n - 1)))


def _drawn(draw: int, layers: int) -> tuple[dict[str, list[float]], np.ndarray]:
    """Mean cosines of every scheme after every layer, and the mean square radius of Pre-LN, for one draw of weights."""
    rng, dim = np.random.default_rng([500, draw]), _C5_DIM
    tokens = uniform(_C5_N, dim, 500 + draw)
    points = {name: Normalized(SelfAttention(1.0), name).check(tokens) for name in NORMALIZATIONS}
    cosines = {name: [_cosine(tokens)] for name in NORMALIZATIONS}
    square = [1.0]
    for layer in range(layers):
        query, key, value = rng.standard_normal((3, dim, dim)) * np.sqrt(_KAIMING / dim)
        own = SelfAttention(np.sqrt(dim), value, query.T @ key, attention=Dense()).resolve(_C5_N, dim)
        for name in NORMALIZATIONS:
            flow, t = Normalized(own, name), _C5_STEP * layer
            attended = np.asarray(evaluate_attended(flow, points[name], None, t))
            points[name] = np.asarray(flow.layer(points[name], attended, _C5_STEP, t))
            unit, radii = flow.space.split(points[name])
            cosines[name].append(_cosine(unit))
            if name == "pre":
                square.append(float(np.mean(radii**2)))
    return cosines, np.array(square)


def _in_the_limit(rules: AbstractNormalization, layers: int, many: int = _C5_LIMITS) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosines and mean square radii, (`many` draws, layers + 1) each, in infinite dimension.

    With G the Gram matrix of the unit tokens, logits of fresh Q, K are jointly Gaussian, σ²√G N √G with N (n, n)
    standard normal and σ² d the variance scale; V turns everything to directions of its own, so that A is orthogonal to
    all tokens and has the Gram matrix σ² W G Wᵀ, W the attention weights.                               [derived]
    """
    n, rng = _C5_N, np.random.default_rng(55)
    cosines, squares = np.zeros((many, layers + 1)), np.ones((many, layers + 1))
    gram, radii = np.broadcast_to(np.eye(n), (many, n, n)), np.ones((many, n))
    nothing = np.zeros((many * n, n))
    for layer in range(layers):
        t, root = _C5_STEP * layer, _root(gram)
        logits = _KAIMING * root @ rng.standard_normal((many, n, n)) @ root
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = _root(_KAIMING * weights @ gram @ weights.swapaxes(1, 2)).reshape(-1, n)
        states = np.concatenate([(radii[..., None] * root).reshape(-1, n), nothing], axis=1)
        states = rules.layer(states, np.concatenate([nothing, attended], axis=1), _C5_STEP, t)
        length = np.linalg.norm(states, axis=1)
        unit = (states / length[:, None]).reshape(many, n, -1)
        gram = unit @ unit.swapaxes(1, 2)
        kept = rules.keeps_radii and not rules.normalised(t)
        radii = length.reshape(many, n) if kept else np.ones((many, n))
        cosines[:, layer + 1] = (gram.sum(axis=(1, 2)) - n) / (n * (n - 1))
        squares[:, layer + 1] = np.mean(radii**2, axis=1)
    return cosines, squares


def _root(gram: np.ndarray) -> np.ndarray:
    """The symmetric square roots of a stack."""
    values, vectors = np.linalg.eigh(gram)
    found: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.swapaxes(1, 2)
    return found
