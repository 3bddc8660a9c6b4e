"""What a measurement is: a value with its uncertainty, its unit and how it was made."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

__all__ = ["Measurement"]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A measured number.

    **Fields:** `name` what was measured; `value` a float (nan when it could not be measured);
    `uncertainty` one standard error, or None when it is unknown; `unit`, for example "1/time" ("" for a
    pure number); `method` one sentence on how it was measured, or why it could not be.
    """

    name: str
    value: float
    uncertainty: float | None = None
    unit: str = ""
    method: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values (None for numbers that are not finite)."""
        fields = dataclasses.asdict(self)
        for key in ("value", "uncertainty"):
            number = fields[key]
            fields[key] = None if number is None or not math.isfinite(number) else float(number)
        return fields

    def __str__(self) -> str:
        error = "" if self.uncertainty is None else f" ± {self.uncertainty:.2g}"
        return f"{self.name} = {self.value:.10g}{error} {self.unit}".rstrip()
