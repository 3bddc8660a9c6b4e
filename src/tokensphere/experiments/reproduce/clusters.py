"""The clustering phase on the circle: do k-periodic data reach k clusters (M10), and how these break (M11).

k-periodic   φ = kθ:  dφ_i/dt = −Σ_l (2 λ_{kl}/l) Im(e^{ilφ_i} ν̂_l),   ν̂_l = (1/n) Σ_j e^{−ilφ_j} = μ̂_{kl}
k clusters   internal rate s, drift rates ω_m, lifetime ln(angle/asymmetry)/ω_max        [2410.23228; derived]
"""

from __future__ import annotations

from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import AbstractFlow, UnnormalizedSelfAttention
from tokensphere.jaxsetup import jax, jnp
from tokensphere.observe import displacement_modes, metastable_states
from tokensphere.solve import Event, Moment, simulate
from tokensphere.sphere import angles, from_angles
from tokensphere.theory import dominant_degree, growth_rates, k_cluster_state, merger_time

__all__ = ["PeriodicFlow", "cluster_states", "periodic_data"]

_SEED = 10
_SETTINGS = (*((beta, dominant_degree(beta, 2)) for beta in (2.0, 5.0, 7.0, 9.0)), (5.0, 2), (5.0, 4))
_STARTS, _TOKENS = 60, 48  # starts of each setting, tokens in each period
_REACHED = 1e-6
_CHUNK, _MOST = 12.0, 30  # e-folds of λ_k in one stretch of time, and how many stretches
_SHOWN = 20

_STATES = ((2.0, 2), (5.0, 3), (5.0, 4), (7.0, 4), (5.0, 5))
_ASYMMETRIES = np.array([1e-2, 1e-4, 1e-6, 1e-8])
_ANGLE = 0.1
_COPIES = 4


class PeriodicFlow(AbstractFlow):
    """USA on the circle restricted to k-periodic measures, in φ = kθ; independent `members` of equally many tokens.

    Modes that k does not divide are absent, not small: rounding cannot feed them.
    """

    beta: float
    k: int
    members: int = eqx.field(static=True)
    strengths: Any

    def __init__(self, beta: float, k: int, members: int = 1) -> None:
        self.beta, self.k, self.members = beta, k, members
        rates = growth_rates(beta, 2, k * np.arange(1, 200), "usa")
        modes = np.arange(1, int(np.flatnonzero(rates > 1e-16 * rates.max())[-1]) + 2)
        self.strengths = 2.0 * rates[: modes.size] / modes

    @property
    def on_host(self) -> bool:
        return True

    def turning(self, phi: np.ndarray) -> np.ndarray:
        """dφ/dt (members, n) of the tokens at `phi` (members, n)."""
        step = np.exp(1j * phi)
        wave, total = np.ones_like(step), np.zeros_like(phi)
        for strength in self.strengths:
            wave = wave * step
            total -= strength * (wave * wave.mean(axis=1, keepdims=True).conj()).imag
        return total

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        turned = self.turning(np.arctan2(tokens[:, 1], tokens[:, 0]).reshape(self.members, -1)).ravel()
        return turned[:, None] * np.stack([-tokens[:, 1], tokens[:, 0]], axis=1)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        return np.asarray(self.field(np.asarray(tokens)))

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        raise InputError("an ensemble has no common energy; ask for that of a member")

    def resolve(self, n: int, dim: int) -> Self:
        return self


def _starts(rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """φ (starts, tokens): a third independent and uniform, the rest in 2 or 3 clumps, random in all they are."""
    rows, kinds = [], []
    for i in range(_STARTS):
        clumps = (0, 2, 3)[i % 3]
        if clumps == 0:
            rows.append(rng.uniform(0.0, 2.0 * np.pi, _TOKENS))
        else:
            place, width = rng.uniform(0.0, 2.0 * np.pi, clumps), rng.uniform(0.02, 0.5, clumps)
            which = rng.choice(clumps, _TOKENS, p=rng.dirichlet(np.full(clumps, 3.0)))
            rows.append(place[which] + width[which] * rng.standard_normal(_TOKENS))
        kinds.append("iid" if clumps == 0 else f"{clumps} clumps")
    return np.array(rows), kinds


def _order(phi: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(np.exp(1j * phi).mean(axis=-1)))


def _settle(beta: float, k: int, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, A_k (times, starts) and the last φ; goes on until every start has reached the state, or for long."""
    flow, rate = PeriodicFlow(beta, k, len(phi)), float(growth_rates(beta, 2, k, "usa"))
    times, order = [0.0], [_order(phi)]
    for stretch in range(_MOST):
        save = (stretch + np.linspace(0.0, 1.0, 49)) * _CHUNK / rate
        run = simulate(flow, from_angles(phi.ravel()), save, rtol=1e-7)
        frames = angles(run.tokens.values.reshape(-1, 2)).reshape(len(save), *phi.shape)
        times += save[1:].tolist()
        order += list(_order(frames[1:]))
        phi = frames[-1]
        if (order[-1] > 1.0 - _REACHED).all():
            break
    return np.array(times), np.array(order), phi


def periodic_data(progress: Progress) -> Outcome:
    """M10: random k-periodic data reach the k-cluster state (Assumption 3 of the paper, unproved), or do not.

    Each start is 48 tokens in one period of 2π/k. Every setting gets 20 starts of each kind; a counterexample is a
    start with A_k ≤ 1 − 10⁻⁶ at the end, and its angles are kept in the data.
    """
    verdicts: list[Verdict] = []
    curves: list[Curve] = []
    waits: list[Curve] = []
    data: dict[str, Any] = {}
    for i, (beta, k) in enumerate(_SETTINGS):
        progress(i / len(_SETTINGS), f"beta = {beta:g}, k = {k}")
        phi, kinds = _starts(np.random.default_rng([_SEED, i]))
        times, order, last = _settle(beta, k, phi)
        reached = order[-1] > 1.0 - _REACHED
        rate = float(growth_rates(beta, 2, k, "usa"))
        name = f"k-periodic data reach {k} clusters, beta = {beta:g}"
        sentence = f"{int(reached.sum())} of {len(phi)} random starts have A_{k} > 1 - {_REACHED:g} by {times[-1]:.4g}"
        if not reached.all():
            stuck = [f"{kinds[j]} (A = {order[-1, j]:.6f})" for j in np.flatnonzero(~reached)]
            sentence += f"; not: {', '.join(stuck)}"
            data[f"counterexample_start_{i}"], data[f"counterexample_end_{i}"] = phi[~reached], last[~reached]
        verdicts.append(exact(name, bool(reached.all()), 1.0, float(reached.mean()), sentence, source="2410.23228"))
        first = np.where((order > 1.0 - _REACHED).any(axis=0), (order > 1.0 - _REACHED).argmax(axis=0), -1)
        wait = np.sort(times[first[first >= 0]] * rate)
        share = np.arange(wait.size + 1) / len(phi)
        waits.append(Curve(rf"$\beta$ = {beta:g}, k = {k}", np.append(0.0, wait), share, color=i))
        data[f"beta_{i}"], data[f"k_{i}"], data[f"order_{i}"], data[f"time_{i}"] = beta, k, order, times
        if beta == 5.0 and k == 3:
            colours = {"iid": 0, "2 clumps": 1, "3 clumps": 2}
            seen: set[str] = set()
            for j in range(_SHOWN):
                label = "" if kinds[j] in seen else kinds[j]
                seen.add(kinds[j])
                curves.append(Curve(label, times * rate, 1.0 - order[:, j] + 1e-16, color=colours[kinds[j]]))
    x = r"time, in units of $1/\lambda_k$"
    panels = (
        Panel(r"approach to three clusters, $\beta$ = 5", x, r"$1 - A_3$", tuple(curves), log_y=True),
        Panel("starts that have arrived", x, "share", tuple(waits)),
    )
    return Outcome(tuple(verdicts), panels, data)


def _jacobian(beta: float, theta: np.ndarray) -> np.ndarray:
    """∂(dθ_i/dt)/∂θ_j of USA at the angles `theta`, by differentiating the flow itself."""
    flow = UnnormalizedSelfAttention(beta)

    def turning(place: Any) -> Any:
        tokens = jnp.stack([jnp.cos(place), jnp.sin(place)], axis=1)
        across = jnp.stack([-jnp.sin(place), jnp.cos(place)], axis=1)
        return jnp.sum(flow.velocity(tokens) * across, axis=1)

    return np.asarray(jax.jit(jax.jacfwd(turning))(jnp.asarray(theta)))


def _expected_spectrum(beta: float, k: int) -> np.ndarray:
    """Eigenvalues of k clusters of `_COPIES` tokens: 0, ω_1 … ω_{k−1}, and s for every further token."""
    state = k_cluster_state(beta, k)
    return np.sort([0.0, *state.drift_rates, *[state.internal_rate] * (k * (_COPIES - 1))])


def _meeting() -> Event:
    def value(moment: Moment) -> float:
        ordered = np.sort(np.mod(angles(moment.tokens), 2.0 * np.pi))
        return _ANGLE - float(np.diff(ordered, append=ordered[0] + 2.0 * np.pi).min())

    return Event("meeting", value, terminal=True)


def _displaced(k: int, asymmetry: float) -> np.ndarray:
    theta = 2.0 * np.pi * np.arange(k) / k
    theta[0] += asymmetry
    return from_angles(theta)


def cluster_states(progress: Progress) -> Outcome:
    """M11: the k-cluster state is a saddle. Its Jacobian, and the time a displaced cluster needs to reach another.

    Eigenvalues of the flow's own derivative; tokens integrated until two are 0.1 apart, which must take
    ln(100)/ω_max longer for each factor 100 of the displacement; the drift rate before the break, read from the gap.
    """
    verdicts: list[Verdict] = []
    clocks: list[Curve] = []
    drifts: list[Curve] = []
    data: dict[str, Any] = {"asymmetries": _ASYMMETRIES}
    for i, (beta, k) in enumerate(_STATES):
        progress(i / len(_STATES), f"beta = {beta:g}, k = {k}")
        state = k_cluster_state(beta, k)
        where = f"{k} clusters, beta = {beta:g}"
        full = np.repeat(2.0 * np.pi * np.arange(k) / k, _COPIES)
        spectrum, wanted = np.sort(np.linalg.eigvalsh(_jacobian(beta, full))), _expected_spectrum(beta, k)
        worst = float(np.abs(spectrum - wanted).max() / np.abs(wanted).max())
        verdicts.append(compare(f"Jacobian: s, omega_m, 0, of the largest; {where}", 0.0, worst, 1e-7))
        unit = 1.0 / state.fastest_drift
        waits = []
        theory = [merger_time(beta, k, a, _ANGLE) for a in _ASYMMETRIES.tolist()]
        for asymmetry, wanted_time in zip(_ASYMMETRIES.tolist(), theory, strict=True):
            limit = wanted_time + 3.0 * unit
            run = simulate(
                UnnormalizedSelfAttention(beta),
                _displaced(k, asymmetry),
                [0.0, limit],
                method="dopri8",
                rtol=1e-13,
                events=[_meeting()],
            )
            waits.append(run.attrs["events"].get("meeting", np.nan))
        steps = np.diff(waits) * state.fastest_drift
        verdicts.append(
            compare(
                f"time to angle 0.1 against the equation of the clusters; {where}",
                0.0,
                float(np.abs(np.array(waits) / theory - 1.0).max()),
                1e-5,
            )
        )
        verdicts.append(
            compare(
                f"omega_max times the time per factor 100 (1e-6 to 1e-8); {where}",
                float(np.log(100.0)),
                float(steps[-1]),
                1e-3,
                relative=True,
            )
        )
        rate = _measured_drifts(beta, k)
        for m, found in rate.items():
            name = f"drift of mode {m} before the break; {where}"
            verdicts.append(compare(name, state.drift_rates[m - 1], found, 1e-3, relative=True))
        clocks.append(Curve(rf"$\beta$ = {beta:g}, k = {k}", _ASYMMETRIES, np.array(waits) / unit, "points", color=i))
        law = np.array([state.lifetime(a, _ANGLE) for a in _ASYMMETRIES.tolist()]) / unit
        offset = waits[-1] / unit - law[-1]
        clocks.append(Curve("", _ASYMMETRIES, law + offset, predicted=True, color=i))
        expected = np.array([state.drift_rates[m - 1] for m in rate])
        drifts.append(Curve(rf"$\beta$ = {beta:g}, k = {k}", expected, np.array(list(rate.values())), "points"))
        data[f"beta_{i}"], data[f"k_{i}"], data[f"spectrum_{i}"], data[f"times_{i}"] = beta, k, spectrum, waits
    ends = np.array([min(c.x.min() for c in drifts), max(c.x.max() for c in drifts)])
    broken, gap, kept = _break()
    verdicts += broken
    panels = (
        gap,
        Panel(
            "lifetime of k clusters, one displaced",
            "displacement (rad)",
            r"$\omega_{max}$ · time to 0.1 rad",
            tuple(clocks),
            log_x=True,
        ),
        Panel(
            "drift of every mode",
            r"predicted $\omega_m$",
            r"measured $\omega_m$",
            (*drifts, Curve("equal", ends, ends, predicted=True)),
            log_x=True,
            log_y=True,
        ),
    )
    return Outcome(tuple(verdicts), panels, data | kept)


def _break() -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Three clusters at β = 5, one 10⁻⁴ away: how long there are three, which pair ends it and at what drift."""
    beta, k, asymmetry = 5.0, 3, 1e-4
    state, wanted = k_cluster_state(beta, k), merger_time(beta, k, asymmetry, _ANGLE)
    times = np.concatenate([np.linspace(0.0, wanted - 0.05, 80), wanted + np.linspace(-0.041, 0.04, 18)])
    start = _displaced(k, asymmetry)
    run = simulate(UnnormalizedSelfAttention(beta), start, times, method="dopri8", rtol=1e-12)
    found = metastable_states(times, run.tokens.values, _ANGLE, beta=beta, window=(1e-5, 1e-3))[0]
    name = f"{k} clusters, beta = {beta:g}, displacement {asymmetry:g}"
    rest = 2.0 * np.pi / k
    away = np.abs(found.gaps - rest)
    verdicts = [
        compare(f"how long there are {name}", wanted, found.plateau.duration, 0.006, unit="time"),
        exact(f"how it ends; {name}", found.pairs == ((0, 1),), "0 meets 1", str(found.pairs), found.plateau.ending),
        compare(f"drift of their gap; {name}", state.fastest_drift, found.drift.rate, 1e-3, relative=True),
    ]
    law = away[0] * np.exp(state.fastest_drift * found.times)
    curves = (
        Curve("measured", found.times, away, "points"),
        Curve(r"$e^{\omega t}$", found.times, law, predicted=True),
    )
    panel = Panel(r"how three clusters break, $\beta$ = 5", "time", "gap − 2π/3 (rad)", curves, log_y=True)
    return verdicts, panel, {"gap_times": found.times, "gaps": found.gaps}


def _measured_drifts(beta: float, k: int) -> dict[int, float]:
    """Growth rates of the displacement modes of k clusters, one of which starts 10⁻⁷ away; all modes begin equal."""
    state = k_cluster_state(beta, k)
    times = np.linspace(0.0, 5.0 / state.fastest_drift, 26)
    run = simulate(UnnormalizedSelfAttention(beta), _displaced(k, 1e-7), times, method="dopri8", rtol=1e-13)
    modes = displacement_modes(angles(run.tokens.values.reshape(-1, 2)).reshape(len(times), k))
    return {m: float(np.polyfit(times, np.log(modes[:, m - 1]), 1)[0]) for m in range(1, k // 2 + 1)}
