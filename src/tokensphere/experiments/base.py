"""The contract of an experiment: what theory says about a study, what a run shows, and whether they agree."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from tokensphere.flows import AbstractNormalization, AttentionFlow

from .verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["AbstractExperiment", "Facts", "Record"]


class Record(Protocol):
    """A prediction or a measurement: whatever can be written as plain JSON values."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Facts:
    """What an experiment may know of a study before it is run.

    `flow`, resolved; `law` of the tokens, their number `n` and dimension `dim`, `ensemble` independent draws;
    `times` of the frames; `layer`, the step of one layer, or `None` for a flow in continuous time; `degrees` of
    the order parameters; `measure`, the study's thresholds by name; `noise` τ of √(2τ) dW; the normalisation `scheme`
    (`None`: Post-LN), its name and the `radius` of the tokens at first.
    """

    flow: AttentionFlow
    law: str
    n: int
    dim: int
    ensemble: int
    times: np.ndarray
    layer: float | None
    degrees: np.ndarray
    measure: Mapping[str, Any]
    noise: float = 0.0
    scheme: AbstractNormalization | None = None
    scheme_name: str = "post"
    radius: float = 1.0


class AbstractExperiment(abc.ABC):
    """Predict, measure, judge. `setting` turns the facts of a study into the record the other methods share.

    With `ensembles` the run keeps measured series of many members (`series`) and no tokens; without, the tokens of
    one.
    """

    ensembles: ClassVar[bool]

    @abc.abstractmethod
    def setting(self, facts: Facts) -> Any:
        """The record of this experiment about a study. **Raises:** `InputError` if it cannot be carried out."""

    @abc.abstractmethod
    def obstacle(self, setting: Any) -> str | None:
        """Why theory says nothing about this study, or `None`."""

    @abc.abstractmethod
    def predict(self, setting: Any, tokens: np.ndarray, weights: np.ndarray | None, order: np.ndarray) -> Record:
        """What theory says, where there is no obstacle. `tokens` at time zero, `order` their order parameters."""

    @abc.abstractmethod
    def measure(self, setting: Any, run: xarray.Dataset) -> Record:
        """Read the stored frames of a finished or interrupted run."""

    @abc.abstractmethod
    def judge(self, setting: Any, prediction: Any, seen: Any, t_end: float) -> list[Verdict]:
        """Every claim of the theory with a verdict; `prediction` is `None` if there is none."""

    def series(self, setting: Any) -> Any:
        """For ensembles: an `equinox` function of the tokens (n, dim) of a member, giving its series by name."""
        raise TypeError(f"{type(self).__name__} does not follow an ensemble")
