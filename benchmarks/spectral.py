"""The spectral interaction sums, in one run: cost beside the bare transforms, error, memory, growth, tolerance.

python benchmarks/spectral.py [--largest 1e7] [--beta 50]
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import ducc0
import jax
import machine
import numpy as np

from tokensphere.attention import Circle, CircleSeries, Dense, Harmonic, SphereSeries, circle_modes, sphere_degrees
from tokensphere.attention.fourier import circle_kernel
from tokensphere.sphere import uniform
from tokensphere.threads import threads_for

BACKENDS: dict[int, Any] = {2: Circle, 3: Harmonic}
SERIES: dict[int, Any] = {2: CircleSeries, 3: SphereSeries}
EPSILON = 2.1e-13


def bare(tokens: np.ndarray, beta: float) -> Callable[[], None]:
    """ducc0's transforms alone for the same tokens: one there, and back for Z and for the force."""
    n, dim = tokens.shape
    options = {"epsilon": EPSILON, "nthreads": threads_for(n)}
    if dim == 2:
        modes = circle_kernel(beta).modes
        place = {"coord": np.arctan2(tokens[:, 1], tokens[:, 0])[:, None], "periodicity": 2 * np.pi, **options}
        points, grid = np.full(n, 1 / n, np.complex128), np.zeros(2 * modes + 2, np.complex128)

        def both() -> None:
            ducc0.nufft.nu2u(points=points, forward=True, out=grid, **place)
            ducc0.nufft.u2nu(grid=grid, forward=False, out=points, **place)

        return both
    place = {"loc": ducc0.healpix.vec2ang(tokens), "lmax": sphere_degrees(beta), **options}
    masses = np.full((1, n), 1 / n)

    def three() -> None:
        modes = ducc0.sht.adjoint_synthesis_general(map=masses, spin=0, **place)
        ducc0.sht.synthesis_general(alm=modes, spin=0, **place)
        ducc0.sht.synthesis_general(alm=modes, spin=1, mode="DERIV1", **place)

    return three


def exact(tokens: np.ndarray, rows: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Z e^{−β} and the tangential force at some tokens, from differences of tokens, summed without rounding."""
    z, force = np.empty(len(rows)), np.empty((len(rows), tokens.shape[1]))
    for i, x in enumerate(tokens[rows]):
        gap = tokens - x  # e^{β(⟨x,y⟩−1)} = e^{−β|x−y|²/2}, exact where the kernel is sharp
        kernel = np.exp(-0.5 * beta * np.einsum("ij,ij->i", gap, gap))
        z[i] = math.fsum(kernel) / len(tokens)
        pull = np.array([math.fsum(kernel * column) for column in gap.T]) / len(tokens)
        force[i] = pull - (pull @ x) * x
    return z, force


def errors(got: Any, tokens: np.ndarray, beta: float, rows: np.ndarray) -> tuple[float, float]:
    """Largest error of Z and of the force at a sample of tokens, relative to the largest of the sample."""
    z, force = exact(tokens, rows, beta)
    got_z = np.exp(np.asarray(got.log_z)[rows] - beta)
    difference = got_z[:, None] * np.asarray(got.mean)[rows] - force
    largest = np.linalg.norm(force, axis=1).max()
    return float(np.abs(got_z - z).max() / z.max()), float(np.linalg.norm(difference, axis=1).max() / largest)


def sample(n: int) -> np.ndarray:
    """Tokens at which the error is measured: fewer where the direct sum is long."""
    return np.linspace(0, n - 1, max(4, min(50, int(2e7 / n)))).astype(int)


def memory(dim: int, n: int, beta: float) -> float:
    """Peak memory of one evaluation in a process of its own, in GB, libraries and the tokens themselves included."""
    command = [sys.executable, __file__, "--only-memory", str(dim), str(n), "--beta", str(beta)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def only_memory(dim: int, n: int, beta: float) -> None:
    """What the child process does: one evaluation, then its peak."""
    generator = np.random.default_rng(0)
    tokens = np.empty((n, dim))
    for start in range(0, n, 2**18):
        part = generator.standard_normal((min(2**18, n - start), dim))
        tokens[start : start + 2**18] = part / np.linalg.norm(part, axis=1, keepdims=True)
    BACKENDS[dim]()(tokens, tokens, beta=beta, tangent=True)
    print(peak_memory())


def peak_memory() -> float:
    """Peak resident memory of this process in GB (`ru_maxrss` of a child may be that of its parent)."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e9
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def growth(dim: int, beta: float, largest: int) -> None:
    """Cost, error and memory against n, and the slope of the cost."""
    counts = [n for n in (100_000, 1_000_000, 10_000_000) if n <= largest]
    print(f"\n{BACKENDS[dim].__name__}, dim {dim}, beta = {beta:g}: log Z and tangential mean")
    print("          n        ms  ns/token   bare ms  ratio    err Z err force     GB")
    seconds = []
    for n in counts:
        tokens = uniform(n=n, dim=dim, seed=0)
        attention = BACKENDS[dim]()
        transforms, ours, alone = bare(tokens, beta), math.inf, math.inf
        for _ in range(4):  # in turns, so that other work on the machine meets both
            ours = min(ours, machine.best_of(lambda a=attention, x=tokens: a(x, x, beta=beta, tangent=True), 1))
            alone = min(alone, machine.best_of(transforms, 1))
        error_z, error = errors(attention(tokens, tokens, beta=beta, tangent=True), tokens, beta, sample(n))
        seconds.append(ours)
        print(
            f"  {n:9d} {1e3 * ours:9.1f} {1e9 * ours / n:9.1f} {1e3 * alone:9.1f} {ours / alone:6.2f} "
            f"{error_z:8.1e} {error:9.1e} {memory(dim, n, beta):6.2f}",
            flush=True,
        )
    if len(counts) > 1:
        slope = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
        print(f"  slope of log cost against log n: {slope:.3f}")


def tolerances(dim: int, n: int = 20_000) -> None:
    """Degrees and error against tolerance and beta."""
    print(f"\n{BACKENDS[dim].__name__}: degrees and error of the force (uniform tokens, n = {n}) against tolerance")
    betas = (1.0, 50.0, 1e3) + ((1e5,) if dim == 2 else (1e4,))
    print("  tolerance " + "".join(f"{f'beta = {b:g}':>20s}" for b in betas))
    tokens = uniform(n=n, dim=dim, seed=1)
    for tolerance in (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2):
        row = f"  {tolerance:9.0e} "
        for beta in betas:
            degrees = circle_kernel(beta, tolerance).modes if dim == 2 else sphere_degrees(beta, tolerance)
            got = BACKENDS[dim](tolerance=tolerance)(tokens, tokens, beta=beta, tangent=True)
            row += f"{degrees:9d} {errors(got, tokens, beta, sample(n))[1]:10.1e}"
        print(row, flush=True)
    if dim == 2:
        print(f"  modes down to rounding: {', '.join(str(circle_modes(b)) for b in betas)}")


def series(dim: int, beta: float, counts: tuple[int, ...] = (2_000, 20_000, 100_000)) -> None:
    """The differentiable series beside the sum on the host and the direct sum."""
    print(f"\nmilliseconds an evaluation, dim {dim}, beta = {beta:g} (error of the force: series)")
    print(f"  {'n':>9s} {SERIES[dim].__name__:>13s} {BACKENDS[dim].__name__:>9s} {'Dense':>9s} {'error':>8s}")
    for n in counts:
        tokens = uniform(n=n, dim=dim, seed=2)
        call = jax.jit(lambda x: SERIES[dim]()(x, x, beta=beta, tangent=True))
        ours = machine.best_of(lambda f=call, x=tokens: jax.block_until_ready(f(x)), repeats=3)
        host = machine.best_of(lambda x=tokens: BACKENDS[dim]()(x, x, beta=beta, tangent=True), repeats=3)
        dense = math.nan
        if n <= 20_000:
            pairs = jax.jit(lambda x: Dense()(x, x, beta=beta))
            dense = machine.best_of(lambda f=pairs, x=tokens: jax.block_until_ready(f(x)), repeats=1)
        error = errors(call(tokens), tokens, beta, sample(n))[1]
        print(f"  {n:9d} {1e3 * ours:13.1f} {1e3 * host:9.1f} {1e3 * dense:9.1f} {error:8.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=float, default=1e7, help="largest number of tokens")
    parser.add_argument("--beta", type=float, default=50.0)
    parser.add_argument("--only-memory", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only_memory:
        only_memory(*given.only_memory, given.beta)
        return
    print(machine.describe())
    for dim in (2, 3):
        growth(dim, given.beta, int(given.largest))
        tolerances(dim)
        series(dim, given.beta)


if __name__ == "__main__":
    main()
