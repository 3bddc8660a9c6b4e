"""Noise against attention (M17): order parameters, dominant degree and order beyond the critical noise.

dx_i = P_{x_i} F_i dt + √(2τ) P_{x_i} ∘ dW_i;    λ_k → r_k = λ_k − τΛ_k,    τ_c = λ_1/(d−1)
n E A_k² = e^{2rt} + τΛ_k (e^{2rt} − 1)/r,    → τΛ_k/(τΛ_k − λ_k) if r < 0                          [derived]

On the circle degree 2 follows degree 1, û_2 ≈ 2g_1 û_1²/(4τ − λ_2), g_k = λ_k/k², and at τ_c
    d|û_1|/dt = c |û_1|³,    c = g_1 (2g_2 − g_1)/(2(g_1 − g_2))                                       [derived]
For I_2(β) > I_1(β)/2 it is positive: order appears with a jump, and order that is there already outlives τ_c.
"""

from __future__ import annotations

import numpy as np

from tokensphere.attention import Circle
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Agreement, Verdict, compare
from tokensphere.flows import UnnormalizedSelfAttention
from tokensphere.observe import order_parameters
from tokensphere.solve import simulate
from tokensphere.sphere import angles, equispaced, moments, uniform
from tokensphere.theory import (
    critical_noise,
    dominant_degree,
    growth_rates,
    noisy_order_parameter,
    stationary_order_parameter,
)

__all__ = ["noisy_tokens"]

_BETA, _N, _SEEDS = 5.0, 1000, 300
_DEGREES = np.array([1, 2, 3, 4])
_ENDS = {3.0: 0.2, 8.0: 0.5}  # by noise: growing amplitudes stay small, damped ones come to rest
_STEPS, _FRAMES = {3.0: 0.025, 8.0: 1 / 64}, 5
_POWER_TOLERANCE = 0.2
_KNOWN_CRITICAL, _KNOWN_STATIONARY = 4.86712842849, 2.55357  # of 40-digit arithmetic

_FRACTIONS = np.array([0.0, 0.1, 0.25, 0.5, 0.75])  # of the critical noise
_QUIET, _TILT, _SPAN = 8000, 0.01, 0.1
_RATE_TOLERANCE = 0.05  # of the largest rate without noise

_BELOW, _ABOVE = (0.8, 0.9), (1.1, 1.2)
_LONG, _SETTLED, _MANY = 8.0, 6.0, 2000
_ORDERED, _DISORDERED = 0.5, 0.25
_CLUSTERED = (1.1, 1.2, 1.3, 1.4)


def noisy_tokens(progress: Progress) -> Outcome:
    """M17: n E A_k² over 300 seeds, k_max over τ/τ_c, and runs just below and above τ_c."""
    tau = critical_noise(_BETA, 2, "usa")
    verdicts = [
        compare("critical noise, relative", _KNOWN_CRITICAL, tau, 1e-9, relative=True),
        compare(
            "stationary n E A_1^2 at noise 8, closed form",
            _KNOWN_STATIONARY,
            stationary_order_parameter(_BETA, 2, 1, 8.0),
            1e-5,
        ),
    ]
    panels: list[Panel] = []
    data: dict[str, np.ndarray] = {"degrees": _DEGREES}
    for i, noise in enumerate(_ENDS):
        times, powers = _powers(noise, _SEEDS, progress, 0.3 * i)
        verdicts += _judge_powers(noise, times, powers)
        panels.append(_power_panel(noise, times, powers))
        data |= {f"times_{noise:g}": times, f"powers_{noise:g}": powers.mean(axis=0)}
    seen = np.array([_rates(fraction * tau) for fraction in _FRACTIONS])
    progress(0.65, "order beyond the critical noise")
    verdicts += _judge_rates(tau, seen)
    panels.append(_rate_panel(tau, seen))
    fractions = [(f, seed) for f in (*_BELOW, *_ABOVE) for seed in (0, 1)]
    ends = np.array([_order(f * tau, uniform(_MANY, 2, seed), seed, _LONG) for f, seed in fractions])
    progress(0.95, "order that is there already")
    pole = np.tile([1.0, 0.0], (_MANY, 1))
    stays = np.array([_order(f * tau, pole, 0, 0.5 * _LONG) for f in _CLUSTERED])
    places = np.array([f for f, _ in fractions])
    verdicts += [*_judge_order(places, ends), _judge_jump(float(stays[0]))]
    panels.append(
        Panel(
            f"order parameter at the end, largest of degrees 1 to 4, n = {_MANY}",
            r"noise over critical, $\tau/\tau_c$",
            r"$\max_k A_k$",
            (
                Curve("from uniform tokens", places, ends, "points"),
                Curve("from one cluster", np.array(_CLUSTERED), stays, "points"),
            ),
        )
    )
    data |= {"fractions": _FRACTIONS, "net_rates": seen, "noise_over_critical": places, "order": ends}
    data |= {"noise_over_critical_from_cluster": np.array(_CLUSTERED), "order_from_cluster": stays}
    return Outcome(tuple(verdicts), tuple(panels), data)


def _run(tokens: np.ndarray, noise: float, times: np.ndarray, step: float, seed: int) -> np.ndarray:
    """Tokens (time, n, 2)."""
    flow = UnnormalizedSelfAttention(_BETA, attention=Circle())
    run = simulate(flow, tokens, times, method="strang", step_size=step, noise=noise, seed=seed)
    return np.asarray(run.tokens.values)


def _powers(noise: float, seeds: int, progress: Progress, done: float) -> tuple[np.ndarray, np.ndarray]:
    """Times (t,) and n A_k² (seeds, t, degrees) from independent uniform tokens; `done` of the item before."""
    times = np.linspace(0.0, _ENDS[noise], _FRAMES)
    found = np.empty((seeds, _FRAMES, len(_DEGREES)))
    for seed in range(seeds):
        frames = _run(uniform(_N, 2, seed), noise, times, _STEPS[noise], seed)
        found[seed] = [_N * order_parameters(tokens, _DEGREES) ** 2 for tokens in frames]
        progress(done + 0.3 * seed / seeds, f"noise {noise:g}, seed {seed}")
    return times, found


def _law(noise: float, times: np.ndarray) -> np.ndarray:
    """n E A_k² (t, degrees)."""
    return np.stack([noisy_order_parameter(times, _BETA, 2, int(k), noise) for k in _DEGREES], axis=1)


def _judge_powers(noise: float, times: np.ndarray, powers: np.ndarray) -> list[Verdict]:
    """The mean over the seeds at the last time against the law, for every degree."""
    law, mean = _law(noise, times)[-1], powers.mean(axis=0)[-1]
    verdicts = [
        compare(
            f"n E A_{k}^2 at noise {noise:g}, t = {times[-1]:g}, {len(powers)} seeds",
            float(law[i]),
            float(mean[i]),
            _POWER_TOLERANCE,
            relative=True,
        )
        for i, k in enumerate(_DEGREES.tolist())
    ]
    if noise > _KNOWN_CRITICAL:
        rest = stationary_order_parameter(_BETA, 2, 1, noise)
        name = f"n E A_1^2 at noise {noise:g} against its stationary value"
        verdicts.append(compare(name, rest, float(mean[0]), _POWER_TOLERANCE, relative=True))
    return verdicts


def _power_panel(noise: float, times: np.ndarray, powers: np.ndarray) -> Panel:
    fine = np.linspace(0.0, times[-1], 100)
    law, mean = _law(noise, fine), powers.mean(axis=0)
    error = powers.std(axis=0) / np.sqrt(len(powers))
    curves: list[Curve] = []
    for i, k in enumerate(_DEGREES.tolist()):
        curves.append(Curve(f"degree {k}", fine, law[:, i], predicted=True, color=i))
        low, high = mean[:, i] - error[:, i], mean[:, i] + error[:, i]
        curves.append(Curve("", times, mean[:, i], "points", low=low, high=high, color=i))
    title = f"noise {noise:g}: dashed law, points mean of {len(powers)} runs, n = {_N}"
    return Panel(title, "time t", r"$n\,\mathrm{E}A_k^2$", tuple(curves), log_y=noise < _KNOWN_CRITICAL)


def _rates(noise: float) -> list[float]:
    """Net rates of the degrees: half the difference of two quiet starts, tilted both ways, under the same noise.

    What noise alone does to a mode is the same in both and falls out; so does every even power of the tilt.
    """
    times, found = np.array([0.0, _SPAN]), []
    for k in _DEGREES.tolist():
        two = [_run(equispaced(_QUIET, sign * _TILT, k), noise, times, 0.1 * _SPAN, 0) for sign in (1, -1)]
        start, end = (
            abs(moments(angles(up), k)[k] - moments(angles(down), k)[k]) for up, down in zip(*two, strict=True)
        )
        found.append(float(np.log(end / start)) / _SPAN)
    return found


def _judge_rates(tau: float, seen: np.ndarray) -> list[Verdict]:
    wanted = [dominant_degree(_BETA, 2, fraction * tau, "usa") for fraction in _FRACTIONS.tolist()]
    found = _DEGREES[np.argmax(seen, axis=1)].tolist()
    outcome: Agreement = "agrees" if found == wanted else "disagrees"
    places = ", ".join(f"{fraction:g}" for fraction in _FRACTIONS)
    law = np.array([growth_rates(_BETA, 2, _DEGREES, "usa", noise=f * tau) for f in _FRACTIONS.tolist()])
    # Damped modes sink into what is left of the noise: rates are compared where a mode loses less than half.
    kept = law * _SPAN > -0.7
    worst = float((np.abs(seen - law)[kept] / law.max()).max())
    return [
        Verdict("k_max over the noise", outcome, wanted, found, None, "", f"at {places} of the critical noise"),
        compare("net rates, of the largest without noise", 0.0, worst, _RATE_TOLERANCE),
    ]


def _rate_panel(tau: float, seen: np.ndarray) -> Panel:
    fine = np.linspace(0.0, 1.0, 50)
    law = np.array([growth_rates(_BETA, 2, _DEGREES, "usa", noise=f * tau) for f in fine.tolist()])
    curves: list[Curve] = []
    for i, k in enumerate(_DEGREES.tolist()):
        curves.append(Curve(f"degree {k}", fine, law[:, i], predicted=True, color=i))
        curves.append(Curve("", _FRACTIONS, seen[:, i], "points", color=i))
    return Panel("net growth rates", r"noise over critical, $\tau/\tau_c$", r"$\lambda_k-\tau k^2$", tuple(curves))


def _order(noise: float, tokens: np.ndarray, seed: int, end: float) -> float:
    """The largest order parameter, its mean over the last quarter of a run to `end`."""
    times = np.concatenate([[0.0], np.linspace(end * _SETTLED / _LONG, end, 9)])
    frames = _run(tokens, noise, times, 0.02, seed)[1:]
    return float(np.mean([order_parameters(frame, _DEGREES) for frame in frames], axis=0).max())


def _judge_order(places: np.ndarray, ends: np.ndarray) -> list[Verdict]:
    """Below the critical noise every run orders, above it none."""
    verdicts = []
    for name, chosen, good in (
        ("uniform tokens order below the critical noise", places < 1.0, ends >= _ORDERED),
        ("uniform tokens stay disordered above it", places > 1.0, ends <= _DISORDERED),
    ):
        count, total = int(good[chosen].sum()), int(chosen.sum())
        outcome: Agreement = "agrees" if count == total else "disagrees"
        span = f"A = {ends[chosen].min():.3g} to {ends[chosen].max():.3g}"
        where = ", ".join(f"{f:g}" for f in np.unique(places[chosen]))
        verdicts.append(Verdict(name, outcome, total, count, None, "runs", f"{span} at {where} of the critical noise"))
    return verdicts


def _judge_jump(order: float) -> Verdict:
    """Whether order that is there already outlives the critical noise, by the sign of c."""
    one, two = (float(growth_rates(_BETA, 2, k, "usa")) / k**2 for k in (1, 2))
    cubic = one * (2.0 * two - one) / (2.0 * (one - two))
    outcome: Agreement = "agrees" if (order >= _ORDERED) == (cubic > 0.0) else "disagrees"
    sentence = f"from one cluster at {_CLUSTERED[0]:g} of the critical noise; c > 0 says that order sets in with a jump"
    return Verdict("order outlives the critical noise, c", outcome, cubic, order, None, "", sentence)
