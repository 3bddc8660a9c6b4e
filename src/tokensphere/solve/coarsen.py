"""Runs over exponentially long times: clusters that meet become one token, and time goes by in the log clock.

    dt = e^{β(1−c)} ds,  c the current largest inner product of distinct clusters;   merge at |x_i − x_j| ≤ δ = 0.1/√β

Between two mergers :class:`.ClockedFlow` is stepped in s by the same methods, step control and events as any run; t
is carried as t_0 + e^{reference} τ with the reference of this stretch, so that only log t is ever needed and
times far beyond floats work. Explicit methods suffice: what is stiff, contraction inside clusters, has been merged
away, and what is slow, the plateaus, the clock jumps over.                                        [derived; 2410.06833]
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tokensphere.errors import InputError, check_tokens, check_weights
from tokensphere.flows import AttentionFlow, SelfAttention
from tokensphere.sphere import geodesic

from .clocked import LOCATED, ClockedFlow, pull
from .coarse_plan import Plan, default_delta, save_times
from .coarse_record import CoarseRecord
from .events import Event, Moment
from .loop import Integrator, SolveError, State
from .merging import Clustered, merge_near

if TYPE_CHECKING:
    import xarray

__all__ = ["coarsen", "default_delta"]

_MOST = 8192  # clusters: pairs are summed with a mask of this size squared
_NEVER = 1e300
_LARGEST = 600.0  # of the logarithm of a unit that is formed
_AT_REST = 1e-13


def coarsen(
    flow: AttentionFlow,
    tokens: Any,
    *,
    times: Any = None,
    log10_times: Any = None,
    until_clusters: int = 1,
    merge_angle: float | None = None,
    until_angle: tuple[int, int, float] | None = None,
    weights: Any = None,
    clock: str = "log",
    delta: float | None = None,
    rtol: float = 1e-8,
    method: str = "tsit5",
    max_steps: int = 1_000_000,
) -> xarray.Dataset:
    """Follow tokens from t = 0 through their mergers, however long these take.

    **Arguments:**

    - `flow`: SA or USA, shifted or not, with `value` and `query_key` numbers > 0 (or the identity); `tokens` (n, dim)
      unit rows; `weights` (n,) masses > 0 or `None`.
    - `times` or `log10_times`: increasing times > 0 at which to save, reached exactly; the run ends at the last one.
      Without them it ends when it is asked to below, or when one cluster is left.
    - `until_clusters`: end once so many clusters are left (default 1).
    - `until_angle` (i, j, angle): end when the clusters of tokens i and j are so near (radians).
    - `merge_angle` or `delta`: clusters merge at this angle (radians), or chordal distance; default δ = 0.1/√β.
      Smaller values cost little and displace less: a merger moves what it joins by up to δ/2.
    - `clock`, which `step_clock` tells: `"log"`, `"arc-length"` or `"staircase"` (see
      :mod:`tokensphere.theory.clocks`), all stepped in the log clock; `"real"`, the ordinary clock, stepped in itself
      (up to about t = 1e15, beyond which a float cannot tell moments apart). Times are those of the flow.
    - `rtol`, `method`, `max_steps`: as in :func:`tokensphere.solve.simulate`; the error allowed over one step holds
      for every token, and for the time in the unit e^{β(1−c)} of the stretch between two mergers.

    **Returns:** a dataset with

    - `tokens(time, token, component)`, the position of every token's cluster; `label(time, token)`; `clusters(time)`;
      the coordinates `log10_time(time)` and `time` (inf where it is no float), from the start to the end;
    - of every step: `step_log10_time`, `step_clock`, `step_clusters`, `step_energy` 𝓔 = Σ_ij m_i m_j e^{β(c_ij−1)},
      `step_nearest`, the smallest angle of two clusters (radians);
    - of every merger, two at a time: `merge_log10_time`, `merge_nodes(merge, side)` (tokens are 0 .. n−1, the m-th
      merger makes node n + m), `merge_masses(merge, side)`, `merge_distance`, `merge_position(merge, component)`;
    - attributes `status` ("times", "clusters", "angle" or "at rest"), `log10_end`, `steps`, `rejected`, `delta`,
      `clock`, `beta`, `flow`.

    Mergers of the first tokens that were within δ have log10 time −inf. While more than 64 clusters are left, a merger
    has the time at the end of its step, and the staircase clock, whose rate jumps, is not held to the tolerance.

    **Raises:** `InputError` before any work; :class:`SolveError` if the run cannot go on.
    """
    plan = Plan.of(flow, clock, delta, merge_angle, until_clusters, until_angle)
    points = check_tokens(tokens)
    masses = check_weights(weights, len(points))
    if (masses <= 0).any():
        raise InputError(f"weight {int(np.argmin(masses))} is zero: coarsening needs masses > 0; leave that token out")
    if plan.angle is not None and not all(0 <= i < len(points) for i in plan.angle[:2]):
        raise InputError(f"until_angle names tokens {plan.angle[:2]}, but there are tokens 0 to {len(points) - 1}")
    saves = save_times(times, log10_times)
    options = {"rtol": rtol, "method": method, "max_steps": max_steps}
    Integrator(SelfAttention(1.0), None, np.array([0.0]), **options)  # type: ignore[arg-type]  # checks the options
    return _Run(plan, points, masses, saves, options).through().dataset(flow)


class _Run:
    """The state of a run: clusters, log t, and what has been recorded."""

    def __init__(
        self, plan: Plan, tokens: np.ndarray, masses: np.ndarray, saves: np.ndarray, options: dict[str, Any]
    ) -> None:
        self.plan, self.options = plan, options
        self.saves = list(saves - plan.log_unit)
        self.ends_in_time = bool(len(saves))
        self.clusters = Clustered.of(tokens, masses)
        self.log_t = -math.inf
        self.clock = 0.0
        self.record = CoarseRecord(plan.beta, plan.delta, plan.clock, plan.log_unit, tokens.shape, masses)

    def through(self) -> CoarseRecord:
        """Run to the end."""
        record = self.record
        record.frame(self.log_t, self.clusters)  # as given, before anything merges
        self._merge()
        if self.clusters.count > _MOST:
            raise InputError(
                f"{self.clusters.count} clusters are left after merging at {self.plan.delta:g}, more than {_MOST}; "
                "merge farther, or begin with the end of an ordinary run"
            )
        state: State | None = None
        while (status := self._finished()) is None:
            state = self._stretch(state)
        record.step(self.log_t, self.clock, self.clusters)
        # Where nothing moves any more, what is still to be saved is known.
        still = self.saves if self.clusters.count == 1 or status == "at rest" else []
        for log_t in [self.log_t, *still]:
            if log_t > record.last:
                record.frame(log_t, self.clusters)
        record.status = status
        return record

    def _finished(self) -> str | None:
        if self.ends_in_time and not self.saves:
            return "times"
        if self.clusters.count <= self.plan.until:
            return "clusters"
        return self.record.status

    def _merge(self) -> bool:
        self.clusters, merges = merge_near(self.clusters, self.plan.delta)
        self.record.merged(self.log_t, merges)
        if merges and self.plan.angle is not None:
            i, j = self.clusters.labels[list(self.plan.angle[:2])]
            if i == j:
                raise SolveError(f"tokens {self.plan.angle[:2]} have merged before they came to the angle asked for")
        return bool(merges)

    def _stretch(self, before: State | None) -> State | None:
        """Run until two clusters merge, a time is saved, or the end; the state whose step size is good further on."""
        plan, clusters = self.plan, self.clusters
        rate = ClockedFlow.of(plan.beta, plan.normalised, clusters.count, plan.clock)
        vectors, top = pull(rate, clusters.positions, clusters.masses)
        self.record.step(self.log_t, self.clock, clusters)
        if np.abs(vectors).max() <= _AT_REST:
            self.record.status = "at rest"
            return None
        reference = min(top, _LARGEST) if plan.clock == "real" else top
        flow = dataclasses.replace(rate, reference=reference)
        begin = self.log_t, reference
        integrator = Integrator(
            flow,
            np.append(clusters.masses, 0.0),
            np.array([0.0, _NEVER]),
            events=self._events(*begin),
            **self.options,
        )
        state = integrator.start(flow.space.check(clusters.positions))
        if before is not None:
            state = dataclasses.replace(state, size=before.size, memory=before.memory)
        clock = self.clock
        while True:
            state = integrator.advance(state)
            self.log_t = _later(*begin, float(state.points[-1, 0]))
            self.clock = clock + flow.told(state.t, state.points)
            if state.t >= _NEVER:
                raise SolveError(f"nothing happened until {_NEVER:g} in the {plan.clock} clock; use clock='log'")
            self.clusters = dataclasses.replace(clusters, positions=np.array(state.points[:-1]))
            fired = {event.name for event in state.fired}
            if "save" in fired:
                self.log_t = self.saves.pop(0)
                self.record.frame(self.log_t, self.clusters)
            self.record.step(self.log_t, self.clock, self.clusters)
            merged = ("merge" in fired or clusters.count > LOCATED) and self._merge()
            if "angle" in fired:
                self.record.status = "angle"
            if state.finished or merged:
                self.record.count(state)
                # Among many clusters a merger changes little: the step size is kept.
                return None if merged and clusters.count <= LOCATED else state

    def _events(self, log_t: float, reference: float) -> list[Event]:
        """Mergers of few clusters, the next time to save, and the angle at which to end."""
        plan, events = self.plan, []
        if self.clusters.count <= LOCATED:
            events.append(Event("merge", _Nearness(plan.delta), terminal=True))
        if self.saves:
            # τ at the next save, from (t_save − t)/e^{reference}
            log_rest = self.saves[0] + math.log(-math.expm1(min(log_t - self.saves[0], -1e-16)))
            target = math.exp(min(log_rest - reference, _LARGEST))
            events.append(Event("save", lambda moment: float(moment.tokens[-1, 0]) - target, terminal=True))
        if plan.angle is not None:
            i, j = self.clusters.labels[list(plan.angle[:2])]
            size = plan.angle[2]
            events.append(
                Event(
                    "angle",
                    lambda moment: size - float(geodesic(moment.tokens[i], moment.tokens[j])),
                    terminal=True,
                    at_start=True,
                )
            )
        return events


class _Nearness:
    """δ less the smallest distance of two clusters."""

    def __init__(self, delta: float) -> None:
        self.delta = delta

    def __call__(self, moment: Moment) -> float:
        from tokensphere.sphere.pairs import closest_pair

        return self.delta - closest_pair(moment.tokens[:-1])[2]


def _later(log_t: float, reference: float, tau: float) -> float:
    """log(t + e^{reference} τ)."""
    return float(np.logaddexp(log_t, reference + math.log(tau))) if tau > 0 else log_t
