"""k equal clusters on the circle: where they stand, how tight they pull, how long they last.

    s       = (1/k) sum_j h''(2 pi j / k)                              internal rate, < 0: clusters contract
    omega_m = (1/k) sum_j h''(2 pi j / k) (1 - cos(2 pi m j / k))      drift of the positions, m = 1 .. k-1
    h''(t)  = (beta sin^2 t - cos t) e^{beta cos t}

for USA; SA divides by Z = (1/k) sum_j e^{beta cos(2 pi j/k)}. One omega_m > 0 makes the state a saddle, which
lives for about ln(angle/asymmetry) / omega_max.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_positive_int
from .growth import _LOG_MAX, RateOverflowError, check_flow, check_real
from .records import to_json

__all__ = ["ClusterState", "cluster_angles", "k_cluster_state", "merger_time"]


def cluster_angles(argument_of_moment: float, k: int) -> np.ndarray:
    """Predicted positions of the k clusters on the circle.

        theta_j = (2 pi j - arg mu_k)/k,      mu_k = (1/n) sum_i e^{-i k theta_i}

    **Arguments:** `argument_of_moment` arg mu_k in radians (one number); `k` >= 1.

    **Returns:** (k,) increasing angles in [0, 2 pi).  **Raises:** InputError.

    **Source:** [2410.23228] (assumption of single-cluster synchronisation on the k-periodic manifold).
    """
    k = check_positive_int(k, "k")
    first = (-check_real(argument_of_moment, "argument_of_moment") / k) % (2.0 * math.pi / k)
    return np.asarray(first + 2.0 * math.pi * np.arange(k) / k)


@dataclass(frozen=True)
class ClusterState:
    """Linear stability of k equal, equally spaced clusters on the circle.

    **Fields:** `k`, `beta`, `flow`; `internal_rate` s; `drift_rates` omega_1 .. omega_{k-1};
    `inverse_partition` 1/Z = k / sum_j e^{beta cos(2 pi j/k)}, the factor from USA to SA; `verdict` "stable"
    or "metastable" (a saddle: some omega_m > 0).
    """

    k: int
    beta: float
    flow: str
    internal_rate: float
    drift_rates: tuple[float, ...]
    inverse_partition: float
    verdict: str

    @property
    def fastest_drift(self) -> float:
        """omega_max; -inf for one cluster."""
        return max(self.drift_rates, default=-math.inf)

    def lifetime(self, asymmetry: float, angle: float = 0.1) -> float:
        """Time ln(angle/asymmetry)/omega_max for an asymmetry of the positions to grow to `angle` (radians).

        **Returns:** float >= 0 in the flow's time; inf for a stable state.  **Raises:** InputError.

        **Source:** derived (linear; exactly ln(100)/omega_max longer for each factor 100; see
        :func:`merger_time`).
        """
        asymmetry, angle = check_real(asymmetry, "asymmetry"), check_real(angle, "angle")
        if asymmetry <= 0 or angle <= 0:
            raise InputError(f"asymmetry and angle must be > 0, got {asymmetry!r} and {angle!r}")
        return max(math.log(angle / asymmetry), 0.0) / self.fastest_drift if self.fastest_drift > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return to_json({**self.__dict__, "fastest_drift": self.fastest_drift})


def _log_cluster_partition(beta: float, k: int) -> float:
    """log(Z e^{-beta}) for Z = (1/k) sum_j e^{beta cos(2 pi j/k)}."""
    sines = np.sin(np.pi * np.arange(k) / k)
    return math.log(float(np.exp(-2.0 * beta * sines**2).mean()))


def k_cluster_state(beta: float, k: int, flow: str = "usa") -> ClusterState:
    """Internal rate, drift rates and verdict of the state of k equal clusters (dim 2, or on a great circle).

    **Arguments:** `beta` >= 0; `k` >= 1 clusters; `flow`.

    **Returns:** :class:`ClusterState`, rates in the flow's time. On the circle s = -2 sum_j lambda_{jk} < 0
    always.

    **Raises:** InputError; RateOverflowError for flow="usa" above the float range.

    **Source:** derived.
    """
    beta, k, flow = check_beta(beta), check_positive_int(k, "k"), check_flow(flow)
    if flow == "usa" and beta > _LOG_MAX - 10:
        raise RateOverflowError(f"the cluster rates of flow='usa' at beta = {beta:g} overflow; use flow='usa-shifted'")
    log_z = _log_cluster_partition(beta, k)
    shift = beta if flow == "usa" else 0.0 if flow == "usa-shifted" else -log_z
    j = np.arange(k)
    t = 2.0 * np.pi * j / k
    half_sines = np.sin(0.5 * t)
    curvature = (beta * np.sin(t) ** 2 - np.cos(t)) * np.exp(shift - 2.0 * beta * half_sines**2)
    internal = float(curvature.mean())
    # The integer product modulo k keeps the angle exact for many clusters.
    drift = tuple(float((curvature * 2.0 * np.sin(np.pi * ((m * j) % k) / k) ** 2).mean()) for m in range(1, k))
    verdict = "metastable" if max(drift, default=-1.0) > 0 else "stable"
    return ClusterState(k, beta, flow, internal, drift, math.exp(-log_z - beta), verdict)


def merger_time(
    beta: float, k: int, asymmetry: float, angle: float = 0.1, flow: str = "usa", *, max_folds: float = 200.0
) -> float:
    """Time until two of k equal clusters come within `angle`, after one is displaced by `asymmetry`.

        d theta_i/dt = -(1/k) sum_j e^{beta cos(theta_i - theta_j)} sin(theta_i - theta_j)    (SA: divided by
        Z_i)

    **Arguments:** `beta` >= 0; `k` >= 2; `asymmetry` and `angle` in radians, > 0; `flow`; `max_folds` the
    longest integration, in units of 1/omega_max (default 200).

    **Returns:** float in the flow's time; inf if the clusters did not meet.

    **Raises:** InputError; RateOverflowError as :func:`k_cluster_state`.

    **Source:** derived (the motion of k point clusters, integrated to 1e-10).
    """
    from scipy.integrate import solve_ivp

    state = k_cluster_state(beta, check_positive_int(k, "k", least=2), flow)
    if not 0 < asymmetry < 2.0 * math.pi / k or not angle > 0:
        raise InputError(f"asymmetry must be in (0, 2 pi/k) and angle > 0, got {asymmetry!r} and {angle!r}")
    if not state.fastest_drift > 0:
        return math.inf
    scale = 1.0 / state.fastest_drift
    shift = beta if flow == "usa" else 0.0

    def velocity(_: float, theta: np.ndarray) -> np.ndarray:
        gaps = theta[:, None] - theta[None, :]
        kernel = np.exp(shift - 2.0 * beta * np.sin(0.5 * gaps) ** 2)
        weights = kernel / kernel.sum(axis=1, keepdims=True) if flow == "sa" else kernel / k
        return np.asarray(-scale * (weights * np.sin(gaps)).sum(axis=1))

    def meeting(_: float, theta: np.ndarray) -> float:
        ordered = np.sort(np.mod(theta, 2.0 * np.pi))
        return float(np.diff(np.append(ordered, ordered[0] + 2.0 * np.pi)).min()) - angle

    meeting.terminal = True  # type: ignore[attr-defined]
    start = 2.0 * np.pi * np.arange(k) / k
    start[0] += asymmetry
    if meeting(0.0, start) <= 0:
        return 0.0
    run = solve_ivp(velocity, (0.0, max_folds), start, method="DOP853", rtol=1e-10, atol=1e-13, events=meeting)
    return float(run.t_events[0][0]) * scale if run.t_events[0].size else math.inf
