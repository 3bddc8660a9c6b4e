"""What an evaluation costs on this machine: a model with a few numbers, measured once and kept.

    direct sum, few coordinates    call + n² (pair + lane · further groups of four coordinates)
    direct sum, many coordinates   call + n² (pair + coordinate · coordinates of keys and values)
    circle                         call + n token + K mode
    2-sphere                       call + n token + L³ cube
    polynomial features            call + n N feature

The numbers are those of one self-attention of a symmetric kernel. They are kept in the user's cache folder
(`TOKENSPHERE_CACHE`, else `XDG_CACHE_HOME/tokensphere`, else `~/.cache/tokensphere`), one file for each machine and set
of library versions; without a file there the numbers below serve, those of two cores of a server of 2021.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .base import AbstractAttention

__all__ = ["Costs", "costs_file", "known_costs", "measure_costs", "settled_costs"]


@dataclass(frozen=True)
class Costs:
    """Nanoseconds."""

    dense_call: float = 1.5e5
    dense_pair: float = 0.75
    dense_lane: float = 0.45
    dense_product: float = 0.045
    circle_call: float = 3e5
    circle_token: float = 110.0
    circle_mode: float = 60.0
    harmonic_call: float = 6e5
    harmonic_token: float = 700.0
    harmonic_cube: float = 2.0
    polynomial_call: float = 5e5
    polynomial_feature: float = 4.0

    def dense(self, n: int, dim: int) -> float:
        """A direct sum over n tokens in R^dim."""
        looped = self.dense_pair + self.dense_lane * (-(-dim // 4) - 1)
        multiplied = self.dense_pair + self.dense_product * 2 * dim
        return self.dense_call + float(n) * n * min(looped, multiplied)

    def circle(self, n: int, modes: int) -> float:
        """A Fourier sum over n tokens."""
        return self.circle_call + n * self.circle_token + modes * self.circle_mode

    def harmonic(self, n: int, degrees: int) -> float:
        """A sum by spherical harmonics over n tokens."""
        return self.harmonic_call + n * self.harmonic_token + float(degrees) ** 3 * self.harmonic_cube

    def polynomial(self, n: int, features: int) -> float:
        """A sum by polynomial features over n tokens."""
        return self.polynomial_call + float(n) * features * self.polynomial_feature


def costs_file() -> Path:
    """Where the costs measured on this machine are kept."""
    named = os.environ.get("TOKENSPHERE_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(named) if named else Path(cache) / "tokensphere"
    return folder / f"costs-{_machine()}.json"


@functools.lru_cache(maxsize=1)
def _machine() -> str:
    """A hash of the machine and the libraries; not of the cores this process may use, so that workers agree."""
    libraries = [f"{name} {version(name)}" for name in ("tokensphere", "numpy", "numba", "ducc0")]
    parts = [platform.machine(), platform.processor(), _processor(), f"{os.cpu_count()} cores", *libraries]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return ""


def known_costs() -> tuple[Costs, Path | None]:
    """The costs kept for this machine with their file, or the built-in ones and `None`."""
    path = costs_file()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return Costs(), None


@functools.lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> tuple[Costs, Path | None]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        numbers = {field.name: float(data[field.name]) for field in dataclasses.fields(Costs)}
    except (OSError, ValueError, KeyError, TypeError):
        return Costs(), None
    if not all(np.isfinite(value) and value > 0 for value in numbers.values()):
        return Costs(), None
    return Costs(**numbers), path


def measure_costs(*, keep: bool = True) -> tuple[Costs, Path | None]:
    """Measure (about two seconds) and keep the costs of this machine.

    **Returns:** the costs and the file they were kept in; `None` if `keep` is false or the folder cannot be written.
    """
    costs = _measure()
    if not keep:
        return costs, None
    path = costs_file()
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dataclasses.asdict(costs), indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return costs, None
    return costs, path


@functools.lru_cache(maxsize=4)
def settled_costs(_path: Path) -> tuple[Costs, Path | None]:
    """Measured once a process where there is no file and none can be kept."""
    return measure_costs()


def _nanoseconds(function: Callable[[], object]) -> float:
    """Shortest of some timings, after one call to warm up."""
    function()
    timings: list[float] = []
    started = time.perf_counter()
    while len(timings) < 3 or (time.perf_counter() - started < 0.05 and len(timings) < 50):
        begun = time.perf_counter()
        function()
        timings.append(time.perf_counter() - begun)
    return 1e9 * min(timings)


def _slope(small: float, large: float, change: float) -> float:
    """Cost of one more; never 0, so that a noisy pair of timings cannot make anything free."""
    return max((large - small) / change, 1e-3 * large / change)


def _measure() -> Costs:
    from .circle import Circle
    from .dense import Dense
    from .fourier import circle_modes
    from .harmonic import Harmonic
    from .polynomial import Polynomial, feature_count
    from .spherical import sphere_degrees

    rng = np.random.default_rng(0)

    def tokens(n: int, dim: int) -> np.ndarray:
        points = rng.standard_normal((n, dim))
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    def timed(attention: AbstractAttention, n: int, dim: int, beta: float) -> float:
        points = tokens(n, dim)
        return _nanoseconds(lambda: attention(points, points, beta=beta, tangent=True))

    dense, circle, harmonic = Dense(), Circle(), Harmonic()
    few, pairs = timed(dense, 64, 3, 5.0), 4096**2
    three, sixteen, many = timed(dense, 4096, 3, 5.0), timed(dense, 4096, 16, 5.0), timed(dense, 4096, 64, 5.0)
    pair = _slope(few, three, pairs)
    on_circle = [timed(circle, n, 2, 5.0) for n in (1_000, 100_000)]
    steep_circle = timed(circle, 1_000, 2, 1e5)
    on_sphere = [timed(harmonic, n, 3, 5.0) for n in (1_000, 100_000)]
    steep_sphere = timed(harmonic, 1_000, 3, 1e3)
    by_features = [timed(Polynomial(), n, 5, 1.0) for n in (100, 4_000)]
    modes = circle_modes(1e5) - circle_modes(5.0)
    cubes = float(sphere_degrees(1e3)) ** 3 - float(sphere_degrees(5.0)) ** 3
    per_token = [_slope(line[0], line[1], 99_000.0) for line in (on_circle, on_sphere)]
    return Costs(
        dense_call=few,
        dense_pair=pair,
        dense_lane=_slope(three, sixteen, 3.0 * pairs),
        dense_product=_slope(pair * pairs + few, many, 2.0 * 64 * pairs),
        circle_call=max(on_circle[0] - 1_000 * per_token[0], 1.0),
        circle_token=per_token[0],
        circle_mode=_slope(on_circle[0], steep_circle, modes),
        harmonic_call=max(on_sphere[0] - 1_000 * per_token[1], 1.0),
        harmonic_token=per_token[1],
        harmonic_cube=_slope(on_sphere[0], steep_sphere, cubes),
        polynomial_call=by_features[0],
        polynomial_feature=_slope(by_features[0], by_features[1], 3_900.0 * (feature_count(1.0, 5) or 1)),
    )
