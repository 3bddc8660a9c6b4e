"""Alignment of independent uniform tokens in high dimension against the equiangular curve [2312.10794].

theory:  ⟨x_i, x_j⟩ ≈ γ_β(t), the equiangular solution from ρ = 0; tokens have aligned when γ_β(t) = threshold
measured: per member the time at which half of the pairs exceed the threshold; their median over the ensemble
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError
from tokensphere.flows import NGPT, AbstractNormalization, AttentionFlow, MixNorm, UnnormalizedSelfAttention
from tokensphere.observe import AlignmentSeries
from tokensphere.theory import (
    SCHEMES,
    Hypothesis,
    Prediction,
    Scheme,
    equiangular_layer_time,
    equiangular_time,
    mix_scheme,
    ngpt_scheme,
    to_json,
)

from .base import AbstractExperiment, Facts
from .verdicts import Verdict, compare, not_applicable

if TYPE_CHECKING:
    import xarray

__all__ = ["AlignmentExperiment", "AlignmentMeasurement", "AlignmentPrediction", "Setting", "crossing_times"]

_HIGH_DIM, _LOW_BETA, _TOLERANCE = 128, 4.0, 0.15  # where, and how well, particles are known to follow the curve


@dataclass(frozen=True)
class Setting:
    """What the experiment needs to know: the flow, `n` tokens of dimension `dim`, their `law`, the `threshold` of an
    aligned pair and the step of a `layer` (`None` for a flow in continuous time); the normalisation `scheme` (`None`:
    Post-LN), its name and the first `radius`."""

    flow: AttentionFlow
    n: int
    dim: int
    law: str
    threshold: float
    layer: float | None
    scheme: AbstractNormalization | None = None
    scheme_name: str = "post"
    radius: float = 1.0

    @property
    def law_of_scheme(self) -> Scheme:
        """The scheme in :mod:`tokensphere.theory`, with its options."""
        if isinstance(self.scheme, MixNorm):
            return mix_scheme(self.scheme.switch)
        if isinstance(self.scheme, NGPT):
            assert isinstance(self.scheme.alpha, int | float)
            return ngpt_scheme(self.scheme.alpha, original=self.scheme.original)
        return SCHEMES[self.scheme_name]

    @property
    def kind(self) -> str:
        """The name of the flow in :mod:`tokensphere.theory`."""
        if not isinstance(self.flow, UnnormalizedSelfAttention):
            return "sa"
        return "usa-shifted" if self.flow.shifted else "usa"


@dataclass(frozen=True)
class AlignmentPrediction:
    """`crossing`, when γ_β = threshold in the mode of the run; `flow_crossing`, the same in continuous time."""

    crossing: Prediction
    flow_crossing: Prediction

    @property
    def time(self) -> float:
        """The predicted crossing time, infinite if there is none."""
        value = self.crossing.value
        return float("inf") if value is None else float(value)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"crossing": self.crossing.to_dict(), "flow_crossing": self.flow_crossing.to_dict()}


@dataclass(frozen=True)
class AlignmentMeasurement:
    """Crossing times over the ensemble.

    **Fields:** `members`; `crossed`, how many have half of their pairs aligned by the end; `median` crossing time
    (`None` unless more than half of the members crossed), `low` and `high`, its 10 % and 90 % quantiles likewise;
    `aligned` and `mean_inner`, their means over the members in the last frame.
    """

    members: int
    crossed: int
    median: float | None
    low: float | None
    high: float | None
    aligned: float
    mean_inner: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


def crossing_times(times: np.ndarray, aligned: np.ndarray) -> np.ndarray:
    """When each member has half of its pairs aligned, between frames by linear interpolation.

    **Arguments:** `times` (frames,); `aligned` (frames, members), fractions of pairs.

    **Returns:** (members,); infinity for members that have not.
    """
    reached = aligned >= 0.5
    first = reached.argmax(axis=0)
    rows = np.arange(aligned.shape[1])
    after, before = aligned[first, rows], aligned[np.maximum(first - 1, 0), rows]
    gain = np.where(first > 0, after - before, 1.0)
    fraction = np.where(first > 0, (0.5 - before) / np.where(gain > 0, gain, 1.0), 0.0)
    found = times[np.maximum(first - 1, 0)] + fraction * (times[first] - times[np.maximum(first - 1, 0)])
    return np.asarray(np.where(reached.any(axis=0), found, np.inf))


class AlignmentExperiment(AbstractExperiment):
    """Median crossing time of an ensemble against the equiangular curve, for the flow and for layers."""

    ensembles = True

    def setting(self, facts: Facts) -> Setting:
        if facts.n < 2:
            raise InputError("experiment = 'alignment' speaks of pairs and needs tokens.n >= 2")
        threshold = facts.measure["threshold"]
        normalisation = facts.scheme, facts.scheme_name, facts.radius
        return Setting(facts.flow, facts.n, facts.dim, facts.law, threshold, facts.layer, *normalisation)

    def series(self, setting: Setting) -> AlignmentSeries:
        return AlignmentSeries(setting.threshold)

    def obstacle(self, setting: Setting) -> str | None:
        if setting.law != "uniform":
            return f"the equiangular curve starts from independent uniform tokens, and tokens.law is '{setting.law}'"
        if setting.flow.causal:
            return "the equiangular curve is for tokens that all see each other, and the flow is causal"
        for name in ("value", "query_key"):
            matrix = getattr(setting.flow, name)
            if matrix is not None and not (np.ndim(matrix) == 0 and matrix == 1.0):
                return f"the equiangular curve is for V = B = I, and {name} is given"
        if getattr(setting.scheme, "scale_logits", False):
            return "the equiangular curve of LN-Scaling is for logits that are not scaled"
        return None

    def predict(
        self, setting: Setting, tokens: np.ndarray, weights: np.ndarray | None, order: np.ndarray
    ) -> AlignmentPrediction:
        beta, n, kind, level = setting.flow.beta, setting.n, setting.kind, setting.threshold
        hypotheses = (
            Hypothesis(f"dim >= {_HIGH_DIM}", setting.dim >= _HIGH_DIM, f"dim = {setting.dim}"),
            Hypothesis(f"beta <= {_LOW_BETA:g}", beta <= _LOW_BETA, f"beta = {beta:g}"),
            Hypothesis("flow = sa", kind == "sa", f"flow = {kind}"),
            Hypothesis("scheme = post", setting.scheme is None, f"scheme = {setting.scheme_name}"),
        )
        rules: dict[str, Any] = {"scheme": setting.law_of_scheme, "radius": setting.radius}

        def made(name: str, value: float, formula: str) -> Prediction:
            found = value if np.isfinite(value) else None
            validity = f"median over members within {_TOLERANCE}"
            return Prediction(name, found, "time", formula, "2312.10794", hypotheses, validity)

        flow_crossing = made(
            "crossing in the flow", equiangular_time(level, beta, n, kind, **rules), "gamma_beta(t) = threshold"
        )
        if setting.layer is None:
            return AlignmentPrediction(flow_crossing, flow_crossing)
        in_layers = equiangular_layer_time(level, setting.layer, beta, n, kind, **rules)
        formula = "1-rho' = (1-rho)(1+step(a-b))^2/r'^2, t = step * layer"
        return AlignmentPrediction(made("crossing in layers", in_layers, formula), flow_crossing)

    def measure(self, setting: Setting, run: xarray.Dataset) -> AlignmentMeasurement:
        aligned = run.aligned.values
        found = crossing_times(run.time.values, aligned)
        middle: dict[str, float | None] = {}
        for name, level in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
            # "lower" and "higher" neighbours, so that a member that never crosses does not make others infinite
            value = float(np.quantile(found, level, method="inverted_cdf"))
            middle[name] = value if np.isfinite(value) else None
        return AlignmentMeasurement(
            members=len(found),
            crossed=int(np.isfinite(found).sum()),
            aligned=float(aligned[-1].mean()),
            mean_inner=float(run.mean_inner.values[-1].mean()),
            **middle,
        )

    def judge(
        self,
        setting: Setting,
        prediction: AlignmentPrediction | None,
        seen: AlignmentMeasurement,
        t_end: float,
    ) -> list[Verdict]:
        name = "median crossing time"
        if prediction is None:
            return [not_applicable(name, self.obstacle(setting) or "no prediction", measured=seen.median, unit="time")]
        failing = [h for h in prediction.crossing.hypotheses if h.holds is False]
        reason = None
        if failing:
            said = ", ".join(f"{h.statement} (here {h.detail})" for h in failing)
            reason = f"agreement to {_TOLERANCE} is known for {said} only"
        elif seen.median is None:
            reason = f"only {seen.crossed} of {seen.members} members crossed by t = {t_end:g}; raise solve.t_end"
        if reason is not None:
            value = prediction.crossing.value
            return [not_applicable(name, reason, predicted=value, measured=seen.median, unit="time")]
        assert seen.median is not None
        return [compare(name, prediction.time, seen.median, _TOLERANCE, unit="time", source="2312.10794")]
