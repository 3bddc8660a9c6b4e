"""Emergence on the sphere S^(d-1), d = 3, 4, 8 (M13): the spectrum at the uniform law, growth and exit of tokens.

J_ij = ∂v_i/∂x_j at a quadrature of the uniform law:  gradients of degree-k harmonics are its eigenvectors, λ_k its
eigenvalue, D_k times;  independent tokens:  E A_k² = e^{2 λ_k t}/n,  exit min_k ln(δ/A_k)/λ_k      [derived]
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact, not_applicable
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.jaxsetup import jax, jnp
from tokensphere.observe import order_parameters
from tokensphere.solve import linear_exit, simulate
from tokensphere.special import multiplicity
from tokensphere.sphere import quiet, uniform
from tokensphere.theory import dominant_degree, effective_neighbours, exit_law, growth_rates

__all__ = ["root_lattice", "sphere_emergence", "uniform_spectrum"]

_SEED = 1300
# dim, beta, tokens, threshold, degrees followed, seeds
_RUNS = (
    (3, 5.0, 1500, 0.2, (1, 2, 3, 4, 5), 24),
    (3, 2.0, 450, 0.2, (1, 2, 3, 4), 32),
    (4, 2.0, 800, 0.2, (1, 2), 24),
    (8, 2.0, 800, 0.2, (1, 2), 16),
    (3, 5.0, 400, 0.2, (1, 2, 3, 4, 5), 12),
)
_GROWING = 0.25  # of 1/λ_max: how long growth is read from the start
# dim, beta, resolution of the quadrature (0: the 240 roots of E8), tolerance relative to λ_k
_SPECTRA = ((3, 5.0, 10, 1e-6), (4, 2.0, 6, 1e-6), (8, 1.0, 0, 0.01))
_BATCH = 96


def root_lattice() -> np.ndarray:
    """The 240 roots of E8, normalised: tokens on S⁷ that integrate polynomials up to degree 7 as the uniform law."""
    rows = []
    for (i, j), signs in product(combinations(range(8), 2), product((1.0, -1.0), repeat=2)):
        row = np.zeros(8)
        row[[i, j]] = signs
        rows.append(row)
    rows += [0.5 * np.array(s) for s in product((1.0, -1.0), repeat=8) if np.prod(s) > 0]
    tokens = np.array(rows)
    return np.asarray(tokens / np.linalg.norm(tokens, axis=1, keepdims=True))


def uniform_spectrum(beta: float, tokens: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Eigenvalues, largest first, of the derivative of the USA velocity with respect to the positions of the tokens.

    Tangent directions only: n (dim − 1) numbers. The derivative is symmetric in the product Σ_i w_i ⟨v_i, v_i⟩.
    """
    n, dim = tokens.shape
    # Row i of `frames` spans the tangent space of token i.
    frames = np.linalg.svd(tokens[:, None, :])[2][:, 1:, :]
    flow = UnnormalizedSelfAttention(beta)

    @jax.jit
    def columns(directions: Any, centre: Any, basis: Any, mass: Any) -> Any:
        def velocity(moves: Any) -> Any:
            points = centre + jnp.einsum("na,nad->nd", moves.reshape(n, dim - 1), basis)
            points = points / jnp.linalg.norm(points, axis=1, keepdims=True)
            return jnp.einsum("nd,nad->na", flow.velocity(points, mass), basis).ravel()

        zero = jnp.zeros(n * (dim - 1))
        return jax.vmap(lambda one: jax.jvp(velocity, (zero,), (one,))[1])(directions)

    unit = np.eye(n * (dim - 1))
    rows = [np.asarray(columns(unit[i : i + _BATCH], tokens, frames, weights)) for i in range(0, len(unit), _BATCH)]
    root = np.repeat(np.sqrt(weights), dim - 1)
    symmetric = np.concatenate(rows).T * root[:, None] / root[None, :]
    return np.linalg.eigvalsh(0.5 * (symmetric + symmetric.T))[::-1]


def _spectra(progress: Progress) -> tuple[list[Verdict], list[Curve], dict[str, Any]]:
    verdicts, curves, data = [], [], {}
    for i, (dim, beta, resolution, tolerance) in enumerate(_SPECTRA):
        progress(0.3 * i / len(_SPECTRA), f"spectrum at the uniform law, dim {dim}")
        if resolution:
            tokens, weights = quiet(dim, 1, 0.0, resolution)
        else:
            tokens = root_lattice()
            weights = np.full(len(tokens), 1.0 / len(tokens))
        found = uniform_spectrum(beta, tokens, weights)
        degrees = np.arange(1, dominant_degree(beta, dim) + 2)
        rates = growth_rates(beta, dim, degrees, "usa")
        for k, rate in zip(degrees.tolist(), rates.tolist(), strict=True):
            near = int((np.abs(found - rate) <= tolerance * rate).sum())
            name = f"eigenvalues within {tolerance:g} of lambda_{k} at the uniform law; dim {dim}, beta = {beta:g}"
            text = f"{near} of {len(found)} eigenvalues lie there, D_{k} = {multiplicity(k, dim)}"
            verdicts.append(exact(name, near == multiplicity(k, dim), int(multiplicity(k, dim)), near, text))
        shown = int(sum(multiplicity(int(k), dim) for k in degrees)) + 4
        curves.append(Curve(f"d = {dim}, β = {beta:g}", np.arange(1, shown + 1), found[:shown], "points", color=i))
        steps = np.repeat(np.sort(rates)[::-1], [multiplicity(int(k), dim) for k in degrees[np.argsort(-rates)]])
        curves.append(Curve("", np.arange(1, steps.size + 1), steps, predicted=True, color=i))
        data[f"spectrum_{dim}"] = found[:shown]
    return verdicts, curves, data


def sphere_emergence(progress: Progress) -> Outcome:
    """M13: on S^(d-1) every degree grows at its rate with D_k components, and tokens leave the uniform law by the race.

    USA from independent uniform tokens. Growth is the ratio of the mean A_k² of all seeds after a quarter of
    1/λ_max; the exit is located inside a step.
    """
    verdicts, curves, data = _spectra(progress)
    exits: list[Curve] = []
    growth: list[Curve] = []
    for i, (dim, beta, n, threshold, degrees, seeds) in enumerate(_RUNS):
        progress(0.3 + 0.7 * i / len(_RUNS), f"dim {dim}, beta = {beta:g}, {n} tokens, {seeds} seeds")
        rates = growth_rates(beta, dim, degrees, "usa")
        early = _GROWING / float(rates.max())
        law = exit_law(beta, dim, n, threshold)
        flow, limit = UnnormalizedSelfAttention(beta), 4.0 * law.mean
        times, power = [], np.zeros((2, len(degrees)))
        for seed in range(seeds):
            start = uniform(n, dim, _SEED + seed)
            event = linear_exit(threshold, degrees, terminal=True)
            run = simulate(flow, start, [0.0, early, limit], rtol=1e-6, error_norm="rms", events=[event])
            if run.sizes["time"] > 2 or run.time.values[-1] >= early:
                power += [order_parameters(frame, degrees) ** 2 for frame in run.tokens.values[:2]]
            times.append(run.attrs["events"].get("linear_exit", np.nan))
        measured = 0.5 * np.log(power[1] / power[0]) / early
        where = f"dim {dim}, beta = {beta:g}, n = {n}"
        crowd = effective_neighbours(n, beta, dim)
        top = dominant_degree(beta, dim)
        for k, rate, seen in zip(degrees, rates.tolist(), measured.tolist(), strict=True):
            if k <= top:
                wanted = rate * (1.0 - 1.0 / n)
                name = f"growth rate of degree {k}; {where}"
                verdicts.append(compare(name, wanted, seen, 0.05, unit="1/time", relative=True))
        mean, error = float(np.mean(times)), float(np.std(times, ddof=1) / np.sqrt(seeds))
        name = f"mean exit at A = {threshold:g}; {where}"
        if crowd >= 100.0:
            verdicts.append(compare(name, law.mean, mean, 0.03 * law.mean + 3.0 * error, unit="time"))
        else:
            reason = f"only {crowd:.3g} effective neighbours, below 100: measured {mean:.4g} ± {error:.2g}"
            verdicts.append(not_applicable(name, reason, predicted=law.mean, measured=mean, unit="time"))
        label = f"d = {dim}, β = {beta:g}, n = {n}"
        share = (np.arange(seeds) + 0.5) / seeds
        exits.append(Curve(label, np.sort(times) / law.mean, share, "points", color=i))
        fine = np.linspace(0.0, 2.2, 200)
        exits.append(Curve("", fine, 1.0 - law.survival(fine * law.mean), predicted=True, color=i))
        growth.append(Curve(label, np.array(degrees), measured / rates.max(), "points", color=i))
        growth.append(Curve("", np.array(degrees), rates / rates.max(), predicted=True, color=i))
        data[f"exits_{i}"], data[f"rates_{i}"] = np.array(times), measured
    panels = (
        Panel("spectrum at the uniform law", "eigenvalue, largest first", r"$\lambda$ (1/time)", tuple(curves)),
        Panel("growth of independent tokens", "degree k", r"rate / $\lambda_{max}$", tuple(growth)),
        Panel("exit times; dashed: law of the race", "exit time / predicted mean", "share of runs", tuple(exits)),
    )
    return Outcome(tuple(verdicts), panels, data)
