"""One process of a team: the command of its supervisor, carried out together with the others."""

from __future__ import annotations

import os
import sys
import traceback

from tokensphere.parallel.seat import LOST_TOUCH, Seat

from . import failure

__all__ = ["main"]


def main() -> None:
    """Entry point of a process that :mod:`tokensphere.parallel.supervise` has started."""
    seat = Seat.mine()
    assert seat is not None
    seat.sit_down()
    from .app import app

    try:
        app(exit_on_error=False, print_error=False)
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            return
        _leave(seat, error)


def _leave(seat: Seat, error: BaseException) -> None:
    """Note why, and end at once: waiting for the others, as JAX does at a regular exit, would be in vain."""
    explained = failure(error)
    if explained is None:
        traceback.print_exception(error)
        code = 1
    else:
        message, code = explained
        lost = code == LOST_TOUCH
        # What is wrong with the input is found by all before the run has a folder.
        # An interruption, which all have agreed on, comes as it is or behind the sentence that says how to go on.
        interrupted = any(isinstance(one, KeyboardInterrupt) for one in (error, error.__context__))
        common = interrupted or type(error).__name__ == "SolveError" or (code == 2 and not seat.has_folder)
        seat.note_failure(message, code, common=common and not lost)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
