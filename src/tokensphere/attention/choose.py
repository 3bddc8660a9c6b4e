"""Pick the attention backend for a given problem, and say why."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tokensphere.errors import InputError, check_dim, check_positive_int, suggest

from .base import AbstractAttention
from .circle import Circle
from .circle_series import CircleSeries
from .collapsed import Collapsed
from .costs import Costs, costs_file, known_costs, settled_costs
from .dense import Dense
from .fourier import MAX_BETA, circle_modes
from .harmonic import Harmonic
from .polynomial import MAX_FEATURES, Polynomial, feature_count
from .sphere_series import SphereSeries
from .spherical import MAX_BETA_SPHERE, sphere_degrees

__all__ = ["BACKENDS", "Candidate", "Choice", "candidates", "choose"]

BACKENDS: dict[str, type[AbstractAttention]] = {
    "dense": Dense,
    "circle": Circle,
    "harmonic": Harmonic,
    "polynomial": Polynomial,
    "collapsed": Collapsed,
    "circle-series": CircleSeries,
    "sphere-series": SphereSeries,
}

# Costs measured on this machine are asked for only where the built-in ones leave a doubt.
_CLEAR = 5.0


@dataclass(frozen=True)
class Candidate:
    """A backend for a given problem: what it would do, what that costs, or what stands in its way.

    `work` in words; `milliseconds` an evaluation (self-attention, values and normalisers); `obstacle` or `None`.
    """

    name: str
    work: str
    milliseconds: float
    obstacle: str | None = None


@dataclass(frozen=True)
class Choice:
    """A chosen backend: `name`, the `attention` itself, and the `reasons` in plain sentences.

    `candidates` are those that are chosen by themselves, cheapest first; `costs` the numbers of the model and
    `costs_from` the file that they were read from (`None`: built in).
    """

    name: str
    attention: AbstractAttention
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    costs: Costs = field(default_factory=Costs)
    costs_from: Path | None = None

    def explain(self) -> str:
        """The reasons as one paragraph."""
        return f"{self.name}: " + "; ".join(self.reasons)


def candidates(
    n: int, dim: int, *, beta: float, isotropic: bool = True, differentiable: bool = False, costs: Costs | None = None
) -> tuple[Candidate, ...]:
    """The backends that are chosen by themselves, with their estimated costs: possible ones first, cheapest first."""
    costs = Costs() if costs is None else costs
    common = None
    if not isotropic:
        common = "query_key is not a multiple of the identity"
    elif differentiable:
        common = "a differentiable sum is wanted and ducc0 runs on the host"

    def spectral(name: str, its_dim: int, limit: float) -> Candidate:
        where = "Fourier sum" if its_dim == 2 else "sum by spherical harmonics"
        if dim != its_dim:
            return Candidate(name, "", float("inf"), f"dim is {dim}, and the {where} needs dim {its_dim}")
        if common is not None or not abs(beta) <= limit:
            obstacle = common or f"beta is {beta:g}, and the {where} needs |beta| <= {limit:g}"
            return Candidate(name, "", float("inf"), obstacle)
        if its_dim == 2:
            count = circle_modes(beta)
            return Candidate(name, f"{where} with {count} modes", 1e-6 * costs.circle(n, count))
        count = sphere_degrees(beta)
        return Candidate(name, f"{where} of degree up to {count}", 1e-6 * costs.harmonic(n, count))

    def polynomial() -> Candidate:
        if differentiable:
            return Candidate(
                "polynomial", "", float("inf"), "a differentiable sum is wanted and features are on the host"
            )
        count = feature_count(beta, dim)
        if count is None:
            obstacle = f"more than {MAX_FEATURES:,} polynomial features would be needed, or rounding would spoil them"
            return Candidate("polynomial", "", float("inf"), obstacle)
        return Candidate("polynomial", f"sum by {count:,} polynomial features", 1e-6 * costs.polynomial(n, count))

    found = (
        Candidate("dense", f"direct sum over {float(n) * n:.3g} pairs", 1e-6 * costs.dense(n, dim)),
        spectral("circle", 2, MAX_BETA),
        spectral("harmonic", 3, MAX_BETA_SPHERE),
        polynomial(),
    )
    return tuple(sorted(found, key=lambda candidate: candidate.milliseconds))


def choose(
    n: int,
    dim: int,
    *,
    beta: float = 1.0,
    isotropic: bool = True,
    differentiable: bool = False,
    prefer: str | None = None,
    costs: Costs | None = None,
    shared: bool = False,
) -> Choice:
    """Pick a backend for n tokens in R^dim by a cost model (:mod:`tokensphere.attention.costs`).

    **Arguments:**

    - `beta`: inverse temperature, times |B|; the number of Fourier modes grows like 8.5 √β.
    - `isotropic`: whether QᵀK is a multiple of the identity; the spectral sums need it.
    - `differentiable`: whether gradients (or `vmap` without a host call) are wanted.
    - `prefer`: a backend by name, overruling the model where it is possible at all.
    - `costs`: the numbers of the model. By default the built-in ones where they decide clearly (by a factor of 5),
      else those kept for this machine, which are measured now (two seconds) if there are none yet.
    - `shared`: the tokens are divided over many processes, which must all choose alike: the built-in costs decide,
      among backends that can be shared.

    **Raises:** `InputError` for an unknown or impossible `prefer`.
    """
    n, dim = check_positive_int(n, "n"), check_dim(dim)

    def ranked(costs: Costs) -> tuple[Candidate, ...]:
        found = candidates(n, dim, beta=beta, isotropic=isotropic, differentiable=differentiable, costs=costs)
        return tuple(candidate for candidate in found if BACKENDS[candidate.name].shareable or not shared)

    if shared and costs is None:
        costs = Costs()
    given, source = Costs() if costs is None else costs, None
    found = ranked(given)
    if prefer is not None:
        return _preferred(prefer, found, given, dim, isotropic)
    if costs is None and found[1].milliseconds < _CLEAR * found[0].milliseconds:
        given, source = known_costs()
        if source is None:
            given, source = settled_costs(costs_file())
        found = ranked(given)
    best = found[0]
    possible = [f"{c.work}, about {c.milliseconds:.3g} ms an evaluation" for c in found if c.obstacle is None][:3]
    fitting = {2: "circle", 3: "harmonic"}.get(dim)
    obstacles = [c.obstacle for c in found if c.obstacle is not None and c.name == fitting]
    if fitting is None:
        obstacles = [f"dim is {dim}, and the spectral sums need dim 2 or 3"]
    return Choice(best.name, BACKENDS[best.name](), (*obstacles, *possible), found, given, source)


def _preferred(name: str, found: tuple[Candidate, ...], costs: Costs, dim: int, isotropic: bool) -> Choice:
    if name not in BACKENDS:
        raise InputError(f"unknown attention backend '{name}'{suggest(name, BACKENDS)}")
    needed = {"circle-series": 2, "sphere-series": 3}.get(name)
    if needed is not None and (dim != needed or not isotropic):
        raise InputError(f"attention backend '{name}' needs dim {needed} and a query_key that is a number")
    for candidate in found:
        if candidate.name == name and candidate.obstacle is not None:
            raise InputError(f"attention backend '{name}' cannot be used: {candidate.obstacle}")
    return Choice(name, BACKENDS[name](), ("asked for by name",), found, costs)
