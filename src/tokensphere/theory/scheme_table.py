"""What equiangular theory says of every normalisation scheme: how fast tokens start, how they end, when they collapse.

    start   dρ/dt at t = 0
    end     1 − ρ ~ C e^{−2t} (Post), C e^{−2∫α} (nGPT), C e^{−4√(t+1)} (sqrt), C/r² (Pre, Mix, Peri, LN-Scaling)
    depth   the time, and the layer, at which ρ reaches a level

The velocity dρ/dt of Pre-LN ends like t^{−3}; that is not the law of 1 − ρ, which falls like r^{−2} ~ t^{−2}.
[2510.22026, table of schemes; constants derived]
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, check_beta, check_positive_int
from .equiangular import (
    Equiangular,
    check_gap,
    check_step,
    equiangular_path,
    equiangular_rate,
    log_equiangular_invariant,
)
from .equiangular_levels import equiangular_layer_count, equiangular_reach, equiangular_time
from .growth import check_flow
from .records import Hypothesis, to_json
from .schemes import SCHEMES, Scheme, scheme_named

__all__ = ["SchemePrediction", "predict_schemes"]

_MOST_LAYERS = 200_000


@dataclass(frozen=True)
class SchemePrediction:
    """One row of the table.

    **Fields:** the parameters; `initial_rate` dρ/dt at t = 0; `law` of 1 − ρ, `against` what and with which `slope` of
    log(1 − ρ); `constant` C of that law (`None` where it is no float or the tokens rest) and `log10_constant`; `time`
    at which ρ reaches `level` along the flow (inf beyond floats), `radius_then`; `layers` of the given `step` that it
    takes (`None` without a step, or if 200,000 do not suffice); `hypotheses`.
    """

    scheme: str
    flow: str
    beta: float
    n: int
    start: float
    radius: float
    initial_rate: float
    law: str
    against: str
    slope: float
    constant: float | None
    log10_constant: float | None
    level: float
    time: float
    radius_then: float | None
    step: float | None
    layers: int | None
    hypotheses: tuple[Hypothesis, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinities become `None`."""
        return {name: to_json(getattr(self, name)) for name in self.__dataclass_fields__}


def predict_schemes(
    beta: float,
    n: int,
    schemes: Iterable[str | Scheme] = tuple(SCHEMES),
    *,
    flow: str = "sa",
    start: float = 0.0,
    radius: float = 1.0,
    level: float = 0.999,
    step: float | None = None,
    dim: int | None = None,
) -> tuple[SchemePrediction, ...]:
    """The table of normalisation schemes for n equiangular tokens.

    **Arguments:** `beta` ≥ 0; `n` ≥ 2; `schemes`, names in :data:`tokensphere.theory.SCHEMES` or schemes; `flow` "sa",
    "usa" or "usa-shifted"; `start` ρ(0) in [−1/(n−1), 1); `radius` r(0) > 0, used where the scheme keeps radii from
    the start; `level` of ρ in (start, 1) that counts as collapse; `step` η of one layer, or `None`; `dim`, to check
    that n such tokens exist.

    **Returns:** one :class:`SchemePrediction` for each scheme.

    **Raises:** `InputError`. **Source:** derived, exact; [2510.22026].
    """
    beta, n, flow = check_beta(beta), check_positive_int(n, "n", least=2), check_flow(flow)
    if check_gap(start, n) <= check_gap(level, n, "level"):
        raise InputError(f"level must be above start, got level = {level!r} and start = {start!r}")
    if step is not None:
        step = check_step(step)
    return tuple(
        _row(beta, n, scheme_named(scheme), flow, float(start), float(radius), float(level), step, dim)
        for scheme in schemes
    )


def _row(
    beta: float, n: int, scheme: Scheme, flow: str, start: float, radius: float, level: float, step: Any, dim: Any
) -> SchemePrediction:
    own = 1.0 if scheme.normalised(0.0) else radius
    time, radius_then = equiangular_reach(level, Equiangular(beta, n, flow, scheme, own), start)
    layers = None
    # Layers take about as many as the flow takes steps; far too many are not counted in vain.
    if step is not None and time < 2.0 * _MOST_LAYERS * step:
        layers = equiangular_layer_count(level, step, beta, n, flow, scheme, start=start, radius=own, most=_MOST_LAYERS)
    rests = equiangular_rate(start, beta, n, flow, scheme, radius=own) == 0.0
    log = None if rests else _log_constant(beta, n, scheme, flow, start, own, time)
    return SchemePrediction(
        scheme=scheme.name,
        flow=flow,
        beta=beta,
        n=n,
        start=start,
        radius=own,
        initial_rate=equiangular_rate(start, beta, n, flow, scheme, radius=own),
        law=_formula(scheme, flow),
        against=scheme.law.against,
        slope=_slope(scheme, beta, flow),
        constant=math.exp(log) if log is not None and -700 < log < 700 else None,
        log10_constant=None if log is None else log / math.log(10.0),
        level=level,
        time=time,
        radius_then=None if math.isinf(time) else radius_then,
        step=step,
        layers=layers,
        hypotheses=_hypotheses(n, start, dim),
    )


def _fast(scheme: Scheme, flow: str) -> bool:
    """Whether the rate of the end carries e^β: for USA, where nothing divides by |A|."""
    return flow == "usa" and scheme.law.kind != "power" and scheme.name != "ngpt"


def _slope(scheme: Scheme, beta: float, flow: str) -> float:
    """Slope of log(1 − ρ) at the end."""
    return scheme.law.rate * (math.exp(beta) if _fast(scheme, flow) else 1.0)


def _formula(scheme: Scheme, flow: str) -> str:
    formula = scheme.law.formula
    if flow == "usa" and scheme.name in ("pre", "mix", "ln-scaling"):  # nothing divides by |A| = e^β at the end
        return formula.replace("r ~ t", "r ~ e^beta t").replace("r ~ 2 ", "r ~ 2 e^beta ")
    return formula.replace("-2t", "-2 e^beta t").replace("-4 ", "-4 e^beta ") if _fast(scheme, flow) else formula


def _log_constant(
    beta: float, n: int, scheme: Scheme, flow: str, start: float, radius: float, time: float
) -> float | None:
    """log C of the law: of (1 − ρ) r² where tokens keep radii, else of (1 − ρ) e^{−slope·clock}."""
    if scheme.law.kind == "power":
        gap = check_gap(start, n)
        if scheme.breaks:  # Mix-LN: the orbit that starts at the switch
            gap = math.exp(float(equiangular_path(scheme.breaks[-1], beta, n, flow, scheme, start=start).log_gap))
        return log_equiangular_invariant(beta, n, flow, gap=gap, radius=radius) if gap > 0 else None
    clocks = {"t": lambda t: t, "sqrt(t+1)": lambda t: math.sqrt(t + 1.0)}
    if scheme.law.against not in clocks or math.isinf(time):
        return None
    gap = 1e-9  # the law holds up to a relative error of the order of β(1 − ρ)
    late = equiangular_time(1.0 - gap, beta, n, flow, scheme, start=start, radius=radius)
    return math.log(gap) - _slope(scheme, beta, flow) * clocks[scheme.law.against](late)


def _hypotheses(n: int, start: float, dim: int | None) -> tuple[Hypothesis, ...]:
    needed = n - 1 if start <= -1.0 / (n - 1) + 1e-12 else n
    return (
        Hypothesis(
            f"{n} equiangular tokens exist: dim >= {needed}",
            None if dim is None else dim >= needed,
            "" if dim is None else f"dim = {dim}",
        ),
        Hypothesis(
            "independent uniform tokens are followed by the curve of start = 0",
            None,
            "asymptotic in dim; the published bound says nothing in any dim that occurs",
        ),
    )
