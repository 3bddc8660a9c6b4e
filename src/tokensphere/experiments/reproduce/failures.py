"""Failure signatures (M19): where the theory must say that it does not apply, and what then happens instead.

TIE · NONSMOOTH · NO_LINEAR_PHASE · DEPTH_TOO_SMALL · SELF_DOMINATED                  [2410.23228; rules derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare, exact
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention
from tokensphere.observe import order_parameters
from tokensphere.solve import linear_exit, simulate
from tokensphere.sphere import uniform
from tokensphere.theory import (
    circle_kernel,
    degree_switches,
    dominant_degree,
    effective_neighbours,
    exit_law,
    growth_rates,
    kernel_rates,
    predict_emergence,
)

__all__ = ["failure_signatures"]

_SEED = 1900
_TIE_N, _TIE_SEEDS, _TIE_THRESHOLD = 2000, 48, 0.3
_FLIP, _NEAR = 1e-9, 0.01
_CUT = np.pi / 2
_FEW = (10, 50, 100)
_STEP, _LAYERS, _LAYERS_N = 0.1, 10, 2000
# dim, beta, tokens, effective neighbours below 1
_ALONE = (8, 12.0, 100)


def _codes(*args: Any, **kwargs: Any) -> set[str]:
    return {d.code for d in predict_emergence(*args, **kwargs).diagnoses}


def _says(name: str, wanted: set[str], found: set[str], text: str, ignored: tuple[str, ...] = ()) -> Verdict:
    """The codes are exactly `wanted`, apart from those that are `ignored`."""
    left = found - set(ignored)
    shown = [", ".join(sorted(codes)) or "none" for codes in (wanted, left)]
    return exact(name, left == wanted, shown[0], shown[1], text)


def _ties(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """β at a switch k → k+1: k_max flips within 10⁻⁹, and neither degree wins reliably."""
    tie = float(degree_switches(2, 2)[1])
    sides = [dominant_degree(tie * (1.0 + sign * _FLIP), 2) for sign in (-1.0, 1.0)]
    verdicts = [
        exact(
            "k_max on the two sides of the tie 2 -> 3, 1e-9 away", sides == [2, 3], [2, 3], sides, f"beta = {tie:.12g}"
        )
    ]
    for shift in (-_FLIP, _FLIP, -_NEAR, _NEAR):
        beta = tie * (1.0 + shift)
        codes = _codes(beta, 2, 10**6)
        name = f"codes at beta = tie (1 {'+' if shift > 0 else '-'} {abs(shift):g}), n = 10^6"
        law = exit_law(beta, 2, 10**6)
        text = f"P(2 wins) = {law.probability(2):.3f}, P(3 wins) = {law.probability(3):.3f}"
        verdicts.append(_says(name, {"TIE", "GUARANTEE_VOID"}, codes, text))
    law = exit_law(tie, 2, _TIE_N, _TIE_THRESHOLD)
    event = [linear_exit(_TIE_THRESHOLD, range(1, 7), terminal=True)]
    flow, wins = UnnormalizedSelfAttention(tie), np.zeros(7, dtype=int)
    for seed in range(_TIE_SEEDS):
        if seed % 8 == 0:
            progress(0.6 * seed / _TIE_SEEDS, "winners at a tie")
        run = simulate(
            flow, uniform(_TIE_N, 2, _SEED + seed), [0.0, 6.0 * law.mean], rtol=1e-5, error_norm="rms", events=event
        )
        wins[int(np.argmax(order_parameters(run.tokens.values[-1], range(7))[1:])) + 1] += 1
    share, wanted = wins / _TIE_SEEDS, np.array([law.probability(k) for k in range(7)])
    for k in (2, 3):
        spread = 3.0 * float(np.sqrt(wanted[k] * (1.0 - wanted[k]) / _TIE_SEEDS))
        name = f"share of runs won by degree {k} at the tie, n = {_TIE_N}, within 3 standard errors"
        verdicts.append(compare(name, float(wanted[k]), float(share[k]), spread))
    panel = Panel(
        rf"winners at the tie $\beta$ = {tie:.4f}, n = {_TIE_N}",
        "degree",
        "share of runs",
        (
            Curve("measured", np.arange(7), share, "bars"),
            Curve("law of the race", np.arange(7), wanted, "points", predicted=True),
        ),
    )
    return verdicts, panel, {"winners": wins, "tie": tie}


def _kernels(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Kernels without a bounded second derivative: rates known in closed form, NONSMOOTH."""
    progress(0.6, "kernels that are not smooth")

    def cut(t: np.ndarray) -> np.ndarray:
        return np.where(np.abs(t) < _CUT, -np.sin(t), 0.0)

    def distance(t: np.ndarray) -> np.ndarray:
        return -np.sign(t)

    def smooth(t: np.ndarray) -> np.ndarray:
        return np.asarray(-np.sin(t) * np.exp(5.0 * np.cos(t)))

    degrees = np.arange(1, 41)
    shown = [kernel_rates(smooth, degrees), kernel_rates(cut, degrees, [_CUT]), kernel_rates(distance, degrees)]
    found = [circle_kernel(smooth), circle_kernel(cut, [_CUT]), circle_kernel(distance)]
    codes = [{d.code for d in kernel.diagnoses} for kernel in found]
    texts = ["; ".join(d.message for d in kernel.diagnoses) or "smooth" for kernel in found]
    odd, even = shown[2][::2], shown[2][1::2]
    verdicts = [
        _says("codes of e^{beta cos}/beta, beta = 5", set(), codes[0], texts[0]),
        compare("its fastest rate by quadrature", 18.596070304, found[0].rate, 1e-9, relative=True),
        _says("codes of the drift cut off at a right angle", {"NONSMOOTH"}, codes[1], texts[1]),
        compare("cutoff: rate of degree 1", 0.25, float(shown[1][0]), 1e-10),
        compare("cutoff: rate of degree 2, the largest", 4.0 / (3.0 * np.pi), float(shown[1][1]), 1e-10),
        compare("cutoff: odd degrees above 1", 0.0, float(np.abs(shown[1][2::2]).max()), 1e-10),
        compare("cutoff: rates of degrees 2 mod 4 do not decay", 1.0 / np.pi, found[1].tail * found[1].rate, 1e-3),
        _says("codes of -|angle|", {"NONSMOOTH", "TIE"}, codes[2], texts[2]),
        compare("-|angle|: every odd degree at 2/pi", 0.0, float(np.abs(odd - 2.0 / np.pi).max()), 1e-10),
        compare("-|angle|: even degrees", 0.0, float(np.abs(even).max()), 1e-10),
    ]
    labels = (r"$e^{5\cos\theta}/5$", "cut off at a right angle", r"$-|\theta|$")
    curves = [Curve(label, degrees, rates / rates.max(), "points") for label, rates in zip(labels, shown, strict=True)]
    panel = Panel("rates of three kernels", "degree k", r"$\lambda_k/\lambda_{max}$", tuple(curves))
    return verdicts, panel, {f"kernel_rates_{i}": rates for i, rates in enumerate(shown)}


def _short(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Too few tokens for a linear phase, too few layers for an exit."""
    progress(0.7, "few tokens and few layers")
    verdicts, starts = [], []
    for n in _FEW:
        codes = _codes(5.0, 2, n)
        room = predict_emergence(5.0, 2, n).times.room
        verdicts.append(
            exact(
                f"NO_LINEAR_PHASE for n = {n}, threshold 0.1",
                "NO_LINEAR_PHASE" in codes,
                "NO_LINEAR_PHASE",
                ", ".join(sorted(codes)),
                f"room ln(delta sqrt(n)) = {room:.3g} e-folds",
            )
        )
        first = [order_parameters(uniform(n, 2, _SEED + s), range(1, 7)).max() for s in range(200)]
        starts.append(np.array(first))
        beyond = float((starts[-1] >= 0.1).mean())
        wanted = _atom(n)
        spread = 3.0 * np.sqrt(max(wanted * (1.0 - wanted), 0.002) / 200)
        name = f"share of starts already beyond the threshold, n = {n}, within 3 standard errors"
        verdicts.append(compare(name, wanted, beyond, spread))
    found = _codes(5.0, 2, _LAYERS_N, flow="sa", step=_STEP, layers=_LAYERS)
    enough = _codes(5.0, 2, _LAYERS_N, flow="sa", step=_STEP, layers=20 * _LAYERS)
    times = _STEP * np.arange(_LAYERS + 1)
    run = simulate(SelfAttention(5.0), uniform(_LAYERS_N, 2, _SEED), times, method="layer", step_size=_STEP)
    top = np.array([order_parameters(frame, range(1, 7)).max() for frame in run.tokens.values])
    text = f"after {_LAYERS} layers the largest order parameter is {top[-1]:.3f}"
    verdicts += [
        _says(f"{_LAYERS} layers of step {_STEP:g}", {"DEPTH_TOO_SMALL"}, found, text, ("TIE", "NEAR_TIE")),
        _says(f"{20 * _LAYERS} layers of step {_STEP:g}", set(), enough, "the exit lies within", ("TIE", "NEAR_TIE")),
        exact("few layers: no exit", bool(top[-1] < 0.1), "< 0.1", float(top[-1]), text),
    ]
    share = (np.arange(200) + 0.5) / 200
    curves = [Curve(f"n = {n}", np.sort(v), share) for n, v in zip(_FEW, starts, strict=True)]
    curves.append(Curve("threshold", np.array([0.1, 0.1]), np.array([0.0, 1.0]), predicted=True))
    panel = Panel("few tokens start beyond the threshold", r"$\max_{k\leq 6} A_k(0)$", "share of starts", tuple(curves))
    return verdicts, panel, {"depth_order": top}


def _atom(n: int) -> float:
    """Probability that one of the degrees 1 to 6 starts at A_k >= 0.1: n A_k² is exponential, nearly independent."""
    return float(1.0 - (-np.expm1(-n * 0.01)) ** 6)


def _alone(progress: Progress) -> tuple[list[Verdict], Panel, dict[str, Any]]:
    """Softmax with less than one effective neighbour: tokens attend to themselves and hardly move."""
    progress(0.85, "tokens that attend to themselves")
    dim, beta, n = _ALONE
    crowd = effective_neighbours(n, beta, dim)
    codes, others = _codes(beta, dim, n, flow="sa"), _codes(2.0, 3, 10**4, flow="sa")
    verdicts = [
        exact(
            f"SELF_DOMINATED, dim {dim}, beta = {beta:g}, n = {n}",
            "SELF_DOMINATED" in codes,
            "SELF_DOMINATED",
            ", ".join(sorted(codes)),
            f"{crowd:.3g} effective neighbours",
        ),
        exact(
            "SELF_DOMINATED is not said with many neighbours",
            "SELF_DOMINATED" not in others,
            "not SELF_DOMINATED",
            ", ".join(sorted(others)),
            f"{effective_neighbours(10**4, 2.0, 3):.4g} effective neighbours",
        ),
    ]
    rate = float(growth_rates(beta, dim, dominant_degree(beta, dim)))
    times = np.linspace(0.0, 3.0 / rate, 13)
    degrees = (1, 2)
    order = np.mean(
        [
            [
                order_parameters(f, degrees) ** 2
                for f in simulate(SelfAttention(beta), uniform(n, dim, _SEED + s), times, rtol=1e-5).tokens.values
            ]
            for s in range(12)
        ],
        axis=0,
    )
    rates = growth_rates(beta, dim, degrees)
    seen = 0.5 * np.log(order[-1] / order[0]) / times[-1] / rates
    text = f"growth of degrees 1 and 2 over 3/lambda_max is {seen[0]:.2f} and {seen[1]:.2f} of their mean-field rates"
    verdicts.append(
        exact("its mean-field rates fail by more than 20 %", bool((seen < 0.8).all()), "< 0.8", float(seen.max()), text)
    )
    curves = []
    for i, k in enumerate(degrees):
        curves.append(Curve(f"degree {k}", times * rate, order[:, i] * n, color=i))
        curves.append(Curve("mean field", times * rate, np.exp(2.0 * rates[i] * times), predicted=True, color=i))
    title = f"{crowd:.2g} effective neighbours (d = {dim}, β = {beta:g}, n = {n})"
    panel = Panel(title, r"time, in units of $1/\lambda_{max}$", r"$n\,\mathrm{E}A_k^2$", tuple(curves), log_y=True)
    return verdicts, panel, {"self_dominated_growth": seen, "neighbours": crowd}


def failure_signatures(progress: Progress) -> Outcome:
    """M19: each known way to be misled is reported by its code, and what happens then is shown beside it."""
    parts = [part(progress) for part in (_ties, _kernels, _short, _alone)]
    data: dict[str, Any] = {}
    for part in parts:
        data |= part[2]
    return Outcome(tuple(v for part in parts for v in part[0]), tuple(part[1] for part in parts), data)
