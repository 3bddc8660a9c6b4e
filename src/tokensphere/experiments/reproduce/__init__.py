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
    Entry("M1", "Propagation of chaos: W1 between n tokens and the density", "2410.23228; derived", 120, "chaos:chaos"),
    Entry("M2", "Dominant degree over beta and dimension", "2410.23228; derived", 2, "rates:dominant_degrees"),
    Entry("M3", "Growth rates from quiet, mixed and random starts", "2410.23228; derived", 20, "rates:growth"),
    Entry("M4", "Durations of the phases", "2410.23228; derived", 45, "times:phase_durations"),
    Entry("M5", "Which degree wins at finite n", "derived", 25, "times:winner_law"),
    Entry("M6", "The published notebook's particles", "2410.23228, notebook", 25, "notebook:particles"),
    Entry(
        "M7",
        "The published density runs: white noise, bumps and exit times",
        "2410.23228, Figure 4 and notebook; derived",
        45,
        "notebook_density:notebook_density",
    ),
    Entry("M8", "Orders of Grenier's expansion", "2410.23228, appendix C.4; derived", 1, "grenier:grenier_orders"),
    Entry("M9", "Approach to the periodic manifold", "2410.23228; derived", 2, "grenier:periodic_manifold"),
    Entry("M10", "k-periodic data reach k clusters", "2410.23228, assumption 3", 7, "clusters:periodic_data"),
    Entry("M11", "k clusters are a saddle: spectrum and lifetime", "derived", 20, "clusters:cluster_states"),
    Entry("M12", "Where the clusters stand", "2410.23228, notebook", 10, "times:positions"),
    Entry("M13", "Emergence on the sphere, d = 3, 4, 8", "derived", 35, "sphere:sphere_emergence"),
    Entry("M14", "Robustness to the start", "derived", 25, "starts:robustness_to_the_start"),
    Entry("M15", "Query, key and value matrices", "2410.23228, open question; derived", 5, "matrices:query_key_value"),
    Entry("M16", "Finite depth: layers instead of a flow", "derived", 10, "layers:finite_depth"),
    Entry("M17", "Noise: amplitudes, dominant degree, loss of order", "derived; 2606.05140", 60, "noise:noisy_tokens"),
    Entry("M18", "The self-term of softmax", "derived", 25, "layers:self_term"),
    Entry("M19", "Failure signatures", "2410.23228; rules derived", 5, "failures:failure_signatures"),
    Entry("M20", "Alignment on an eigenspace", "2509.25040, figure 1; derived", 10, "multiscale:alignment_phase"),
    Entry("M21", "Backward heat, staircase of the energy", "2509.25040, figures 2, 4", 3, "multiscale:backward_heat"),
    Entry("M22", "Forward heat against the heat kernel", "2509.25040, figure 3; derived", 1, "multiscale:forward_heat"),
    Entry("M23", "Pairing: the two-body law", "2509.25040; derived", 1, "multiscale:pairing"),
    Entry("M24", "Zonal density in three dimensions: reference", "derived", 1, "zonal:zonal_reference"),
    Entry("M24b", "Zonal, spherical and token solvers agree", "derived", 4, "zonal:three_solvers"),
    Entry("M25", "One clock apart: SA and USA", "derived", 4, "rates:time_change"),
    Entry("C1", "Energy identities", "2512.01868; heads derived", 15, "energies:energy_identities", "collective"),
    Entry(
        "C2",
        "Equiangular tokens under every scheme",
        "2510.22026; derived",
        20,
        "schemes:equiangular_reduction",
        "collective",
    ),
    Entry(
        "C3", "Speeds of the schemes: starts and ends", "2510.22026; derived", 15, "scheme_speeds:speeds", "collective"
    ),
    Entry("C4", "Exact changes of time between schemes", "derived", 10, "schemes:time_changes", "collective"),
    Entry(
        "C5",
        "Schemes under random weights",
        "2512.01868, Figure 4; derived",
        6,
        "random_layers:random_layers",
        "collective",
    ),
    Entry(
        "C6",
        "Phase diagram of alignment over time and beta",
        "2312.10794; 2512.01868, Figure 3",
        45,
        "phase_diagram:alignment_phases",
        "collective",
    ),
    Entry("C7", "One cluster: the film", "2312.10794", 1, "movie:one_cluster", "collective"),
    Entry(
        "C8",
        "Kuramoto's model and its reduction",
        "Ott, Antonsen 2008; derived",
        2,
        "correspondences:ott_antonsen",
        "collective",
    ),
    Entry("C9", "Mean shift is beta times attention", "derived", 4, "correspondences:shift_of_means", "collective"),
    Entry(
        "C10",
        "Long context: beta = gamma log n, and the scale n^(2/(d-1))",
        "2510.05554, Figure 1; 2605.08505; finite n derived",
        70,
        "long_context:long_contexts",
        "collective",
    ),
    Entry(
        "C11",
        "Long context: the gradient of one layer",
        "2510.05554, Figure 2; finite n derived",
        5,
        "long_gradient:gradient_norms",
        "collective",
    ),
    Entry("C12", "Lifetimes of two clusters", "derived", 6, "metastability:two_cluster_lifetimes", "collective"),
    Entry("C13", "The staircase figure", "2512.01868, figure 2", 4, "staircase:staircase_figure", "collective"),
    Entry("C14", "The staircase in log time", "2410.06833", 2, "metastability:theorem_staircase", "collective"),
    Entry("C15", "The kinetic example, merger by merger", "2410.06833", 9, "kinetic:kinetic_example", "collective"),
    Entry("C16", "Pairing in the log clock", "derived", 1, "metastability:pairing_clock", "collective"),
    Entry("C17", "Tokens in caps stay there", "2410.06833", 10, "caps:caps_theorem", "collective"),
    Entry(
        "C18",
        "Causal attention: a pair, and Renyi centres",
        "2411.04990; derived",
        10,
        "causal:causal_tokens",
        "collective",
    ),
    Entry(
        "C19",
        "Free tokens end at fixed centres",
        "2411.04990, corrected",
        4,
        "fixed_centres:frozen_centres",
        "collective",
    ),
    Entry(
        "C20",
        "Hulls under hardmax attention: Frank-Wolfe paths",
        "2508.09628; derived",
        6,
        "hulls:frank_wolfe_hulls",
        "collective",
    ),
    Entry(
        "C20b",
        "R^d without normalisation: polytopes, Boolean attention",
        "2305.05465; derived",
        6,
        "free_attention:free_attention",
        "collective",
    ),
    Entry(
        "C21",
        "Noise: order over kappa, and hysteresis",
        "2604.16288; derived",
        115,
        "thresholds:noisy_thresholds",
        "collective",
    ),
    Entry(
        "C22",
        "Random value matrices: meet or become antipodal",
        "2601.21942, 2604.01978; derived",
        30,
        "random_weights:random_values",
        "collective",
    ),
    Entry("C23", "Cosines in a trained model", "2512.01868, Figure 1", 1, "real_model:trained_model", "collective"),
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
