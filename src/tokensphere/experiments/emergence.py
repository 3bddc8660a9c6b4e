"""Emergence of clusters from uniformly distributed tokens: predict, measure, compare [2410.23228].

theory:  A_k(t) ≈ A_k(0) e^{λ_k t};  exit = min_k ln(δ/A_k(0))/λ_k;  clusters at (2πj − arg μ̂_k)/k
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.flows import AttentionFlow, UnnormalizedSelfAttention
from tokensphere.observe import (
    Clusters,
    EnergyMonotone,
    GrowthFit,
    Phases,
    Winner,
    clusters,
    energy_monotone,
    fit_growth,
    k_cluster_distance,
    phases,
    winning_degree,
)
from tokensphere.sphere import angles, moments
from tokensphere.theory import EmergencePrediction, growth_rates, predict_emergence, to_json

from .base import AbstractExperiment, Facts
from .noisy import LINEAR_CLAIMS, judge_noise
from .verdicts import Agreement, Verdict, compare, not_applicable

if TYPE_CHECKING:
    import xarray

__all__ = ["EmergenceExperiment", "EmergenceMeasurement", "Setting", "judge", "measure", "predict"]

_FIT_TO = 0.05
_ARRIVAL = 0.16  # of 1/lambda_max: how well the linear race knows an arrival at A = 0.1 (99 % of runs)
_VOID = ("NOT_NEAR_UNIFORM", "SELF_DOMINATED", "FEW_NEIGHBOURS", "NO_LINEAR_PHASE")  # the first that applies is named


@dataclass(frozen=True)
class Setting:
    """What the experiment needs to know of a run.

    `threshold` of the exit of the linear phase, `cluster_angle` and `cluster_mass` for counting clusters,
    `layer_step` to translate time into depth, `degrees` of the order parameters; `iid_uniform`: whether the tokens
    were drawn independently from the uniform law, of which alone the law of the race speaks; `layers`: discrete
    layers instead of continuous time; `noise` τ of √(2τ) dW; `scheme`, the name of the normalisation scheme, and
    whether it scales the logits.
    """

    flow: AttentionFlow
    threshold: float
    cluster_angle: float
    cluster_mass: float
    layer_step: float
    degrees: np.ndarray
    iid_uniform: bool = True
    layers: bool = False
    noise: float = 0.0
    scheme: str = "post"
    scaled_logits: bool = False

    @property
    def kind(self) -> str:
        """The name of the flow in :mod:`tokensphere.theory`."""
        if not isinstance(self.flow, UnnormalizedSelfAttention):
            return "sa"
        return "usa-shifted" if self.flow.shifted else "usa"

    @property
    def obstacle(self) -> str | None:
        """Why the theory of the uniform law does not speak about this flow, or `None`."""
        if self.layers:
            return "the predictions are for the flow in continuous time, and method = 'layer' takes discrete layers"
        if self.scheme != "post":
            other = (
                "has the clock 2 sqrt(t+1) - 2: the same tokens under 'post' at that time"
                if self.scheme == "sqrt"
                else "turns tokens at another speed"
            )
            return f"the predictions are for flow.scheme = 'post', and '{self.scheme}' {other}"
        if self.flow.causal:
            return "the predictions are for tokens that all see each other, and the flow is causal"
        for name in ("value", "query_key"):
            matrix = getattr(self.flow, name)
            if matrix is not None and not (np.ndim(matrix) == 0 and matrix == 1.0):
                return f"the predictions are for V = B = I, and {name} is given"
        return "beta = 0 has no rate to scale by" if self.flow.beta == 0 else None


def predict(setting: Setting, tokens: np.ndarray, weights: np.ndarray | None, order: np.ndarray) -> EmergencePrediction:
    """The predictions for this flow and this very initial condition (`order`, its order parameters)."""
    dim = tokens.shape[1]
    arguments = None
    if dim == 2:
        spectrum = moments(angles(tokens), int(setting.degrees[-1]), weights)
        arguments = {int(k): float(np.angle(spectrum[k])) for k in setting.degrees}
    count = len(tokens) if weights is None else round(1.0 / float(weights @ weights))
    return predict_emergence(
        setting.flow.beta,
        dim,
        max(count, 2),
        flow=setting.kind,
        threshold=setting.threshold,
        step=setting.layer_step,
        noise=setting.noise,
        order_parameters=dict(zip(setting.degrees.tolist(), order.tolist(), strict=True)),
        moment_argument=arguments,
    )


@dataclass(frozen=True)
class EmergenceMeasurement:
    """What was seen in a run.

    **Fields:** `exit_time` of the linear phase (`None` if not reached); `winner`, the first degree at the
    threshold; `fits`, the growth rate of every degree; `phases`; `final`, the clusters at the end, and `positions`,
    their angles (dim 2); `cluster_distance`, W2 to the nearest k-cluster state, k the winner (dim 2); `energy`, its
    monotonicity; `energy_span`, first and last value; `norm_error`, the largest | |x_i| − 1 |; `first_order` and
    `last_order`, the order parameters at the start and the end.
    """

    exit_time: float | None
    winner: Winner
    fits: dict[int, GrowthFit]
    phases: Phases
    final: Clusters
    positions: tuple[float, ...] | None
    cluster_distance: float | None
    energy: EnergyMonotone | None
    energy_span: tuple[float, float]
    norm_error: float
    first_order: tuple[float, ...] = ()
    last_order: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the clusters without the label of every token."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain["final"] = {"masses": self.final.masses, "sizes": self.final.sizes, "angle": self.final.angle}
        return to_json(plain)


def _series(run: xarray.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times, order parameters, energy and speed at the finest resolution that was kept."""
    if "step_order" not in run:
        return run.time.values, run.order.values, run.energy.values, run.speed.values
    first = run.isel(time=0)
    return (
        np.concatenate([[float(first.time)], run.step_time.values]),
        np.concatenate([first.order.values[None], run.step_order.values]),
        np.concatenate([[float(first.energy)], run.step_energy.values]),
        np.concatenate([[float(first.speed)], run.step_speed.values]),
    )


def measure(setting: Setting, run: xarray.Dataset) -> EmergenceMeasurement:
    """Read a finished run: growth rates, phases, clusters, energy, winner."""
    times, order, energy, speed = _series(run)
    exit_time = run.attrs["events"].get("linear_exit")
    linear = times <= (np.inf if exit_time is None else exit_time)
    fits = {
        int(k): fit_growth(times[linear], order[linear, i], max(float(order[0, i]), 1e-300), _FIT_TO)
        if 0 < order[0, i] < 0.5 * _FIT_TO
        else GrowthFit(
            np.nan, np.nan, np.nan, np.nan, 0, np.nan, f"starts at {order[0, i]:.3g}, too near the threshold"
        )
        for i, k in enumerate(setting.degrees)
    }
    winner = winning_degree(times, order, setting.degrees, setting.threshold)
    if (order[0] >= setting.threshold).any():
        winner = Winner(int(setting.degrees[np.argmax(order[0])]), float(times[0]), setting.threshold)
    frame_speed = np.interp(run.time.values, times, speed)
    left = exit_time is not None  # tokens that never left the uniform law form no clusters
    found = phases(run.time.values, run.order.values, *((frame_speed, run.clusters.values) if left else ()))
    last = run.isel(time=-1)
    tokens, weights = last.tokens.values, run.weights.values
    final = clusters(tokens, setting.cluster_angle, weights)
    on_circle = tokens.shape[1] == 2
    # A cluster that closes around the circle may have no mean direction.
    big = (final.masses >= setting.cluster_mass) & np.isfinite(final.positions).all(axis=1)
    positions: tuple[float, ...] | None = None
    if on_circle:
        positions = tuple(np.sort(angles(final.positions[big]) % (2 * np.pi)).tolist()) if big.any() else ()
    distance = None
    if on_circle and winner.degree is not None:
        distance = k_cluster_distance(tokens, winner.degree, weights).distance
    sign = setting.flow.gradient_sign
    monotone = None if sign is None or np.isnan(energy).any() else energy_monotone(times, sign * energy)
    norms = max(
        float(np.abs(np.linalg.norm(run.tokens.isel(time=i).values, axis=1) - 1.0).max())
        for i in (0, run.sizes["time"] - 1)
    )
    return EmergenceMeasurement(
        exit_time=exit_time,
        winner=winner,
        fits=fits,
        phases=found,
        final=final,
        positions=positions,
        cluster_distance=distance,
        energy=monotone,
        energy_span=(float(energy[0]), float(energy[-1])),
        norm_error=norms,
        first_order=tuple(order[0].tolist()),
        last_order=tuple(order[-1].tolist()),
    )


def judge(
    setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement, t_end: float
) -> list[Verdict]:
    """Every claim of the theory about this run, with a verdict. `prediction` is `None` if there is none."""
    verdicts = []
    if prediction is None:
        verdicts.append(not_applicable("emergence from the uniform law", setting.obstacle or "no prediction"))
    else:
        void = sorted((d for d in prediction.diagnoses if d.code in _VOID), key=lambda d: _VOID.index(d.code))
        reason = f"{void[0].code}: {void[0].message}" if void else None
        if reason is None and prediction.k_max > setting.degrees[-1]:
            reason = f"degrees up to {setting.degrees[-1]} are measured, and the dominant one is {prediction.k_max}"
        if setting.noise:
            verdicts += judge_noise(setting, prediction, seen, t_end, reason, _ARRIVAL)
        else:
            verdicts += _linear_phase(setting, prediction, seen, t_end, reason)
            verdicts += _clustering(setting, prediction, seen, reason)
    verdicts.append(_energy(setting, seen))
    return verdicts


def _linear_phase(
    setting: Setting,
    prediction: EmergencePrediction,
    seen: EmergenceMeasurement,
    t_end: float,
    void: str | None,
) -> list[Verdict]:
    names = LINEAR_CLAIMS
    race, law = prediction.measured, prediction.law
    assert race is not None
    if void is None and race.winner is None:
        void = "no degree grows"
    if void is None and seen.exit_time is None:
        void = f"the run ended at t = {t_end:g}, before the predicted exit at {race.exit_time:.4g}; raise solve.t_end"
    if void is not None:
        return [not_applicable(name, void) for name in names]
    assert seen.exit_time is not None
    assert seen.winner.degree is not None
    rate_name, exit_name, winner_name, law_exit, law_winner = names
    verdicts = []

    winner = seen.winner.degree
    fit = seen.fits[winner]
    # Softmax attention attends to itself too, which slows every rate alike.
    slow = prediction.self_term_slowdown or 1.0
    rate = slow * float(growth_rates(setting.flow.beta, prediction.dim, [winner], setting.kind)[0])
    if np.isfinite(fit.rate):
        verdicts.append(compare(rate_name, rate, fit.rate, 0.05, unit="1/time", relative=True))
    else:
        verdicts.append(not_applicable(rate_name, fit.reason, predicted=rate, unit="1/time"))

    slowed = "" if slow == 1.0 else f" (slowed by the factor {slow:.4g} of the self-term)"
    top = slow * prediction.times.rate
    arrives = compare(exit_name, race.exit_time / slow, seen.exit_time, _ARRIVAL / top, unit="time")
    verdicts.append(dataclasses.replace(arrives, sentence=arrives.sentence + slowed))
    arrival = race.times[race.degrees.index(winner)]
    close = (arrival - race.exit_time) * prediction.times.rate <= _ARRIVAL
    first, second = sorted([*race.times, np.inf])[:2]
    margin = f"degree {race.winner} leads the race by {(second - first) * prediction.times.rate:.2g}/lambda_max"
    if not np.isfinite(second):
        margin = f"no other measured degree arrives but {race.winner}"
    if close and winner != race.winner:
        margin += f", a photo finish (within {_ARRIVAL}/lambda_max)"
    verdicts.append(_exact(winner_name, close, race.winner, winner, margin))

    if law is None or not setting.iid_uniform:
        reason = "no law with noise" if law is None else "the tokens were not drawn from the uniform law"
        return [*verdicts, not_applicable(law_exit, reason), not_applicable(law_winner, reason)]
    low, high = law.quantile(0.005) / slow, law.quantile(0.995) / slow
    inside = low <= seen.exit_time <= high
    sentence = f"{'inside' if inside else 'outside'} the central 99 % of the law, [{low:.4g}, {high:.4g}]"
    verdicts.append(_exact(law_exit, inside, law.median / slow, seen.exit_time, sentence, unit="time"))
    chance = law.probability(winner)
    odds = ", ".join(f"{k}: {law.probability(k):.3f}" for k in law.degrees if law.probability(k) > 0.005)
    sentence = f"the law gives degree {winner} a probability of {chance:.3f}"
    verdicts.append(_exact(law_winner, chance >= 0.005, odds, winner, sentence))
    return verdicts


def _clustering(
    setting: Setting, prediction: EmergencePrediction, seen: EmergenceMeasurement, void: str | None
) -> list[Verdict]:
    number, place = "number of clusters", "cluster angles"
    if prediction.dim != 2:
        reason = f"in dim {prediction.dim} the dominant degree does not say how many clusters form"
        return [not_applicable(number, reason), not_applicable(place, reason)]
    if void is None and seen.phases.clusters_formed is None:
        void = "the clusters have not formed by the end of the run"
    if void is not None:
        return [not_applicable(number, void), not_applicable(place, void)]
    assert seen.positions is not None
    assert prediction.cluster_angles is not None
    found, wanted = len(seen.positions), prediction.winner
    sentence = f"clusters of mass >= {setting.cluster_mass:g}, tokens joined within {setting.cluster_angle:g} rad"
    verdicts = [_exact(number, found == wanted, wanted, found, sentence, source="2410.23228")]
    if found != wanted:
        return [*verdicts, not_applicable(place, f"{found} clusters formed, not {wanted}")]
    predicted, places = np.sort(np.asarray(prediction.cluster_angles) % (2 * np.pi)), np.asarray(seen.positions)
    # One to one, in cyclic order: the best of the k ways to begin.
    turned = np.stack([np.roll(predicted, shift) for shift in range(wanted)])
    worst = float(np.abs(np.angle(np.exp(1j * (places - turned)))).max(axis=1).min())
    agrees = worst <= 0.2
    outcome: Agreement = "agrees" if agrees else "disagrees"
    sentence = (
        f"the farthest cluster is {worst:.2g} rad from its predicted angle, {'within' if agrees else 'beyond'} 0.2"
    )
    shown = [round(float(a), 4) for a in predicted]
    measured = [round(a, 4) for a in seen.positions]
    return [*verdicts, Verdict(place, outcome, shown, measured, 0.2, "rad", sentence, "2410.23228")]


def _energy(setting: Setting, seen: EmergenceMeasurement) -> Verdict:
    name = "energy is monotone"
    if setting.noise:
        return not_applicable(name, f"noise of intensity {setting.noise:g} moves tokens against the gradient too")
    if setting.scaled_logits:
        return not_applicable(name, "with scaled logits the energy itself changes with time")
    if setting.flow.causal:
        return not_applicable(name, "causal attention has no energy: what one token sees, another does not")
    if setting.flow.gradient_sign is None:
        return not_applicable(name, "this flow is no gradient flow (V is not B or -B, or B is not symmetric)")
    if seen.energy is None:
        return not_applicable(name, "the energy exceeds the floating-point range")
    word = "increasing" if setting.flow.gradient_sign == 1 else "decreasing"
    span = f"from {seen.energy_span[0]:.6g} to {seen.energy_span[1]:.6g}"
    worst = seen.energy.largest_decrease
    sentence = f"{f'the largest step against it is {worst:.1e} of the span' if worst else 'never turns back'}, {span}"
    return _exact(name, seen.energy.monotone, word, word if seen.energy.monotone else "not monotone", sentence)


def _exact(
    name: str,
    agrees: bool,
    predicted: Any,
    measured: Any,
    sentence: str,
    *,
    unit: str = "",
    source: str = "derived",
) -> Verdict:
    return Verdict(name, "agrees" if agrees else "disagrees", predicted, measured, None, unit, sentence, source)


class EmergenceExperiment(AbstractExperiment):
    """Clusters from uniformly distributed tokens, with the functions of this file."""

    ensembles = False

    def setting(self, facts: Facts) -> Setting:
        measure = facts.measure
        return Setting(
            facts.flow,
            threshold=measure["exit"],
            cluster_angle=measure["cluster_angle"],
            cluster_mass=measure["cluster_mass"],
            layer_step=measure["layer_step"],
            degrees=facts.degrees,
            iid_uniform=facts.law == "uniform",
            layers=facts.layer is not None,
            noise=facts.noise,
            scheme=facts.scheme_name,
            scaled_logits=getattr(facts.scheme, "scale_logits", False),
        )

    def obstacle(self, setting: Setting) -> str | None:
        return setting.obstacle

    def predict(
        self, setting: Setting, tokens: np.ndarray, weights: np.ndarray | None, order: np.ndarray
    ) -> EmergencePrediction:
        return predict(setting, tokens, weights, order)

    def measure(self, setting: Setting, run: xarray.Dataset) -> EmergenceMeasurement:
        return measure(setting, run)

    def judge(
        self,
        setting: Setting,
        prediction: EmergencePrediction | None,
        seen: EmergenceMeasurement,
        t_end: float,
    ) -> list[Verdict]:
        return judge(setting, prediction, seen, t_end)
