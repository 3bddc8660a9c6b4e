"""Mean-field equations in time: adaptive steps with the noise treated exactly, and a clear stop when it gets too sharp.

    dc/dt = N(c) − D c,      D = τΛ, diagonal

In the variable e^{D(t − t_n)} c the noise is gone, and an explicit Runge–Kutta method steps the rest (Lawson 1967):

    k_i = N(C_i),   C_i = e^{−c_i h D} c_n + h Σ_{j<i} a_ij e^{−(c_i − c_j) h D} k_j

The error of a step is relative to the largest coefficient of degree ≥ 1, so that growth rates keep their digits however
small the perturbation. As clusters sharpen the spectrum fills: the resolution is doubled when its last tenth has
grown beyond 1e-6 of the largest coefficient, and the run stops with `UNDER_RESOLVED` when that is no longer allowed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokensphere.errors import InputError, check_times
from tokensphere.meanfield import AbstractMeanField

from .control import StepControl
from .loop import SolveError
from .tableaus import Tableau, tableau

__all__ = ["TAIL", "evolve"]

TAIL = 1e-6  # last tenth of the spectrum over the largest coefficient of degree >= 1
_ROUNDING = 1e-16  # errors below this are rounding, however small the perturbation


def evolve(
    equation: AbstractMeanField,
    coefficients: Any,
    times: Any,
    *,
    rtol: float = 1e-10,
    method: str = "tsit5",
    refine: bool = True,
    largest: int | None = None,
    degrees: Any = None,
    max_steps: int = 1_000_000,
) -> Any:
    """Integrate a mean-field equation and save its state at the given times.

    **Arguments:**

    - `equation` and its `coefficients` at `times[0]`; `times` increasing, reached exactly.
    - `rtol`: error allowed over one step, relative to the largest coefficient of degree ≥ 1 (default 1e-10).
    - `method`: `"tsit5"`, or `"dopri8"` (without noise only).
    - `refine`: double the resolution when the spectrum fills, up to `largest` (default 16 times the resolution
      given); without, stop there.
    - `degrees`: those of the saved order parameters, default 1..8.
    - `max_steps`: give up after so many attempts.

    **Returns:** a dataset with `coefficients(time, coefficient)`, `order(time, degree)`, `mass`, `least` (smallest
    value of the density), `energy`, `dissipation`, `entropy`, `speed_squared`, `spectral_tail` and `resolution`, all
    (time,); attributes `status` ("complete" or "UNDER_RESOLVED"), `end` (time reached), `steps`, `rejected`,
    `geometry`, `equation`. A run that stops early has the state at its end as its last frame. Coefficients of frames
    with a lower resolution than the last are filled up with zeros.

    **Raises:** `InputError` for bad input; :class:`SolveError` if the step size vanishes or there are too many steps.

    **Source:** the equation of [2410.23228], eq. 2; the steps after Lawson, SIAM J. Numer. Anal. 4 (1967).
    """
    start, save = equation.check(coefficients), check_times(times)
    chosen = tableau(method)
    if chosen.error is None:
        raise InputError(f"method must be 'tsit5' or 'dopri8', got '{method}'")
    if method != "tsit5" and equation.noise > 0:
        raise InputError(f"noise needs method 'tsit5', got '{method}' (its stages do not go forward in time)")
    if not 1e-14 <= rtol <= 0.1:
        raise InputError(f"rtol must lie in [1e-14, 0.1], got {rtol!r}")
    most = 16 * equation.resolution if largest is None else int(largest)
    loop = _Loop(equation, start, float(save[0]), chosen, rtol, most if refine else equation.resolution, max_steps)
    frames = [loop.frame()]
    for target in save[1:]:
        loop.advance_to(float(target))
        frames.append(loop.frame())
        if loop.stopped:
            break
    return _dataset(frames, loop, np.arange(1, 9) if degrees is None else np.asarray(degrees, dtype=np.int64))


class _Loop:
    """The state of a run: equation, coefficients, time, step size."""

    def __init__(
        self,
        equation: AbstractMeanField,
        start: np.ndarray,
        t: float,
        method: Tableau,
        rtol: float,
        most: int,
        max_steps: int,
    ) -> None:
        self.equation, self.c, self.t = equation, start, t
        self.method, self.control, self.most, self.max_steps = method, StepControl(rtol, method.order), most, max_steps
        self.steps, self.rejected, self.memory, self.stopped = 0, 0, 1.0, False
        self._damping = equation.damping()
        self.rate = equation.rate(start)
        self._first_tail = equation.tail(start) * equation.size(start)
        self.step = self._first_step(rtol)

    def frame(self) -> tuple[float, AbstractMeanField, np.ndarray]:
        return self.t, self.equation, self.c

    def advance_to(self, target: float) -> None:
        """Step until `target`, or until the density is too sharp for the resolution allowed."""
        while self.t < target and not self.stopped:
            if self.steps + self.rejected >= self.max_steps:
                raise SolveError(f"gave up at t = {self.t:g} after {self.max_steps} steps; raise max_steps or rtol")
            lands = self.t + 1.01 * self.step >= target
            taken = target - self.t if lands else self.step
            if self.t + taken <= self.t:
                raise SolveError(f"the step size vanished at t = {self.t:g} (size {taken:g})")
            new, rate, error = self._attempt(taken)
            proposal = self.control.propose(taken, error / max(self.equation.size(self.c), 1e-300), self.memory)
            self.step, self.memory = proposal.size, proposal.memory
            if not proposal.accepted:
                self.rejected += 1
                continue
            if lands:
                self.step = max(self.step, taken)
            self.c, self.rate, self.t = new, rate, target if lands else self.t + taken
            self.steps += 1
            self._resolve()

    def _attempt(self, h: float) -> tuple[np.ndarray, np.ndarray, float]:
        nodes, method = self.method.nodes, self.method
        still = not np.any(self._damping)
        stages = [self.rate]

        def faded(vector: np.ndarray, span: float) -> np.ndarray:
            return vector if still or span == 0.0 else np.exp(-span * h * self._damping) * vector

        def combine(weights: tuple[float, ...], node: float) -> np.ndarray:
            terms = (w * faded(k, node - c) for w, k, c in zip(weights, stages, nodes, strict=False) if w != 0.0)
            total: np.ndarray = sum(terms, np.zeros_like(self.rate))
            return h * total

        point = self.c
        for row, node in zip(method.rows, nodes[1:], strict=True):
            point = faded(self.c, node) + combine(row, node)
            stages.append(self.equation.rate(point))
        if method.first_same_as_last:
            new, rate = point, stages[-1]
        else:
            new = faded(self.c, 1.0) + combine(method.weights, 1.0)
            rate = self.equation.rate(new)
        assert method.error is not None
        if not np.isfinite(rate).all():
            return new, rate, float("inf")
        error = float(np.abs(combine(method.error, 1.0)).max())
        return new, rate, max(error - _ROUNDING, 0.0)

    def _resolve(self) -> None:
        """Double the resolution while the spectrum fills, or stop."""
        while True:
            tail = self.equation.tail(self.c)
            filled = tail * self.equation.size(self.c)
            if not (tail > TAIL and filled > max(10 * self._first_tail, 100 * _ROUNDING)):
                return
            finer = 2 * self.equation.resolution
            if finer > self.most:
                self.stopped = True
                return
            self.equation = self.equation.refined(finer)
            self.c = self.equation.lift(self.c)
            self.rate, self._damping = self.equation.rate(self.c), self.equation.damping()

    def _first_step(self, rtol: float) -> float:
        """From the sizes of transport and noise, which may cancel, against that of the perturbation."""
        size = self.equation.size(self.c)
        change = max(float(np.abs(self.rate).max()), float(np.abs(self._damping * self.c).max()))
        fastest = change / size if size > 0 else 0.0
        return float(0.1 * rtol ** (1.0 / self.method.order) / fastest) if fastest > 0 else 1e-3


def _dataset(frames: list[tuple[float, AbstractMeanField, np.ndarray]], loop: _Loop, degrees: np.ndarray) -> Any:
    import xarray

    last = frames[-1][1]
    series = {
        name: ("time", np.array([getattr(equation, name)(c) for _, equation, c in frames]))
        for name in ("mass", "least", "energy", "dissipation", "entropy", "speed_squared")
    }
    series["spectral_tail"] = ("time", np.array([equation.tail(c) for _, equation, c in frames]))
    return xarray.Dataset(
        {
            "coefficients": (("time", "coefficient"), np.stack([last.lift(c) for _, _, c in frames])),
            "order": (("time", "degree"), np.stack([equation.order(c, degrees) for _, equation, c in frames])),
            **series,
            "resolution": ("time", np.array([equation.resolution for _, equation, _ in frames])),
        },
        coords={"time": [t for t, _, _ in frames], "degree": degrees},
        attrs={
            "status": "UNDER_RESOLVED" if loop.stopped else "complete",
            "end": loop.t,
            "steps": loop.steps,
            "rejected": loop.rejected,
            "geometry": last.geometry,
            "equation": repr(last),
        },
    )
