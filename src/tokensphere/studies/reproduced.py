"""A reproduced item on disk: a folder that holds all of its outcome, or that does not count.

    data.npz        what the item keeps, by name, and the curves of its panels
    verdicts.json   verdicts, panels, versions, the digest of data.npz; written last, it is the commit mark
    ID.png          the figure, which can be drawn again from the two
    failure.json    instead of them, if the item failed

Beside the verdicts stand the versions and the digest of the item's own source, so that what was computed by another
version is computed again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tokensphere.experiments import Verdict
from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel
from tokensphere.experiments.reproduce import Entry

from .folder import versions, write_text

__all__ = ["DATA", "FAILURE", "VERDICTS", "load_outcome", "save_failure", "save_outcome"]

DATA, VERDICTS, FAILURE = "data.npz", "verdicts.json", "failure.json"


def save_outcome(folder: Path, entry: Entry, outcome: Outcome, seconds: float) -> None:
    """Write an outcome that took `seconds`; a kill at any moment leaves a folder that is complete or does not count."""
    panels, arrays = _take_apart(outcome.panels)
    arrays |= {name: np.asarray(value) for name, value in outcome.data.items()}
    (folder / f"{entry.id}.png").unlink(missing_ok=True)  # of an older outcome
    digest = _write_arrays(folder / DATA, arrays)
    record = {
        "id": entry.id,
        "title": entry.title,
        "source": entry.source,
        "seconds": round(seconds, 3),
        "versions": versions(),
        "code": _code(entry),
        "data": digest,
        "verdicts": [verdict.to_dict() for verdict in outcome.verdicts],
        "panels": panels,
    }
    write_text(folder / VERDICTS, json.dumps(record, indent=2) + "\n")
    (folder / FAILURE).unlink(missing_ok=True)


def load_outcome(folder: Path, entry: Entry) -> tuple[Outcome, float] | None:
    """The outcome in `folder` and the seconds it took; `None` if there is none that is whole and of this version."""
    try:
        record = json.loads((folder / VERDICTS).read_text(encoding="utf-8"))
        if record["versions"]["tokensphere"] != versions()["tokensphere"] or record["code"] != _code(entry):
            return None
        if record["data"] != _digest(folder / DATA):
            return None
        with np.load(folder / DATA, allow_pickle=False) as stored:
            arrays = dict(stored)
        panels = _put_together(record["panels"], arrays)
        verdicts = tuple(Verdict(**verdict) for verdict in record["verdicts"])
        data = {name: value for name, value in arrays.items() if name.isidentifier()}
        return Outcome(verdicts, panels, data), float(record["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_failure(folder: Path, entry: Entry, error: str, trace: str) -> None:
    """Write down that the item failed, for a person to read; an older outcome stays as it is."""
    record = {"id": entry.id, "error": error, "traceback": trace.splitlines(), "versions": versions()}
    write_text(folder / FAILURE, json.dumps(record, indent=2) + "\n")


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write an npz file whole or not at all, flushed to the disk; its digest."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        digest = _digest(temporary)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(entry: Entry) -> str:
    """The digest of the file that holds the item: its parameters, seeds and tolerances stand there."""
    spec = importlib.util.find_spec(f"tokensphere.experiments.reproduce.{entry.home.partition(':')[0]}")
    return _digest(Path(spec.origin)) if spec is not None and spec.origin is not None else ""


def _take_apart(panels: tuple[Panel | Image, ...]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Panels as JSON values, and their arrays under names with dots, which no data can have."""
    arrays: dict[str, np.ndarray] = {}

    def plain(record: Any, name: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{name}.{field.name}"] = value
            elif field.name in ("curves", "over"):
                out[field.name] = [plain(curve, f"{name}.curve{i}") for i, curve in enumerate(value)]
            else:
                out[field.name] = value
        return out

    return [plain(panel, f"panel{i}") for i, panel in enumerate(panels)], arrays


def _put_together(panels: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> tuple[Panel | Image, ...]:
    def own(name: str) -> dict[str, Any]:
        return {key.rpartition(".")[2]: value for key, value in arrays.items() if key.rpartition(".")[0] == name}

    built: list[Panel | Image] = []
    for i, panel in enumerate(panels):
        kind = "curves" if "curves" in panel else "over"
        curves = tuple(Curve(**c, **own(f"panel{i}.curve{j}")) for j, c in enumerate(panel.get(kind, ())))
        if kind == "curves":
            built.append(Panel(**{**panel, "curves": curves}))
        else:
            built.append(Image(**{**panel, "over": curves}, **own(f"panel{i}")))
    return tuple(built)
