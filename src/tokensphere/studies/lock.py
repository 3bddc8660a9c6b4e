"""A lock on a folder: two processes never write the same run or sweep.

The lock is an advisory lock of the operating system on a small file that names its holder. The system gives it back
when the holder ends, however it ends, so a file left behind by a killed process does not stand in anyone's way.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without advisory locks: nothing is locked
    fcntl = None  # type: ignore[assignment]

from tokensphere.errors import InputError

__all__ = ["LOCK", "LockedError", "locked"]

LOCK = "lock"
_TRY_EVERY = 0.1


class LockedError(InputError):
    """Another process is writing this folder; the message names it."""


@contextlib.contextmanager
def locked(folder: Path, what: str, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of `folder` (made if it does not exist); `what` says in an error what is locked.

    **Arguments:** `wait`, seconds to wait for another holder, such as one that has just been told to end.

    **Raises:** :class:`LockedError` if another process (or thread) holds it.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    limit = time.monotonic() + wait
    while True:
        handle = _take(path)
        if handle is not None:
            break
        if time.monotonic() >= limit:
            raise LockedError(f"{what} in {folder} is being written by {_holder(path)}; wait for it or stop it")
        time.sleep(_TRY_EVERY)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is held: whoever opened it meanwhile will look again
        os.close(handle)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # if nothing was written


def _take(path: Path) -> int | None:
    """The locked file, or `None` if someone else holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == os.stat(path).st_ino:
                    return handle
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                os.close(handle)
                return None
            if error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):  # a file system without locks
                return handle
            os.close(handle)
            raise
        os.close(handle)  # its holder removed the file between our opening and our locking it


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
