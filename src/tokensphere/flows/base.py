"""The contract of a flow: a velocity field dx_i/dt on the unit sphere.

A flow is a frozen record of numbers and matrices. What the two families share lives here: the projection, the
queries Bᵀx, the choice of an attention backend and the energy with its identities.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Self

import equinox as eqx
import numpy as np

from tokensphere.attention import AbstractAttention, Attended, Circle, Dense, Hardmax, Sharded, choose
from tokensphere.errors import InputError, check_beta, check_tokens, check_weights
from tokensphere.jaxsetup import is_traced, jax, jnp
from tokensphere.parallel import TokenMesh

from .space import SPHERE, AbstractSpace, project

__all__ = ["AbstractFlow", "AttentionFlow", "evaluate_attended", "evaluate_field"]


class AbstractFlow(eqx.Module):
    """A velocity field on the sphere (or in another space, see :mod:`.space`), with its energy where there is one.

    What steppers call (`field`, `attended`, `layer`) takes the *points* of its space: on the sphere, the tokens.
    """

    @property
    def space(self) -> AbstractSpace:
        """Where the tokens live."""
        return SPHERE

    def check(self, tokens: Any, radii: Any = None, t: float = 0.0) -> np.ndarray:
        """The points that `tokens` and `radii`, as a user gives them at time t, stand for. **Raises:** `InputError`."""
        return self.space.check(tokens, radii)

    def check_run(self, start: float, step: float | None = None) -> None:
        """Refuse times from `start` on, in layers of `step` or (`None`) continuous, if the flow cannot have them.

        Flows made of others ask those. **Raises:** `InputError`.
        """
        return None

    @property
    def holds(self) -> bool:
        """Whether it holds some tokens where they are, from which noise would move them."""
        return False

    @property
    def breaks(self) -> tuple[float, ...]:
        """Times at which the velocity jumps: steps end there."""
        return ()

    @property
    def clock(self) -> str:
        """What time means for this flow: `"real"` or `"shifted"`."""
        return "real"

    @property
    def on_host(self) -> bool:
        """Whether the resolved flow works on NumPy arrays; time steppers then stay on the host."""
        return False

    @property
    def angular(self) -> bool:
        """Whether the resolved flow lives on the circle and gives its velocity in angles (see `angular_field`)."""
        return False

    def angular_field(self, angles: np.ndarray, masses: np.ndarray, t: float) -> np.ndarray:
        """dθ_i/dt (n,) of tokens at `angles` (n,), for a flow with `angular`: time steppers then turn angles."""
        raise TypeError(f"{type(self).__name__} is not a flow on the circle")

    def attended(self, tokens: Any, weights: Any, t: Any) -> Any:
        """The attention output A_i (n, dim) *before* projection, without any check of the input: what a layer adds."""
        raise InputError(f"{type(self).__name__} has no attention output, so it has no layers; use another method")

    def layer(self, points: Any, attended: Any, step: Any, t: Any) -> Any:
        """The points after one layer with step η at time t, given the attention output: N(x + ηA) on the sphere."""
        return self.space.retract(points + step * attended)

    def scaled(self, factor: Any) -> AbstractFlow:
        """The same flow with all logits multiplied by `factor`."""
        raise InputError(f"{type(self).__name__} has no logits to scale")

    @abc.abstractmethod
    def field(self, tokens: Any, weights: Any, t: Any) -> Any:
        """The velocity without any check of the input: what time steppers call, compiled or on the host."""

    @abc.abstractmethod
    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt (n, dim) for unit `tokens` (n, dim), masses `weights` (n,) and time `t`."""

    @abc.abstractmethod
    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """The energy of the measure Σ w_i δ_{x_i}."""

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt where tokens move with any tangent `velocity` (n, dim)."""
        raise InputError(f"{type(self).__name__} has no energy whose rate is known")

    def energy_rate(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt along the flow. **Raises:** `InputError` where the flow has no energy whose rate is known."""
        return self.energy_along(tokens, self.velocity(tokens, weights), weights, shifted=shifted)

    @abc.abstractmethod
    def resolve(self, n: int, dim: int) -> Self:
        """The same flow with every choice that depends on the size of the problem made."""


def _matrix(value: Any, name: str) -> Any:
    """A multiplier as given by the user: `None` or a float for a multiple of I, or a square matrix."""
    if value is None or is_traced(value):
        return value
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or a square matrix, got {value!r}") from None
    if not np.isfinite(array).all():
        raise InputError(f"{name} has an entry that is not finite")
    if array.ndim == 0:
        return float(array)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise InputError(f"{name} must be a number or a square matrix, got shape {array.shape}")
    return jnp.asarray(array)


def _ordered(attention: AbstractAttention | None, causal: bool) -> AbstractAttention | None:
    """The backend, told that it is causal where the flow is."""
    if attention is None or not causal:
        return attention
    if not isinstance(attention, Dense | Hardmax):
        raise InputError(f"{type(attention).__name__} attention cannot be causal; use Dense, or attention=None")
    return dataclasses.replace(attention, causal=True)


class AttentionFlow(AbstractFlow):
    """dx_i/dt = P_{x_i} of an attention output with logits β x_iᵀB x_j and values V x_j.

    **Fields:** `beta` ≥ 0; `value` V and `query_key` B = QᵀK, each `None` (identity), a number (multiple of the
    identity) or a (dim, dim) matrix; `attention`, a backend, or `None` to let :func:`tokensphere.attention.choose`
    pick one by the number of tokens; `causal`: token i sees tokens j ≤ i only, in the numerator and in Z_i
    [2411.04990]. The order of the tokens then matters, and there is no energy.

    **Raises:** `InputError` if beta is negative or not finite, or a matrix is not square, finite or of the tokens'
    dimension, or the attention of a causal flow is neither `Dense` nor `Hardmax`.
    """

    beta: float
    value: Any = None
    query_key: Any = None
    attention: AbstractAttention | None = None
    causal: bool = eqx.field(static=True, default=False)

    def __init__(
        self,
        beta: float,
        value: Any = None,
        query_key: Any = None,
        attention: AbstractAttention | None = None,
        causal: bool = False,
    ) -> None:
        self.beta = beta if is_traced(beta) else check_beta(beta)
        self.value = _matrix(value, "value")
        self.query_key = _matrix(query_key, "query_key")
        # A causal sum makes the flow causal: what has no energy must not claim one.
        self.causal = bool(causal) or (isinstance(attention, Dense | Hardmax) and attention.causal)
        self.attention = _ordered(attention, self.causal)

    # -- what a subclass says ---------------------------------------------------------------------------------

    @abc.abstractmethod
    def strength(self, log_z: Any) -> Any:
        """The factor, (m, 1) or a number, that turns the mean of the values into the attention output."""

    @abc.abstractmethod
    def turn(self, attention: Circle | Sharded, angles: np.ndarray, masses: np.ndarray, beta: float) -> np.ndarray:
        """The attention output along the circle, (n,), for V = I and logits β cos(θ_i − θ_j)."""

    @property
    def log_scale(self) -> Any:
        """Logarithm of the constant that multiplies the kernel (0, or −β for a shifted kernel)."""
        return 0.0

    # -- what all share ---------------------------------------------------------------------------------------

    @property
    def isotropic(self) -> bool:
        """Whether B is a multiple of the identity."""
        return self.query_key is None or np.ndim(self.query_key) == 0

    def resolve(self, n: int, dim: int, *, shared: bool = False) -> Self:
        """See :class:`AbstractFlow`. With `shared` the choice is the same on every machine, so that processes agree."""
        self._check_dim(dim)
        if self.causal and shared:
            raise InputError("causal attention cannot be shared by many processes; run it in one")
        if self.attention is not None:
            if self.attention.isotropic_only and not self.isotropic:
                name = type(self.attention).__name__
                raise InputError(f"{name} attention needs a query_key that is a number, not a matrix; use Dense")
            return dataclasses.replace(self, attention=self._informed(self.attention))
        if self.causal:
            return dataclasses.replace(self, attention=self._informed(Dense()))
        norm = 1.0 if self.query_key is None else float(np.linalg.norm(np.atleast_2d(self.query_key), 2))
        chosen = choose(n, dim, beta=self.beta * norm, isotropic=self.isotropic, shared=shared).attention
        return dataclasses.replace(self, attention=self._informed(chosen))

    def _informed(self, attention: AbstractAttention) -> AbstractAttention:
        """The backend, told that B is symmetric where it is."""
        if isinstance(attention, Dense) and not is_traced(self.query_key) and self.symmetric:
            return dataclasses.replace(attention, symmetric=True)
        return attention

    def _differentiable(self, n: int, dim: int) -> Self:
        """The same flow with a backend for use inside transformed code, where none was asked for."""
        self._check_dim(dim)
        if self.attention is not None:
            return self.resolve(n, dim)
        return dataclasses.replace(self, attention=choose(n, dim, differentiable=True).attention)

    def _check_dim(self, dim: int) -> None:
        for name in ("value", "query_key"):
            matrix = getattr(self, name)
            if np.ndim(matrix) == 2 and matrix.shape != (dim, dim):
                raise InputError(f"{name} has shape {matrix.shape}, but the tokens have dim {dim}")

    @property
    def on_host(self) -> bool:
        return self.attention is not None and self.attention.on_host

    @property
    def angular(self) -> bool:
        attention = self.attention
        on_circle = attention.angular if isinstance(attention, Sharded) else isinstance(attention, Circle)
        return on_circle and self.isotropic and np.ndim(self.value) == 0

    def shard(self, mesh: TokenMesh) -> Self:
        """The same resolved flow for a process of `mesh` that holds a slice of the tokens.

        **Raises:** `InputError` if the attention cannot be shared.
        """
        assert self.attention is not None
        shared = dataclasses.replace(self, attention=Sharded(self.attention, mesh))
        # On the host nothing is compiled: matrices may be NumPy's.
        return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, shared)

    def angular_field(self, angles: np.ndarray, masses: np.ndarray, t: float) -> np.ndarray:
        """dθ_i/dt on the circle, for an angular flow."""
        attention, factor = self.attention, 1.0 if self.value is None else self.value
        assert isinstance(attention, Circle | Sharded)
        beta = self.beta if self.query_key is None else self.beta * self.query_key
        return factor * type(self).turn(self, attention, angles, masses, beta)

    def field(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        only_tangent = np.ndim(self.value) == 0 and self.isotropic
        log_z, mean = _attend(self, tokens, weights, only_tangent)
        return project(tokens, _multiply(self.value, mean) * type(self).strength(self, log_z))

    def attended(self, tokens: Any, weights: Any = None, t: Any = 0.0) -> Any:
        """A_i (n, dim): Z_i⁻¹ Σ_j w_j e^{β x_iᵀB x_j} V x_j for SA, without Z_i⁻¹ for USA; `field` is P_{x_i} A_i."""
        log_z, mean = _attend(self, tokens, weights)
        return _multiply(self.value, mean) * type(self).strength(self, log_z)

    def velocity(self, tokens: Any, weights: Any = None, *, radii: Any = None, t: Any = 0.0) -> np.ndarray:
        """Tangent vectors dx_i/dt.

        **Arguments:** `tokens` (n, dim) unit rows; `weights` (n,) masses summing to 1, `None` for 1/n each;
        `radii` and `t` are unused here (the flow is autonomous on the sphere).

        **Returns:** (n, dim), float64.

        **Raises:** `InputError` naming the first token that is not finite or not of unit length, or a bad mass.
        """
        if is_traced(tokens, weights, self):
            return self._differentiable(*np.shape(tokens)).field(tokens, weights, t)
        tokens = check_tokens(tokens)
        weights = None if weights is None else check_weights(weights, len(tokens))
        return np.asarray(evaluate_field(self.resolve(*tokens.shape), tokens, weights, t))

    def scaled(self, factor: Any) -> Self:
        return dataclasses.replace(self, beta=self.beta * factor)

    # -- energy -----------------------------------------------------------------------------------------------

    @property
    def symmetric(self) -> bool:
        """Whether B is symmetric, which the energy needs."""
        if self.isotropic:
            return True
        b = np.asarray(self.query_key)
        return bool(np.abs(b - b.T).max() <= 1e-14 * np.abs(b).max())

    @property
    def has_energy(self) -> bool:
        """Whether there is an energy at all: B is symmetric, all tokens see each other, and β is finite."""
        return self.symmetric and not self.causal and not isinstance(self.attention, Hardmax)

    @property
    def gradient_sign(self) -> int | None:
        """+1 if the flow ascends its energy (B symmetric, V = cB, c > 0), −1 if it descends (c < 0), else `None`."""
        if not self.has_energy:
            return None
        value = 1.0 if self.value is None else self.value
        query_key = 1.0 if self.query_key is None else self.query_key
        if np.ndim(value) == 0 and np.ndim(query_key) == 0:
            return int(np.sign(value * query_key)) or None
        size = max(np.shape(value), np.shape(query_key))[0]
        v, b = (m * np.eye(size) if np.ndim(m) == 0 else np.asarray(m) for m in (value, query_key))
        factor = np.sum(v * b) / np.sum(b * b) if b.any() else 0.0
        proportional = np.abs(v - factor * b).max() <= 1e-13 * np.abs(v).max()
        return int(np.sign(factor)) or None if proportional else None

    def energy(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """E = (1/2β) Σ_ij w_i w_j e^{β x_iᵀB x_j} · scale, scale = e^{−β} if `shifted`, else 1.

        By default the energy is shifted if the flow's kernel is.

        For β = 0 the limit up to its constant: ½ Σ_ij w_i w_j x_iᵀB x_j.

        **Raises:** `InputError` if B is not symmetric or the flow is causal (there is no energy), or if E overflows.
        """
        tokens, weights = self._energy_input(tokens, weights)
        if self.beta == 0:
            mean = self._total(weights @ tokens)
            return float(0.5 * mean @ _multiply(self.query_key, mean))
        z = self._scaled_z(self._attended(tokens, weights, tangent=True).log_z, shifted)
        return float(self._total(np.sum(weights * z)) / (2 * self.beta))

    def energy_rate(self, tokens: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt along the flow, from the state alone: Σ_i w_i ⟨Z_i B mean_i, dx_i/dt⟩, Z_i scaled as in `energy`.

        For V = B this is Σ w_i |dx_i/dt|² (USA) or Σ w_i Z_i |dx_i/dt|² (SA): gradient ascent.

        **Raises:** `InputError` as `energy` does.
        """
        return self.energy_along(tokens, None, weights, shifted=shifted)

    def energy_along(self, tokens: Any, velocity: Any, weights: Any = None, *, shifted: bool | None = None) -> float:
        """dE/dt where tokens move with any `velocity` (n, dim), tangent: Σ_i w_i ⟨Z_i B mean_i, dx_i/dt⟩.

        **Raises:** `InputError` as `energy` does.
        """
        tokens, weights = self._energy_input(tokens, weights)
        log_z, mean = self._attended(tokens, weights)
        if velocity is None:
            velocity = project(tokens, _multiply(self.value, mean) * self.strength(log_z))
        force = self._scaled_z(log_z, shifted)[:, None] * _multiply(self.query_key, mean)
        return float(self._total(np.sum(weights * np.sum(force * velocity, axis=1))))

    def _total(self, partial: Any) -> Any:
        """Σ over the processes that share the tokens, where there are several."""
        return partial if self.attention is None else self.attention.total(partial)

    def _scaled_z(self, log_z: np.ndarray, shifted: bool | None) -> np.ndarray:
        """Z_i times the scale of the energy."""
        log_z = log_z + (self.log_scale if shifted is None else -self.beta * shifted)
        if log_z.max() > 700:
            raise InputError(f"the energy at beta = {self.beta:g} exceeds the floating-point range; use shifted=True")
        return np.exp(log_z)

    def _attended(self, tokens: np.ndarray, weights: np.ndarray, tangent: bool = False) -> Attended:
        """log Z and the mean as NumPy arrays."""
        flow = self.resolve(*tokens.shape)
        log_z, mean = (_attend if flow.on_host else _compiled_attend)(flow, tokens, weights, tangent)
        return Attended(np.asarray(log_z), np.asarray(mean))

    def _energy_input(self, tokens: Any, weights: Any) -> tuple[np.ndarray, np.ndarray]:
        if self.causal:
            raise InputError("this flow has no energy: causal attention is not symmetric in its tokens")
        if not self.symmetric:
            raise InputError("this flow has no energy: query_key is not symmetric")
        if isinstance(self.attention, Hardmax):
            raise InputError("this flow has no energy: its attention is a hardmax")
        tokens = check_tokens(tokens)
        self._check_dim(tokens.shape[1])
        if isinstance(self.attention, Sharded):
            return tokens, weights  # a slice of the masses, which sum to 1 over all processes
        return tokens, check_weights(weights, len(tokens))


def _call_field(flow: AbstractFlow, tokens: Any, weights: Any, t: Any) -> Any:
    return type(flow).field(flow, tokens, weights, t)


def _call_attended(flow: AbstractFlow, tokens: Any, weights: Any, t: Any) -> Any:
    return type(flow).attended(flow, tokens, weights, t)


# The hot path goes through plain functions and `type(x).method(x, …)`: binding a method of an equinox module
# costs about as much as a Fourier sum over 1,000 tokens.


def _multiply(matrix: Any, rows: Any) -> Any:
    """M x_i for every row x_i, M given as `None` (identity), a number or a matrix."""
    if matrix is None:
        return rows
    return matrix * rows if np.ndim(matrix) == 0 else rows @ _like(rows, matrix).T


def _like(rows: Any, matrix: Any) -> Any:
    """The matrix as a NumPy array where the rows are one, so that work stays on the host."""
    return np.asarray(matrix) if isinstance(rows, np.ndarray) and not is_traced(matrix) else matrix


def _attend(flow: AttentionFlow, tokens: Any, weights: Any, tangent: bool = False) -> Attended:
    """log Z_i = log Σ_j w_j e^{β x_iᵀB x_j} and the mean of the *keys* x_j, before V, for a resolved flow."""
    attention, query_key, beta, queries = flow.attention, flow.query_key, flow.beta, tokens
    if np.ndim(query_key) == 2:
        queries = tokens @ _like(tokens, query_key)  # rows are (Bᵀx)ᵀ
    elif query_key is not None:
        beta = beta * query_key
    assert attention is not None
    return type(attention).__call__(attention, queries, tokens, None, weights, beta=beta, tangent=tangent)


_compiled_field = eqx.filter_jit(_call_field)
_compiled_attended = eqx.filter_jit(_call_attended)
_compiled_attend = eqx.filter_jit(_attend)


def evaluate_field(flow: AbstractFlow, tokens: Any, weights: Any, t: Any) -> Any:
    """`flow.field` for a resolved flow: on the host where the flow lives there, else compiled."""
    if flow.on_host:
        return _call_field(flow, tokens, weights, t)
    return _compiled_field(flow, tokens, weights, jnp.asarray(t))  # an array, so that no time compiles anew


def evaluate_attended(flow: AbstractFlow, tokens: Any, weights: Any, t: Any) -> Any:
    """`flow.attended` for a resolved flow, where `evaluate_field` evaluates it."""
    if flow.on_host:
        return _call_attended(flow, tokens, weights, t)
    return _compiled_attended(flow, tokens, weights, jnp.asarray(t))
