"""What an item of the catalogue is, and what it gives back: verdicts, panels to draw, data to keep.

An *item* is one statement of a paper as a computation. It is a function of a `Progress` that returns an `Outcome`;
its `Entry` in :mod:`tokensphere.experiments.reproduce` says what it shows, where that stands and what it costs,
without loading it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from tokensphere.errors import InputError

from .verdicts import Verdict

__all__ = ["Curve", "CurveKind", "Image", "Item", "Outcome", "Panel", "Progress"]

CurveKind = Literal["points", "line", "band", "bars"]
Progress = Callable[[float, str], None]
"""`progress(fraction, text)`: an item says how far it is, from 0 to 1, and what it is doing."""


@dataclass(frozen=True)
class Curve:
    """One thing drawn in a panel.

    **Fields:** `label` in the legend (empty: none); `x`, `y` (m,), of which `y` may hold NaN where there is nothing;
    `kind`: "points", "line", "band" (from `low` to `high`, with `y` inside) or "bars" (of height `y`); `low`, `high`
    (m,): error bars, or the borders of the band; `predicted`: a prediction, drawn dashed (lines) or hollow (points);
    `color`: curves of one panel with the same number share a colour (`None`: the next one in turn).

    **Raises:** `InputError` that names the curve, for shapes that do not fit.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    kind: CurveKind = "line"
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    predicted: bool = False
    color: int | None = None

    def __post_init__(self) -> None:
        name = f"curve {self.label!r}"
        if self.kind not in get_args(CurveKind):
            raise InputError(f"{name}: kind must be one of {', '.join(get_args(CurveKind))}, got {self.kind!r}")
        if (self.low is None) != (self.high is None):
            raise InputError(f"{name}: give both low and high, or neither")
        if self.kind == "band" and self.low is None:
            raise InputError(f"{name}: a band needs low and high")
        for key in ("x", "y", "low", "high"):
            value = getattr(self, key)
            if value is not None:
                object.__setattr__(self, key, _numbers(value, f"{name}: {key}", ndim=1))
        sizes = {key: len(value) for key in ("x", "y", "low", "high") if (value := getattr(self, key)) is not None}
        if len(set(sizes.values())) != 1:
            raise InputError(f"{name}: lengths differ: {', '.join(f'{k} {v}' for k, v in sizes.items())}")
        if not np.isfinite(self.x).all():
            raise InputError(f"{name}: x must be finite")


@dataclass(frozen=True)
class Panel:
    """Curves over common axes.

    **Fields:** `title`; `x`, `y`, what the axes show, with units; `curves`; `log_x`, `log_y`, logarithmic axes;
    `equal`, one scale for both axes (a circle is round).
    """

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False
    equal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "curves", tuple(self.curves))
        _check_axes(self)
        if not self.curves:
            raise InputError(f"panel {self.title!r} has no curve")


@dataclass(frozen=True)
class Image:
    """Values over a rectangle, as a density over time and angle.

    **Fields:** `title`; `x`, `y`, what the axes show, with units; `values` (rows, columns), rows along y from below;
    `extent` (left, right, bottom, top); `label`, what the values are; `log`, a logarithmic scale of colours.
    """

    title: str
    x: str
    y: str
    values: np.ndarray
    extent: tuple[float, float, float, float]
    label: str = ""
    log: bool = False

    def __post_init__(self) -> None:
        _check_axes(self)
        object.__setattr__(self, "values", _numbers(self.values, f"image {self.title!r}: values", ndim=2))
        extent = tuple(float(edge) for edge in self.extent)
        if len(extent) != 4 or not extent[0] < extent[1] or not extent[2] < extent[3]:
            raise InputError(f"image {self.title!r}: extent must be left < right, bottom < top, got {self.extent}")
        object.__setattr__(self, "extent", extent)


@dataclass(frozen=True)
class Outcome:
    """What an item found.

    **Fields:** `verdicts`, at least one; `panels`, at least one; `data`, arrays and numbers to keep, by name.
    """

    verdicts: tuple[Verdict, ...]
    panels: tuple[Panel | Image, ...]
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdicts", tuple(self.verdicts))
        object.__setattr__(self, "panels", tuple(self.panels))
        if not self.verdicts or not self.panels:
            raise InputError("an outcome needs at least one verdict and one panel")
        for name, value in self.data.items():
            # Objects could be stored as pickles only, which run code when they are read.
            if not isinstance(name, str) or not name.isidentifier():
                raise InputError(f"data: names must be words like 'growth_rates', got {name!r}")
            if np.asarray(value).dtype.kind not in "biufcU":
                raise InputError(f"data: {name} must be numbers or texts, got {np.asarray(value).dtype}")


@dataclass(frozen=True)
class Item:
    """An item, ready to run: the fields of its entry, and `run`, from a `Progress` to an `Outcome`."""

    id: str
    title: str
    source: str
    seconds: float
    run: Callable[[Progress], Outcome]

    @classmethod
    def load(cls, id: str, title: str, source: str, seconds: float, home: str) -> Item:
        """The item whose function is `home`, as "grenier:grenier_orders", in the room `reproduce`."""
        module, _, function = home.partition(":")
        run = getattr(importlib.import_module(f".reproduce.{module}", __package__), function)
        return cls(id, title, source, seconds, run)


def _numbers(values: Any, name: str, ndim: int) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, got {type(values).__name__}") from None
    if array.ndim != ndim or array.size == 0:
        raise InputError(f"{name} must be a non-empty array with {ndim} axis(es), got shape {array.shape}")
    return array


def _check_axes(panel: Panel | Image) -> None:
    for key in ("title", "x", "y"):
        if not getattr(panel, key).strip():
            raise InputError(f"{type(panel).__name__.lower()} {panel.title!r}: {key} must say what is shown")
