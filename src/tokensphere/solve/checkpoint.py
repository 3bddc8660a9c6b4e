"""Checkpoints: a `State` on disk, whole or not at all.

Layout: one line with the SHA-256 of the rest, one line of JSON (format, key of the study, shapes, numbers), then the
array leaves as written by `equinox.tree_serialise_leaves`. A checkpoint is written to a temporary name, flushed to
the disk and renamed, so a kill or a full disk leaves the one before it in place.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from pathlib import Path

import equinox as eqx
import numpy as np

from .events import Fired
from .loop import State

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]

_FORMAT = "tokensphere checkpoint 1"
_OPENING = json.dumps({"format": _FORMAT})[:-1].encode()
_ARRAYS = ("tokens", "velocity")


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged or belongs to another study; the message says which and what to do."""


def save_checkpoint(path: Path, state: State, key: str) -> None:
    """Write `state` to `path` atomically. `key` names the study it belongs to."""
    buffer = io.BytesIO()
    arrays = {name: np.asarray(getattr(state, name)) for name in _ARRAYS}
    eqx.tree_serialise_leaves(buffer, arrays)
    payload = buffer.getvalue()
    scalars = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in _ARRAYS}
    scalars["values"] = [value.hex() for value in state.values]
    scalars["fired"] = [[fired.name, fired.time.hex()] for fired in state.fired]
    header = {
        "format": _FORMAT,
        "key": key,
        "arrays": {name: [str(array.dtype), list(array.shape)] for name, array in arrays.items()},
        # float.hex keeps every bit
        "state": {name: value.hex() if isinstance(value, float) else value for name, value in scalars.items()},
    }
    body = json.dumps(header).encode() + b"\n" + payload
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, key: str) -> State:
    """Read a state back.

    **Raises:** :class:`CheckpointError` if the file is missing, truncated, altered, or its key is not `key`.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; remove the folder and start the run again")
    digest, _, body = path.read_bytes().partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode() or not body.startswith(_OPENING):
        raise CheckpointError(
            f"the checkpoint {path} is truncated or damaged; the saved frames are intact and can be read, "
            "but the run cannot continue from here: start it again in a new folder"
        )
    line, _, payload = body.partition(b"\n")
    header = json.loads(line)
    if header["key"] != key:
        raise CheckpointError(f"the checkpoint {path} belongs to another study; resume with the study it was made with")
    skeleton = {name: np.zeros(shape, dtype) for name, (dtype, shape) in header["arrays"].items()}
    arrays = eqx.tree_deserialise_leaves(io.BytesIO(payload), skeleton)
    scalars = dict(header["state"])
    for name in ("t", "size", "memory", "error", "taken"):
        scalars[name] = float.fromhex(scalars[name])
    scalars["values"] = tuple(float.fromhex(value) for value in scalars["values"])
    scalars["fired"] = tuple(Fired(name, float.fromhex(time)) for name, time in scalars["fired"])
    return State(**arrays, **scalars)
