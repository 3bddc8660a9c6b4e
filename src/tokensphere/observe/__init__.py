"""Measurements on tokens: order, energy, clusters, transport, phases and distances to special states."""

from __future__ import annotations

from .alignment import AlignmentSeries, alignment
from .centres import RenyiCentres, mass_near, renyi_centres
from .clusters import Clusters, clusters, count_clusters
from .densities import count_bumps, density_defect, density_distance, density_phases, density_tokens
from .energy import EnergyMonotone, energy, energy_monotone
from .hemisphere import Hemisphere, in_hemisphere
from .metastable import MetastableState, Plateau, displacement_modes, metastable_states, plateaus
from .order import GrowthFit, Winner, fit_growth, order_parameters, winning_degree
from .phases import Phases, phases
from .rank import TokenRank, token_rank
from .records import Measurement
from .states import KClusterDistance, k_cluster_distance, k_periodic_defect
from .to_density import wasserstein_of_runs, wasserstein_to_density
from .transport import wasserstein, wasserstein_to_uniform

__all__ = [
    "AlignmentSeries",
    "Clusters",
    "EnergyMonotone",
    "GrowthFit",
    "Hemisphere",
    "KClusterDistance",
    "Measurement",
    "MetastableState",
    "Phases",
    "Plateau",
    "RenyiCentres",
    "TokenRank",
    "Winner",
    "alignment",
    "clusters",
    "count_bumps",
    "count_clusters",
    "density_defect",
    "density_distance",
    "density_phases",
    "density_tokens",
    "displacement_modes",
    "energy",
    "energy_monotone",
    "fit_growth",
    "in_hemisphere",
    "k_cluster_distance",
    "k_periodic_defect",
    "mass_near",
    "metastable_states",
    "order_parameters",
    "phases",
    "plateaus",
    "renyi_centres",
    "token_rank",
    "wasserstein",
    "wasserstein_of_runs",
    "wasserstein_to_density",
    "wasserstein_to_uniform",
    "winning_degree",
]
