"""Run folders as such: names, whole files, room on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tokensphere.errors import InputError

__all__ = ["DiskFullError", "RunError", "check_room", "disk_full", "free_folder", "versions", "write_text"]

_BYTES_LEFT_FREE = 64 * 2**20


class RunError(RuntimeError):
    """A run had to stop; the message says what was saved and how to go on."""


class DiskFullError(RunError):
    """There is no room left on the disk: no other run could go on either."""


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `parent/name-2`, … : the first that does not exist."""
    folder, count = parent / name, 1
    while folder.exists():
        count += 1
        folder = parent / f"{name}-{count}"
    return folder


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def disk_full(folder: Path, command: str) -> Iterator[None]:
    """Turn the error of a full disk into a :class:`DiskFullError` that says how to go on: with `command`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFullError(
            f"the disk is full; what was saved in {folder} is intact. Free some space, then: {command}"
        ) from None


def check_room(folder: Path, needed: int) -> None:
    """Refuse a run of `needed` bytes that the disk of `folder` cannot take: `InputError`."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + _BYTES_LEFT_FREE > free:
        raise InputError(
            f"this run needs about {needed / 1e9:.2f} GB, but {place} has {free / 1e9:.2f} GB free; "
            "use fewer solve.frames or another --out"
        )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import importlib.metadata as metadata

    names = ("tokensphere", "jax", "jaxlib", "diffrax", "equinox", "ducc0", "numpy", "scipy", "zarr")
    return {name: metadata.version(name) for name in names}
