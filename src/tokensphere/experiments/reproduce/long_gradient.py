"""The gradient of one layer over a long context (C11).

g = ‖∂X'/∂X‖_F²/(nd) on the simplex, without a residual: → 0, (1−1/d)/(4q), (1−1/d)/q below, at and above γ_c
                                                                                          [2510.05554; finite n derived]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.attention import Dense
from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import compare
from tokensphere.flows import SelfAttention
from tokensphere.jaxsetup import jax, jnp
from tokensphere.sphere import equiangular
from tokensphere.theory import critical_gamma, critical_gradient_gap, gradient_limit, gradient_norm

__all__ = ["gradient_norms"]

_SEED = 1100
_GRADIENT_N = (8, 32, 128)
_WHOLE_N = 32  # tokens up to which the whole Jacobian is made; above, the rows of one token, which are all alike
_GRADIENT_RATIOS = np.array([0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0])


def _by_autodiff(n: int, rho: float, gammas: np.ndarray, squared_norm: float) -> np.ndarray:
    """g by reverse-mode differentiation of the package's attention, d = n + 2."""
    dim = n + 2
    tokens = jnp.asarray(equiangular(n, dim, rho, _SEED) * np.sqrt(squared_norm))
    last = n if n <= _WHOLE_N else 1

    def layer(points: Any, beta: Any) -> Any:
        theta = points / jnp.sqrt(jnp.sum(points**2, axis=1, keepdims=True))
        flow = SelfAttention(beta, attention=Dense())
        return flow.attended(theta)[:last]

    squared = jax.jit(lambda points, beta: jnp.sum(jax.jacrev(layer)(points, beta) ** 2))
    return np.array([float(squared(tokens, gamma * np.log(n))) for gamma in gammas]) / (last * dim)


def gradient_norms(progress: Progress) -> Outcome:
    """C11: g = ‖∂X'/∂X‖²/(nd) on the simplex ρ = 1/2, d = n + 2: automatic differentiation, formula, three limits.

    For 128 tokens the Jacobian is that of one token's output, which on the simplex are all alike.
    """
    rho, critical = 0.5, critical_gamma(0.5)
    gammas = _GRADIENT_RATIOS * critical
    verdicts, curves, data = [], [], dict[str, Any](gamma=gammas)
    fine = np.linspace(_GRADIENT_RATIOS[0], _GRADIENT_RATIOS[-1], 200)
    for i, n in enumerate(_GRADIENT_N):
        progress(0.3 * i, f"Jacobian of {n} tokens")
        measured = _by_autodiff(n, rho, gammas, 1.0)
        predicted = np.array([gradient_norm(g, n, rho, n + 2) for g in gammas])
        worst = float(np.abs(measured / predicted - 1.0).max())
        verdicts.append(compare(f"n = {n}: automatic differentiation against the formula, relative", 0.0, worst, 1e-10))
        exactly = np.array([gradient_norm(r * critical, n, rho, n + 2) for r in fine])
        curves.append(Curve(f"formula, n = {n}", fine, exactly, predicted=True, color=i))
        curves.append(Curve("autodiff", _GRADIENT_RATIOS, measured, "points", color=i))
        data[f"g_{n}"] = measured
    progress(0.9, "norms of tokens and limits")
    scaled = _by_autodiff(8, rho, gammas[:3], 2.5)
    wanted = np.array([gradient_norm(g, 8, rho, 10, 2.5) for g in gammas[:3]])
    worst = float(np.abs(scaled / wanted - 1.0).max())
    verdicts.append(compare("tokens of squared norm 2.5: relative", 0.0, worst, 1e-10))
    n = 10**15
    for name, ratio in (("below", 0.5), ("at", 1.0), ("above", 1.5)):
        limit = gradient_limit(ratio * critical, rho, n + 2)
        found = gradient_norm(ratio * critical, n, rho, n + 2)
        verdicts.append(compare(f"limit {name} gamma_c: g at n = 1e15", limit, found, 1e-6, source="2510.05554"))
    far = np.array([gradient_norm(r * critical, n, rho, n + 2) for r in fine])
    curves.append(Curve("formula, n = 1e15", fine, far, predicted=True, color=len(_GRADIENT_N)))
    counts = 10.0 ** np.arange(1, 16)
    gap = np.array([abs(gradient_norm(critical, m, rho, m + 2) - gradient_limit(critical, rho, m + 2)) for m in counts])
    lead = np.array([critical_gradient_gap(m, rho) for m in counts])
    name = "at gamma_c: distance to the limit over its expansion, n = 1e15"
    verdicts.append(compare(name, 1.0, float(gap[-1] / lead[-1]), 0.01))
    panels = (
        Panel(
            "gradient of one layer, ρ = 0.5, d = n + 2",
            r"$\gamma/\gamma_c$",
            r"$g = \|\partial X'/\partial X\|^2/(nd)$",
            tuple(curves),
        ),
        Panel(
            "at the critical γ the limit is reached slowly",
            "tokens n",
            r"$|g - \lim g|$",
            (
                Curve("formula", counts, gap, "points"),
                Curve(r"$(\rho\,\log^2 n/16 + (2+\rho)\log n/4)/n$", counts, lead, predicted=True),
            ),
            True,
            True,
        ),
    )
    return Outcome(tuple(verdicts), panels, data)
