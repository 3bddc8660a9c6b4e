"""Verdicts on the emergence of clusters under independent noise √(2τ) dW.

theory:  λ_k − τΛ_k decides which degrees grow; every amplitude is an Ornstein–Uhlenbeck process, so that even from a
known start exit time and winner are random (:mod:`tokensphere.theory.noisy_exit`). At τ ≥ τ_c = λ_1/(d−1) none grows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tokensphere.theory import EmergencePrediction, NoisyExit, noisy_exit

from .verdicts import Verdict, compare, not_applicable

if TYPE_CHECKING:
    from .emergence import EmergenceMeasurement, Setting

__all__ = ["LINEAR_CLAIMS", "judge_noise"]

LINEAR_CLAIMS = (
    "growth rate of the winner",
    "exit of the linear phase, this start",
    "winning degree, this start",
    "exit of the linear phase, law",
    "winning degree, law",
)

_STEADY = 10.0  # power of an amplitude at the threshold over that of the noise in an e-fold
_RARE = 1e-3


def judge_noise(
    setting: Setting,
    prediction: EmergencePrediction,
    seen: EmergenceMeasurement,
    t_end: float,
    void: str | None,
    arrival: float,
) -> list[Verdict]:
    """Every claim about a run with noise.

    **Arguments:** `void`, why the linear theory does not speak about this start, or `None`; `arrival`, how well it
    knows the arrival at the threshold, in units of 1/λ_max.
    """
    stable, state = "stability of the uniform law", "order parameters under noise"
    later = [
        not_applicable(name, "the prediction is for clusters without noise")
        for name in ("number of clusters", "cluster angles")
    ]
    if void is not None:
        return [*(not_applicable(name, void) for name in (stable, state, *LINEAR_CLAIMS)), *later]
    # Softmax attention attends to itself too, which slows every rate alike.
    slow = prediction.self_term_slowdown or 1.0
    n = prediction.n
    assert n is not None

    def law(known: bool) -> NoisyExit:
        return noisy_exit(
            setting.flow.beta,
            prediction.dim,
            n,
            setting.degrees,
            setting.noise,
            setting.threshold,
            setting.kind,
            seen.first_order if known else None,
            slow,
        )

    own = law(known=True)
    verdicts = [_stability(setting, own, seen, t_end, stable), _state(own, n, seen, t_end, state)]
    if seen.exit_time is None or not (own.rates > 0).any():
        reason = "NOISE_STABILISES: no degree grows under this noise"
        if (own.rates > 0).any():
            reason = f"the run ended at t = {t_end:g}, before any exit (median {own.median:.4g}); raise solve.t_end"
        return [*verdicts, *(not_applicable(name, reason) for name in LINEAR_CLAIMS), *later]
    verdicts.append(_rate(own, seen, LINEAR_CLAIMS[0]))
    verdicts += _race(own, seen, arrival, *LINEAR_CLAIMS[1:3])
    if setting.iid_uniform:
        verdicts += _race(law(known=False), seen, arrival, *LINEAR_CLAIMS[3:])
    else:
        verdicts += [
            not_applicable(name, "the tokens were not drawn from the uniform law") for name in LINEAR_CLAIMS[3:]
        ]
    return [*verdicts, *later]


def _stability(setting: Setting, law: NoisyExit, seen: EmergenceMeasurement, t_end: float, name: str) -> Verdict:
    """Whether tokens leave the uniform law if and only if some degree grows."""
    predicted = "unstable" if (law.rates > 0).any() else "stable"
    top, degree = float(law.rates.max()), int(law.degrees[np.argmax(law.rates)])
    fact = f"degree {degree} has the largest net rate, {top:.4g}"
    if seen.exit_time is None:
        if predicted == "unstable" and law.quantile(0.995) >= t_end:
            return not_applicable(name, f"{fact}, and t = {t_end:g} is too early to tell", predicted=predicted)
        agrees, measured = predicted == "stable", f"no exit until t = {t_end:g}"
    else:
        agrees, measured = predicted == "unstable", f"exit at t = {seen.exit_time:.4g}"
    return Verdict(name, "agrees" if agrees else "disagrees", predicted, measured, None, "", fact)


def _state(law: NoisyExit, n: int, seen: EmergenceMeasurement, t_end: float, name: str) -> Verdict:
    """Where no exit has happened: every A_k at the end against its law given the start."""
    if seen.exit_time is not None:
        return not_applicable(name, "the run has left the linear phase")
    chance = law.below([t_end], n * np.asarray(seen.last_order) ** 2)[0]
    tails = 2.0 * np.minimum(chance, 1.0 - chance)
    worst = int(np.argmin(tails))
    likely = min(1.0, float(tails[worst]) * len(tails))
    sentence = (
        f"n A_k^2 of degree {law.degrees[worst]} is the least likely of {len(tails)}, a chance of {likely:.2g} "
        f"for the whole; {'not below' if likely >= _RARE else 'below'} {_RARE:g}"
    )
    return Verdict(name, "agrees" if likely >= _RARE else "disagrees", None, likely, None, "", sentence)


def _rate(law: NoisyExit, seen: EmergenceMeasurement, name: str) -> Verdict:
    """The slope of ln A_k of the winner, which noise bends by a known amount."""
    degree = seen.winner.degree
    assert degree is not None
    place = int(np.flatnonzero(law.degrees == degree)[0])
    rate, fit = float(law.rates[place]), seen.fits[degree]
    if not math.isfinite(fit.rate):
        return not_applicable(name, fit.reason, predicted=rate, unit="1/time")
    assert law.start is not None
    power = max(float(law.start[place]) * math.exp(2.0 * rate * fit.start), 1.0)
    bend = math.sqrt(law.push[place] / (max(abs(rate), 1e-12) * law.components[place] * power))
    tolerance = 0.05 * abs(rate) + 3.0 * bend / (fit.stop - fit.start)
    if tolerance > 0.5 * abs(rate):
        reason = f"noise leaves the rate read from one run uncertain by {tolerance:.2g}"
        return not_applicable(name, reason, predicted=rate, measured=fit.rate, unit="1/time")
    return compare(name, rate, fit.rate, tolerance, unit="1/time")


def _race(
    law: NoisyExit, seen: EmergenceMeasurement, arrival: float, exit_name: str, winner_name: str
) -> list[Verdict]:
    """Exit time and winner against their law."""
    assert seen.exit_time is not None
    assert seen.winner.degree is not None
    steady = law.steadiness
    if steady < _STEADY:
        reason = f"noise alone carries amplitudes across the threshold (steadiness {steady:.2g} < {_STEADY:g})"
        return [not_applicable(exit_name, reason), not_applicable(winner_name, reason)]
    margin = arrival / float(law.rates.max())
    low, high = max(law.quantile(0.005) - margin, 0.0), law.quantile(0.995) + margin
    inside = low <= seen.exit_time <= high
    sentence = (
        f"{'inside' if inside else 'outside'} the central 99 % of the law with noise and {margin:.2g} for what is not "
        f"linear, [{low:.4g}, {high:.4g}]"
    )
    verdicts = [
        Verdict(exit_name, "agrees" if inside else "disagrees", law.median, seen.exit_time, None, "time", sentence)
    ]
    chances = law.probabilities()
    chance = chances.get(seen.winner.degree, 0.0)
    odds = ", ".join(f"{k}: {p:.3f}" for k, p in chances.items() if p > 0.005)
    sentence = f"with noise degree {seen.winner.degree} has a probability of {chance:.3f}"
    outcome = "agrees" if chance >= 0.005 else "disagrees"
    verdicts.append(Verdict(winner_name, outcome, odds, seen.winner.degree, None, "", sentence))  # type: ignore[arg-type]
    return verdicts
