"""Attention under other names: Kuramoto's model (C8) and mean shift (C9).

β = 0 on the circle    R' = R(1−R²)/2 for a Poisson kernel                            [Ott, Antonsen 2008; derived]
G = e^{−β|x|²/2}       P_x ∇ log (G ∗ μ)(x) = β · SA(x)      the printed identity lacks β                    [derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare, exact
from tokensphere.flows import SelfAttention, kuramoto, mean_shift
from tokensphere.jaxsetup import jax, jnp
from tokensphere.observe import wasserstein
from tokensphere.solve import simulate
from tokensphere.sphere import poisson_kernel, uniform
from tokensphere.theory import distance_to_cluster, kuramoto_order, kuramoto_time

__all__ = ["ott_antonsen", "shift_of_means"]

_TOKENS, _START, _END = 4000, 0.5, 0.99  # up to R = 0.99, where 4000 tokens still stand for a density
_COUPLING = 2.0
_FRAMES = 21
_ORDER_TOLERANCE, _DISTANCE_TOLERANCE = 1e-8, 1e-7
_FEW = 250


def _orders(flow: Any, tokens: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames of tokens, and R of each."""
    frames = simulate(flow, tokens, times, method="dopri8", rtol=1e-11).tokens.values
    return frames, np.linalg.norm(frames.mean(axis=1), axis=1)


def ott_antonsen(progress: Progress) -> Outcome:
    """C8: quantiles of a Poisson kernel follow the reduced equation, for USA and SA at β = 0, in Kuramoto's clock."""
    model = kuramoto(_COUPLING)
    end = kuramoto_time(_START, _END, _COUPLING)
    times = np.linspace(0.0, end, _FRAMES)
    law = kuramoto_order(times, _START, _COUPLING)
    tokens = poisson_kernel(_TOKENS, _START)
    progress(0.0, "unnormalised attention at beta = 0")
    frames, found = _orders(model.flow, tokens, model.flow_time(times))
    progress(0.4, "softmax attention at beta = 0")
    softmax = _orders(SelfAttention(0.0), tokens, model.flow_time(times))[1]
    progress(0.7, "few tokens")
    few = _orders(model.flow, poisson_kernel(_FEW, _START), model.flow_time(times))[1]
    pole = np.array([[1.0, 0.0]])
    distance = np.array([wasserstein(frame, pole, metric="chordal") for frame in frames])
    wanted = distance_to_cluster(law)
    errors = {name: np.abs(r - law) for name, r in (("usa", found), ("sa", softmax), ("few", few))}
    verdicts = [
        compare(f"R(t) of USA up to R = {_END}, largest error", 0.0, float(errors["usa"].max()), _ORDER_TOLERANCE),
        compare("R(t) of SA, largest error", 0.0, float(errors["sa"].max()), _ORDER_TOLERANCE),
        compare(
            "chordal W2 to the cluster, largest error", 0.0, float(np.abs(distance - wanted).max()), _DISTANCE_TOLERANCE
        ),
    ]
    shown, missed = errors["few"] > 1e-11, (1.0 - law**2) * law ** (_FEW - 1)
    panels = (
        Panel(
            f"order parameter, {_TOKENS} tokens",
            f"time t of the model (coupling {_COUPLING:g})",
            "R",
            (Curve("tokens", times, found, "points"), Curve("Ott–Antonsen", times, law, predicted=True)),
        ),
        Panel(
            "what few tokens miss",
            "time t of the model",
            "|R − reduced equation|",
            (
                Curve(f"{_TOKENS} tokens", times[1:], np.maximum(errors["usa"][1:], 1e-17), "points", color=0),
                Curve(f"{_FEW} tokens", times[shown], errors["few"][shown], "points", color=1),
                Curve(rf"$(1-R^2)R^{{n-1}}$, n = {_FEW}", times[shown], missed[shown], predicted=True, color=1),
            ),
            log_y=True,
        ),
    )
    data = {"times": times, "order": found, "order_softmax": softmax, "order_law": law, "distance": distance}
    return Outcome(tuple(verdicts), panels, data)


_DIMS = (2, 3, 8)
_BETAS = np.array([0.5, 1.0, 2.0, 5.0, 20.0]) * np.array([[1.0], [1.2], [1.45]])  # of each dimension its own
_CLOUD = 40
_RATIO_TOLERANCE = 1e-6


def _log_density(x: Any, tokens: Any, masses: Any, beta: float) -> Any:
    """log (G ∗ μ)(x) for any x in R^d."""
    return jax.nn.logsumexp(-0.5 * beta * jnp.sum((x - tokens) ** 2, axis=1), b=masses)


def shift_of_means(progress: Progress) -> Outcome:
    """C9: the gradient of the log kernel density, by automatic differentiation, over the velocity of attention."""
    ratios = np.empty(_BETAS.shape)
    rest, layer_error = 0.0, 0.0
    for i, dim in enumerate(_DIMS):
        tokens = uniform(_CLOUD, dim, seed=dim)
        masses = np.random.default_rng(dim).random(_CLOUD)
        masses /= masses.sum()
        for j, beta in enumerate(_BETAS[i].tolist()):
            progress((i * _BETAS.shape[1] + j) / ratios.size, f"dim {dim}, beta {beta:g}")
            slope = np.asarray(
                jax.vmap(jax.grad(_log_density), (0, None, None, None))(jnp.asarray(tokens), tokens, masses, beta)
            )
            tangent = slope - np.sum(slope * tokens, axis=1, keepdims=True) * tokens
            velocity = SelfAttention(beta).velocity(tokens, weights=masses)
            ratios[i, j] = np.sum(tangent * velocity) / np.sum(velocity**2)
            model = mean_shift(beta**-0.5)
            rest = max(rest, float(np.abs(tangent - model.velocity(tokens, masses)).max() / np.abs(tangent).max()))
            window = masses * np.exp(-0.5 * beta * np.sum((tokens[:, None] - tokens) ** 2, axis=2))
            means = window @ tokens / window.sum(axis=1, keepdims=True)
            flow = SelfAttention(beta).resolve(*tokens.shape)
            output = np.asarray(flow.attended(tokens, masses))
            layer_error = max(layer_error, float(np.abs(output - means).max()))
    worst = float(np.abs(ratios / _BETAS - 1.0).max())
    off = float(np.abs(ratios[_BETAS != 1.0] - 1.0).min())
    verdicts = (
        compare("gradient over attention, relative to beta", 1.0, 1.0 + worst, _RATIO_TOLERANCE),
        compare("gradient less beta times attention, relative", 0.0, rest, _RATIO_TOLERANCE),
        exact(
            "the ratio is not 1 unless beta is",
            off > 0.1,
            "not 1",
            off,
            "smallest distance of the ratio from 1 at the other beta: the two do not coincide",
        ),
        compare("window means of bandwidth beta^(-1/2) against attention outputs", 0.0, layer_error, 1e-12),
    )
    beta_line = np.geomspace(_BETAS.min(), _BETAS.max(), 50)
    curves = [Curve(f"d = {dim}", _BETAS[i], ratios[i], "points") for i, dim in enumerate(_DIMS)]
    curves += [
        Curve(r"$\beta$", beta_line, beta_line, predicted=True),
        Curve("1 (as printed)", beta_line, np.ones_like(beta_line), predicted=True),
    ]
    panel = Panel(
        "gradient of the log kernel density over attention",
        r"inverse temperature $\beta = h^{-2}$",
        "ratio",
        tuple(curves),
        log_x=True,
        log_y=True,
    )
    return Outcome(verdicts, (panel,), {"beta": _BETAS, "dim": np.array(_DIMS), "ratio": ratios})
