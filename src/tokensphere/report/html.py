"""Small pieces of HTML. Every text is escaped here, so that nothing else has to remember to."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["Markup", "element", "join", "show", "source", "table", "text"]

_PAPER = re.compile(r"\[?\b(\d{4}\.\d{5})\b\]?")


class Markup(str):
    """A piece of HTML that is already escaped."""

    __slots__ = ()


def text(value: Any) -> Markup:
    """Any value as escaped text; :class:`Markup` passes through."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def join(parts: Iterable[Any]) -> Markup:
    """Pieces of HTML one after the other."""
    return Markup("".join(text(part) for part in parts))


def element(tag: str, *content: Any, **attributes: Any) -> Markup:
    """`<tag attributes>content</tag>`; a trailing underscore of an attribute's name is dropped (`class_`)."""
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{pairs}>{join(content)}</{tag}>")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "", numeric: bool = False) -> Markup:
    """A table that becomes cards (or, of numbers, scrolls) on a narrow screen; the first cell of a row is its header.

    `numeric`: all columns but the first are numbers, aligned right. An empty table is an empty text.
    """
    body = [[cell if isinstance(cell, Markup) else text(show(cell)) for cell in row] for row in rows]
    if not body:
        return Markup("")
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in columns)))
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, data_label=name) for name, cell in zip(columns[1:], row[1:], strict=True)),
        )
        for row in body
    ]
    parts = [element("caption", caption)] if caption else []
    inner = element("table", *parts, head, element("tbody", *lines), class_="numeric" if numeric else "cards")
    return element("div", inner, class_="scroll", tabindex="0")


def show(value: Any) -> str:
    """A value as a person reads it: numbers in 6 significant digits, lists with commas, "–" for nothing."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(show(item) for item in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {show(item)}" for key, item in value.items()) or "–"
    return str(value)


def source(name: str) -> str:
    """A source with the numbers of papers spelt out."""
    return _PAPER.sub(r"arXiv:\1", name)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = f"{value:.6g}"
    mantissa, _, exponent = digits.partition("e")
    if exponent:
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        digits = f"{mantissa}·10{raised}"
    return digits.replace("-", "−")
