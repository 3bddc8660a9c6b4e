"""How every figure looks: colours, sizes, words at the edges. One place, so that all figures read alike."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tokensphere.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DPI",
    "ENERGY",
    "FAINT",
    "HISTOGRAM",
    "INK",
    "PREDICTED",
    "SMALL",
    "SPEED",
    "UNGROUPED",
    "WIDTH",
    "cluster_color",
    "degree_colors",
    "family_colors",
    "headline",
    "in_style",
    "new_figure",
    "note",
    "short",
    "spread",
    "wrap",
]

DPI = 150
WIDTH = 7.2  # inches
SMALL = 8.0  # points
INK, FAINT, PREDICTED, UNGROUPED = "#1f2430", "#6b7280", "#c2410c", "#9aa1ac"
ENERGY, SPEED, HISTOGRAM = "#0072b2", "#009e73", "#5b7fb4"

# Okabe-Ito without its yellow, which is unreadable as a line; clusters have colours of their own (Tol, "muted").
_DEGREES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4b5563")
_CLUSTERS = ("#332288", "#44aa99", "#cc6677", "#117733", "#b8a13e", "#882255", "#5aa7d1", "#999933")

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.usetex": False,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": SMALL,
    "axes.titlecolor": FAINT,
    "axes.titlelocation": "left",
    "axes.formatter.use_mathtext": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "agg.path.chunksize": 0,
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEFT_ALONE = ("backend", "interactive", "toolbar", "webagg", "tk.", "timezone", "figure.hooks", "keymap")

P = ParamSpec("P")
R = TypeVar("R")


def in_style(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` with the settings of this file instead of the user's, and restore those afterwards.

    **Raises:** `InputError` if matplotlib is not installed.
    """

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            import matplotlib
        except ImportError:
            raise InputError("figures need matplotlib: pip install 'tokensphere[plots]'") from None
        settings: dict[Any, Any] = {
            name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith(_LEFT_ALONE)
        }
        with matplotlib.rc_context(settings | _SETTINGS):
            return function(*args, **kwargs)

    return styled


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of the common width, in inches, that belongs to nobody else."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, finding: str) -> None:
    """The finding, above everything, left-aligned, wrapped to the width of the figure."""
    columns = int(figure.get_figwidth() * 11.0)
    figure.suptitle(
        "\n".join(textwrap.wrap(finding, columns)), x=0.012, ha="left", fontsize=11.0, fontweight="bold", color=INK
    )


def note(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """A small text at `x` in data and `y` as a fraction of the axes, readable on top of lines."""
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0}
    place = {"xycoords": ("data", "axes fraction"), "xytext": (5, 0), "textcoords": "offset points"}
    axes.annotate(text, (x, y), **{**place, "fontsize": SMALL, "color": INK, "bbox": box, "va": "center", **style})


def degree_colors(degrees: Iterable[int]) -> dict[int, str]:
    """A colour for each of at most seven degrees: its own, the same in every figure, or a free one if that is taken."""
    colors: dict[int, str] = {}
    for k in degrees:
        turned = [_DEGREES[(k - 1 + i) % len(_DEGREES)] for i in range(len(_DEGREES))]
        colors[k] = next((color for color in turned if color not in colors.values()), turned[0])
    return colors


def family_colors(numbers: Iterable[int]) -> dict[int, str]:
    """A colour for each of some numbers, those of degrees while they suffice, else steps of a dark-to-light scale."""
    distinct = sorted(set(numbers))
    if all(number < len(_DEGREES) for number in distinct):
        return {number: _DEGREES[number] for number in distinct}
    if len(distinct) <= len(_DEGREES):
        return dict(zip(distinct, _DEGREES, strict=False))
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    places = [0.9 * i / (len(distinct) - 1) for i in range(len(distinct))]
    return {number: to_hex(colormaps["viridis"](place)) for number, place in zip(distinct, places, strict=True)}


def cluster_color(rank: int) -> str:
    """The colour of a cluster, by its rank in mass."""
    return _CLUSTERS[rank % len(_CLUSTERS)]


def short(value: float) -> str:
    """A number in 4 significant digits."""
    digits, _, exponent = f"{value:.4g}".partition("e")
    if exponent:
        digits += "\N{MIDDLE DOT}10" + str(int(exponent)).translate(_RAISED)
    return digits.replace("-", "\N{MINUS SIGN}")


def spread(places: Iterable[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted labels apart until neighbours are at least `gap` away, inside [low, high] where they fit.

    **Arguments:** `places` increasing; `gap` > 0; `low` < `high`.

    **Returns:** the new places, increasing, each as near its old one as a pass from either end leaves it.
    """
    out = [min(max(p, low), high) for p in places]
    for i in range(1, len(out)):
        out[i] = max(out[i], out[i - 1] + gap)
    limit = max(high, low + gap * (len(out) - 1))
    for i in range(len(out) - 1, -1, -1):
        out[i] = min(out[i], limit)
        limit = out[i] - gap
    return out


def wrap(angle: Any) -> Any:
    """Angles in [-pi, pi)."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi
