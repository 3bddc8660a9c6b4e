"""The options `--processes`, `--distributed` and `--coordinator`: one run by a team of processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tokensphere.errors import InputError, check_positive_int
from tokensphere.parallel import from_environment
from tokensphere.parallel.seat import Seat

if TYPE_CHECKING:
    from tokensphere.parallel import TokenMesh
    from tokensphere.studies import Prepared

__all__ = ["asked_for_team", "follow", "join_team", "note_folder"]


def asked_for_team(processes: int | None, distributed: bool, coordinator: str | None) -> bool:
    """Whether a team is wanted. **Raises:** `InputError` for options that exclude each other."""
    if processes is not None and distributed:
        raise InputError("--processes starts a team on this machine, --distributed joins one; give only one of them")
    if coordinator is not None and not distributed:
        raise InputError("--coordinator goes with --distributed")
    if processes is not None:
        return check_positive_int(processes, "--processes") > 1
    return distributed


def join_team(processes: int | None, coordinator: str | None) -> TokenMesh | None:
    """In a process of a team: meet the others. Else supervise such processes, and end with their exit code.

    `None` for a team of one.
    """
    seat = Seat.mine()
    if seat is not None:
        from tokensphere.parallel import connect

        return connect(seat.placement)

    from tokensphere.parallel.supervise import local_team, supervise

    if processes is not None:
        sys.exit(supervise(local_team(processes), sys.argv[1:], f"--processes {processes}"))
    placement = from_environment(coordinator)
    if placement.size == 1:
        return None
    sys.exit(supervise([placement], sys.argv[1:], "--distributed (with srun or mpirun as before)"))


def note_folder(folder: Path) -> None:
    """Tell the supervisor where the run is."""
    seat = Seat.mine()
    if seat is not None:
        seat.note_folder(folder)


def follow(prepared: Prepared, folder: Path, mesh: TokenMesh, *, resume: bool) -> None:
    """Take part in a run that process 0 leads."""
    prepared.run(folder, resume=resume)
    mesh.close()
