"""Measurements on tokens: order, energy, clusters, transport, phases and distances to special states."""

from __future__ import annotations

from .alignment import AlignmentSeries, alignment
from .clusters import Clusters, clusters, count_clusters
from .densities import count_bumps, density_defect, density_distance, density_phases, density_tokens
from .energy import EnergyMonotone, energy, energy_monotone
from .order import GrowthFit, Winner, fit_growth, order_parameters, winning_degree
from .phases import Phases, phases
from .records import Measurement
from .states import KClusterDistance, k_cluster_distance, k_periodic_defect
from .transport import wasserstein, wasserstein_to_uniform

__all__ = [
    "AlignmentSeries",
    "Clusters",
    "EnergyMonotone",
    "GrowthFit",
    "KClusterDistance",
    "Measurement",
    "Phases",
    "Winner",
    "alignment",
    "clusters",
    "count_bumps",
    "count_clusters",
    "density_defect",
    "density_distance",
    "density_phases",
    "density_tokens",
    "energy",
    "energy_monotone",
    "fit_growth",
    "k_cluster_distance",
    "k_periodic_defect",
    "order_parameters",
    "phases",
    "wasserstein",
    "wasserstein_to_uniform",
    "winning_degree",
]
