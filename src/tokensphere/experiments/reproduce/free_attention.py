"""Attention in R^d without normalisation, rescaled (C20b): polytopes, hyperplanes, a Boolean attention matrix.

dx_i/dt = Σ_j softmax_j(βx_iᵀB x_j) V x_j,    z_i = e^{−tV} x_i                       [2305.05465; exact laws derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import EuclideanAttention
from tokensphere.observe import attention_matrix, attention_rank, hull_depth, hull_vertices
from tokensphere.solve import simulate
from tokensphere.theory import free_resting_speed, free_triple, free_triple_limit

__all__ = ["free_attention"]

_PAPER = "2305.05465"
_SEED = 20
_TOKENS, _END = 40, 15.0


def free_attention(progress: Progress) -> Outcome:
    """C20b: R^d without normalisation, in rescaled tokens z = e^{−tV}x, whose time is that of the flow.

    Three tokens in R exactly; 40 normal tokens in R: the attention matrix; in R²: the polytope; in R³, V with one
    leading eigenvalue: hyperplanes; V = −I: tokens come to rest.
    """
    verdicts: list[Verdict] = []
    progress(0.0, "three tokens in R")
    times = np.linspace(0.0, 20.0, 41)
    triple = simulate(EuclideanAttention(1.0, rescaled=True), [[-1.0], [0.0], [1.0]], times, rtol=1e-12)
    outer = triple.tokens.values[:, 2, 0]
    verdicts.append(compare("three tokens: path", 0.0, float(np.abs(outer - free_triple(times, 1.0, 1.0)).max()), 1e-8))
    verdicts.append(compare("three tokens: limit of u/e^t", free_triple_limit(1.0, 1.0), float(outer[-1]), 1e-8))
    progress(0.2, "the attention matrix in R")
    found, line_panels, kept = _line()
    verdicts += found
    progress(0.45, "the polytope in the plane")
    found, polytope, more = _plane()
    verdicts += found
    progress(0.7, "hyperplanes")
    found, planes, most = _hyperplanes()
    verdicts += found
    progress(0.9, "V = -I")
    found, slowing, last = _coming_to_rest()
    verdicts += found
    return Outcome(tuple(verdicts), (*line_panels, polytope, planes, slowing), kept | more | most | last)


def _normal(dim: int) -> np.ndarray:
    return np.random.default_rng([_SEED, 7, dim]).standard_normal((_TOKENS, dim))


def _line() -> tuple[list[Verdict], tuple[Panel, Image, Image], dict[str, Any]]:
    """d = 1: all rows but at most one become a single 1, in one of two columns."""
    tokens = np.sort(_normal(1), axis=0)
    times = np.linspace(0.0, _END, 61)
    z = simulate(EuclideanAttention(1.0, rescaled=True), tokens, times, rtol=1e-9).tokens.values

    def matrix(frame: int) -> np.ndarray:
        return attention_matrix(z[frame], float(np.exp(2.0 * times[frame])))

    last = attention_rank(matrix(-1), tolerance=1e-6)
    sentence = f"{last.off.size} rows are not Boolean, the others point at {last.boolean_rank} tokens"
    good = last.off.size <= 1 and last.boolean_rank <= 2
    verdicts = [
        exact("d = 1: Boolean of rank <= 2 but for one row", good, "<= 1 row", last.off.size, sentence, source=_PAPER)
    ]
    lines = tuple(Curve("", times, z[:, i, 0], color=0 if i % 2 else 1) for i in range(_TOKENS))
    paths = Panel(r"tokens in R, rescaled, $\beta$ = 1", "time", r"$z=e^{-t}x$", lines)
    extent = (0.5, _TOKENS + 0.5, 0.5, _TOKENS + 0.5)
    early, late = (
        Image(f"attention at t = {times[k]:g}", "seen token", "token", matrix(k), extent, "weight") for k in (0, -1)
    )
    return verdicts, (paths, early, late), {"line_times": times, "line_tokens": z[:, :, 0]}


def _plane() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """V = I, B ≻ 0: rescaled tokens end on the boundary of their hull."""
    tokens, b = _normal(2), np.array([[1.0, 0.4], [0.4, 0.8]])
    times = np.linspace(0.0, _END, 61)
    z = simulate(EuclideanAttention(1.0, query_key=b, rescaled=True), tokens, times, rtol=1e-8).tokens.values
    corners = hull_vertices(np.round(z[-1], 4))  # clusters count once
    depth = float(hull_depth(z[-1], z[-1]).max())
    grown = [float(hull_depth(now, before).min()) for before, now in zip(z[:30:3], z[3:33:3], strict=True)]
    verdicts = [
        compare("V = I: largest distance to the boundary of the hull", 0.0, depth, 1e-4, source=_PAPER),
        compare("V = I: growth of the hull", 0.0, max(0.0, -min(grown)), 1e-6, source=_PAPER),
    ]
    curves = [Curve("" if i else "paths", z[:, i, 0], z[:, i, 1], color=0) for i in range(_TOKENS)]
    curves.append(Curve("end", z[-1, :, 0], z[-1, :, 1], "points", color=1))
    title = rf"rescaled tokens, $V=I$: {corners.size} vertices"
    return verdicts, Panel(title, r"$z_1$", r"$z_2$", tuple(curves)), {"plane_times": times, "plane_tokens": z}


def _hyperplanes() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """A simple leading eigenvalue of V: along it, tokens end in at most three places."""
    basis = np.random.default_rng([_SEED, 3]).standard_normal((3, 3))
    value = basis @ np.diag([1.0, 0.4, -0.2]) @ np.linalg.inv(basis)
    along = np.linalg.inv(basis)[0]  # left eigenvector of the leading eigenvalue
    times = np.linspace(0.0, _END, 61)
    z = simulate(EuclideanAttention(1.0, value, rescaled=True), _normal(3), times, rtol=1e-6).tokens.values
    height = z @ along
    ends = np.sort(height[-1])
    places = 1 + int((np.diff(ends) > 1e-3 * np.ptp(ends)).sum())
    sentence = f"{places} different values of the leading coordinate among {_TOKENS} tokens"
    verdict = exact("simple leading eigenvalue: hyperplanes", places <= 3, "<= 3", places, sentence, source=_PAPER)
    lines = tuple(Curve("", times, height[:, i], color=0 if i % 2 else 1) for i in range(_TOKENS))
    panel = Panel("V of eigenvalues 1, 0.4, −0.2", "time", "leading coordinate of z", lines)
    return [verdict], panel, {"height_times": times, "heights": height}


def _coming_to_rest() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """V = −I: ∫|dx/dt|² is finite. The mean goes first; then dC/dt = −2βC² for C = Σ w x xᵀ, so that C → I/(2βt) and
    Σ w |dx/dt|² → d/(8βt³).
    """
    dim, times = 2, np.concatenate([[0.0], np.geomspace(0.1, 1000.0, 61)])
    run = simulate(EuclideanAttention(1.0, -1.0), _normal(dim), times, rtol=1e-7)
    speeds = (run.velocity.values**2).sum(axis=2).mean(axis=1)
    law = free_resting_speed(times[1:], 1.0, dim)
    name = "V = -I: mean |dx/dt|^2 at t = 1000, so that its integral is finite"
    verdict = compare(name, float(law[-1]), float(speeds[-1]), 0.03, relative=True, source="2305.05465; law derived")
    curves = (
        Curve("40 tokens in the plane", times[1:], speeds[1:], "points"),
        Curve(r"$d/(8\beta t^3)$", times[25:], law[24:], predicted=True),
    )
    panel = Panel(r"coming to rest, $V=-I$", "time", r"mean $|dx/dt|^2$", curves, log_x=True, log_y=True)
    return [verdict], panel, {"rest_times": times, "rest_speeds": speeds}
