"""The manifest of a sweep, `sweep.json`: what belongs to it and how far it is. Written whole or not at all.

What a run folder holds is the truth about a run; the manifest says which folders there are and keeps the errors.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokensphere.errors import InputError

from ..folder import write_text
from ..store import RunStore
from .plan import Plan

__all__ = ["FORMAT", "Entry", "Manifest", "finished"]

FORMAT = "tokensphere sweep 1"
RunState = Literal["pending", "running", "complete", "failed"]


@dataclass
class Entry:
    """One run: its `parameters` by dotted key, its `folder` beside the manifest, its `state` and `error`."""

    parameters: dict[str, Any]
    folder: str
    state: RunState = "pending"
    error: str | None = None


@dataclass
class Manifest:
    """A sweep on disk. `axes` are the dimensions of its grid, empty for a list; `key` is that of its plan."""

    name: str
    key: str
    study: dict[str, Any]
    axes: list[dict[str, Any]]
    figure: str | None
    runs: list[Entry]

    @classmethod
    def of(cls, plan: Plan) -> Manifest:
        """The manifest of a sweep that has not begun."""
        axes = [dataclasses.asdict(axis) | {"values": list(axis.values)} for axis in plan.axes]
        runs = [Entry(point.parameters, point.folder) for point in plan.points]
        return cls(plan.name, plan.key, plan.study, axes, plan.figure, runs)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest in `folder`. **Raises:** `InputError` if there is none or it is damaged."""
        path = folder / "sweep.json"
        if not path.is_file():
            raise InputError(f"no sweep at {folder}: it has no sweep.json")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("format") != FORMAT:
                raise ValueError("another format")
            runs = [Entry(**entry) for entry in data.pop("runs")]
            return cls(**data, runs=runs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is damaged ({error}); the runs beside it are intact: remove it and give the same command again"
            ) from None

    def write(self, folder: Path) -> None:
        """Write `folder/sweep.json`."""
        write_text(folder / "sweep.json", json.dumps({"format": FORMAT} | dataclasses.asdict(self), indent=1) + "\n")

    def count(self, state: RunState) -> int:
        """How many runs are in `state`."""
        return sum(entry.state == state for entry in self.runs)


def finished(folder: Path) -> bool:
    """Whether the run in `folder` is complete and judged."""
    return (folder / "verdicts.json").is_file() and RunStore.status(folder / "run.zarr") == "complete"
