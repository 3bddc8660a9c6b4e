"""Read tokens from .npy, .npz and .safetensors files, with an error that says what is wrong with the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, check_tokens, check_weights
from .geometry import normalize as normalize_rows

__all__ = ["load_tokens"]


def load_tokens(
    path: str | os.PathLike[str], key: str | None = None, normalize: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return `(tokens, weights)` read from a .npy, .npz or .safetensors file.

    A file with several arrays needs `key`, unless one of them is called `tokens` or all but one are
    `weights`. An array called `weights` (n,) in a .npz or .safetensors file gives the masses, which must
    sum to 1. Half-precision and bfloat16 numbers are widened to float64; pickled objects are refused.

    **Arguments:** `path` the file; `key` the name of the array, default None; `normalize` divide every
    row by its length, default True (False: rows must already be unit vectors).

    **Returns:** tokens (n, dim) float64 unit rows, and weights (n,) float64 or None when the file has none.

    **Raises:** `InputError` for a missing or unreadable file, an unknown ending, a missing or ambiguous
    key (the message lists the keys), a shape that is not (n, dim), complex or non-numeric data, a token
    that is not finite or has zero length.
    """
    place = Path(path)
    if not place.is_file():
        raise InputError(f"no such file: {place}")
    readers: dict[str, Callable[[Path], dict[str, Callable[[], Any]]]] = {
        ".npy": _read_npy,
        ".npz": _read_npz,
        ".safetensors": _read_safetensors,
    }
    if place.suffix not in readers:
        raise InputError(f"{place.name} must end in {', '.join(readers)}, not '{place.suffix}'")
    try:
        arrays = readers[place.suffix](place)
    except InputError:
        raise
    except Exception as problem:
        raise InputError(f"{place.name} cannot be read: {_first_line(problem)}") from problem
    name = _choose(arrays, key, place)
    raw = _numbers(arrays, name, place)
    if raw.ndim != 2 or raw.shape[0] < 1 or raw.shape[1] < 2:
        raise InputError(f"'{name}' in {place.name} must have shape (n, dim) with dim >= 2, got {raw.shape}")
    tokens = normalize_rows(raw) if normalize else check_tokens(raw)
    if "weights" not in arrays or name == "weights":
        return tokens, None
    return tokens, check_weights(_numbers(arrays, "weights", place), tokens.shape[0])


def _first_line(problem: Exception) -> str:
    text = str(problem).strip()
    return text.splitlines()[0] if text else type(problem).__name__


def _choose(arrays: dict[str, Callable[[], Any]], key: str | None, place: Path) -> str:
    keys = ", ".join(arrays) or "none"
    if key is not None and place.suffix != ".npy":
        if key not in arrays:
            raise InputError(f"{place.name} has no array '{key}'; its keys are: {keys}")
        return key
    candidates = [name for name in arrays if name != "weights"]
    if "tokens" in candidates:
        return "tokens"
    if len(candidates) != 1:
        raise InputError(f"{place.name} needs key= to say which array holds the tokens; its keys are: {keys}")
    return candidates[0]


def _numbers(arrays: dict[str, Callable[[], Any]], name: str, place: Path) -> np.ndarray:
    try:
        array = np.asarray(arrays[name]())
    except Exception as problem:
        raise InputError(f"'{name}' in {place.name} cannot be read: {_first_line(problem)}") from problem
    if array.dtype.kind not in "fiu":
        raise InputError(f"'{name}' in {place.name} must hold real numbers, got {array.dtype}")
    return array.astype(np.float64)


def _read_npy(place: Path) -> dict[str, Callable[[], Any]]:
    array = np.load(place, allow_pickle=False)
    return {"tokens": lambda: array}


def _read_npz(place: Path) -> dict[str, Callable[[], Any]]:
    def read(name: str) -> Any:
        with np.load(place, allow_pickle=False) as archive:
            return archive[name]

    with np.load(place, allow_pickle=False) as archive:
        return {name: partial(read, name) for name in archive.files}


def _read_safetensors(place: Path) -> dict[str, Callable[[], Any]]:
    from safetensors import safe_open

    def read(name: str) -> Any:
        with safe_open(place, framework="numpy") as archive:
            if archive.get_slice(name).get_dtype() == "BF16":
                return _bfloat16(place, name)
            return archive.get_tensor(name)

    with safe_open(place, framework="numpy") as archive:
        return {name: partial(read, name) for name in archive.keys()}  # noqa: SIM118


def _bfloat16(place: Path, name: str) -> np.ndarray:
    """Read a bfloat16 array, which NumPy lacks: its 16 bits are the upper half of a float32."""
    with place.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        start, stop = entry["data_offsets"]
        file.seek(8 + length + start)
        bits = np.frombuffer(file.read(stop - start), dtype="<u2")
    return (bits.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
