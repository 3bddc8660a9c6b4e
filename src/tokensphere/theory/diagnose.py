"""Known ways for a prediction to mislead, as rules on numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..special import multiplicity
from .degrees import DegreeSwitch, RunnerUp
from .exit_law import ExitLaw
from .records import Diagnosis

__all__ = ["diagnose", "near_uniform"]

_TIE_RATIO, _NEAR_TIE_RATIO, _DECIDED = 0.98, 0.9, 0.9
_FEW_NEIGHBOURS = 10.0


def near_uniform(order_parameters: Mapping[int, float], dim: int, n: float | None) -> int | None:
    """The first degree whose A_k sqrt(D_k) is not small, or None if the start is near the uniform law.

    A_k sqrt(D_k) is the L2 norm of the degree-k part of the density. It counts when above 1/2 and when n
    A_k^2 is also more than five standard deviations above its value 1 for n iid uniform tokens.
    """
    for k, amplitude in sorted(order_parameters.items()):
        components = float(min(multiplicity(k, dim), 10**12))
        sampling = 0.0 if n is None else (1.0 + 5.0 * float(np.sqrt(2.0 / components))) / n
        if amplitude**2 * components > 0.25 and amplitude**2 > sampling:
            return k
    return None


def diagnose(
    *,
    k_max: int,
    second: RunnerUp,
    switch: DegreeSwitch,
    law: ExitLaw | None,
    tokens_for_90: float | None,
    flow: str,
    neighbours: float | None,
    room: float | None,
    layers: int | None,
    log_factor: float | None,
    rate_over_constant: float | None,
    rough_degree: int | None,
    noise: float = 0.0,
    critical: float | None = None,
    stable: bool = False,
) -> tuple[Diagnosis, ...]:
    """Every diagnosis that applies, in a fixed order.

        TIE               lambda_2nd/lambda_max > 0.98 or max_k P(k wins) < 0.9 (if not at t = 0)
        NEAR_TIE          no TIE, and lambda_2nd/lambda_max > 0.9
        NO_LINEAR_PHASE   ln(delta sqrt(n)) < 1
        DEPTH_TOO_SMALL   layers * ln(factor) < ln(delta sqrt(n))
        GUARANTEE_VOID    lambda_max < 2 C  (USA)
        SELF_DOMINATED    SA and n Z0 e^{-beta} < 10
        FEW_NEIGHBOURS    USA, either clock, and n Z0 e^{-beta} < 10
        NOISE_STABILISES  noise >= critical noise (`stable`); then no DEPTH_TOO_SMALL and no DEGREE_ONE
        NOT_NEAR_UNIFORM  some A_k(0) sqrt(D_k) is not small
        DEGREE_ONE        k_max = 1

    **Source:** derived; NO_LINEAR_PHASE, ties and the bound of [2410.23228].
    """
    found: list[Diagnosis] = []

    def add(code: str, message: str) -> None:
        found.append(Diagnosis(code, message))

    race = f"degree {second.degree} grows {second.gap:.3g} (relative) slower than {k_max}"
    noiseless = " without noise" if noise else ""
    place = f"nearest switch{noiseless} {switch.lower} -> {switch.upper} at beta = {switch.beta:.6g}"
    # Given that the exit is not immediate.
    best = None if law is None or law.atom > 1.0 - 1e-9 else float(law.probabilities.max()) / (1.0 - law.atom)
    undecided = best is not None and best < _DECIDED
    if second.ratio > _TIE_RATIO or undecided:
        chance = "" if law is None or best is None else f"; most likely winner {law.winner} with P = {best:.3g}"
        need = ""
        if tokens_for_90 is not None:
            count = f"needs n = {tokens_for_90:.3g}" if tokens_for_90 < 1e290 else "is out of reach"
            need = f"; P({k_max} wins) = 0.9 {count}"
        add("TIE", f"{race}; {place}{chance}{need}")
    elif second.ratio > _NEAR_TIE_RATIO:
        add("NEAR_TIE", f"{race}; {place}")
    if room is not None and room < 1.0:
        add("NO_LINEAR_PHASE", f"only {room:.3g} e-folds from the fluctuations to the threshold")
    enough = None if layers is None or log_factor is None or room is None else layers * log_factor >= room
    if enough is False and not stable and layers is not None and log_factor is not None:
        add(
            "DEPTH_TOO_SMALL",
            f"{layers} layers give {layers * log_factor:.3g} e-folds, the exit takes {room:.3g}",
        )
    if rate_over_constant is not None and rate_over_constant < 2.0:
        add(
            "GUARANTEE_VOID",
            f"lambda_max = {rate_over_constant:.3g} C < 2 C: the chaos bound ends before the exit",
        )
    if neighbours is not None and neighbours < _FEW_NEIGHBOURS:
        few = f"effective neighbours n Z0 e^-beta = {neighbours:.3g} < {_FEW_NEIGHBOURS:g}"
        if flow == "sa":
            add("SELF_DOMINATED", few)
        else:
            add("FEW_NEIGHBOURS", f"{few}: the race law and the mean-field rates of iid tokens do not hold")
    if stable:
        above = "" if critical is None else f" >= critical noise {critical:.6g}"
        add("NOISE_STABILISES", f"noise {noise:.6g}{above}: the uniform law is stable, every degree decays")
    if rough_degree is not None:
        add(
            "NOT_NEAR_UNIFORM",
            f"A_{rough_degree}(0) sqrt(D_{rough_degree}) is not small: the race law does not apply",
        )
    if k_max == 1 and not stable:
        add("DEGREE_ONE", "tokens gather at one pole; there is no multi-cluster state to expect")
    return tuple(found)
