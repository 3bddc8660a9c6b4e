"""Figures of a run, one a file. Importing this is cheap: matplotlib loads when the first figure is made."""

from __future__ import annotations

from .alignment import aligned_pairs
from .cluster_tree import cluster_tree
from .density import density
from .energy import energy
from .files import emergence_figures, png_bytes, save_figures
from .order import order_parameters
from .panels import panels
from .phase_diagram import phase_diagram
from .radii import radii
from .trajectories import trajectories

__all__ = [
    "aligned_pairs",
    "cluster_tree",
    "density",
    "emergence_figures",
    "energy",
    "order_parameters",
    "panels",
    "phase_diagram",
    "png_bytes",
    "radii",
    "save_figures",
    "trajectories",
]
