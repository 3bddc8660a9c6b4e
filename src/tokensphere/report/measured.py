"""Section of the report on what was seen in the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .html import Markup, element, join, show, table

if TYPE_CHECKING:
    from tokensphere.experiments.emergence import EmergenceMeasurement

__all__ = ["measured"]

_MOST_CLUSTERS = 20


def measured(seen: EmergenceMeasurement) -> Markup:
    """Phases, growth fits, clusters and the summary numbers."""
    return join([_summary(seen), _phases(seen), _fits(seen), _clusters(seen)])


def _summary(seen: EmergenceMeasurement) -> Markup:
    first, last = seen.energy_span
    rows: list[tuple[str, object]] = [
        ("Exit of the linear phase (t)", seen.exit_time),
        ("First degree at the threshold", seen.winner.degree),
        ("Threshold δ", seen.winner.threshold),
        ("Energy at start and end", None if math.isnan(first) else f"{show(first)} to {show(last)}"),
        ("Distance W₂ to the nearest equal-cluster state (rad)", seen.cluster_distance),
        ("Largest | |x| − 1 |", seen.norm_error),
    ]
    if seen.energy is not None:
        rows.insert(4, ("Largest energy step backwards, of the span", seen.energy.largest_decrease))
    return table(["Measurement", "Value"], rows)


def _phases(seen: EmergenceMeasurement) -> Markup:
    found, lengths = seen.phases, seen.phases.durations()
    rows = [
        ("Linear", "largest A_k below 0.1", found.start, found.linear_exit, lengths["linear"]),
        ("Quasi-linear", "largest A_k below 0.5", found.linear_exit, found.quasi_linear_exit, lengths["quasi_linear"]),
        (
            "Clustering",
            "until the squared speed is below 1 % of its peak",
            found.quasi_linear_exit,
            found.clusters_formed,
            lengths["clustering"],
        ),
        ("Metastable", "until clusters merge", found.clusters_formed, found.first_merger, lengths["metastable"]),
    ]
    columns = ["Phase", "Defined by", "From (t)", "To (t)", "Duration (t)"]
    peak = f"Tokens are fastest at t = {show(found.peak)}." if found.peak is not None else "The speed has no peak yet."
    return join([element("h3", "Phases"), table(columns, rows), element("p", peak)])


def _fits(seen: EmergenceMeasurement) -> Markup:
    rows: list[tuple[object, ...]] = []
    for degree, fit in seen.fits.items():
        if math.isfinite(fit.rate):
            window = f"{show(fit.start)} to {show(fit.stop)}"
            rows.append((str(degree), fit.rate, fit.stderr, window, fit.points, fit.r_squared, "–"))
        else:
            rows.append((str(degree), None, None, "–", fit.points, None, fit.reason))
    columns = ["Degree k", "Rate (1/t)", "Std. error", "Window (t)", "Samples", "R²", "Why there is none"]
    sentence = "Least squares of ln A_k against t over one monotone stretch below A_k = 0.05."
    return join([element("h3", "Growth fits"), element("p", sentence), table(columns, rows)])


def _clusters(seen: EmergenceMeasurement) -> Markup:
    final = seen.final
    on_circle = final.positions.shape[1] == 2
    rows: list[tuple[object, ...]] = []
    for rank in range(min(final.count, _MOST_CLUSTERS)):
        place = final.positions[rank]
        angle = math.atan2(place[1], place[0]) % (2.0 * math.pi)
        where = angle if on_circle else place[:8].tolist()
        rows.append((str(rank + 1), float(final.masses[rank]), int(final.sizes[rank]), where))
    columns = ["Cluster", "Mass", "Tokens", "Angle (rad)" if on_circle else "Position"]
    sentence = f"Tokens joined within {show(final.angle)} rad make {final.count} group{'' if final.count == 1 else 's'}"
    if final.count > _MOST_CLUSTERS:
        rest = float(final.masses[_MOST_CLUSTERS:].sum())
        sentence += f"; the {_MOST_CLUSTERS} heaviest are listed, the others have a mass of {show(rest)}"
    if not on_circle and final.positions.shape[1] > 8:
        sentence += "; the first 8 components of each position"
    return join([element("h3", "Clusters at the end"), element("p", sentence + "."), table(columns, rows)])
