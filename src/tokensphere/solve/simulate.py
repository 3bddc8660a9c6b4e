"""`simulate`: tokens in, an xarray dataset of their history out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError, check_times, check_weights
from tokensphere.flows import AbstractFlow, AttentionFlow, MultiHead
from tokensphere.parallel import Shard, TokenMesh

from .events import Event
from .loop import Integrator, State

if TYPE_CHECKING:
    import xarray

__all__ = ["simulate"]


def simulate(
    flow: AbstractFlow,
    tokens: Any,
    times: Any,
    *,
    rtol: float = 1e-8,
    error_norm: str = "largest",
    method: str = "tsit5",
    step_size: float | None = None,
    weights: Any = None,
    radii: Any = None,
    events: Sequence[Event] = (),
    max_steps: int = 1_000_000,
    observe: Callable[[State], None] | None = None,
    mesh: TokenMesh | None = None,
    noise: float = 0.0,
    seed: int = 0,
    common_noise: bool = False,
) -> xarray.Dataset:
    """Integrate dx_i/dt = flow.velocity(x) on the sphere and save the tokens at the given times.

    With `noise` τ > 0: dx_i = flow.velocity(x) dt + √(2τ) P_{x_i} ∘ dW_i, independent Brownian motions,
    or with `common_noise` one W in R^d for all tokens (not a common rotation, which would leave all distances as they
    are: P_x ∘ dW pulls tokens together, :func:`tokensphere.theory.common_noise_exponent`).

    **Arguments:**

    - `flow`, `tokens` (n, dim) unit rows at `times[0]` (any rows for a flow in R^d), `weights` (n,) masses or `None`.
    - `radii`: one number or (n,), for a flow under a scheme that keeps them; default 1.
    - `times`: increasing save times, reached exactly.
    - `rtol`: the error allowed over one step, in radians, for adaptive methods (`"tsit5"`, `"dopri8"`): of any
      token, or with `error_norm="rms"` the root mean square over the tokens, as most solvers of differential
      equations measure it. That takes fewer steps, but a few tokens may be √n times less accurate than the rest.
    - `step_size`: fixed steps instead (any method; needed for `"euler"` and `"rk4"`), or of one layer for
      `"layer"`: x⁺ = N(x + ηA), saved at whole numbers of layers t = ηℓ.
    - `events`: see :mod:`tokensphere.solve.events`; a terminal event ends the run early.
    - `observe`: called with the :class:`State` after every accepted step.
    - `mesh`: a team of processes (:func:`tokensphere.parallel.connect`), or the devices of one, that share the work.
      All of them call with the same arguments and get the same dataset; a `State` holds the slice of one process.
    - `noise` τ ≥ 0, with `method="geodesic"` (weak order 1) or `"strang"` (weak order 2) and a `step_size`; `seed` of
      its random numbers, which are the same for every mesh; `common_noise`, of both methods weak order 1.

    **Returns:** a dataset with `tokens(time, token, component)`, `velocity(time, token, component)`,
    `radii(time, token)` where the flow keeps them, `step_time(step)`, `step_size(step)` and `step_error(step)`;
    attributes `events` (name and time of those that fired), `steps`, `rejected`. After a terminal event the last
    frame is the state at the event.

    **Raises:** `InputError` before any work if something is wrong with the input; :class:`SolveError` if the
    integration cannot go on.
    """
    import xarray

    save_times = check_times(times)
    points = flow.check(tokens, radii, float(save_times[0]))
    masses = None if weights is None else check_weights(weights, len(points))
    resolved, shard, start, own = flow, None, points, masses
    if mesh is None:
        resolved = flow.resolve(len(points), np.shape(tokens)[1])
    else:
        if not isinstance(flow, AttentionFlow | MultiHead):
            raise InputError(f"{type(flow).__name__} cannot be shared by many processes")
        shard = Shard.of(mesh, len(points))
        resolved = flow.resolve(*points.shape, shared=True).shard(mesh)
        start, own = shard.take(points), shard.masses(masses)
    integrator = Integrator(
        resolved,
        own,
        save_times,
        method=method,
        rtol=rtol,
        error_norm=error_norm,
        step_size=step_size,
        max_steps=max_steps,
        events=events,
        shard=shard,
        noise=noise,
        seed=seed,
        common_noise=common_noise,
    )
    frames: list[tuple[float, np.ndarray, np.ndarray]] = []
    norms: list[np.ndarray] = []
    log: list[tuple[float, float, float]] = []

    def keep(state: State) -> None:
        rows = np.asarray(state.tokens), integrator.velocity(state)
        frames.append((state.t, *(rows if shard is None else map(shard.gather, rows))))
        if state.radii is not None:
            norms.append(np.asarray(state.radii))

    state = integrator.start(start)
    keep(state)

    def after_step(state: State) -> None:
        log.append((state.t, state.taken, state.error))
        if state.finished or state.saved > len(frames):
            keep(state)
        if observe is not None:
            observe(state)

    state = integrator.run(state, after_step)
    steps = np.array(log).reshape(-1, 3)
    dims = ("time", "token", "component")
    return xarray.Dataset(
        {
            "tokens": (dims, np.stack([frame[1] for frame in frames])),
            "velocity": (dims, np.stack([frame[2] for frame in frames])),
            **({"radii": (dims[:2], np.stack(norms))} if norms else {}),
            "step_time": ("step", steps[:, 0]),
            "step_size": ("step", steps[:, 1]),
            "step_error": ("step", steps[:, 2]),
        },
        coords={
            "time": [frame[0] for frame in frames],
            "weights": ("token", check_weights(masses, len(points))),
        },
        attrs={
            "events": {fired.name: fired.time for fired in state.fired},
            "steps": state.steps,
            "rejected": state.rejected,
            "method": method,
            "rtol": rtol,
            "error_norm": error_norm,
            "noise": float(noise),
            "common_noise": bool(common_noise),
            "seed": int(seed),
            "flow": repr(flow),
        },
    )
