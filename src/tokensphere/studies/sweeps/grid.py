"""What to sweep over, as a person writes it: `beta=1:10:19`, `seed=0:8`, `n=32,64`, or a file with a list.

a:b:count   count equally spaced numbers from a to b, both included
a:b         the whole numbers a, a+1, …, b−1
a,b,c       these values
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokensphere.errors import InputError, suggest

from ..schema import study_keys

__all__ = ["Axis", "axis", "find_key", "grid_points", "parse_over", "parse_value", "read_list"]

_MOST = 1_000_000


@dataclass(frozen=True)
class Axis:
    """One swept key with its values: `key` dotted, `name` as a dimension of the results."""

    key: str
    name: str
    values: tuple[Any, ...]


def find_key(name: str) -> str:
    """The dotted study key that `name` means: itself, or the only key that ends in it.

    **Raises:** `InputError` if there is none, or more than one.
    """
    known = list(study_keys())
    if name in known:
        return name
    ends = [key for key in known if key.rpartition(".")[2] == name]
    if len(ends) > 1:
        raise InputError(f"'{name}' could be {' or '.join(ends)}; give the whole key")
    if not ends:
        short = [key.rpartition(".")[2] for key in known]
        raise InputError(f"unknown study key '{name}'{suggest(name, [*known, *short])}")
    return ends[0]


def parse_value(text: str) -> Any:
    """A value as in TOML, `null` for none, or plain text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None if text.strip() == "null" else text.strip()


def _values(text: str, said: str) -> list[Any]:
    wrong = InputError(f"{said}: write values as 1:10:19 (first:last:count), 0:8 (whole numbers 0 to 7) or 1,2,5")
    if not text.strip():
        raise wrong
    parts = text.split(":")
    if len(parts) == 1 or '"' in text or "/" in text:
        return [parse_value(part) for part in text.split(",")]
    try:
        if len(parts) == 2:
            first, last = int(parts[0]), int(parts[1])
            if not 0 < last - first <= _MOST:
                raise InputError(f"{said}: the range of whole numbers {first} to {last - 1} is empty or too long")
            return list(range(first, last))
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) > 3 or not 2 <= count <= _MOST:
            raise wrong
    except ValueError as error:
        raise error if isinstance(error, InputError) else wrong from None
    values = [low + (high - low) * i / (count - 1) for i in range(count - 1)] + [high]
    whole = all(part.strip().lstrip("+-").isdigit() for part in parts[:2]) and all(v == int(v) for v in values)
    return [int(v) for v in values] if whole else values


def axis(name: str, values: Any) -> Axis:
    """One axis from a key (perhaps short) and a text as above, or a list.

    **Raises:** `InputError` that shows the text.
    """
    said = f"--over {name}={values}"
    found = _values(values, said) if isinstance(values, str) else list(values) if isinstance(values, list) else [values]
    try:
        distinct = {json.dumps(value) for value in found}
    except TypeError:
        raise InputError(f"{said}: values must be numbers, texts, true or false") from None
    if not found or len(distinct) < len(found):
        raise InputError(f"{said}: {'a value comes twice' if found else 'there are no values'}")
    key = find_key(name.strip())
    if key == "name":
        raise InputError("--over name: every run gets a folder of its own already; sweep over another key")
    return Axis(key, key.rpartition(".")[2], tuple(found))


def parse_over(texts: Iterable[str]) -> list[Axis]:
    """Axes from `key=values` texts. **Raises:** `InputError`."""
    axes = []
    for text in texts:
        name, separator, values = text.partition("=")
        if not separator or not name.strip():
            raise InputError(f"--over {text}: write it as key=values, for example --over beta=1:10:19")
        axes.append(axis(name, values))
    return axes


def grid_points(axes: Sequence[Axis]) -> tuple[list[Axis], list[dict[str, Any]]]:
    """Every combination, the last axis fastest, as settings by dotted key; and the axes with distinct names.

    **Raises:** `InputError` if a key comes twice or there are more than a million combinations.
    """
    keys = [found.key for found in axes]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise InputError(f"--over {twice[0]} is given twice; give all its values at once")
    names = [found.name for found in axes]
    named = [found if names.count(found.name) == 1 else Axis(found.key, found.key, found.values) for found in axes]
    total = 1
    for found in named:
        total *= len(found.values)
    if total > _MOST:
        raise InputError(f"this grid has {total:,} points; at most {_MOST:,} are possible")
    return named, [dict(zip(keys, point, strict=True)) for point in itertools.product(*(a.values for a in named))]


def read_list(path: Path) -> list[dict[str, Any]]:
    """Settings by dotted key from a file: a JSON list of objects, a CSV table with keys as header, or TOML `[[runs]]`.

    **Raises:** `InputError` if it cannot be read or holds no settings.
    """
    if not path.is_file():
        raise InputError(f"no list of settings at {path}")
    kind = path.suffix.lower()
    try:
        text = path.read_text(encoding="utf-8")
        if kind == ".json":
            rows = json.loads(text)
        elif kind == ".toml":
            rows = tomllib.loads(text).get("runs")
        elif kind == ".csv":
            rows = [{k: parse_value(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))]
        else:
            raise InputError(f"{path}: a list of settings is a .json, .csv or .toml file")
    except (ValueError, AttributeError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a valid {kind[1:].upper()} list of settings: {error}") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row for row in rows):
        raise InputError(f'{path} holds no settings: give a list of tables, such as [{{"beta": 5}}, {{"beta": 6}}]')
    found = [{find_key(str(name)): value for name, value in row.items()} for row in rows]
    if len({json.dumps(row, sort_keys=True, default=str) for row in found}) < len(found):
        raise InputError(f"{path} holds the same settings twice")
    return found
