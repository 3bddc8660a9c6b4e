"""Run items of the catalogue one after another, each into a folder of its own.

What is complete for this version is read, not computed again. An item that fails is recorded and does not stop the
others; a full disk does. Two commands may share a folder: each item is held by one of them at a time.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokensphere.errors import InputError
from tokensphere.experiments.catalogue import Outcome
from tokensphere.experiments.reproduce import Entry
from tokensphere.theory import to_json

from .folder import disk_full
from .lock import LockedError, locked
from .reproduced import load_outcome, save_failure, save_outcome

__all__ = ["ItemProgress", "Reproduced", "reproduce"]


@dataclass(frozen=True)
class ItemProgress:
    """Where a reproduction is: item `number` of `total`, which is at `fraction` of its way and does `text`; about
    `left` seconds remain for it and the items after it."""

    entry: Entry
    number: int
    total: int
    fraction: float
    text: str
    left: float


@dataclass(frozen=True)
class Reproduced:
    """An item that is done: `outcome` if it is complete, `error` if something failed; `computed` now or before, in
    `seconds`.

    Both stand together where the outcome was saved and its figure could not be drawn.
    """

    entry: Entry
    folder: Path
    outcome: Outcome | None
    error: str | None
    computed: bool
    seconds: float

    @property
    def state(self) -> Literal["complete", "failed"]:
        """ "failed" if there is an error."""
        return "complete" if self.error is None else "failed"

    @property
    def figure(self) -> Path:
        """Where its figure stands, or would."""
        return self.folder / f"{self.entry.id}.png"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.entry.id,
            "title": self.entry.title,
            "source": self.entry.source,
            "state": self.state,
            "error": self.error,
            "computed": self.computed,
            "seconds": to_json(self.seconds),
            "folder": str(self.folder),
            "figure": str(self.figure) if self.figure.is_file() else None,
            "verdicts": [] if self.outcome is None else [verdict.to_dict() for verdict in self.outcome.verdicts],
        }


def reproduce(
    entries: Iterable[Entry],
    folder: Path,
    *,
    again: bool = False,
    report: Callable[[ItemProgress], None] | None = None,
    draw: Callable[[Reproduced], None] | None = None,
    done: Callable[[Reproduced], None] | None = None,
) -> list[Reproduced]:
    """Run these items in order, each into `folder/ID`.

    **Arguments:** `again`: compute also what is complete; `report` is called as items go on, `draw` for every item
    that has an outcome (it makes `Reproduced.figure`), `done` after it.

    **Returns:** every item, in order.

    **Raises:** `InputError` if `folder` is no folder; :class:`~tokensphere.studies.folder.DiskFullError`.
    """
    todo = list(entries)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --out")
    results = []
    for index, entry in enumerate(todo):
        place = folder / entry.id

        def tell(fraction: float, text: str, index: int = index, start: float = time.perf_counter()) -> None:
            if report is not None:
                later = sum(other.seconds for other in todo[index + 1 :])
                fraction, spent = min(max(float(fraction), 0.0), 1.0), time.perf_counter() - start
                own = spent * (1.0 / fraction - 1.0) if fraction > 0.05 else max(todo[index].seconds - spent, 0.0)
                report(ItemProgress(todo[index], index + 1, len(todo), fraction, text, own + later))

        try:
            with disk_full(folder, "the same command again"), locked(place, f"item {entry.id}"):
                result = _one(entry, place, again, tell, draw)
        except LockedError as error:
            result = Reproduced(entry, place, None, str(error), False, 0.0)
        results.append(result)
        if done is not None:
            done(result)
    return results


def _one(
    entry: Entry,
    place: Path,
    again: bool,
    tell: Callable[[float, str], None],
    draw: Callable[[Reproduced], None] | None,
) -> Reproduced:
    """One item, read or computed, saved and drawn."""
    stored = None if again else load_outcome(place, entry)
    if stored is None:
        tell(0.0, "starts")
        start = time.perf_counter()
        try:
            outcome = entry.load().run(tell)
            if not isinstance(outcome, Outcome):
                raise TypeError(f"{entry.home} returned a {type(outcome).__name__}, not an Outcome")
        except Exception as error:
            return _failed(entry, place, None, error, time.perf_counter() - start)
        seconds = time.perf_counter() - start
        save_outcome(place, entry, outcome, seconds)
    else:
        outcome, seconds = stored
    result = Reproduced(entry, place, outcome, None, stored is None, seconds)
    if draw is not None and (stored is None or not result.figure.is_file()):
        try:
            draw(result)
        except OSError:
            raise
        except Exception as error:
            return _failed(entry, place, outcome, error, seconds)
    return result


def _failed(entry: Entry, place: Path, outcome: Outcome | None, error: Exception, seconds: float) -> Reproduced:
    message = f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else str(error)
    save_failure(place, entry, message, traceback.format_exc())
    return Reproduced(entry, place, outcome, message, True, seconds)
