"""A verdict: a prediction and a measurement side by side, with a tolerance and one sentence."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from tokensphere.theory import to_json

__all__ = ["Agreement", "Verdict", "compare", "exact", "not_applicable"]

Agreement = Literal["agrees", "disagrees", "not applicable"]


@dataclass(frozen=True)
class Verdict:
    """One comparison.

    **Fields:** `name`; `outcome`; `predicted` and `measured` (numbers, texts or `None`); `tolerance`, the largest
    distance that still agrees (`None` where equality or an interval is asked for); `unit`; `sentence`, which says
    it in words, or why it cannot be said; `source`.
    """

    name: str
    outcome: Agreement
    predicted: Any
    measured: Any
    tolerance: float | None
    unit: str
    sentence: str
    source: str = "derived"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


def compare(
    name: str,
    predicted: float,
    measured: float,
    tolerance: float,
    *,
    unit: str = "",
    relative: bool = False,
    source: str = "derived",
) -> Verdict:
    """Agreement of two numbers to an absolute tolerance (or one relative to the prediction)."""
    scale = abs(predicted) if relative else 1.0
    distance = abs(measured - predicted)
    agrees = math.isfinite(distance) and distance <= tolerance * scale
    kind = f"{distance / scale:.2g} relative" if relative and scale else f"{distance:.2g}{' ' + unit if unit else ''}"
    limit = f"{tolerance:.2g}"
    sentence = f"differ by {kind}, {'within' if agrees else 'beyond'} {limit}"
    outcome: Agreement = "agrees" if agrees else "disagrees"
    return Verdict(name, outcome, predicted, measured, tolerance * scale, unit, sentence, source)


def exact(
    name: str, agrees: bool, predicted: Any, measured: Any, sentence: str, *, unit: str = "", source: str = "derived"
) -> Verdict:
    """A claim that holds or does not, without a tolerance: a degree, a count, a bound, a set of codes."""
    return Verdict(name, "agrees" if agrees else "disagrees", predicted, measured, None, unit, sentence, source)


def not_applicable(name: str, reason: str, *, predicted: Any = None, measured: Any = None, unit: str = "") -> Verdict:
    """No comparison is possible, and why."""
    return Verdict(name, "not applicable", predicted, measured, None, unit, reason)
