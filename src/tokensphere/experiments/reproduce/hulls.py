"""Attention in R^d: hulls under hardmax (C20), and what is left after rescaling without normalisation (C20b).

Frank–Wolfe   dx_i/dt = V (s_i − x_i), s_i = argmax_{y ∈ hull} x_iᵀB y;  V = I: x_i(t) = e^{−t}x_i(0) + (1 − e^{−t})v
R^d           dx_i/dt = Σ_j P_ij V x_j,  z_i = e^{−tV} x_i               [2508.09628, 2305.05465; exact paths derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import EuclideanAttention, FrankWolfe
from tokensphere.observe import attention_matrix, attention_rank, frank_wolfe_gap, hull_depth, hull_vertices
from tokensphere.solve import simulate
from tokensphere.theory import frank_wolfe_gap_bound, free_triple, free_triple_limit, vertex_paths

__all__ = ["frank_wolfe_hulls", "free_attention"]

_PAPER, _FREE = "2508.09628", "2305.05465"
_SEED = 20
_DIMS, _CORNERS, _INSIDE = (2, 3, 5), (9, 14, 24), 80
_TIMES = np.linspace(0.0, 6.0, 25)
_GAMMA, _LAYERS, _FINE = 0.1, 100, 0.02
_BETA, _WAIT = 2.0, 40.0
_SHOWN = 25
_OUT = 1e-3  # out of the hull, not by rounding
_FREE_TOKENS, _FREE_END = 40, 15.0


def _ellipsoid(dim: int, corners: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (n, dim), the corners first, and B ≻ 0: corners with ⟨Bv, v⟩ = 1 are each in their own cell."""
    rng = np.random.default_rng([_SEED, dim])
    root = rng.standard_normal((dim, dim))
    b = root @ root.T / dim + 0.3 * np.eye(dim)
    v = rng.standard_normal((corners, dim))
    v /= np.sqrt(np.einsum("ij,jk,ik->i", v, b, v))[:, None]
    inside = rng.dirichlet(np.full(corners, 0.5), _INSIDE) @ v
    return np.concatenate([v, inside]), b


def frank_wolfe_hulls(progress: Progress) -> Outcome:
    """C20: tokens run straight to fixed vertices; small steps at finite β contract all; diagonal V may leave the hull.

    Hulls of 9 to 24 random corners on an ellipsoid ⟨Bv, v⟩ = 1, which makes every corner the maximum of its own score,
    with 80 tokens inside; and normal tokens, of whose vertices only some are.
    """
    verdicts: list[Verdict] = []
    data: dict[str, Any] = {}
    for i, (dim, corners) in enumerate(zip(_DIMS, _CORNERS, strict=True)):
        progress(0.1 * i, f"hull in dimension {dim}")
        tokens, b = _ellipsoid(dim, corners)
        path = vertex_paths(tokens, b)
        run = simulate(FrankWolfe(query_key=b), tokens, _TIMES, rtol=1e-10, method="dopri8").tokens.values
        vertices = hull_vertices(tokens)
        where = f"d = {dim}"
        known = bool(path.known.all()) and np.flatnonzero(path.leader).tolist() == vertices.tolist()
        sentence = f"{int(path.leader.sum())} leaders, {vertices.size} vertices, {int(path.known.sum())} known paths"
        verdicts.append(exact(f"every vertex is in its own cell; {where}", known, True, known, sentence, source=_PAPER))
        verdicts.append(compare(f"exact path, largest distance; {where}", 0.0, _worst(run, path.at(_TIMES)), 1e-8))
        moved = float(np.abs(run[:, vertices] - tokens[vertices]).max())
        verdicts.append(compare(f"vertices stay, largest distance; {where}", 0.0, moved, 0.0, source=_PAPER))
    progress(0.35, "layers and the gap")
    found, gap_panel, kept = _discrete_method()
    verdicts += found
    progress(0.5, "normal tokens")
    verdicts += _any_hull()
    progress(0.6, "diagonal V")
    found, pictures, more = _value_matrices()
    verdicts += found
    progress(0.8, "finite beta, small steps")
    found, spread, most = _finite_beta()
    verdicts += found
    return Outcome(tuple(verdicts), (*pictures, gap_panel, spread), data | kept | more | most)


def _worst(measured: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(measured - wanted).max())


def _discrete_method() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Layers with constant steps: the path, and the smallest gap so far against its bound."""
    tokens, b = _ellipsoid(3, _CORNERS[1])
    count = np.arange(_LAYERS + 1)
    flow = FrankWolfe(query_key=b)
    run = simulate(flow, tokens, _GAMMA * count, method="layer", step_size=_GAMMA).tokens.values
    path = vertex_paths(tokens, b).after(count, _GAMMA)
    least = np.minimum.accumulate([frank_wolfe_gap(x, b) for x in run[:-1]], axis=0)
    bound = frank_wolfe_gap_bound(tokens, np.full(_LAYERS, _GAMMA), b)
    rounding = 1e-14
    holds = bool((least <= bound + rounding).all())
    share = float((least / (bound + rounding)).max())
    sentence = f"the smallest gap reaches {share:.3f} of its bound at most, over {len(tokens)} tokens, {_LAYERS} layers"
    name = "smallest gap so far <= (max J - J(x_0))/(gamma l)"
    verdicts = [
        compare("layers: exact path, largest distance", 0.0, _worst(run, path), 1e-12),
        exact(name, holds, 1.0, share, sentence, source="derived; O(1/t) in 2508.09628"),
    ]
    inside = slice(_CORNERS[1], None)
    curves = (
        Curve("largest of all tokens", count[1:], least[:, inside].max(axis=1), color=0),
        Curve("bound, largest", count[1:], bound[:, inside].max(axis=1), predicted=True, color=0),
        Curve("median", count[1:], np.median(least[:, inside], axis=1), color=1),
        Curve("bound, median", count[1:], np.median(bound[:, inside], axis=1), predicted=True, color=1),
    )
    panel = Panel(
        rf"Frank–Wolfe gap, layers of step {_GAMMA}",
        "layers",
        r"smallest gap $\max_y\langle Bx,y-x\rangle$ so far",
        curves,
        log_x=True,
        log_y=True,
    )
    return verdicts, panel, {"gaps": least, "gap_bounds": bound}


def _any_hull() -> list[Verdict]:
    """Normal tokens: some vertices are not in their own cell, and the rest of the statement still holds."""
    tokens = np.random.default_rng([_SEED, 99]).standard_normal((120, 2))
    b = np.array([[1.0, 0.6], [0.6, 1.0]])
    path, vertices = vertex_paths(tokens, b), hull_vertices(tokens)
    run = simulate(FrankWolfe(query_key=b), tokens, _TIMES, rtol=1e-10, method="dopri8").tokens.values
    depth = min(float(hull_depth(x, tokens).min()) for x in run)
    wanted = path.at(_TIMES)[:, path.known]
    stay = np.flatnonzero(np.abs(run - tokens).max(axis=(0, 2)) == 0)
    leaders = np.flatnonzero(path.leader)
    name = "normal tokens: who never moves"
    sentence = f"{leaders.size} of {vertices.size} vertices are leaders, {stay.size} tokens did not move"
    return [
        exact(name, stay.tolist() == leaders.tolist(), str(leaders.tolist()), str(stay.tolist()), sentence),
        compare("normal tokens: exact path to leaders", 0.0, _worst(run[:, path.known], wanted), 1e-8),
        compare("normal tokens: how far out of the first hull", 0.0, max(0.0, -depth), 1e-9),
    ]


def _value_matrices() -> tuple[list[Verdict], tuple[Panel, Panel], dict[str, Any]]:
    """V = I and V = I/2 keep tokens in the hull; a diagonal V lets them out, along bent paths.

    In layers of step 0.02: with a diagonal V tokens slide between two cells, where the flow has no solution.
    """
    tokens, b = _ellipsoid(2, _CORNERS[0])
    corners = hull_vertices(tokens)
    times = _FINE * np.arange(0, 301, 3)
    verdicts, pictures, kept = [], [], {}
    cases: tuple[tuple[str, Any], ...] = (("I", None), ("I/2", 0.5), ("diag(2, 0.2)", np.diag([2.0, 0.2])))
    for name, value in cases:
        flow = FrankWolfe(value, b)
        run = simulate(flow, tokens, times, method="layer", step_size=_FINE).tokens.values
        depth = np.array([hull_depth(x, tokens[corners]).min() for x in run])
        out, leaves = max(0.0, -float(depth.min())), value is not None and np.ndim(value) == 2
        sentence = f"tokens come out of the hull by {out:.3g}"
        agrees = out > _OUT if leaves else out < 1e-9
        verdicts.append(
            exact(
                f"V = {name}: tokens {'leave' if leaves else 'stay in'} the hull",
                agrees,
                leaves,
                out > _OUT,
                sentence,
                source=_PAPER,
            )
        )
        kept[f"depth_{len(kept)}"] = depth
        if name != "I/2":
            pictures.append(_picture(f"tokens and their paths, V = {name}", tokens, corners, run))
    return verdicts, (pictures[0], pictures[1]), kept


def _picture(title: str, tokens: np.ndarray, corners: np.ndarray, run: np.ndarray) -> Panel:
    around = tokens[corners]
    around = around[np.argsort(np.arctan2(*(around - around.mean(axis=0)).T[::-1]))]
    outline = np.concatenate([around, around[:1]])
    inside = np.setdiff1d(np.arange(len(tokens)), corners)[:_SHOWN]
    curves = [Curve("" if k else "paths", run[:, i, 0], run[:, i, 1], color=0) for k, i in enumerate(inside)]
    curves.append(Curve("first hull", outline[:, 0], outline[:, 1], color=1))
    curves.append(Curve("start", tokens[inside, 0], tokens[inside, 1], "points", color=0))
    curves.append(Curve("vertices", around[:, 0], around[:, 1], "points", color=1))
    return Panel(title, r"$x_1$", r"$x_2$", tuple(curves))


def _finite_beta() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Softmax layers of step 0.1 contract everything to one point; the hardmax keeps all vertices."""
    tokens, b = _ellipsoid(2, _CORNERS[0])
    count = round(_WAIT / _GAMMA)
    times = _GAMMA * np.arange(count + 1)
    curves, sizes = [], {}
    for k, beta in enumerate((_BETA, None)):
        flow = FrankWolfe(query_key=b, beta=beta)
        run = simulate(flow, tokens, times, method="layer", step_size=_GAMMA).tokens.values
        sizes[beta] = np.array([np.linalg.norm(x - x.mean(axis=0), axis=1).max() for x in run])
        curves.append(Curve(r"$\beta=\infty$" if beta is None else rf"$\beta$ = {beta:g}", times, sizes[beta], color=k))
    soft, hard = sizes[_BETA], sizes[None]
    verdicts = [
        compare(f"beta = {_BETA:g}: radius of the tokens at t = {_WAIT:g}", 0.0, float(soft[-1]), 1e-6, source=_PAPER),
        exact("hardmax: the radius stays", bool(hard[-1] > 0.5), "> 0.5", float(hard[-1]), f"{hard[-1]:.3g}"),
    ]
    panel = Panel(
        "size of the hull, layers of step 0.1", "time", "largest distance from the mean", tuple(curves), log_y=True
    )
    return verdicts, panel, {"spread_times": times, "spread_soft": soft, "spread_hard": hard}


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
    verdicts.append(compare("three tokens: path", 0.0, _worst(outer, free_triple(times, 1.0, 1.0)), 1e-8))
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
    return np.random.default_rng([_SEED, 7, dim]).standard_normal((_FREE_TOKENS, dim))


def _line() -> tuple[list[Verdict], tuple[Panel, Image, Image], dict[str, Any]]:
    """d = 1: all rows but at most one become a single 1, in one of two columns."""
    tokens = np.sort(_normal(1), axis=0)
    times = np.linspace(0.0, _FREE_END, 61)
    z = simulate(EuclideanAttention(1.0, rescaled=True), tokens, times, rtol=1e-9).tokens.values

    def matrix(frame: int) -> np.ndarray:
        return attention_matrix(z[frame], float(np.exp(2.0 * times[frame])))

    last = attention_rank(matrix(-1), tolerance=1e-6)
    sentence = f"{last.off.size} rows are not Boolean, the others point at {last.boolean_rank} tokens"
    good = last.off.size <= 1 and last.boolean_rank <= 2
    verdicts = [
        exact("d = 1: Boolean of rank <= 2 but for one row", good, "<= 1 row", last.off.size, sentence, source=_FREE)
    ]
    lines = tuple(Curve("", times, z[:, i, 0], color=0 if i % 2 else 1) for i in range(_FREE_TOKENS))
    paths = Panel(r"tokens in R, rescaled, $\beta$ = 1", "time", r"$z=e^{-t}x$", lines)
    extent = (0.5, _FREE_TOKENS + 0.5, 0.5, _FREE_TOKENS + 0.5)
    early, late = (
        Image(f"attention at t = {times[k]:g}", "seen token", "token", matrix(k), extent, "weight") for k in (0, -1)
    )
    return verdicts, (paths, early, late), {"line_times": times, "line_tokens": z[:, :, 0]}


def _plane() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """V = I, B ≻ 0: rescaled tokens end on the boundary of their hull."""
    tokens, b = _normal(2), np.array([[1.0, 0.4], [0.4, 0.8]])
    times = np.linspace(0.0, _FREE_END, 61)
    z = simulate(EuclideanAttention(1.0, query_key=b, rescaled=True), tokens, times, rtol=1e-8).tokens.values
    corners = hull_vertices(np.round(z[-1], 4))  # clusters count once
    depth = float(hull_depth(z[-1], z[-1]).max())
    grown = [float(hull_depth(now, before).min()) for before, now in zip(z[:30:3], z[3:33:3], strict=True)]
    verdicts = [
        compare("V = I: largest distance to the boundary of the hull", 0.0, depth, 1e-4, source=_FREE),
        compare("V = I: growth of the hull", 0.0, max(0.0, -min(grown)), 1e-6, source=_FREE),
    ]
    curves = [Curve("" if i else "paths", z[:, i, 0], z[:, i, 1], color=0) for i in range(_FREE_TOKENS)]
    curves.append(Curve("end", z[-1, :, 0], z[-1, :, 1], "points", color=1))
    title = rf"rescaled tokens, $V=I$: {corners.size} vertices"
    return verdicts, Panel(title, r"$z_1$", r"$z_2$", tuple(curves)), {"plane_times": times, "plane_tokens": z}


def _hyperplanes() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """A simple leading eigenvalue of V: along it, tokens end in at most three places."""
    basis = np.random.default_rng([_SEED, 3]).standard_normal((3, 3))
    value = basis @ np.diag([1.0, 0.4, -0.2]) @ np.linalg.inv(basis)
    along = np.linalg.inv(basis)[0]  # left eigenvector of the leading eigenvalue
    times = np.linspace(0.0, _FREE_END, 61)
    z = simulate(EuclideanAttention(1.0, value, rescaled=True), _normal(3), times, rtol=1e-6).tokens.values
    height = z @ along
    ends = np.sort(height[-1])
    places = 1 + int((np.diff(ends) > 1e-3 * np.ptp(ends)).sum())
    sentence = f"{places} different values of the leading coordinate among {_FREE_TOKENS} tokens"
    verdict = exact("simple leading eigenvalue: hyperplanes", places <= 3, "<= 3", places, sentence, source=_FREE)
    lines = tuple(Curve("", times, height[:, i], color=0 if i % 2 else 1) for i in range(_FREE_TOKENS))
    panel = Panel("V of eigenvalues 1, 0.4, −0.2", "time", "leading coordinate of z", lines)
    return [verdict], panel, {"height_times": times, "heights": height}


def _coming_to_rest() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """V = −I: ∫|dx/dt|² is finite. The mean goes first; then dC/dt = −2βC² for C = Σ w x xᵀ, so that C → I/(2βt) and
    Σ w |dx/dt|² → d/(8βt³).
    """
    dim, times = 2, np.concatenate([[0.0], np.geomspace(0.1, 1000.0, 61)])
    run = simulate(EuclideanAttention(1.0, -1.0), _normal(dim), times, rtol=1e-7)
    speeds = (run.velocity.values**2).sum(axis=2).mean(axis=1)
    law = dim / (8.0 * times[1:] ** 3)
    name = "V = -I: mean |dx/dt|^2 at t = 1000, so that its integral is finite"
    verdict = compare(name, float(law[-1]), float(speeds[-1]), 0.03, relative=True, source="2305.05465; law derived")
    curves = (
        Curve("40 tokens in the plane", times[1:], speeds[1:], "points"),
        Curve(r"$d/(8\beta t^3)$", times[25:], law[24:], predicted=True),
    )
    panel = Panel(r"coming to rest, $V=-I$", "time", r"mean $|dx/dt|^2$", curves, log_x=True, log_y=True)
    return [verdict], panel, {"rest_times": times, "rest_speeds": speeds}
