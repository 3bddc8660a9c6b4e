"""Everything theory says about the emergence of clusters from the uniform law, for one set of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError, check_beta, check_dim, check_positive_int
from ..special import laplacian_eigenvalue, multiplicity
from .clusters import cluster_angles, k_cluster_state
from .degrees import dominant_degree, nearest_switch, runner_up
from .diagnose import diagnose, near_uniform
from .emergence import DegreeRate, Duration, EmergencePrediction, TimeScales
from .exit_law import exit_law, tokens_needed
from .global_collapse import collapse_predictions
from .growth import (
    RateOverflowError,
    check_flow,
    check_real,
    effective_neighbours,
    log_growth_rates,
    log_normaliser,
    safe_exp,
    self_term_slowdown,
)
from .race import RaceResult, check_threshold, race
from .records import Hypothesis, Prediction
from .timescales import depth, layer_increments, linear_room

__all__ = ["predict_emergence"]

_SHOWN = 64
_SOURCE = "derived, [2410.23228]"


def _order_parameters(given: Any) -> dict[int, float]:
    """Degrees 1, 2, ... from a sequence, or the degrees of a mapping."""
    if given is None:
        return {}
    pairs = given.items() if isinstance(given, Mapping) else enumerate(np.atleast_1d(np.asarray(given, float)), 1)
    out = {check_positive_int(k, "degree of order_parameters"): float(a) for k, a in pairs}
    for k, a in out.items():
        if not 0.0 <= a <= 1.0 + 1e-9:
            raise InputError(f"order_parameters: A_{k} must be between 0 and 1, got {a!r}")
    if not out:
        raise InputError("order_parameters must hold at least one degree")
    return out


def _shown_degrees(beta: float, dim: int, k_max: int, max_degree: int | None) -> np.ndarray:
    if max_degree is not None:
        return np.union1d(np.arange(1, check_positive_int(max_degree, "max_degree") + 1), k_max)
    if 2 * k_max + 2 <= _SHOWN:
        return np.arange(1, max(2 * k_max + 2, 6) + 1)
    return np.arange(max(1, k_max - _SHOWN // 2), k_max + _SHOWN // 2 + 1)


def _net_rates(beta: float, dim: int, degrees: np.ndarray, flow: str, noise: float) -> tuple[np.ndarray, float]:
    """Rates with noise, divided by the normaliser of the flow, and the log of that normaliser."""
    log_unit = log_normaliser(beta, dim, flow)
    rates = np.exp(log_growth_rates(beta, dim, degrees, "sa"))
    if noise:
        rates = rates - safe_exp(min(math.log(noise) - log_unit, 600.0)) * laplacian_eigenvalue(degrees, dim)
    return rates, log_unit


def _rate_table(beta: float, dim: int, degrees: np.ndarray, net: np.ndarray, largest: float) -> tuple[DegreeRate, ...]:
    sa = log_growth_rates(beta, dim, degrees, "sa")
    usa = sa + log_normaliser(beta, dim, "usa")
    shifted = sa + log_normaliser(beta, dim, "usa-shifted")
    rows = []
    for i, k in enumerate(degrees.tolist()):
        value = safe_exp(usa[i])
        rows.append(
            DegreeRate(
                degree=k,
                multiplicity=multiplicity(k, dim),
                sa=safe_exp(sa[i]),
                usa=value if math.isfinite(value) else None,
                usa_log10=float(usa[i] / math.log(10.0)),
                usa_shifted=safe_exp(shifted[i]),
                net=float(net[i] / largest) if largest else 0.0,
            )
        )
    return tuple(rows)


def _log_layer_factor(
    beta: float, dim: int, k: int, step: float | None, flow: str, noise: float, projected: bool
) -> float | None:
    """Logarithm of the factor of one layer: a rate far below 1e-16 per layer is not lost in 1 + rate."""
    if step is None:
        return None
    try:
        gain = math.log1p(float(layer_increments(beta, dim, k, step, flow, projected)))
    except RateOverflowError:
        return None
    return gain - min(step * noise * float(laplacian_eigenvalue(k, dim)), 700.0)


def _predictions(
    p: dict[str, Any], rate: float, log_constant: float | None, order: int | None
) -> tuple[Prediction, ...]:
    """The main numbers as records with their hypotheses."""
    n, dim, k, law, neighbours = p["n"], p["dim"], p["k_max"], p["law"], p["effective_neighbours"]
    room = p["times"].room
    uniform = Hypothesis("tokens start near the uniform law", *p["start"])
    crowd = Hypothesis(
        "effective neighbours n Z0 e^{-beta} >= 100",
        None if neighbours is None else neighbours >= 100.0,
        "" if neighbours is None else f"n Z0 e^-beta = {neighbours:.4g}",
    )
    resolved = Hypothesis(
        "k_max <= n^{1/(d-1)}: the degrees are nearly independent",
        None if n is None else (dim - 1) * math.log(k) <= math.log(n),
        "" if n is None else f"k_max = {k}, n = {n}",
    )
    linear = Hypothesis(
        "at least one e-fold: ln(delta sqrt(n)) >= 1",
        None if room is None else room >= 1.0,
        "" if room is None else f"ln(delta sqrt(n)) = {room:.4g}",
    )
    mean_field = Hypothesis("query-key and value matrices are the identity", True, "B = V = I")
    formula = "(Lambda_k/beta) I_{k+nu}(beta)/I_nu(beta) Z - tau Lambda_k"
    out = [
        Prediction("dominant degree", k, "", f"argmax_k {formula}", _SOURCE, (uniform, mean_field), "any beta, dim"),
        Prediction("growth rate", rate, "1/t", formula, _SOURCE, (uniform, mean_field, crowd), "A_k << 1"),
    ]
    if law is not None:
        hypotheses = (uniform, crowd, resolved, linear)
        validity = "mean within 2 % at 100 effective neighbours"
        text = "P(exit > t) = prod_k F_k(D_k n delta^2 e^{-2 lambda_k t})"
        out.append(Prediction("winner probability", law.probability(k), "", text, "derived", hypotheses, validity))
        out.append(Prediction("median exit time", law.median, "t", text, "derived", hypotheses, validity))
    if p["measured"] is not None:
        text = "min_k ln(delta/A_k(0))/lambda_k"
        if p["noise"]:
            text = "min_k ln((delta^2 + q)/(A_k(0)^2 + q))/2r_k, q = tau Lambda_k/(r_k n)"
        exit_time = p["measured"].exit_time
        out.append(Prediction("exit time of this start", exit_time, "t", text, "derived", (uniform, crowd, linear)))
        out.append(Prediction("winner of this start", p["measured"].winner, "", text, "derived", (uniform, linear)))
    if p["cluster_angles"] is not None:
        periodic = Hypothesis("k-periodic data synchronise to k equal clusters", None, "conjectural in the source")
        text = "theta_j = (2 pi j - arg mu_k)/k"
        out.append(Prediction("cluster angles", p["cluster_angles"], "rad", text, "[2410.23228]", (uniform, periodic)))
    if p["cluster_state"] is not None and p["cluster_state"].drift_rates:
        text = "omega_m = (1/k) sum_j h''(2 pi j/k)(1 - cos(2 pi m j/k))"
        value = p["cluster_state"].fastest_drift
        equal = Hypothesis("k equal, equally spaced clusters", None, "masses differ by O(n^{-1/2}) at best")
        out.append(Prediction("drift rate of the k-cluster state", value, "1/t", text, "derived", (equal,)))
    text = "tau_c = lambda_1/(d-1)"
    out.append(Prediction("critical noise", p["critical_noise"], "1/t", text, "derived, [2606.05140]", (mean_field,)))
    if log_constant is not None:
        text = "W1(t) <= W1(0) e^{2Ct}, C = e^beta"
        out.append(Prediction("chaos constant", safe_exp(log_constant), "1/t", text, "[2410.23228]", (), "all t"))
        out.append(Prediction("Grenier order", order, "", "smallest m with m lambda_max > C", "[2410.23228]"))
    return tuple(out)


def _with_noise(
    starts: np.ndarray, degrees: np.ndarray, dim: int, n: int, noise: float, rates: np.ndarray, delta: float
) -> np.ndarray:
    """Amplitudes from which growth alone arrives when the mean power under noise does.

    E A^2 = (A^2 + q) e^{2 r t} - q = delta^2,      q = tau Lambda_k/(r n)
    """
    q = noise * np.asarray(laplacian_eigenvalue(degrees, dim), dtype=np.float64) / (np.where(rates > 0, rates, 1.0) * n)
    pushed = np.sqrt((starts**2 + q) * delta**2 / (delta**2 + q))
    return np.where((rates > 0) & (starts < delta), pushed, starts)


def predict_emergence(
    beta: float,
    dim: int,
    n: int | None = None,
    flow: str = "usa",
    threshold: float = 0.1,
    step: float | None = None,
    layers: int | None = None,
    noise: float = 0.0,
    order_parameters: Any = None,
    moment_argument: Any = None,
    max_degree: int | None = None,
) -> EmergencePrediction:
    """All predictions for tokens that start near the uniform law, with their hypotheses and diagnoses.

    **Arguments:** `beta` >= 0; `dim` >= 2; `n` >= 2 tokens (None: only what holds for every n); `flow` "usa"
    (default), "sa" or "usa-shifted", which sets the unit of time; `threshold` delta for A_k (default 0.1);
    `step` eta and `layers` of x <- N(x + eta A), for durations in layers; `noise` tau >= 0 (default 0; the
    law is then None); `order_parameters` measured A_1, A_2, ... at t = 0, or a mapping {degree: A};
    `moment_argument` (dim 2) arg of mu_k = (1/n) sum e^{-i k theta} for the expected winner k, or a mapping
    {degree: argument}; `max_degree`, the largest degree in the table besides k_max, which is always there
    (default 2 k_max + 2, or 64 degrees around a k_max above 31).

    **Returns:** :class:`EmergencePrediction`.

    **Raises:** InputError naming the bad value.

    **Source:** derived; [2410.23228] for the phases and the cluster positions.
    """
    beta, dim, flow = check_beta(beta), check_dim(dim), check_flow(flow)
    delta, noise = check_threshold(threshold), check_real(noise, "noise", 0.0)
    n = None if n is None else check_positive_int(n, "n", least=2)
    layers = None if layers is None else check_positive_int(layers, "layers")
    if step is not None and check_real(step, "step") <= 0:
        raise InputError(f"step must be > 0, got {step!r}")
    amplitudes = _order_parameters(order_parameters)
    if moment_argument is not None and dim != 2:
        raise InputError(f"moment_argument needs dim = 2, got dim = {dim}")

    k_max = dominant_degree(beta, dim, noise, flow)
    second = runner_up(beta, dim, noise, flow)
    switch = nearest_switch(beta, dim)
    degrees = _shown_degrees(beta, dim, k_max, max_degree)
    largest, log_unit = _net_rates(beta, dim, np.array([k_max]), flow, noise)
    net, _ = _net_rates(beta, dim, degrees, flow, noise)
    top = float(largest[0])
    # Degree 1 is the last to be stabilised, so the noise is critical exactly where the largest rate is 0.
    log_tau = float(log_growth_rates(beta, dim, 1, flow)) - math.log(dim - 1)
    critical = safe_exp(log_tau) if log_tau < 709.0 else None
    stable = noise > 0.0 and (top <= 0.0 or math.log(noise) >= log_tau)
    if stable:
        top = min(top, 0.0)
    table = _rate_table(beta, dim, degrees, net, abs(top))
    log_rate = math.log(top) + log_unit if top > 0 else -math.inf

    neighbours = None if n is None else effective_neighbours(n, beta, dim)
    slowdown = None if n is None or flow != "sa" else self_term_slowdown(n, beta, dim)
    room = None if n is None else linear_room(n, delta)
    law = None if n is None or noise else exit_law(beta, dim, n, delta, flow)
    tokens_for_90 = None
    if law is not None and law.probability(k_max) < 0.9:
        tokens_for_90 = tokens_needed(beta, dim, 0.9, delta)

    measured = None
    if amplitudes:
        known = np.array(sorted(amplitudes))
        speeds, _ = _net_rates(beta, dim, known, flow, noise)
        starts = np.array([amplitudes[k] for k in known.tolist()])
        if noise and n is not None:
            scaled_noise = safe_exp(min(math.log(noise) - log_unit, 600.0))
            starts = _with_noise(starts, known, dim, n, scaled_noise, speeds, delta)
        scaled = race(starts, known, speeds / (abs(top) or 1.0), delta)
        unit = safe_exp(-log_rate) if top > 0 else math.inf

        def in_time(folds: float) -> float:
            return folds if folds == 0.0 or math.isinf(folds) else folds * unit

        measured = RaceResult(
            in_time(scaled.exit_time),
            scaled.winner,
            scaled.degrees,
            tuple(in_time(t) for t in scaled.times),
        )
    winner = k_max
    if measured is not None and measured.winner is not None:
        winner = measured.winner
    elif law is not None:
        winner = law.winner

    log_factor = _log_layer_factor(beta, dim, k_max, step, flow, noise, False)
    log_projected = _log_layer_factor(beta, dim, k_max, step, flow, noise, True)

    def duration(folds: float | None) -> Duration | None:
        if folds is None or top <= 0:
            return None
        time = folds * safe_exp(-log_rate) if folds else 0.0
        deep = None if log_factor is None else depth(folds, log_factor)
        return Duration(time, folds, time / math.log(n) if n else math.nan, deep)

    measured_folds = None if measured is None or not math.isfinite(scaled.exit_time) else scaled.exit_time
    times = TimeScales(
        rate=safe_exp(log_rate) if top > 0 else top * safe_exp(log_unit),
        e_fold=safe_exp(-log_rate) if top > 0 else math.inf,
        per_log_n=0.5 * safe_exp(-log_rate) if top > 0 else math.inf,
        room=room,
        layer_factor=None if log_factor is None else safe_exp(log_factor),
        layer_factor_projected=None if log_projected is None else safe_exp(log_projected),
        leading=duration(None if room is None else max(room, 0.0)),
        median=duration(None if law is None else law.median_folds),
        mean=duration(None if law is None else law.mean_folds),
        corrected=duration(None if law is None or not slowdown else law.mean_folds / slowdown),
        measured=duration(measured_folds),
    )

    angles, state = None, None
    if dim == 2 and not stable:
        if isinstance(moment_argument, Mapping):
            if winner not in moment_argument:
                raise InputError(f"moment_argument has no entry for degree {winner}, the expected winner")
            moment_argument = moment_argument[winner]
        if moment_argument is not None:
            angles = tuple(cluster_angles(moment_argument, winner).tolist())
        try:
            state = k_cluster_state(beta, winner, flow)
        except RateOverflowError:
            state = None

    # lambda_max / C is the same number for USA and its shifted form.
    over_constant, order, log_constant = None, None, None
    if flow != "sa" and not stable:
        log_constant = beta if flow == "usa" else 0.0
        log_over = math.log(top) + log_normaliser(beta, dim, "usa-shifted")
        over_constant = safe_exp(log_over)
        order = math.floor(math.exp(-log_over)) + 1 if log_over > -34.0 else None

    rough = near_uniform(amplitudes, dim, n) if amplitudes else None
    fields: dict[str, Any] = {
        "beta": beta,
        "dim": dim,
        "n": n,
        "flow": flow,
        "threshold": delta,
        "step": step,
        "layers": layers,
        "noise": noise,
        "rates": table,
        "k_max": k_max,
        "runner_up": second,
        "switch": switch,
        "log10_rate": log_rate / math.log(10.0),
        "critical_noise": critical,
        "effective_neighbours": neighbours,
        "self_term_slowdown": slowdown,
        "law": law,
        "tokens_for_90": tokens_for_90,
        "measured": measured,
        "winner": winner,
        "cluster_angles": angles,
        "cluster_state": state,
        "times": times,
    }
    start = (None, "not measured") if not amplitudes else (rough is None, f"degree {rough}" if rough else "A_k small")
    predictions = _predictions({**fields, "start": start}, times.rate, log_constant, order)
    if not noise:
        predictions += collapse_predictions(beta, dim, n, flow)
    diagnoses = diagnose(
        k_max=k_max,
        second=second,
        switch=switch,
        law=law,
        tokens_for_90=tokens_for_90,
        flow=flow,
        neighbours=neighbours,
        room=room,
        layers=layers,
        log_factor=log_factor,
        rate_over_constant=over_constant,
        rough_degree=rough,
        noise=noise,
        critical=critical,
        stable=stable,
    )
    return EmergencePrediction(**fields, predictions=predictions, diagnoses=diagnoses)
