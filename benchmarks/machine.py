"""What the numbers of a benchmark were taken on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version


def describe() -> str:
    """One line: processor, cores, Python and the libraries that matter."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "jax", "ducc0", "diffrax"))
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}"


def best_of(function: Callable[[], object], repeats: int = 7) -> float:
    """Shortest of several timings in seconds, after one call to warm up."""
    function()
    timings = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        timings.append(time.perf_counter() - started)
    return min(timings)


def peak_megabytes() -> float:
    """Largest memory this process has held so far (Linux; `ru_maxrss` would count the parent's at the fork)."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
