"""The record of everything predicted about the emergence of clusters, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .clusters import ClusterState
from .degrees import DegreeSwitch, RunnerUp
from .exit_law import ExitLaw
from .race import RaceResult
from .records import Diagnosis, Prediction, to_json

__all__ = ["DegreeRate", "Duration", "EmergencePrediction", "TimeScales"]


@dataclass(frozen=True)
class DegreeRate:
    """One degree: its multiplicity D_k and its rate in the three flows (`usa` None beyond the float range).

    `net` is the rate in the requested flow with noise subtracted, relative to its largest value over k.
    """

    degree: int
    multiplicity: int
    sa: float
    usa: float | None
    usa_log10: float
    usa_shifted: float
    net: float


@dataclass(frozen=True)
class Duration:
    """One duration four ways: `time` t, `folds` (units of 1/lambda_max), `over_log_n` t / ln n, `layers`."""

    time: float
    folds: float
    over_log_n: float
    layers: float | None


@dataclass(frozen=True)
class TimeScales:
    """Durations of the linear phase, in the flow's time.

    **Fields:** `rate` lambda_max (noise subtracted); `e_fold` 1/lambda_max; `per_log_n` 1/(2 lambda_max), the
    slope of the exit time against ln n; `room` ln(delta sqrt(n)) in e-folds; `layer_factor` and
    `layer_factor_projected` of one layer of the given step; `leading`, `median`, `mean`: exit at leading
    order and from the law; `corrected`: the mean slowed down by the self-term (SA); `measured`: exit of the
    given initial order parameters.
    """

    rate: float
    e_fold: float
    per_log_n: float
    room: float | None
    layer_factor: float | None
    layer_factor_projected: float | None
    leading: Duration | None
    median: Duration | None
    mean: Duration | None
    corrected: Duration | None
    measured: Duration | None


@dataclass(frozen=True, eq=False)
class EmergencePrediction:
    """What :func:`predict_emergence` returns.

    **Fields:** the arguments (`beta`, `dim`, `n`, `flow`, `threshold`, `step`, `layers`, `noise`); `rates` of
    every relevant degree; `k_max`, `runner_up`, `switch` (nearest switching beta, without noise);
    `log10_rate` of lambda_max in the flow's time (-inf where no degree grows); `critical_noise` (flow's time;
    None beyond the float range); `effective_neighbours` and `self_term_slowdown`; `law` of exit and winner;
    `tokens_for_90`, n at which k_max wins 90 % of runs (only computed when it does not; inf for never);
    `measured` race from the given order parameters; `winner`, the degree expected to win; `cluster_angles`
    and `cluster_state` (dim 2; None when noise keeps the uniform law stable); `times`; `predictions`;
    `diagnoses`.
    """

    beta: float
    dim: int
    n: int | None
    flow: str
    threshold: float
    step: float | None
    layers: int | None
    noise: float
    rates: tuple[DegreeRate, ...]
    k_max: int
    runner_up: RunnerUp
    switch: DegreeSwitch
    log10_rate: float
    critical_noise: float | None
    effective_neighbours: float | None
    self_term_slowdown: float | None
    law: ExitLaw | None
    tokens_for_90: float | None
    measured: RaceResult | None
    winner: int
    cluster_angles: tuple[float, ...] | None
    cluster_state: ClusterState | None
    times: TimeScales
    predictions: tuple[Prediction, ...]
    diagnoses: tuple[Diagnosis, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the diagnoses."""
        return tuple(d.code for d in self.diagnoses)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; NaN and infinities become ``None``."""
        return {name: to_json(getattr(self, name)) for name in self.__dataclass_fields__}
