"""Predictions in closed form or from small equations: what to expect before anything is simulated."""

from .alignment import AlignmentLimit, alignment_limit, alignment_orbit
from .caps import CapsPrediction, caps, log_mean_field_caps_time
from .causal import causal_limit, causal_pair_product
from .centres import cap_mass, centre_angle, centre_count, parking_density, strong_centre_count
from .clocks import (
    CLOCKS,
    clock_reading,
    convert_log_time,
    log_clock_rate,
    log_pair_time,
    meeting_angle,
    pair_clock_time,
    pair_constant,
)
from .clusters import ClusterState, cluster_angles, k_cluster_state, merger_time
from .collapse import hemisphere_probability, rank_collapse
from .common_noise import common_noise_exponent
from .cones import cone_opening, cone_radii, cone_variance_rate, uniform_attention_scale
from .degrees import DegreeSwitch, RunnerUp, degree_switches, dominant_degree, nearest_switch, runner_up
from .diagnose import diagnose, near_uniform
from .emergence import DegreeRate, Duration, EmergencePrediction, TimeScales
from .equiangular import (
    EquiangularPath,
    equiangular_curve,
    equiangular_invariant,
    equiangular_layer_path,
    equiangular_layers,
    equiangular_path,
    equiangular_rate,
)
from .equiangular_levels import equiangular_layer_count, equiangular_layer_time, equiangular_time
from .exit_law import ExitLaw, exit_law, tokens_needed
from .first_state import first_state, kernel_modes
from .fixed_centres import centre_force, centre_stiffness, fixed_centres
from .frank_wolfe import VertexPaths, frank_wolfe_gap_bound, vertex_paths
from .global_collapse import (
    collapse_predictions,
    gap_bound,
    high_dimension_bound,
    mean_field_collapse,
    mean_field_rate,
    terminal_rate,
)
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
from .kuramoto import distance_to_cluster, kuramoto_couplings, kuramoto_order, kuramoto_time
from .lifetimes import lifetime_constant, log_two_cluster_lifetime, two_cluster_lifetime
from .long_context import (
    LongContext,
    competing_beta,
    critical_gamma,
    critical_gradient_gap,
    gradient_limit,
    gradient_norm,
    long_context,
    phase_bounds,
)
from .near_keys import NearKeys, effective_keys, key_regime
from .noise import critical_noise, noisy_order_parameter, stationary_order_parameter
from .noisy import critical_kappa, order_at_rest, tricritical_beta
from .noisy_exit import NoisyExit, noisy_exit
from .pairing import first_merger, pair_in_clock, pair_product, pair_rate, pair_time
from .predict import predict_emergence
from .quasi_linear import QuasiLinear, grenier_order, grenier_time, manifold_distance, quasi_linear_amplitude
from .race import RaceResult, race
from .random_values import (
    alignment_probability,
    antipodal_exponent,
    antipodal_threshold,
    random_value_drift,
    random_value_motion,
)
from .records import DIAGNOSES, Diagnosis, Hypothesis, Prediction, to_json
from .rotations import rotation_rates
from .scheme_table import SchemePrediction, predict_schemes
from .schemes import SCHEMES, Scheme, mix_scheme, ngpt_scheme, scheme_named
from .staircase import Staircase, StaircaseStep, staircase, well_prepared
from .stationary import NoisyTransition, StationaryState, noisy_transition, stationary_state, stationary_states
from .synchronization import least_radial_velocity, synchronization
from .timescales import (
    critical_tilt,
    dobrushin_constant,
    layer_factors,
    layers_to_exit,
    leading_exit_time,
    linear_room,
    usa_step,
    white_noise_tokens,
)
from .triple import free_resting_speed, free_triple, free_triple_limit

__all__ = [
    "CLOCKS",
    "DIAGNOSES",
    "FLOWS",
    "SCHEMES",
    "AlignmentLimit",
    "CapsPrediction",
    "CircleKernel",
    "ClusterState",
    "DegreeRate",
    "DegreeSwitch",
    "Diagnosis",
    "Duration",
    "EmergencePrediction",
    "EquiangularPath",
    "ExitLaw",
    "Expansion",
    "Hypothesis",
    "LongContext",
    "NearKeys",
    "NoisyExit",
    "NoisyTransition",
    "Prediction",
    "QuasiLinear",
    "RaceResult",
    "RateOverflowError",
    "RunnerUp",
    "Scheme",
    "SchemePrediction",
    "Staircase",
    "StaircaseStep",
    "StationaryState",
    "TimeScales",
    "VertexPaths",
    "alignment_limit",
    "alignment_orbit",
    "alignment_probability",
    "antipodal_exponent",
    "antipodal_threshold",
    "cap_mass",
    "caps",
    "causal_limit",
    "causal_pair_product",
    "centre_angle",
    "centre_count",
    "centre_force",
    "centre_stiffness",
    "circle_kernel",
    "clock_reading",
    "cluster_angles",
    "cluster_energy",
    "collapse_predictions",
    "common_noise_exponent",
    "competing_beta",
    "cone_opening",
    "cone_radii",
    "cone_variance_rate",
    "convert_log_time",
    "critical_gamma",
    "critical_gradient_gap",
    "critical_kappa",
    "critical_noise",
    "critical_tilt",
    "degree_switches",
    "diagnose",
    "distance_to_cluster",
    "dobrushin_constant",
    "dominant_degree",
    "effective_keys",
    "effective_neighbours",
    "equiangular_curve",
    "equiangular_invariant",
    "equiangular_layer_count",
    "equiangular_layer_path",
    "equiangular_layer_time",
    "equiangular_layers",
    "equiangular_path",
    "equiangular_rate",
    "equiangular_time",
    "exit_law",
    "first_merger",
    "first_state",
    "fixed_centres",
    "frank_wolfe_gap_bound",
    "free_resting_speed",
    "free_triple",
    "free_triple_limit",
    "gap_bound",
    "gradient_limit",
    "gradient_norm",
    "grenier_expansion",
    "grenier_order",
    "grenier_time",
    "growth_rates",
    "heat_clock",
    "heat_factors",
    "heat_ratios",
    "heat_regime",
    "heat_variance",
    "hemisphere_probability",
    "high_dimension_bound",
    "k_cluster_state",
    "kernel_modes",
    "kernel_rates",
    "key_regime",
    "kuramoto_couplings",
    "kuramoto_order",
    "kuramoto_time",
    "layer_factors",
    "layers_to_exit",
    "leading_exit_time",
    "least_radial_velocity",
    "lifetime_constant",
    "linear_room",
    "log_clock_rate",
    "log_growth_rates",
    "log_mean_field_caps_time",
    "log_normaliser",
    "log_pair_time",
    "log_two_cluster_lifetime",
    "long_context",
    "manifold_distance",
    "mean_field_collapse",
    "mean_field_rate",
    "meeting_angle",
    "merger_time",
    "mix_scheme",
    "near_uniform",
    "nearest_switch",
    "ngpt_scheme",
    "noisy_exit",
    "noisy_order_parameter",
    "noisy_transition",
    "order_at_rest",
    "pair_clock_time",
    "pair_constant",
    "pair_in_clock",
    "pair_product",
    "pair_rate",
    "pair_time",
    "parking_density",
    "partition",
    "phase_bounds",
    "predict_emergence",
    "predict_schemes",
    "quasi_linear_amplitude",
    "race",
    "random_value_drift",
    "random_value_motion",
    "rank_collapse",
    "rotation_rates",
    "runner_up",
    "scheme_named",
    "self_term_factor",
    "self_term_slowdown",
    "staircase",
    "stationary_order_parameter",
    "stationary_state",
    "stationary_states",
    "strong_centre_count",
    "synchronization",
    "terminal_rate",
    "to_json",
    "tokens_needed",
    "tricritical_beta",
    "two_cluster_lifetime",
    "uniform_attention_scale",
    "uniform_energy",
    "usa_step",
    "vertex_paths",
    "well_prepared",
    "white_noise_tokens",
]
