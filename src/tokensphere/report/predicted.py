"""Sections of the report on what theory said before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokensphere.theory import DIAGNOSES

from .html import Markup, element, join, show, source, table

if TYPE_CHECKING:
    from tokensphere.theory import DegreeRate, EmergencePrediction

__all__ = ["predicted"]

_HOLDS = {True: "holds", False: "fails", None: "unknown"}
_CLASS = {True: "tag agrees", False: "tag disagrees", None: "tag not-applicable"}


def predicted(prediction: EmergencePrediction) -> Markup:
    """Main numbers with their hypotheses, rates of every degree, law of the exit, time scales, clusters, diagnoses."""
    parts = [_diagnoses(prediction), _numbers(prediction), _hypotheses(prediction), _rates(prediction)]
    parts += [_law(prediction), _times(prediction), _clusters(prediction)]
    return join(parts)


def _state(holds: bool | None) -> Markup:
    return element("span", _HOLDS[holds], class_=_CLASS[holds])


def _diagnoses(prediction: EmergencePrediction) -> Markup:
    if not prediction.diagnoses:
        return element("p", "No diagnosis: nothing is known to mislead these predictions.")
    rows = [(d.code, DIAGNOSES[d.code], d.message) for d in prediction.diagnoses]
    return table(["Diagnosis", "What it means", "Here"], rows)


def _numbers(prediction: EmergencePrediction) -> Markup:
    rows = [
        (
            p.name,
            f"{show(p.value)}\N{NO-BREAK SPACE}{p.unit}".strip(),
            element("code", p.formula),
            _state(p.holds),
            p.validity or "–",
            source(p.source),
        )
        for p in prediction.predictions
    ]
    columns = ["Prediction", "Value", "Formula", "Hypotheses", "Valid for", "Source"]
    return join([element("h3", "Main numbers"), table(columns, rows)])


def _hypotheses(prediction: EmergencePrediction) -> Markup:
    used: dict[tuple[str, bool | None, str], list[str]] = {}
    for p in prediction.predictions:
        for h in p.hypotheses:
            used.setdefault((h.statement, h.holds, h.detail), []).append(p.name)
    rows = [
        (statement, _state(holds), detail or "–", ", ".join(names))
        for (statement, holds, detail), names in used.items()
    ]
    if not rows:
        return Markup("")
    return join([element("h3", "Hypotheses"), table(["Hypothesis", "Here", "Because", "Needed for"], rows)])


def _rate(rate: DegreeRate, flow: str) -> float | str | None:
    if flow == "sa":
        return rate.sa
    if flow == "usa-shifted":
        return rate.usa_shifted
    return rate.usa if rate.usa is not None else f"10^{rate.usa_log10:.6g}"


def _rates(prediction: EmergencePrediction) -> Markup:
    law, race = prediction.law, prediction.measured
    arrivals = {} if race is None else dict(zip(race.degrees, race.times, strict=True))
    rows = [
        (
            str(rate.degree),
            rate.multiplicity,
            _rate(rate, prediction.flow),
            rate.net,
            None if law is None else law.probability(rate.degree),
            arrivals.get(rate.degree),
        )
        for rate in prediction.rates
    ]
    columns = ["Degree k", "Multiplicity D_k", "Rate λ_k (1/t)", "Relative", "P(k wins)", "Arrival, this start (t)"]
    switch, second = prediction.switch, prediction.runner_up
    sentence = (
        f"Degree {prediction.k_max} grows fastest; degree {second.degree} follows at {show(second.ratio)} of its rate. "
        f"The fastest degree changes from {switch.lower} to {switch.upper} at β = {show(switch.beta)}."
    )
    return join([element("h3", "Growth rates"), element("p", sentence), table(columns, rows, numeric=True)])


def _law(prediction: EmergencePrediction) -> Markup:
    law = prediction.law
    if law is None:
        return Markup("")
    rows = [
        ("Tokens n", prediction.n),
        ("Threshold δ", law.threshold),
        ("Median exit (t)", law.median),
        ("Mean exit (t)", law.mean),
        ("Central 90 % (t)", f"{show(law.quantile(0.05))} to {show(law.quantile(0.95))}"),
        ("P(exit at t = 0)", law.atom),
        ("Most probable winner", law.winner),
        (f"Tokens for P({prediction.k_max} wins) = 0.9", prediction.tokens_for_90),
        ("Effective neighbours", prediction.effective_neighbours),
    ]
    rows = [(name, value) for name, value in rows if value is not None]
    return join(
        [element("h3", "Law of the exit over uniform starts"), table(["Quantity", "Value"], rows, numeric=True)]
    )


def _times(prediction: EmergencePrediction) -> Markup:
    times = prediction.times
    named = {
        "Leading order, ln(δ√n)/λ_max": times.leading,
        "Median of the law": times.median,
        "Mean of the law": times.mean,
        "Mean, slowed by the self-term": times.corrected,
        "This start": times.measured,
    }
    rows = [(name, d.time, d.folds, d.over_log_n, d.layers) for name, d in named.items() if d is not None]
    scales = [
        ("λ_max (1/t)", times.rate),
        ("One e-fold, 1/λ_max (t)", times.e_fold),
        ("Per unit of ln n, 1/(2 λ_max) (t)", times.per_log_n),
        ("Room, ln(δ√n) (e-folds)", times.room),
        ("Factor of one layer", times.layer_factor),
        ("Factor of one projected layer", times.layer_factor_projected),
        ("Critical noise τ_c (1/t)", prediction.critical_noise),
    ]
    columns = ["End of the linear phase", "t", "e-folds", "t / ln n", "Layers"]
    return join(
        [
            element("h3", "Time scales"),
            table(columns, rows, numeric=True),
            table(["Scale", "Value"], [(n, v) for n, v in scales if v is not None], numeric=True),
        ]
    )


def _clusters(prediction: EmergencePrediction) -> Markup:
    state = prediction.cluster_state
    rows: list[tuple[str, object]] = []
    if prediction.cluster_angles is not None:
        rows.append(("Predicted angles (rad)", prediction.cluster_angles))
    if state is not None:
        rows += [
            ("Clusters k", state.k),
            ("State", state.verdict),
            ("Internal rate s (1/t)", state.internal_rate),
            ("Drift rates ω_m (1/t)", state.drift_rates),
            ("Lifetime from asymmetry 10⁻⁴ rad (t)", state.lifetime(1e-4)),
        ]
    if not rows:
        return Markup("")
    return join([element("h3", "State of k equal clusters"), table(["Quantity", "Value"], rows)])
