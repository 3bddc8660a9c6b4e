"""What the supervisor of a team tells each of its processes, and what they tell it.

The environment holds the placement, the cores to use, a folder for notes, and the number of a pipe that stays open as
long as the supervisor lives (the leash). Notes are small files: the run folder, and why a process had to stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from .placement import Placement

__all__ = ["LOST_TOUCH", "Seat"]

LOST_TOUCH = 75  # exit code of a process that stopped because another one did
_VARIABLE = "TOKENSPHERE_SEAT"


@dataclass(frozen=True)
class Seat:
    """The place of one process of a supervised team: its `placement`, `cores` (empty: all), the folder `notes`, and
    the file descriptor `leash`."""

    placement: Placement
    cores: tuple[int, ...]
    notes: Path
    leash: int

    @staticmethod
    def mine() -> Seat | None:
        """The seat of this process, or `None` if no supervisor has started it."""
        text = os.environ.get(_VARIABLE)
        if text is None:
            return None
        data = json.loads(text)
        return Seat(Placement(**data["placement"]), tuple(data["cores"]), Path(data["notes"]), data["leash"])

    def environment(self) -> dict[str, str]:
        """The environment for the process that is to sit here."""
        data = dataclasses.asdict(self) | {"notes": str(self.notes)}
        env = os.environ | {_VARIABLE: json.dumps(data)}
        if self.cores:
            env = {"OMP_NUM_THREADS": str(len(self.cores)), "OPENBLAS_NUM_THREADS": str(len(self.cores))} | env
        return env

    def sit_down(self) -> None:
        """Keep to the cores, send what libraries print to the log, and end when the supervisor does."""
        if self.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self.cores)
        # Libraries write to the descriptors 1 and 2 (greetings of Gloo, stack traces of a lost peer); ours move away.
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, name in ((1, "stdout"), (2, "stderr")):
            getattr(sys, name).flush()
            kept = os.dup(number)
            setattr(sys, name, os.fdopen(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace"))
            os.dup2(log, number)
        os.close(log)
        threading.Thread(target=self._hold, daemon=True).start()

    def _hold(self) -> None:
        os.read(self.leash, 1)  # returns when the other end closes
        os._exit(LOST_TOUCH)

    @property
    def log(self) -> Path:
        """What libraries printed in this process."""
        return self.notes / f"log-{self.placement.rank}"

    def note_folder(self, folder: Path) -> None:
        """Tell the supervisor where the run is."""
        (self.notes / "folder").write_text(str(folder), encoding="utf-8")

    @property
    def has_folder(self) -> bool:
        """Whether the run has a folder."""
        return (self.notes / "folder").exists()

    def note_failure(self, message: str, code: int, *, common: bool) -> None:
        """Tell the supervisor why this process stops; `common`: every process of the team finds the same."""
        text = json.dumps({"message": message, "code": code, "common": common})
        (self.notes / f"failure-{self.placement.rank}").write_text(text, encoding="utf-8")

    def failure(self) -> tuple[str, int, bool] | None:
        """What `note_failure` has left, or `None`."""
        try:
            data = json.loads((self.notes / f"failure-{self.placement.rank}").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return data["message"], data["code"], data["common"]
