"""Tokens that start in small, well separated caps stay there for a time exponential in β: metastability.

Caps {⟨x, w_q⟩ ≥ 1 − ε} round k centres w_q, n tokens of mass 1/n in them, V = B = I, SA or USA shifted:

    α = max ⟨x, y⟩ over two different caps of 2ε
    γ = 1 − α − 8ε − β⁻¹ log(2n²/ε) > 0,     β > 1,     ε < 1/16
    λ < [(β−1)ε/(eβ²n²)] e^{(1−α)β} (1 − e^{−γβ})     and     λ < 1 − α − 8ε − β⁻¹ log(2n²/(1−8ε))
    T1 ≤ 2n e^{8εβ} + enλβ²/(β−1),     T2 = (ε/n) e^{(1−α)β}

Tokens stay in their caps of 2ε on [0, T2], and |x_i − x_j|² ≤ 2e^{−λβ} within each on [T1, T2].

[2410.06833; the form of γ derived; the logarithm in the second bound on λ is subtracted, not added as printed]

Mean field, k caps of equal mass: no token has a mass of its own that holds it, only its cap has, so that n is gone and
the condition is γ > 8ε, here with γ = 1 − α. The least ⟨x, w_q⟩ over a cap of 2ε, where products are 1 − 8ε or more,
falls at the rate 2√(ε(1−ε)) times the weight of the other caps at most:

    SA:             T2 = ½√(ε/(1−ε)) e^{(1−α−8ε)β}/(k−1)
    USA shifted:    T2 = ½√(ε/(1−ε)) e^{(1−α)β} k/(k−1)                                                     [derived]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int, check_tokens
from ..sphere import geodesic
from .growth import check_flow, check_real, safe_exp
from .records import Hypothesis, Prediction, all_hold, to_json

__all__ = ["CapsPrediction", "caps", "log_mean_field_caps_time"]

_SOURCE = "2410.06833"


@dataclass(frozen=True)
class CapsPrediction:
    """What the theorem says about caps.

    **Fields:** `n`, `epsilon`, `beta`; `alpha`, `gamma`; `largest_rate`, the supremum of the rates λ allowed (a
    theorem for every λ in (0, `largest_rate`); 0 or less: for none); `log_trapped_until` log T2; `hypotheses`;
    `source`.
    """

    n: int
    epsilon: float
    beta: float
    alpha: float
    gamma: float
    largest_rate: float
    log_trapped_until: float
    hypotheses: tuple[Hypothesis, ...]
    source: str = _SOURCE

    @property
    def holds(self) -> bool | None:
        """False if a hypothesis fails, None if one is unknown, True otherwise."""
        return all_hold(self.hypotheses)

    @property
    def trapped_until(self) -> float:
        """T2, to which tokens stay in their caps of 2ε; inf where it is no float."""
        return safe_exp(self.log_trapped_until)

    def collapsed_after(self, rate: float) -> float:
        """The bound on T1 for this λ.  **Raises:** `InputError` unless 0 < λ < `largest_rate`."""
        value, n, b = self._rate(rate), self.n, self.beta
        return 2 * n * safe_exp(8 * self.epsilon * b) + math.e * n * value * b**2 / (b - 1)

    def squared_diameter(self, rate: float) -> float:
        """2e^{−λβ}, the bound on |x_i − x_j|² within a cap on [T1, T2].  **Raises:** `InputError` as above."""
        return 2.0 * math.exp(-self._rate(rate) * self.beta)

    def speed_between(self) -> float:
        """e^{−(1−α)β}: the other caps pull no token faster while all stay in theirs (USA shifted).  [derived]"""
        return math.exp(-(1.0 - self.alpha) * self.beta)

    def _rate(self, rate: float) -> float:
        value = check_real(rate, "rate")
        if not 0 < value < self.largest_rate or self.beta <= 1:
            raise InputError(f"rate must lie in (0, {self.largest_rate:g}) and beta be > 1, got {rate!r}")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinities become ``None``."""
        names = ("n", "epsilon", "beta", "alpha", "gamma", "largest_rate", "log_trapped_until", "source")
        values = {name: to_json(getattr(self, name)) for name in names}
        return values | {
            "trapped_until": to_json(self.trapped_until),
            "hypotheses": [h.to_dict() for h in self.hypotheses],
        }


def caps(centres: Any, n: int, epsilon: float, beta: float, *, tokens: Any = None) -> CapsPrediction:
    """How long tokens that start in caps round `centres` stay near them.

    **Arguments:** `centres` (k, dim) unit rows, k ≥ 2; `n` tokens of mass 1/n; `epsilon` in (0, 1), the height of the
    caps; `beta` > 0; `tokens` (n, dim), the start, to check that each is in a cap.

    **Returns:** :class:`CapsPrediction`; its `hypotheses` say whether the theorem applies.

    **Raises:** `InputError`.

    **Source:** [2410.06833].
    """
    count = check_positive_int(n, "n")
    points, eps, b = _check(centres, epsilon, beta)
    alpha, disjoint = _largest_product(points, eps)
    gamma = 1 - alpha - 8 * eps - math.log(2 * count**2 / eps) / b
    log_trapped = math.log(eps / count) + (1 - alpha) * b
    found = [
        Hypothesis("beta > 1", b > 1, f"beta = {b:g}"),
        Hypothesis("epsilon < 1/16", eps < 1 / 16, f"epsilon = {eps:g}"),
        disjoint,
        Hypothesis("gamma > 0", gamma > 0, f"gamma = {gamma:.6g}"),
    ]
    rate = _largest_rate(count, eps, b, alpha, gamma)
    found.append(Hypothesis("a rate lambda > 0 is allowed", rate > 0, f"lambda < {rate:.6g}"))
    if tokens is not None:
        found.append(_start_in_caps(check_tokens(tokens), points, eps, count))
    return CapsPrediction(count, eps, b, alpha, gamma, rate, log_trapped, tuple(found))


def log_mean_field_caps_time(
    centres: Any, epsilon: float, beta: float, flow: str = "sa", *, tokens: Any = None
) -> Prediction:
    """How long mass that starts in caps round `centres`, the same in each, stays near them, for any number of tokens.

    **Arguments:** `centres`, `epsilon`, `beta` as :func:`caps`; `flow` "sa" or "usa-shifted"; `tokens` (n, dim), a
    start of equal masses to check.

    **Returns:** :class:`Prediction` of log T2: no mass leaves its cap of 2ε on [0, T2].

    **Raises:** `InputError`. **Source:** condition [2410.06833]; T2 derived, for ε < 1/2 and B = V = I. Mixtures of
    narrow Gaussians are such starts with high probability (constants open).
    """
    points, eps, b = _check(centres, epsilon, beta)
    if check_flow(flow) == "usa":
        raise InputError("flow must be 'sa' or 'usa-shifted'; the times of 'usa' are e^(-beta) of those of the latter")
    k, (alpha, disjoint) = len(points), _largest_product(points, eps)
    # speed of ⟨x, w⟩ at the rim: at most 2√(ε(1−ε)), times the weight of the other caps; ε to go
    log_time = 0.5 * (math.log(eps) - math.log1p(-eps)) - math.log(2 * (k - 1)) + (1 - alpha) * b
    log_time += math.log(k) if flow == "usa-shifted" else -8 * eps * b
    gamma = 1 - alpha
    found = [
        Hypothesis("epsilon < 1/16", eps < 1 / 16, f"epsilon = {eps:g}"),
        disjoint,
        Hypothesis("gamma > 8 epsilon", gamma > 8 * eps, f"gamma = 1 - alpha = {gamma:.6g}, epsilon = {eps:g}"),
    ]
    if tokens is None:
        found.append(Hypothesis(f"each of the {k} caps has mass 1/{k}", None))
    else:
        start = check_tokens(tokens)
        found += [_start_in_caps(start, points, eps, len(start)), _equal_masses(start, points)]
    return Prediction(
        "log of the time in the caps",
        log_time,
        "log t",
        "log(sqrt(eps/(1 - eps))/2) + (1 - alpha - 8 eps) beta - log(k - 1) (SA),"
        " log(sqrt(eps/(1 - eps))/2) + (1 - alpha) beta + log(k/(k - 1)) (USA shifted)",
        "derived; [2410.06833] for the condition",
        tuple(found),
        "mean field, and any number of tokens; V = B = I",
    )


def _check(centres: Any, epsilon: float, beta: float) -> tuple[np.ndarray, float, float]:
    points, b, eps = check_tokens(centres), check_beta(beta), check_real(epsilon, "epsilon")
    if len(points) < 2:
        raise InputError("there must be at least two caps")
    if not 0 < eps < 1 or b == 0:
        raise InputError(f"epsilon must lie in (0, 1) and beta be positive, got {epsilon!r} and {beta!r}")
    return points, eps, b


def _largest_product(points: np.ndarray, eps: float) -> tuple[float, Hypothesis]:
    """α, and whether the caps of 2ε are disjoint."""
    apart = _nearest_angle(points)
    half = _half_angle(2 * eps)
    disjoint = Hypothesis("the caps of 2 epsilon are disjoint", apart > 2 * half, f"centres {apart:.4g} rad apart")
    return math.cos(max(apart - 2 * half, 0.0)), disjoint


def _largest_rate(n: int, eps: float, beta: float, alpha: float, gamma: float) -> float:
    """The smaller of the two bounds on λ; −inf where they mean nothing."""
    if beta <= 1 or eps >= 1 / 8 or gamma <= 0:
        return -math.inf
    log_first = math.log((beta - 1) * eps) - 1 - 2 * math.log(beta * n) + (1 - alpha) * beta
    first = safe_exp(log_first) * -math.expm1(-gamma * beta)
    return min(first, 1 - alpha - 8 * eps - math.log(2 * n**2 / (1 - 8 * eps)) / beta)


def _half_angle(height: float) -> float:
    """Angle from the centre to the rim of {⟨x, w⟩ ≥ 1 − height}, with the digits of a small height."""
    return 2.0 * math.asin(math.sqrt(min(height, 2.0) / 2.0))


def _nearest_angle(points: np.ndarray) -> float:
    """The smallest angle between two centres."""
    angles = geodesic(points[:, None], points)
    return float(angles[~np.eye(len(points), dtype=bool)].min())


def _start_in_caps(tokens: np.ndarray, centres: np.ndarray, eps: float, n: int) -> Hypothesis:
    if tokens.shape != (n, centres.shape[1]):
        raise InputError(f"tokens must have shape ({n}, {centres.shape[1]}), got {tokens.shape}")
    # 1 − ⟨x, w⟩ = |x − w|²/2 has no cancellation
    height = 0.5 * np.sum((tokens[:, None] - centres[None]) ** 2, axis=2).min(axis=1)
    worst = int(np.argmax(height))
    inside = bool(height[worst] <= eps * (1 + 1e-12))
    return Hypothesis("every token starts in a cap", inside, f"token {worst}: 1 - <x, w> = {height[worst]:.6g}")


def _equal_masses(tokens: np.ndarray, centres: np.ndarray) -> Hypothesis:
    counts = np.bincount(np.argmax(tokens @ centres.T, axis=1), minlength=len(centres))
    same, k = bool((counts == counts[0]).all()), len(centres)
    return Hypothesis(
        f"each of the {k} caps has mass 1/{k}", same, f"tokens in the caps: {', '.join(map(str, counts))}"
    )
