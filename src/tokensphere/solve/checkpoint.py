"""Checkpoints: a `State` on disk, whole or not at all.

Layout: one line with the SHA-256 of the rest, one line of JSON (format, key of the study, shapes, numbers), then the
array leaves as written by `equinox.tree_serialise_leaves`. A checkpoint is written to a temporary name, flushed to
the disk and renamed, so a kill or a full disk leaves the one before it in place.

Many processes write a part each, `NAME-STEPS-RANKofSIZE.bin`, and then one of them the checkpoint itself, which holds
no arrays but names the parts with their digests: it is the commit mark of the set. The parts of the set before it are
removed only after that, so that at any moment one whole set is there. Any number of processes can read it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.flows import SPACES
from tokensphere.parallel import Shard

from .events import Fired
from .loop import State

__all__ = ["CheckpointError", "load_checkpoint", "remove_checkpoint", "save_checkpoint"]

_FORMAT = "tokensphere checkpoint 2"
_OPENING = json.dumps({"format": _FORMAT})[:-1].encode()
_ARRAYS = ("points", "velocity")


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged or belongs to another study; the message says which and what to do."""


def save_checkpoint(path: Path, state: State, key: str, shard: Shard | None = None) -> None:
    """Write `state` to `path` atomically. `key` names the study it belongs to.

    With `shard` every process of its mesh calls this with its own slice, and only tokens, not what fills up, are kept.
    """
    arrays = {name: np.asarray(getattr(state, name)) for name in _ARRAYS}
    if shard is None:
        _write(path, _body(_header(state, key) | {"arrays": _shapes(arrays)}, arrays))
        _remove_parts(path)
        return
    arrays = {name: array[: shard.count] for name, array in arrays.items()}
    mesh = shard.mesh
    names = [f"{path.stem}-{state.steps}-{rank}of{mesh.size}{path.suffix}" for rank in range(mesh.size)]
    digest = _write(path.with_name(names[mesh.rank]), _body({"key": key, "arrays": _shapes(arrays)}, arrays))
    # Returns when all parts are on the disk.
    digests = mesh.gather(np.frombuffer(digest.encode(), dtype=np.uint8)).astype(np.uint8)
    if mesh.rank == 0:
        parts = [
            {"name": name, "start": rank * shard.block, "digest": bytes(digests[rank]).decode()}
            for rank, name in enumerate(names)
        ]
        _write(path, _body(_header(state, key) | {"n": shard.n, "parts": parts}, {}))
        _remove_parts(path, keep=names)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and its parts."""
    path.unlink(missing_ok=True)
    _remove_parts(path)


def _remove_parts(path: Path, keep: Sequence[str] = ()) -> None:
    name = re.compile(rf"{re.escape(path.stem)}-\d+-\d+of\d+{re.escape(path.suffix)}(\.partial)?")
    for part in path.parent.iterdir():
        if name.fullmatch(part.name) and part.name not in keep:
            part.unlink(missing_ok=True)


def _header(state: State, key: str) -> dict[str, Any]:
    scalars = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in _ARRAYS}
    scalars["space"] = state.space.name
    scalars["values"] = [value.hex() for value in state.values]
    scalars["fired"] = [[fired.name, fired.time.hex()] for fired in state.fired]
    # float.hex keeps every bit
    numbers = {name: value.hex() if isinstance(value, float) else value for name, value in scalars.items()}
    return {"key": key, "state": numbers}


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    return {name: [str(array.dtype), list(array.shape)] for name, array in arrays.items()}


def _body(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, arrays)
    return json.dumps({"format": _FORMAT} | header).encode() + b"\n" + buffer.getvalue()


def _write(path: Path, body: bytes) -> str:
    """Write a file whole or not at all; returns the digest of `body`."""
    digest = hashlib.sha256(body).hexdigest()
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            file.write(digest.encode() + b"\n" + body)
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
    return digest


def load_checkpoint(path: Path, key: str, shard: Shard | None = None) -> State:
    """Read a state back, whichever number of processes wrote it.

    **Arguments:** `shard`: read the slice of this process only, filled up to its length.

    **Raises:** :class:`CheckpointError` if a file is missing, truncated, altered, or its key is not `key`.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; remove the folder and start the run again")
    header, payload = _read(path)
    if header["key"] != key:
        raise CheckpointError(f"the checkpoint {path} belongs to another study; resume with the study it was made with")
    if "parts" in header:
        arrays: dict[str, Any] = _read_parts(path, header, shard)
    else:
        arrays = _arrays(header, payload)
        if shard is not None:
            arrays = {name: array[shard.start : shard.start + shard.count] for name, array in arrays.items()}
    if shard is not None:
        arrays = {name: shard.fill(array) for name, array in arrays.items()}
    scalars = dict(header["state"])
    for name in ("t", "size", "memory", "error", "taken"):
        scalars[name] = float.fromhex(scalars[name])
    scalars["space"] = SPACES[scalars["space"]]
    scalars["values"] = tuple(float.fromhex(value) for value in scalars["values"])
    scalars["fired"] = tuple(Fired(name, float.fromhex(time)) for name, time in scalars["fired"])
    return State(**arrays, **scalars)


def _read(path: Path, expected: str | None = None) -> tuple[dict[str, Any], bytes]:
    digest, _, body = path.read_bytes().partition(b"\n") if path.is_file() else (b"", b"", b"")
    found = hashlib.sha256(body).hexdigest()
    if digest != found.encode() or expected not in (None, found) or not body.startswith(_OPENING):
        raise CheckpointError(
            f"the checkpoint {path} is {'truncated or damaged' if path.is_file() else 'missing'}; the saved frames are "
            "intact and can be read, but the run cannot continue from here: start it again in a new folder"
        )
    line, _, payload = body.partition(b"\n")
    return json.loads(line), payload


def _arrays(header: dict[str, Any], payload: bytes) -> dict[str, np.ndarray]:
    skeleton = {name: np.zeros(shape, dtype) for name, (dtype, shape) in header["arrays"].items()}
    arrays: dict[str, np.ndarray] = eqx.tree_deserialise_leaves(io.BytesIO(payload), skeleton)
    return arrays


def _read_parts(path: Path, header: dict[str, Any], shard: Shard | None) -> dict[str, np.ndarray]:
    """The rows of one slice (`None`: all) from the parts that hold any of them."""
    first, last = (0, header["n"]) if shard is None else (shard.start, shard.start + shard.count)
    pieces = []
    ends = [part["start"] for part in header["parts"][1:]] + [header["n"]]
    for part, end in zip(header["parts"], ends, strict=True):
        if part["start"] < last and end > first:
            arrays = _arrays(*_read(path.with_name(part["name"]), part["digest"]))
            rows = slice(max(first - part["start"], 0), last - part["start"])
            pieces.append({name: array[rows] for name, array in arrays.items()})
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in _ARRAYS}
