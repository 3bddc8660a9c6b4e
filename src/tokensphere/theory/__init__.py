"""Predictions in closed form or from small equations: what to expect before anything is simulated."""

from .alignment import AlignmentLimit, alignment_limit, alignment_orbit
from .clusters import ClusterState, cluster_angles, k_cluster_state, merger_time
from .collapse import hemisphere_probability, rank_collapse
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
from .lifetimes import lifetime_constant, log_two_cluster_lifetime, two_cluster_lifetime
from .long_context import LongContext, competing_beta, critical_gamma, gradient_limit, long_context
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
)
from .records import DIAGNOSES, Diagnosis, Hypothesis, Prediction, to_json
from .rotations import rotation_rates
from .scheme_table import SchemePrediction, predict_schemes
from .schemes import SCHEMES, Scheme, mix_scheme, ngpt_scheme, scheme_named
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
    "SCHEMES",
    "AlignmentLimit",
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
    "NoisyExit",
    "Prediction",
    "QuasiLinear",
    "RaceResult",
    "RateOverflowError",
    "RunnerUp",
    "Scheme",
    "SchemePrediction",
    "TimeScales",
    "alignment_limit",
    "alignment_orbit",
    "alignment_probability",
    "antipodal_exponent",
    "antipodal_threshold",
    "circle_kernel",
    "cluster_angles",
    "cluster_energy",
    "competing_beta",
    "critical_gamma",
    "critical_kappa",
    "critical_noise",
    "critical_tilt",
    "degree_switches",
    "diagnose",
    "dobrushin_constant",
    "dominant_degree",
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
    "gradient_limit",
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
    "k_cluster_state",
    "kernel_rates",
    "layer_factors",
    "layers_to_exit",
    "leading_exit_time",
    "lifetime_constant",
    "linear_room",
    "log_growth_rates",
    "log_normaliser",
    "log_two_cluster_lifetime",
    "long_context",
    "manifold_distance",
    "merger_time",
    "mix_scheme",
    "near_uniform",
    "nearest_switch",
    "ngpt_scheme",
    "noisy_exit",
    "noisy_order_parameter",
    "order_at_rest",
    "pair_in_clock",
    "pair_product",
    "pair_rate",
    "pair_time",
    "partition",
    "predict_emergence",
    "predict_schemes",
    "quasi_linear_amplitude",
    "race",
    "random_value_drift",
    "rank_collapse",
    "rotation_rates",
    "runner_up",
    "scheme_named",
    "self_term_factor",
    "self_term_slowdown",
    "stationary_order_parameter",
    "to_json",
    "tokens_needed",
    "tricritical_beta",
    "two_cluster_lifetime",
    "uniform_energy",
    "white_noise_tokens",
]
