"""Time: steppers that stay on the sphere, events, the loop, checkpoints."""

from __future__ import annotations

from .batch import run_batch
from .checkpoint import CheckpointError, load_checkpoint, remove_checkpoint, save_checkpoint
from .clocked import ClockedFlow
from .coarsen import coarsen, default_delta
from .ensemble import Ensemble
from .events import Event, Fired, Moment, all_within, energy_slope_below, linear_exit
from .evolve import evolve
from .geodesic import exponential, step_with_noise
from .grows import GrowthModes, degree_content, what_grows
from .linearise import Linearisation, linearise
from .linearise_density import DensityLinearisation, linearise_density
from .loop import Integrator, SolveError, State
from .noise import Noise, deviation
from .simulate import simulate
from .tableaus import METHODS, Tableau, tableau

__all__ = [
    "METHODS",
    "CheckpointError",
    "ClockedFlow",
    "DensityLinearisation",
    "Ensemble",
    "Event",
    "Fired",
    "GrowthModes",
    "Integrator",
    "Linearisation",
    "Moment",
    "Noise",
    "SolveError",
    "State",
    "Tableau",
    "all_within",
    "coarsen",
    "default_delta",
    "degree_content",
    "deviation",
    "energy_slope_below",
    "evolve",
    "exponential",
    "linear_exit",
    "linearise",
    "linearise_density",
    "load_checkpoint",
    "remove_checkpoint",
    "run_batch",
    "save_checkpoint",
    "simulate",
    "step_with_noise",
    "tableau",
    "what_grows",
]
