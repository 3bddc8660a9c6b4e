"""Predictions in closed form or from small equations: what to expect before anything is simulated."""

from .alignment import AlignmentLimit, alignment_limit, alignment_orbit
from .clusters import ClusterState, cluster_angles, k_cluster_state, merger_time
from .degrees import DegreeSwitch, RunnerUp, degree_switches, dominant_degree, nearest_switch, runner_up
from .diagnose import diagnose, near_uniform
from .emergence import DegreeRate, Duration, EmergencePrediction, TimeScales
from .equiangular import (
    equiangular_curve,
    equiangular_layer_count,
    equiangular_layer_time,
    equiangular_layers,
    equiangular_rate,
    equiangular_time,
)
from .exit_law import ExitLaw, exit_law, tokens_needed
from .grenier import Expansion, grenier_expansion
from .growth import (
    FLOWS,
    RateOverflowError,
    cluster_energy,
    effective_neighbours,
    growth_rates,
    log_growth_rates,
    log_normaliser,
    partition,
    self_term_factor,
    self_term_slowdown,
    uniform_energy,
)
from .heat import heat_clock, heat_factors, heat_ratios, heat_regime, heat_variance
from .kernels import CircleKernel, circle_kernel, kernel_rates
from .noise import critical_noise, noisy_order_parameter, stationary_order_parameter
from .noisy_exit import NoisyExit, noisy_exit
from .pairing import first_merger, pair_in_clock, pair_product, pair_rate, pair_time
from .predict import predict_emergence
from .quasi_linear import QuasiLinear, grenier_order, grenier_time, manifold_distance, quasi_linear_amplitude
from .race import RaceResult, race
from .records import DIAGNOSES, Diagnosis, Hypothesis, Prediction, to_json
from .rotations import rotation_rates
from .timescales import (
    critical_tilt,
    dobrushin_constant,
    layer_factors,
    layers_to_exit,
    leading_exit_time,
    linear_room,
    white_noise_tokens,
)

__all__ = [
    "DIAGNOSES",
    "FLOWS",
    "AlignmentLimit",
    "CircleKernel",
    "ClusterState",
    "DegreeRate",
    "DegreeSwitch",
    "Diagnosis",
    "Duration",
    "EmergencePrediction",
    "ExitLaw",
    "Expansion",
    "Hypothesis",
    "NoisyExit",
    "Prediction",
    "QuasiLinear",
    "RaceResult",
    "RateOverflowError",
    "RunnerUp",
    "TimeScales",
    "alignment_limit",
    "alignment_orbit",
    "circle_kernel",
    "cluster_angles",
    "cluster_energy",
    "critical_noise",
    "critical_tilt",
    "degree_switches",
    "diagnose",
    "dobrushin_constant",
    "dominant_degree",
    "effective_neighbours",
    "equiangular_curve",
    "equiangular_layer_count",
    "equiangular_layer_time",
    "equiangular_layers",
    "equiangular_rate",
    "equiangular_time",
    "exit_law",
    "first_merger",
    "grenier_expansion",
    "grenier_order",
    "grenier_time",
    "growth_rates",
    "heat_clock",
    "heat_factors",
    "heat_ratios",
    "heat_regime",
    "heat_variance",
    "k_cluster_state",
    "kernel_rates",
    "layer_factors",
    "layers_to_exit",
    "leading_exit_time",
    "linear_room",
    "log_growth_rates",
    "log_normaliser",
    "manifold_distance",
    "merger_time",
    "near_uniform",
    "nearest_switch",
    "noisy_exit",
    "noisy_order_parameter",
    "pair_in_clock",
    "pair_product",
    "pair_rate",
    "pair_time",
    "partition",
    "predict_emergence",
    "quasi_linear_amplitude",
    "race",
    "rotation_rates",
    "runner_up",
    "self_term_factor",
    "self_term_slowdown",
    "stationary_order_parameter",
    "to_json",
    "tokens_needed",
    "uniform_energy",
    "white_noise_tokens",
]
