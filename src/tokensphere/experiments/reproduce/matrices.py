"""Query, key and value matrices (M15): complex rates on the circle, signs, and any matrices by linearisation.

B = s R(φ), V = v R(ψ): λ_k in closed form;   B = s I, V = v I on any sphere: v λ_k(βs);   else numerical linearisation
                                                                                     [2410.23228, open; derived]
"""

from __future__ import annotations

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import Verdict, compare
from tokensphere.flows import AttentionFlow, SelfAttention, UnnormalizedSelfAttention
from tokensphere.solve import linearise, simulate
from tokensphere.sphere import angles, equispaced, moments
from tokensphere.theory import growth_rates, rotation_rates

__all__ = ["query_key_value"]

_TOLERANCE = 1e-6
_BETA, _TOKENS, _SIZE = 5.0, 240, 1e-6
_FLOWS = {"sa": SelfAttention, "usa": UnnormalizedSelfAttention}
_ROTATIONS = ((0.2, 0.2), (0.6, 0.6), (0.3, -0.5), (1.2, 0.4))
_SCALARS = ((0.7, 1.0), (1.0, -0.6), (-1.0, 0.8), (-0.5, -1.0))  # v, s
_RANDOM = 6
_DIM = 4


def query_key_value(progress: Progress) -> Outcome:
    """M15: growth and turning of modes of 240 quiet tokens, in closed form and measured; random matrices."""
    verdicts: list[Verdict] = []
    predicted, measured = [], []
    for part, (name, flow) in enumerate(_FLOWS.items()):
        progress(0.35 * part, f"{name}: rotations and multiples of the identity")
        worst = 0.0
        for phi, psi in _ROTATIONS:
            rates = rotation_rates(_BETA, np.arange(1, 7), phi, psi, name, query_key=0.9, value=0.8)
            made = flow(_BETA, value=_turn(psi, 0.8), query_key=_turn(phi, 0.9))
            for k in (1, 2, 3, 5):
                got = _rate(made, k, float(np.abs(rates).max()))
                worst = max(worst, abs(got - rates[k - 1]) / float(np.abs(rates).max()))
                if name == "sa":
                    predicted.append(rates[k - 1])
                    measured.append(got)
        verdicts.append(compare(f"{name}: rotations, complex rates, of the largest", 0.0, worst, _TOLERANCE))
        worst = 0.0
        for value, query_key in _SCALARS:
            real = growth_rates(_BETA, 2, np.arange(1, 7), name, value=value, query_key=query_key)
            for k in (1, 2, 3, 4):
                got = _rate(flow(_BETA, value=value, query_key=query_key), k, float(np.abs(real).max()))
                worst = max(worst, abs(got - real[k - 1]) / float(np.abs(real).max()))
        verdicts.append(compare(f"{name}: B = sI, V = vI of all signs, of the largest", 0.0, worst, _TOLERANCE))
    one = rotation_rates(_BETA, [3], 0.2, 0.2, "usa")[0]
    verdicts.append(
        compare("reference: USA, k = 3, phi = psi = 0.2", 0.0, abs(one - (15.3479991196 - 10.5001311321j)), 1e-9)
    )
    eigen, growth = [], []
    for seed in range(_RANDOM):
        progress(0.7 + 0.3 * seed / _RANDOM, f"random matrices {seed + 1} of {_RANDOM}")
        lead, got = _random_case(seed)
        eigen.append(lead)
        growth.append(got)
    worst = float(np.max(np.abs(np.array(eigen) - np.array(growth)) / np.abs(eigen)))
    verdicts.append(compare("random B and V: linearisation against measured growth, relative", 0.0, worst, 1e-5))
    plane = Panel(
        "rotations, SA: closed form (hollow) and quiet tokens",
        "growth rate, real part",
        "turning, imaginary part",
        (
            Curve("measured", np.real(measured), np.imag(measured), "points"),
            Curve("closed form", np.real(predicted), np.imag(predicted), "points", predicted=True),
        ),
    )
    line = Panel(
        "random B and V, states at ± an eigenvector of V",
        "leading eigenvalue",
        "measured growth rate",
        (
            Curve("", np.sort(eigen), np.sort(eigen), predicted=True),
            Curve("runs", np.array(eigen), np.array(growth), "points"),
        ),
    )
    data = {"predicted": np.array(predicted), "measured": np.array(measured), "eigenvalues": np.array(eigen)}
    return Outcome(tuple(verdicts), (plane, line), data | {"growth": np.array(growth)})


def _turn(angle: float, size: float) -> np.ndarray:
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _rate(flow: AttentionFlow, degree: int, fastest: float) -> complex:
    """Complex slope of ln of the mode e^{−ikθ} of tokens that carry this mode alone."""
    start = equispaced(_TOKENS, _SIZE, degree, 0.4)
    end = 0.5 / fastest
    run = simulate(flow, start, [0.0, end], method="dopri8", step_size=end / 10)
    modes = [moments(angles(x), degree)[degree] for x in run.tokens.values]
    return complex(np.log(modes[1] / modes[0]) / end)


def _random_case(seed: int) -> tuple[float, float]:
    """The leading eigenvalue of tokens at rest under random B and V, and the growth rate of a run started along it.

    Tokens at ±v rest for every B if v is an eigenvector of V.
    """
    rng = np.random.default_rng(seed)
    query_key, basis = rng.standard_normal((2, _DIM, _DIM))
    value = basis @ np.diag([1.0, 0.6, -0.3, -0.8]) @ np.linalg.inv(basis)
    axis = basis[:, 1] / np.linalg.norm(basis[:, 1])
    tokens, weights = np.stack([axis, axis, -axis, axis]), np.array([0.3, 0.2, 0.4, 0.1])
    flow = SelfAttention(1.5, value, query_key)
    found = linearise(flow, tokens, weights, count=12)
    # Eigenvalues of these states are real or the pair leads: its real part is the growth of the envelope.
    rate, mode = found.eigenvalues[0], found.modes[0]
    end = 1.0 / abs(rate)
    start = tokens + 1e-7 * mode.real / np.abs(mode).max()
    run = simulate(
        flow, start / np.linalg.norm(start, axis=1, keepdims=True), [0.0, end], weights=weights, rtol=1e-13
    ).tokens.values
    # The part of the displacement along the mode, by the left eigenvector of the plane it spans.
    plane = np.stack([mode.real.ravel(), mode.imag.ravel()])
    plane = plane if np.abs(rate.imag) > 1e-9 * abs(rate) else plane[:1]
    first, last = (np.linalg.lstsq(plane.T, (x - tokens).ravel(), rcond=None)[0] for x in run)
    amplitudes = [a[0] - 1j * a[1] if len(a) == 2 else a[0] for a in (first, last)]
    return float(rate.real), float(np.real(np.log(complex(amplitudes[1] / amplitudes[0])) / end))
