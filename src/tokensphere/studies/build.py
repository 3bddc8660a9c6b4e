"""From a study to a flow, tokens and masses: the one place where descriptions become objects."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from tokensphere import sphere
from tokensphere.attention import BACKENDS, Dense, Whole
from tokensphere.attention.whole import MAX_WHOLE_BETA
from tokensphere.errors import InputError, check_times
from tokensphere.experiments import AbstractExperiment
from tokensphere.flows import (
    NGPT,
    NORMALIZATIONS,
    AbstractNormalization,
    AttentionFlow,
    LayerNormScaling,
    MixNorm,
    SelfAttention,
    UnnormalizedSelfAttention,
)
from tokensphere.solve import Event, all_within, energy_slope_below, linear_exit
from tokensphere.theory import dominant_degree

from .schema import Study

__all__ = [
    "build_degrees",
    "build_events",
    "build_flow",
    "build_members",
    "build_scheme",
    "build_times",
    "build_tokens",
    "check_ensemble",
    "is_matrix_name",
]


_FEW = 256  # tokens of a member up to which all its pairs are held at once


_DIMS = {"circle": 2, "circle-series": 2, "harmonic": 3, "sphere-series": 3}  # the dim a spectral sum needs


_TIED = {"query-key": 1.0, "minus-query-key": -1.0}  # V as a multiple of B
_DRAWS = {"value": 1, "query_key": 2}  # matrices of one run are independent of each other and of the tokens


def is_matrix_name(given: Any) -> bool:
    """Whether a value or query_key names a matrix instead of a file."""
    return given in sphere.MATRIX_LAWS or given in _TIED


def _multiplier(study: Study, name: str) -> Any:
    given = getattr(study.flow, name)
    if not isinstance(given, str):
        return given
    if given in _TIED and name == "value":
        matrix = _multiplier(study, "query_key")
        return _TIED[given] * (1.0 if matrix is None else matrix)
    if given in sphere.MATRIX_LAWS:
        sequence = np.random.SeedSequence(study.seed, spawn_key=(2**31 + _DRAWS[name],))
        return sphere.random_matrix(given, study.tokens.dim, int(sequence.generate_state(1, np.uint64)[0]))
    path = Path(given)
    if not path.is_file():
        raise InputError(
            f"flow.{name}: no file at {given}; give a number, an .npy file or a law ({', '.join(sphere.MATRIX_LAWS)})"
        )
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"flow.{name}: {given} is not an .npy array ({error})") from None


def build_flow(study: Study) -> AttentionFlow:
    """The flow of a study, resolved for its number of tokens."""
    spec = study.flow
    value, query_key = _multiplier(study, "value"), _multiplier(study, "query_key")
    backend = None if spec.attention == "auto" else BACKENDS[spec.attention]()
    flow: AttentionFlow
    if spec.kind == "sa":
        flow = SelfAttention(spec.beta, value, query_key, attention=backend, causal=spec.causal)
    else:
        flow = UnnormalizedSelfAttention(
            spec.beta, value, query_key, shifted=spec.shifted, attention=backend, causal=spec.causal
        )
    needed = _DIMS.get(spec.attention)
    if needed is not None and not (flow.isotropic and study.tokens.dim == needed):
        raise InputError(f"flow.attention = '{spec.attention}' needs dim {needed} and a query_key that is a number")
    return flow


def build_scheme(study: Study) -> AbstractNormalization | None:
    """The normalisation scheme of a study; `None` for Post-LN, which is the flow itself."""
    spec = study.flow
    if spec.scheme == "post":
        return None
    if spec.scheme == "mix":
        return MixNorm() if spec.switch is None else MixNorm(spec.switch)
    if spec.scheme == "ngpt":
        return NGPT(1.0 if spec.alpha is None else spec.alpha, original=spec.original_form)
    return LayerNormScaling(spec.scale_logits) if spec.scheme == "ln-scaling" else NORMALIZATIONS[spec.scheme]()


def _check_memory(n: int, dim: int) -> None:
    """Refuse what cannot fit: tokens, stages of a step and work arrays are about 30 copies of the tokens."""
    needed = 30 * 8 * n * dim
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if needed > memory:
        raise InputError(
            f"tokens.n = {n:,} with dim {dim} needs about {needed / 1e9:.1f} GB of memory, "
            f"and this machine has {memory / 1e9:.1f} GB"
        )


def build_tokens(study: Study) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens (n, dim) and masses (`None` for 1/n each) at time zero.

    **Raises:** `InputError` if they would not fit in memory, or the law cannot be met.
    """
    spec, seed = study.tokens, study.seed
    if spec.law != "file":
        _check_memory(spec.n, spec.dim)
    if spec.law == "file":
        assert spec.path is not None
        return sphere.load_tokens(spec.path, key=spec.key, normalize=spec.normalize)
    if spec.law == "uniform":
        return sphere.uniform(spec.n, spec.dim, seed), None
    if spec.law == "von-mises-fisher":
        means = sphere.uniform(spec.centers, spec.dim, int(np.random.SeedSequence(seed).generate_state(1)[0]))
        concentrations = np.full(spec.centers, spec.concentration)
        return sphere.mixture(spec.n, means, concentrations, seed=seed), None
    if spec.law == "cap":
        center = np.eye(spec.dim)[0]
        return sphere.cap(spec.n, center, spec.angle, seed), None
    if spec.law == "equiangular":
        return sphere.equiangular(spec.n, spec.dim, spec.inner_product, seed), None
    if spec.law == "equispaced":
        return sphere.equispaced(spec.n, spec.amplitude, spec.degree, spec.phase), None
    return sphere.perturbed_uniform(spec.n, spec.dim, spec.degree, spec.amplitude, seed, spec.phase), None


def check_ensemble(study: Study, found: AbstractExperiment) -> None:
    """Refuse ensembles where they mean nothing: `InputError`."""
    spec, solve = study.tokens, study.solve
    if not found.ensembles:
        if spec.ensemble > 1:
            raise InputError(
                f"tokens.ensemble = {spec.ensemble}: experiment = '{study.experiment}' follows one set of tokens; "
                "use experiment = 'alignment', or sweep over seed"
            )
        return
    if study.flow.noise:
        raise InputError(
            f"flow.noise = {study.flow.noise:g}: experiment = '{study.experiment}' follows tokens without noise; "
            "use experiment = 'emergence', and a sweep over seed for many draws"
        )
    if spec.law in ("file", "equispaced"):
        raise InputError(f"experiment = '{study.experiment}' draws independent members, and law = '{spec.law}' cannot")
    if study.flow.attention not in ("auto", "dense"):
        raise InputError(f"experiment = '{study.experiment}' needs flow.attention = 'dense' (or 'auto')")
    for name, value in (("stop_within", solve.stop_within), ("stop_slope", solve.stop_slope)):
        if value is not None:
            raise InputError(f"solve.{name} = {value:g}: an ensemble runs to t_end; unset it")


def build_members(study: Study) -> tuple[AttentionFlow, np.ndarray]:
    """The resolved flow and the tokens (members, n, dim) of an ensemble, each member with a seed of its own.

    The n tokens of a member span at most n dimensions and a flow whose V and B are multiples of the identity never
    leaves them, so that dim > n is the same as dim = n, in coordinates of the span.
    """
    spec = study.tokens
    _check_memory(spec.n * spec.ensemble, min(spec.dim, spec.n))
    flow = build_flow(study)
    scale = flow.beta * (1.0 if flow.query_key is None else flow.query_key) if flow.isotropic else None
    few = scale is not None and 0 <= scale <= MAX_WHOLE_BETA and spec.n <= _FEW and not flow.causal
    flow = dataclasses.replace(flow, attention=Whole() if few else Dense()).resolve(spec.n, spec.dim)
    seeds = np.random.SeedSequence(study.seed).spawn(spec.ensemble)
    spanned = spec.n < spec.dim and np.ndim(flow.value) == 0 and flow.isotropic
    members = []
    for seed in seeds:
        own = study.model_copy(update={"seed": int(seed.generate_state(1, np.uint64)[0])})
        tokens = build_tokens(own)[0]
        members.append(sphere.in_span(tokens) if spanned else tokens)
    return flow, np.stack(members)


def build_times(study: Study) -> np.ndarray:
    """The save times; in layer mode each moves to the nearest layer t = ηℓ (the later of two), and equal ones join."""
    spec = study.solve
    times = np.linspace(0.0, spec.t_end, spec.frames) if spec.times is None else np.asarray(spec.times)
    if spec.method == "layer":
        assert spec.step_size is not None
        layers = np.unique(np.floor(times / spec.step_size + 0.5 + 1e-9))  # halves go up, whatever their rounding
        if len(layers) < 2:
            raise InputError(
                f"solve.t_end = {times[-1]:g} is less than one layer of solve.step_size {spec.step_size:g}"
            )
        times = layers * spec.step_size
    return check_times(times)


def build_degrees(study: Study, dim: int) -> np.ndarray:
    """The degrees whose order parameters are measured."""
    top = study.measure.degrees
    if top is None:
        top = min(max(8, 2 * dominant_degree(study.flow.beta, dim) + 2), 512) if study.flow.beta > 0 else 8
    return np.arange(1, top + 1)


def build_events(study: Study, degrees: np.ndarray) -> list[Event]:
    """The exit of the linear phase, and the stopping rules asked for."""
    events = [linear_exit(study.measure.exit, degrees.tolist())]
    if study.solve.stop_within is not None:
        events.append(all_within(study.solve.stop_within))
    if study.solve.stop_slope is not None:
        events.append(energy_slope_below(study.solve.stop_slope))
    return events
