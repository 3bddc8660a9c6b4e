"""What a prediction is: a value with its formula, its hypotheses and its source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, suggest

__all__ = ["DIAGNOSES", "Diagnosis", "Hypothesis", "Prediction", "all_hold", "to_json"]

DIAGNOSES: dict[str, str] = {
    "TIE": "two degrees grow at nearly the same rate, or no degree wins 90 % of the runs at this n",
    "NEAR_TIE": "the winner is decided at this n, but the runner-up grows more than 90 % as fast",
    "NO_LINEAR_PHASE": "less than one e-folding between the initial fluctuations and the threshold",
    "DEPTH_TOO_SMALL": "the layers end before any degree reaches the threshold",
    "GUARANTEE_VOID": "the propagation-of-chaos bound ends before the exit",
    "SELF_DOMINATED": "each token attends mostly to itself; mean-field rates do not apply",
    "FEW_NEIGHBOURS": "fewer than 10 effective neighbours; the race law and mean-field rates do not hold",
    "NOISE_STABILISES": "the noise is at or above critical: the uniform law is stable and no cluster emerges",
    "NOT_NEAR_UNIFORM": "the initial condition is not a small perturbation of the uniform law",
    "DEGREE_ONE": "the dominant degree is 1: one pole, no multi-cluster state",
    "NONSMOOTH": "the kernel has no bounded second derivative or its rates do not decay: Dobrushin's bound is void",
    "UNDER_RESOLVED": "the density has steepened beyond the resolution; its later coefficients mean nothing",
}


def to_json(value: Any) -> Any:
    """Turn records, arrays and NumPy numbers into plain JSON values; NaN and infinities become ``None``."""
    if isinstance(value, np.ndarray):
        return [to_json(x) for x in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, complex):
        return [to_json(value.real), to_json(value.imag)]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(x) for x in value]
    raise InputError(f"cannot write a {type(value).__name__} as JSON")


@dataclass(frozen=True)
class Hypothesis:
    """One assumption behind a prediction.

    **Fields:** `statement` in words or as a formula; `holds` True, False or None (cannot be told from the
    parameters); `detail` the numbers that decided.
    """

    statement: str
    holds: bool | None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"statement": self.statement, "holds": self.holds, "detail": self.detail}


def all_hold(hypotheses: Iterable[Hypothesis]) -> bool | None:
    """False if one fails, None if one is unknown, True otherwise."""
    states = [hypothesis.holds for hypothesis in hypotheses]
    return False if False in states else None if None in states else True


@dataclass(frozen=True)
class Prediction:
    """What theory says, before anything is run.

    **Fields:** `name`; `value` (number, tuple of numbers, or None when it does not exist); `unit`; `formula`;
    `source` (paper and equation, or "derived"); `hypotheses`; `validity` (where the formula may be trusted).
    """

    name: str
    value: Any
    unit: str
    formula: str
    source: str
    hypotheses: tuple[Hypothesis, ...] = ()
    validity: str = ""

    @property
    def holds(self) -> bool | None:
        """False if a hypothesis fails, None if one is unknown, True otherwise."""
        return all_hold(self.hypotheses)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; NaN and infinities become ``None``."""
        return {
            "name": self.name,
            "value": to_json(self.value),
            "unit": self.unit,
            "formula": self.formula,
            "source": self.source,
            "hypotheses": [h.to_dict() for h in self.hypotheses],
            "validity": self.validity,
        }


@dataclass(frozen=True)
class Diagnosis:
    """A known way for a prediction to mislead: a `code` of :data:`DIAGNOSES` and a one-sentence `message`.

    **Raises:** InputError for an unknown code.
    """

    code: str
    message: str

    def __post_init__(self) -> None:
        if self.code not in DIAGNOSES:
            raise InputError(f"unknown diagnosis code {self.code!r}{suggest(self.code, DIAGNOSES)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"code": self.code, "message": self.message}
