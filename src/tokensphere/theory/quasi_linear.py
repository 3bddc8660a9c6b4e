"""The quasi-linear phase: how far an expansion in ε e^{λ_max t} is proved, and where it ends.

    remainder of order p  ≤ C_p (ε e^{λ_max t})^{p+1}    for t ≤ T = ln(δ/ε)/λ_max,    if (p+1) λ_max > C
    C = |v| e^β is the Lipschitz constant of the interaction force (USA)

Until T the density stays near its linear evolution, and the dominant degree outgrows the others: the density
approaches the k_max-periodic manifold. [2410.23228]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError, check_beta
from .degrees import RunnerUp, dominant_degree, runner_up
from .growth import RateOverflowError, check_flow, check_real, growth_rates, log_growth_rates
from .race import check_threshold
from .records import Hypothesis, Prediction
from .timescales import dobrushin_constant

__all__ = ["QuasiLinear", "grenier_order", "grenier_time", "manifold_distance", "quasi_linear_amplitude"]

_TIE = 0.98
_SOURCE = "[2410.23228]"


def grenier_order(beta: float, dim: int) -> int:
    """Smallest integer m with m lambda_max > C = e^beta (USA): order m - 1 closes the estimate.

    **Arguments:** `beta` >= 0; `dim` >= 2.  **Returns:** int.  **Raises:** InputError; RateOverflowError.

    **Source:** Grenier scheme of [2410.23228]; derived.
    """
    log_rate = float(log_growth_rates(beta, dim, dominant_degree(beta, dim), "usa-shifted"))
    if log_rate < -700.0:
        raise RateOverflowError(f"the Grenier order at beta = {beta:g}, dim = {dim} is larger than any float")
    return math.floor(math.exp(-log_rate)) + 1


def grenier_time(rate: float, amplitude: float, threshold: float = 0.1) -> float:
    """Time ln(delta/epsilon)/lambda_max until which an expansion in epsilon e^{lambda_max t} is controlled.

    **Arguments:** `rate` lambda_max > 0; `amplitude` epsilon > 0; `threshold` delta in (0, 1).

    **Returns:** float >= 0.  **Raises:** InputError.  **Source:** [2410.23228].
    """
    if not rate > 0 or not amplitude > 0:
        raise InputError(f"rate and amplitude must be > 0, got {rate!r} and {amplitude!r}")
    return max(math.log(check_threshold(threshold) / amplitude), 0.0) / rate


def manifold_distance(beta: float, dim: int, amplitude: float, threshold: float = 1.0) -> float:
    """Relative distance to the k_max-periodic manifold at exit.

        (epsilon/delta)^{1 - lambda_2nd/lambda_max}

    **Arguments:** `beta` >= 0; `dim` >= 2; `amplitude` epsilon in (0, delta] of both leading degrees at the
    start; `threshold` delta, default 1.

    **Returns:** float in (0, 1].  **Raises:** InputError.  **Source:** derived, [2410.23228].
    """
    if not 0.0 < amplitude <= threshold:
        raise InputError(f"amplitude must be in (0, {threshold:g}], got {amplitude!r}")
    return float((amplitude / threshold) ** runner_up(beta, dim).gap)


def quasi_linear_amplitude(times: Any, beta: float, degree: int, amplitude: float, flow: str = "usa") -> np.ndarray:
    """Second order g_2 of the quasi-linear expansion on the circle: the coefficient of cos(2 k theta).

        g_1 = A e^{lambda_k t} cos(k theta)
        g_2 = 2 pi lambda_k A^2 cos(2 k theta)
              (e^{2 lambda_k t} - e^{lambda_2k t}) / (2 lambda_k - lambda_2k)        SA: times 1 - I_k/I_0

    **Arguments:** `times`, any shape; `beta` >= 0; `degree` k >= 1; `amplitude` A of a density with respect to
    d theta; `flow` "usa", "usa-shifted" or "sa".

    **Returns:** float64 array of the shape of `times`.

    **Raises:** InputError; RateOverflowError.

    **Source:** derived (Grenier expansion of [2410.23228]; SA from the second term of the logarithm).
    """
    one, two = growth_rates(beta, 2, [degree, 2 * degree], flow).tolist()
    t = np.asarray(times, dtype=np.float64)
    gap = 2.0 * one - two
    spread = np.exp(two * t) * (np.expm1(gap * t) / gap if gap else t)
    # lambda_k of SA is k^2 I_k / (beta I_0).
    logarithm = 1.0 - beta * one / degree**2 if flow == "sa" else 1.0
    return np.asarray(2.0 * np.pi * one * logarithm * amplitude**2 * spread)


@dataclass(frozen=True)
class QuasiLinear:
    """What is proved of the quasi-linear phase on the circle for one equation.

    **Fields:** `beta` ≥ 0; `flow`; `threshold` δ in (0, 1) of the order parameters, the end of the phase; `value` v of
    V = vI; `noise` τ ≥ 0 of √(2τ) dW. **Raises:** InputError naming the field; RateOverflowError.
    """

    beta: float
    flow: str = "usa"
    threshold: float = 0.1
    value: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", check_beta(self.beta))
        check_flow(self.flow)
        object.__setattr__(self, "threshold", check_threshold(self.threshold))
        object.__setattr__(self, "value", check_real(self.value, "value"))
        object.__setattr__(self, "noise", check_real(self.noise, "noise", 0.0))

    @cached_property
    def degree(self) -> int:
        """k_max with this value and noise; 1 where no degree grows."""
        return dominant_degree(self.beta, 2, self.noise / self.value, self.flow) if self.value > 0 else 1

    @cached_property
    def second(self) -> RunnerUp | None:
        """The second fastest degree; `None` where none grows."""
        return runner_up(self.beta, 2, self.noise / self.value, self.flow) if self.rate > 0 else None

    @cached_property
    def rate(self) -> float:
        """λ_max = max_k vλ_k − τk²; at most 0 where no degree grows."""
        return float(self._rates([self.degree])[0])

    @cached_property
    def constant(self) -> float | None:
        """C = |v| e^β (1 in the clock of "usa-shifted"); `None` for SA, whose constant is not known."""
        return None if self.flow == "sa" else abs(self.value) * dobrushin_constant(self.beta, self.flow)

    @property
    def order_needed(self) -> int | None:
        """Smallest order p ≥ 1 with (p+1) λ_max > C; `None` where C is not known or no degree grows."""
        if self.constant is None or not self.rate > 0:
            return None
        return max(math.floor(self.constant / self.rate), 1)

    def _rates(self, degrees: Any) -> np.ndarray:
        return growth_rates(self.beta, 2, degrees, self.flow, noise=self.noise, value=self.value)

    def end(self, amplitude: float) -> float | None:
        """T = ln(δ/ε)/λ_max for a largest order parameter ε at the start; `None` where no degree grows."""
        return grenier_time(self.rate, amplitude, self.threshold) if self.rate > 0 else None

    def periodic_distance(self, start: np.ndarray) -> float | None:
        """Largest order parameter of a degree off the k_max-periodic manifold over A_kmax, when A_kmax = δ.

            max over m not in k_max ℤ of (A_m(0)/A_kmax(0)) (A_kmax(0)/δ)^{1 − λ_m/λ_max}

        **Arguments:** `start`, coefficients of the perturbation for m = 0 … D. **Returns:** float ≥ 0; `None` where no
        degree grows, k_max is not there, or it starts beyond δ.
        """
        sizes, k = np.abs(start), self.degree
        if not self.rate > 0 or sizes.size <= k or not 0.0 < sizes[k] <= self.threshold:
            return None
        others = np.flatnonzero((sizes > 0) & (np.arange(sizes.size) % k > 0))
        powers = 1.0 - self._rates(others) / self.rate if others.size else np.zeros(0)
        return float(np.max(sizes[others] / sizes[k] * (sizes[k] / self.threshold) ** powers, initial=0.0))

    def predictions(self, start: np.ndarray, order: int, time: float) -> tuple[Prediction, ...]:
        """Order needed, end of the phase, remainder at `time`, distance to the periodic manifold.

        A value is `None` unless all its hypotheses are known to hold; their details say which one fails.

        **Arguments:** `start`, coefficients ε f_m of the perturbation for m = 0 … D; `order` p; `time`.
        """
        amplitude = float(np.abs(start).max())
        unstable = Hypothesis("a degree grows: lambda_max > 0", self.rate > 0, f"lambda_max = {self.rate:.6g}")
        known = Hypothesis(
            "the kernel is smooth and its constant C known",
            None if self.constant is None else True,
            "C is not known for flow='sa'" if self.constant is None else f"C = {self.constant:.6g}",
        )
        small = Hypothesis(
            "the start is below the threshold: max |eps f_m| < delta",
            amplitude < self.threshold,
            f"{amplitude:.4g} and {self.threshold:g}",
        )
        phase = (unstable, small)
        end = _trusted("end of the quasi-linear phase", self.end(amplitude), "t", "T = ln(delta/eps)/lambda_max", phase)
        return (
            _trusted("order needed", self.order_needed, "", "smallest p with (p+1) lambda_max > C", (unstable, known)),
            end,
            self._remainder(amplitude, order, time, (unstable, known, self._enough(order), small)),
            self._periodic(start, phase),
        )

    def _enough(self, order: int) -> Hypothesis:
        statement = "the order is high enough: (p+1) lambda_max > C"
        if self.constant is None:
            return Hypothesis(statement, None, "C is not known for flow='sa'")
        need = f"; order {self.order_needed} is needed" if self.order_needed else ""
        held = (order + 1) * self.rate > self.constant
        return Hypothesis(
            statement, held, f"{(order + 1) * self.rate:.6g} and {self.constant:.6g}{'' if held else need}"
        )

    def _remainder(self, amplitude: float, order: int, time: float, hypotheses: tuple[Hypothesis, ...]) -> Prediction:
        end = self.end(amplitude)
        early = Hypothesis(
            "t <= ln(delta/eps)/lambda_max",
            None if end is None else time <= end,
            f"t = {time:.6g}" + ("" if end is None else f", end {end:.6g}"),
        )
        # The exponent may leave the float range only where the time is far beyond the phase.
        size = math.exp(min((order + 1) * (math.log(amplitude) + max(self.rate, 0.0) * time), 700.0))
        formula = "(eps e^{lambda_max t})^{p+1}, up to a constant C_p"
        validity = "t <= ln(delta/eps)/lambda_max" if end is None else f"t <= {end:.6g}"
        return _trusted("remainder", size, "L2", formula, (*hypotheses, early), validity)

    def _periodic(self, start: np.ndarray, phase: tuple[Hypothesis, ...]) -> Prediction:
        k, second = self.degree, self.second
        present = start.size > k and bool(start[k] != 0)
        there = Hypothesis("the perturbation has the dominant degree", present, f"k_max = {k}")
        alone = Hypothesis(
            f"no tie of the maximiser: lambda_2nd/lambda_max <= {_TIE:g}",
            None if second is None else second.ratio <= _TIE,
            "" if second is None else f"degrees {k} and {second.degree}: {second.ratio:.6g}",
        )
        formula = "max_m (A_m/A_kmax) (A_kmax/delta)^{1 - lambda_m/lambda_max} at A_kmax = delta"
        name = "distance to the periodic manifold"
        return _trusted(name, self.periodic_distance(start), "relative", formula, (*phase, there, alone))


def _trusted(
    name: str, value: Any, unit: str, formula: str, hypotheses: tuple[Hypothesis, ...], validity: str = ""
) -> Prediction:
    """The record of a value, without the value where a hypothesis fails or is unknown."""
    holds = all(h.holds for h in hypotheses)
    return Prediction(name, value if holds else None, unit, formula, _SOURCE, hypotheses, validity)
