"""Linearisation around any tokens: what small displacements do, whatever Q, K, V and wherever the tokens are.

    d u/dt = J u,      (J u)_i = P_{x_i} d/dε v_i(x + ε u),      ⟨x_i, u_i⟩ = 0

v the velocity of a flow. J is applied, not formed: by Jacobian-vector products where the attention is JAX code, else by
differences of fourth order along great circles. At a stationary state the eigenvalues are the growth rates of
perturbations; away from one, J describes neighbouring orbits for a short time only, and the result says so.

A state that turns as a rigid body, v_i = Ω x_i, under a flow that commutes with that rotation rests in the frame that
turns with it; there J u becomes J u − P Ω u.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.attention import AbstractAttention, CircleSeries, Dense, SphereSeries
from tokensphere.errors import InputError, check_positive_int, check_tokens, check_weights
from tokensphere.flows import AbstractFlow, AttentionFlow, Sphere, evaluate_field
from tokensphere.jaxsetup import jax, jnp
from tokensphere.theory import Hypothesis

from .loop import SolveError, as_leaf
from .spectrum import BLOCK, DENSE, leading_spectrum

__all__ = ["DERIVATIVES", "Linearisation", "linearise", "stationarity"]

Along = Callable[[np.ndarray], np.ndarray]

DERIVATIVES = ("jvp", "differences")
_DIRECT = 1500  # tokens up to which the direct sum is differentiated where a series could be
_MODERATE = 10.0  # beta
_STEP = 2e-3  # of the differences, in units of the width 1/√(1+β) of the kernel


@dataclass(frozen=True)
class Linearisation:
    """The leading part of the spectrum of J at a state of tokens.

    **Fields:** `eigenvalues` (m,) complex, by decreasing real part; `modes` (m, n, dim) complex tangent fields,
    Σ_i w_i |u_i|² = 1; `residuals` (m,), |Ju − λu| in the same norm; `speed`, the largest |velocity| of a token without
    the `rotation` Ω (dim, dim) of the state, 0 if it does not turn rigidly (modes are those in the turning frame);
    `derivative`, "jvp" or "differences"; `solver`, "dense" or "arnoldi"; `hypotheses`; `tokens` and `weights`;
    `scale`, the largest |λ| of the whole spectrum.

    A real perturbation is the real part of e^{λt} u.
    """

    eigenvalues: np.ndarray
    modes: np.ndarray
    residuals: np.ndarray
    speed: float
    rotation: np.ndarray
    derivative: str
    solver: str
    hypotheses: tuple[Hypothesis, ...]
    tokens: np.ndarray
    weights: np.ndarray
    scale: float

    @property
    def stationary(self) -> bool:
        """Whether the state rests, so that eigenvalues are growth rates."""
        return bool(self.hypotheses[0].holds)


def stationarity(speed: float, scale: float, tolerance: float) -> Hypothesis:
    """Whether a state that moves at `speed` rests on the time scale 1/`scale` of its fastest perturbation."""
    drift = 0.0 if speed == 0.0 else speed / scale if scale > 0 else math.inf
    return Hypothesis(
        "the state is stationary",
        drift <= tolerance,
        f"largest speed {speed:.3g}: it moves by {drift:.3g} while the fastest perturbation changes by a factor e",
    )


def linearise(
    flow: AbstractFlow,
    tokens: Any,
    weights: Any = None,
    *,
    count: int = 12,
    derivative: str | None = None,
    dense: int = DENSE,
    tolerance: float = 1e-6,
) -> Linearisation:
    """The leading eigenvalues and modes of a flow around any configuration of tokens.

    **Arguments:**

    - `flow`; `tokens` (n, dim) unit rows; `weights` (n,) masses or `None` (tokens of mass 0 are test tokens).
    - `count`: how many eigenvalues, those of largest real part (at most n(dim−1); one more to keep a pair).
    - `derivative`: `"jvp"` (exact; the attention must be JAX code: `Dense`, `CircleSeries`, `SphereSeries`) or
      `"differences"` (any backend, about 1e-10); by default the first where it can be.
    - `dense`: number of unknowns n(dim−1) up to which all eigenvalues are computed from the matrix.
    - `tolerance`: displacement per e-folding up to which the state counts as stationary.

    **Returns:** :class:`Linearisation`. Along the sphere J is the covariant derivative of the velocity.

    **Raises:** `InputError`; :class:`SolveError` if the eigenvalues do not converge or the velocity is not finite.
    """
    if not isinstance(flow.space, Sphere) or flow.breaks:
        raise InputError(f"{type(flow).__name__} does not live on the sphere: linearise the flow that it wraps")
    points = check_tokens(tokens)
    n, dim = points.shape
    masses = check_weights(weights, n)
    size = n * (dim - 1)
    count = min(check_positive_int(count, "count"), size)
    way, resolved = _way(flow, derivative, n, dim)
    given = None if weights is None else masses
    velocity = np.asarray(evaluate_field(flow.resolve(n, dim), points, given, 0.0))
    if not np.isfinite(velocity).all():
        raise SolveError("the velocity of the state is not finite")
    rotation = _rigid(flow.resolve(n, dim), points, masses, given, velocity, tolerance)
    along = (_jvp if way == "jvp" else _differences)(resolved, points, given)
    frame = _Frame.at(points, masses)

    def product(columns: np.ndarray) -> np.ndarray:
        fields = frame.fields(columns)
        return frame.flatten(along(fields) - fields @ rotation.T)

    found = leading_spectrum(product, size, count, dense=dense)
    modes = frame.fields(found.vectors.real) + 1j * frame.fields(found.vectors.imag)
    speed = float(np.linalg.norm(velocity - points @ rotation.T, axis=1).max())
    hypotheses = (stationarity(speed, found.scale, tolerance),)
    return Linearisation(
        found.values,
        modes,
        found.residuals,
        speed,
        rotation,
        way,
        found.method,
        hypotheses,
        points,
        masses,
        found.scale,
    )


def _rigid(
    flow: AbstractFlow, tokens: np.ndarray, masses: np.ndarray, weights: Any, velocity: np.ndarray, tolerance: float
) -> np.ndarray:
    """Ω of a state that turns rigidly under a flow that commutes with e^{Ωt}; 0 for every other state."""
    from scipy.linalg import expm

    still = np.zeros((tokens.shape[1],) * 2)
    speed = float(np.linalg.norm(velocity, axis=1).max())
    # The best antisymmetric Ω solves ΩC + CΩ = D − Dᵀ, C = Σ w x xᵀ, D = Σ w v xᵀ: entry by entry where C is diagonal.
    sizes, axes = np.linalg.eigh(tokens.T @ (masses[:, None] * tokens))
    force = velocity.T @ (masses[:, None] * tokens)
    pairs = sizes[:, None] + sizes
    inner = axes.T @ (force - force.T) @ axes
    rotation = axes @ np.where(pairs > 1e-12, inner / np.where(pairs > 1e-12, pairs, 1.0), 0.0) @ axes.T
    if speed == 0.0 or np.linalg.norm(velocity - tokens @ rotation.T, axis=1).max() > tolerance * speed:
        return still
    # Any other state must turn alike: tokens off this one, and a turn that is no symmetry of it.
    turn = expm(rotation * (0.7 / np.linalg.norm(rotation, 2)))
    other = tokens + 0.3 * np.random.default_rng(0).standard_normal(tokens.shape)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    before = np.asarray(evaluate_field(flow, other, weights, 0.0))
    after = np.asarray(evaluate_field(flow, np.ascontiguousarray(other @ turn.T), weights, 0.0))
    return rotation if np.abs(after - before @ turn.T).max() <= 1e-9 * np.abs(before).max() else still


def _way(flow: AbstractFlow, derivative: str | None, n: int, dim: int) -> tuple[str, AbstractFlow]:
    """How to differentiate, and the flow with a backend for it."""
    if derivative is not None and derivative not in DERIVATIVES:
        raise InputError(f"derivative must be 'jvp' or 'differences', got {derivative!r}")
    if not isinstance(flow, AttentionFlow):
        if derivative == "jvp":
            raise InputError(f"derivative='jvp' needs an attention flow, got {type(flow).__name__}; use 'differences'")
        return "differences", flow.resolve(n, dim)
    possible = flow.attention is None or isinstance(flow.attention, Dense | CircleSeries | SphereSeries)
    if derivative == "differences" or not (possible or derivative):
        return "differences", flow.resolve(n, dim)
    if not possible:
        raise InputError(f"{type(flow.attention).__name__} attention cannot be differentiated; use Dense")
    if flow.attention is None:
        series = {2: CircleSeries, 3: SphereSeries}.get(dim)
        if series is None or n <= _DIRECT or not flow.isotropic or flow.causal:
            chosen: AbstractAttention = Dense()
        else:
            # Rows whose Z is lost beside the largest, e^{2β} times it, must be summed directly: not at moderate β.
            sharp = flow.beta * abs(1.0 if flow.query_key is None else float(flow.query_key)) > _MODERATE
            chosen = series(repairs=32 if sharp else None)
        flow = dataclasses.replace(flow, attention=chosen)
    return "jvp", flow.resolve(n, dim)


@eqx.filter_jit
def _products(flow: AbstractFlow, tokens: Any, weights: Any, fields: Any) -> Any:
    """Derivatives of the velocity along many fields, one after the other: a batch would hold a batch of logits."""

    def one(u: Any) -> Any:
        return jax.jvp(lambda x: type(flow).field(flow, x, weights, 0.0), (tokens,), (u,))[1]

    return jax.lax.map(one, fields)


def _jvp(flow: AbstractFlow, tokens: np.ndarray, weights: Any) -> Along:
    """Derivatives (k, n, dim) of the velocity along the fields (k, n, dim)."""
    x, w = jnp.asarray(tokens), None if weights is None else jnp.asarray(weights)
    if isinstance(flow, AttentionFlow) and isinstance(flow.attention, Dense):
        flow = jax.tree.map(as_leaf, flow)  # one compilation for every β; a series needs to know its own

    def along(fields: np.ndarray) -> np.ndarray:
        # One shape only is ever compiled: a block where the whole matrix is made, else one field.
        count, block = len(fields), BLOCK if fields[0].size <= 2 * DENSE else 1
        parts = []
        for start in range(0, count, block):
            part = fields[start : start + block]
            filler = np.zeros((block - len(part), *part.shape[1:]))
            parts.append(np.asarray(_products(flow, x, w, jnp.asarray(np.concatenate([part, filler])))))
        return np.concatenate(parts)[:count]

    return along


def _differences(flow: AbstractFlow, tokens: np.ndarray, weights: Any) -> Along:
    """The same by (8(v₁ − v₋₁) − (v₂ − v₋₂))/12h along great circles."""
    h = _STEP / math.sqrt(1.0 + abs(float(getattr(flow, "beta", 0.0))))

    def one(u: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(u, axis=1, keepdims=True)
        largest = float(lengths.max())
        if largest == 0.0:
            return np.zeros_like(u)

        def shifted(step: float) -> np.ndarray:
            angle = step * lengths / largest
            # sin(a)/a · u: the great circle in the direction of u
            moved = np.cos(angle) * tokens + step / largest * np.sinc(angle / math.pi) * u
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
            return np.asarray(evaluate_field(flow, moved, weights, 0.0))

        near, far = shifted(h) - shifted(-h), shifted(2 * h) - shifted(-2 * h)
        return (8.0 * near - far) * (largest / (12.0 * h))

    return lambda fields: np.stack([one(u) for u in fields])


@dataclass(frozen=True)
class _Frame:
    """Coordinates of tangent fields: n(dim−1) numbers, in which Σ w_i |u_i|² is the sum of squares.

    Householder reflections H_i x_i = ∓e_1 turn tangent vectors at x_i into vectors without first entry. The scaling by
    √w_i makes J symmetric where the flow is a gradient.
    """

    mirrors: np.ndarray
    roots: np.ndarray

    @classmethod
    def at(cls, tokens: np.ndarray, weights: np.ndarray) -> _Frame:
        mirrors = tokens.copy()
        mirrors[:, 0] += np.where(tokens[:, 0] >= 0, 1.0, -1.0)
        mirrors *= math.sqrt(2.0) / np.linalg.norm(mirrors, axis=1, keepdims=True)
        roots = np.sqrt(np.where(weights > 0, weights, 1.0 / len(weights)))
        return cls(mirrors, roots[:, None])

    def _reflect(self, fields: np.ndarray) -> np.ndarray:
        return fields - np.einsum("ni,kni->kn", self.mirrors, fields)[..., None] * self.mirrors

    def fields(self, columns: np.ndarray) -> np.ndarray:
        """Tangent fields (k, n, dim) of columns (n(dim−1), k)."""
        n, dim = self.mirrors.shape
        inner = np.zeros((columns.shape[1], n, dim))
        inner[..., 1:] = columns.T.reshape(-1, n, dim - 1) / self.roots
        return self._reflect(inner)

    def flatten(self, fields: np.ndarray) -> np.ndarray:
        """Columns (n(dim−1), k) of the tangent parts of fields (k, n, dim)."""
        return (self._reflect(fields)[..., 1:] * self.roots).reshape(len(fields), -1).T
