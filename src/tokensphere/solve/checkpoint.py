"""Checkpoints: a `State` on disk, whole or not at all.

Layout: one line of JSON (format, key of the study, shapes, length and SHA-256 of the rest), then the array leaves
as written by `equinox.tree_serialise_leaves`. A checkpoint is written to a temporary name, flushed to the disk and
renamed, so a kill or a full disk leaves the one before it in place.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.jaxsetup import jax, jnp

from .events import Fired
from .loop import State

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]

_FORMAT = "tokensphere checkpoint 1"
_ARRAYS = ("tokens", "velocity", "memory")


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged or belongs to another study; the message says which and what to do."""


def save_checkpoint(path: Path, state: State, key: str) -> None:
    """Write `state` to `path` atomically. `key` names the study it belongs to."""
    buffer = io.BytesIO()
    arrays = {name: getattr(state, name) for name in _ARRAYS}
    eqx.tree_serialise_leaves(buffer, arrays)
    payload = buffer.getvalue()
    scalars = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in _ARRAYS}
    scalars["fired"] = [dataclasses.asdict(fired) for fired in state.fired]
    header = {
        "format": _FORMAT,
        "key": key,
        "arrays": jax.tree.map(lambda leaf: [str(leaf.dtype), list(leaf.shape)], arrays),
        "bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        # float.hex keeps every bit
        "state": {name: value.hex() if isinstance(value, float) else value for name, value in scalars.items()},
    }
    header["state"]["values"] = [value.hex() for value in state.values]
    header["state"]["fired"] = [[fired.name, fired.time.hex()] for fired in state.fired]
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, key: str) -> State:
    """Read a state back.

    **Raises:** :class:`CheckpointError` if the file is missing, truncated, altered, or its key is not `key`.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; start the run again without --resume")
    line, _, payload = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(line)
        whole = header["format"] == _FORMAT and header["bytes"] == len(payload)
        whole = whole and header["sha256"] == hashlib.sha256(payload).hexdigest()
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise CheckpointError(
            f"the checkpoint {path} is truncated or damaged; the saved frames are intact and can be read, "
            "but the run cannot continue from here: start it again in a new folder"
        )
    if header["key"] != key:
        raise CheckpointError(f"the checkpoint {path} belongs to another study; resume with the study it was made with")
    arrays = eqx.tree_deserialise_leaves(io.BytesIO(payload), _skeleton(header["arrays"]))
    scalars = dict(header["state"])
    for name in ("t", "size", "error", "taken"):
        scalars[name] = float.fromhex(scalars[name])
    scalars["values"] = tuple(float.fromhex(value) for value in scalars["values"])
    scalars["fired"] = tuple(Fired(name, float.fromhex(time)) for name, time in scalars["fired"])
    return State(**arrays, **scalars)


def _skeleton(shapes: dict[str, Any]) -> dict[str, Any]:
    """Zero arrays of the stored shapes and types, in the stored structure."""

    def zeros(entry: Any) -> Any:
        if len(entry) == 2 and isinstance(entry[0], str):
            return jnp.zeros(tuple(entry[1]), dtype=np.dtype(entry[0]))
        return tuple(zeros(part) for part in entry)

    return {name: zeros(entry) for name, entry in shapes.items()}
