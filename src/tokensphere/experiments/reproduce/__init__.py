"""The catalogue: one line an item, which loads when it runs. Items of one theme share a file of this room.

A further item is a function in such a file and a line in `ITEMS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokensphere.errors import InputError, suggest

if TYPE_CHECKING:
    from tokensphere.experiments.catalogue import Item

__all__ = ["ITEMS", "Entry", "find_items", "group_names"]


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    **Fields:** `id`; `title`, what the item shows; `source`, where that stands; `seconds`, what it costs on two cores;
    `home`, as "grenier:grenier_orders", its file and function in this room; `group`, the name under which all items of
    one paper run.
    """

    id: str
    title: str
    source: str
    seconds: float
    home: str
    group: str = "emergence"

    def load(self) -> Item:
        """The item itself."""
        from tokensphere.experiments.catalogue import Item

        return Item.load(self.id, self.title, self.source, self.seconds, self.home)


_ENTRIES: tuple[Entry, ...] = (
    Entry(
        "M2", "Dominant degree over beta and dimension", "2410.23228, section 4; derived", 2, "rates:dominant_degrees"
    ),
)
ITEMS: dict[str, Entry] = {entry.id: entry for entry in _ENTRIES}


def group_names() -> list[str]:
    """The names that stand for many items, as "emergence"."""
    return list(dict.fromkeys(entry.group for entry in ITEMS.values()))


def find_items(names: Iterable[str]) -> list[Entry]:
    """The entries of these ids (in any case) and groups, each once, ordered by group and number.

    **Raises:** `InputError` that names an unknown one and the nearest known.
    """
    ids, groups = {id.lower(): id for id in ITEMS}, group_names()
    chosen: set[str] = set()
    for name in names:
        low = name.strip().lower()
        if low in ids:
            chosen.add(ids[low])
        elif low in groups:
            chosen.update(id for id, entry in ITEMS.items() if entry.group == low)
        else:
            known = [*groups, *(entry.id for entry in _ordered(ITEMS))]
            raise InputError(f"no item or group named {name!r}{suggest(name.strip(), known)}")
    return _ordered(chosen)


def _ordered(ids: Iterable[str]) -> list[Entry]:
    def place(id: str) -> tuple[int, list[tuple[int, str]]]:
        # M2 before M10: runs of digits count as numbers.
        parts = re.findall(r"\d+|\D+", id)
        return groups.index(ITEMS[id].group), [(int(p), "") if p.isdigit() else (-1, p) for p in parts]

    groups = group_names()
    return [ITEMS[id] for id in sorted(ids, key=place)]
