"""Reading values from the command line: ranges and `key=value` settings."""

from __future__ import annotations

import tomllib
from typing import Any

from tokensphere.errors import InputError

__all__ = ["parse_range", "parse_settings"]


def parse_range(text: str, name: str) -> list[float]:
    """`"5"` → [5.0]; `"1:10:19"` → 19 equally spaced numbers from 1 to 10; `"1,2,5"` → a list.

    **Raises:** `InputError` naming the option and the text.
    """
    try:
        if ":" in text:
            first, last, count = text.split(":")
            low, high, steps = float(first), float(last), int(count)
            if steps < 2:
                raise InputError(f"--{name} {text}: a range needs at least 2 values, as in 1:10:19")
            return [low + (high - low) * i / (steps - 1) for i in range(steps)]
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--{name} {text}: give a number, a list (1,2,5) or a range (first:last:count)") from None


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """`["flow.beta=9"]` → `{"flow.beta": 9}`; values are TOML, `null` for none, or plain text.

    **Raises:** `InputError` for a setting without `=`.
    """
    parsed = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key.strip():
            raise InputError(f"--set {setting}: write it as key=value, for example --set flow.beta=9")
        try:
            parsed[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed[key.strip()] = None if value.strip() == "null" else value.strip()
    return parsed
