"""Rates of the linear phase: which degree grows fastest (M2), how fast (M3), and the clock of SA and USA (M25).

λ_k = (Λ_k/β) I_{k+ν}(β)/I_ν(β)  (SA),      times Z0 (USA)                      [2410.23228; derived]
"""

from __future__ import annotations

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare
from tokensphere.special import funk_hecke, laplacian_eigenvalue
from tokensphere.theory import degree_switches, dominant_degree, growth_rates, runner_up

__all__ = ["dominant_degrees"]

_BETAS = np.geomspace(0.1, 100.0, 31)
_DIMS = (2, 3, 4, 8, 16, 32, 64, 128)
_QUADRATURE = 1e-9
_SWITCHES = 4
_FLIP = 1e-9
# Switches k -> k+1 for k = 1, 2, 3, 4, to 13 digits, from 40-digit arithmetic.
_KNOWN_SWITCHES = {
    2: (1.044456862108, 3.165434442701, 6.211298379432, 10.22848316299),
    3: (1.816154525436, 4.425293012396, 7.962379851546, 12.4774331094),
}


def dominant_degrees(progress: Progress) -> Outcome:
    """M2: rates by Funk-Hecke quadrature of the kernel against their closed form, and the degree that wins.

    The quadrature integrates e^{β(q−1)} P_k(q) over the sphere and knows no Bessel function.
    """
    shape = (len(_DIMS), len(_BETAS))
    error, gap_error, winners, seen = (np.zeros(shape) for _ in range(4))
    ratios = np.zeros(shape)
    for i, dim in enumerate(_DIMS):
        progress(i / len(_DIMS), f"dim {dim}")
        for j, beta in enumerate(_BETAS.tolist()):
            winners[i, j] = dominant_degree(beta, dim)
            degrees = np.arange(1, int(winners[i, j]) + 4)
            rates = _quadrature_rates(beta, dim, degrees)
            closed = growth_rates(beta, dim, degrees, "usa-shifted")
            softmax = rates / funk_hecke(_kernel(beta), dim, 0)
            worst = np.abs(rates - closed).max() / closed.max()
            sa = growth_rates(beta, dim, degrees)
            error[i, j] = max(worst, np.abs(softmax - sa).max() / sa.max())
            seen[i, j] = degrees[np.argmax(rates)]
            ordered = np.sort(rates)
            ratios[i, j] = ordered[-2] / ordered[-1]
            gap_error[i, j] = abs(ratios[i, j] - runner_up(beta, dim).ratio)
    ties, tie_error, flips = _ties()
    known = max(float(np.abs(degree_switches(dim, 4) / np.array(v) - 1.0).max()) for dim, v in _KNOWN_SWITCHES.items())
    cells = int(np.prod(shape))
    verdicts = (
        compare("rates by quadrature, of the largest rate, SA and USA", 0.0, float(error.max()), _QUADRATURE),
        _counted("k_max by quadrature", cells, int((winners == seen).sum()), "settings agree"),
        compare("second rate over first, by quadrature", 0.0, float(gap_error.max()), _QUADRATURE),
        compare("rates of both degrees at a tie, by quadrature, relative", 0.0, tie_error, _QUADRATURE),
        _counted(f"k_max flips at tie(1 ± {_FLIP:g})", ties.size, flips, "ties"),
        compare("ties for d = 2, 3 against 40-digit values, relative", 0.0, known, 1e-12),
    )
    lines, points = [], []
    for i, dim in enumerate(_DIMS):
        fine = np.geomspace(_BETAS[0], _BETAS[-1], 600)
        exact = np.array([dominant_degree(beta, dim) for beta in fine.tolist()])
        lines.append(Curve(f"d = {dim}", fine, exact, color=i))
        points.append(Curve("", _BETAS, seen[i], "points", color=i))
    gaps = [
        Curve(f"d = {dim}", _BETAS, 1.0 - ratios[i], color=i) for i, dim in enumerate(_DIMS) if dim in (2, 3, 8, 64)
    ]
    x = r"inverse temperature $\beta$"
    panels = (
        Panel("line: closed form, points: quadrature", x, r"dominant degree $k_{max}$", (*lines, *points), log_x=True),
        Panel("gap to the runner-up", x, "1 − second rate / first", tuple(gaps), log_x=True, log_y=True),
        Panel(
            "switches k → k+1 over the dimension",
            "dimension d",
            r"$\beta$ of the tie",
            tuple(Curve(f"{k + 1} → {k + 2}", np.array(_DIMS), ties[:, k], "line") for k in range(_SWITCHES)),
            log_x=True,
            log_y=True,
        ),
    )
    data = {"beta": _BETAS, "dim": np.array(_DIMS), "k_max": winners, "second_over_first": ratios, "ties": ties}
    return Outcome(verdicts, panels, data | {"quadrature_error": error})


def _kernel(beta: float):  # type: ignore[no-untyped-def]
    return lambda q: np.exp(beta * (q - 1.0))


def _quadrature_rates(beta: float, dim: int, degrees: np.ndarray) -> np.ndarray:
    """λ_k of USA-shifted by integrating its kernel: Λ_k a_k/β."""
    return np.asarray(laplacian_eigenvalue(degrees, dim) / beta * funk_hecke(_kernel(beta), dim, degrees))


def _ties() -> tuple[np.ndarray, float, int]:
    """The ties (dims, switches), the largest relative difference of the two rates there, and how many flip k_max."""
    ties = np.array([degree_switches(dim, _SWITCHES) for dim in _DIMS])
    worst, flips = 0.0, 0
    for i, dim in enumerate(_DIMS):
        for k, beta in enumerate(ties[i].tolist(), start=1):
            first, second = _quadrature_rates(beta, dim, np.array([k, k + 1]))
            worst = max(worst, abs(second / first - 1.0))
            sides = dominant_degree(beta * (1.0 - _FLIP), dim), dominant_degree(beta * (1.0 + _FLIP), dim)
            flips += sides == (k, k + 1)
    return ties, worst, flips


def _counted(name: str, wanted: int, found: int, what: str) -> Verdict:
    """Every one of `wanted` cases must hold."""
    outcome = "agrees" if found == wanted else "disagrees"
    return Verdict(name, outcome, wanted, found, None, "", f"{found} of {wanted} {what}")  # type: ignore[arg-type]
