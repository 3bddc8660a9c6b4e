"""How long the main job takes, beside the scheme of the published notebook.

    python benchmarks/emergence.py

Times, in fresh processes, `tokensphere --help`, `predict` and the whole `run emergence`; in this process the
integration alone; and one Euler step (dt = 1e-4) with dense sums over all pairs, as in the notebook that accompanies
arXiv 2410.23228, for which the same run takes 6,000 steps of order 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

import tokensphere as ts

N, BETA, T_END = 20_000, 5.0, 0.6
EULER_STEP = 1e-4


def command(*words: str) -> float:
    """Wall time of a command in a fresh process and an empty folder."""
    program = Path(sys.executable).with_name("tokensphere")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run([str(program), *words], cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started


def dense_euler_step(theta: np.ndarray) -> np.ndarray:
    """θ − dt · mean_j e^{β cos(θ_i−θ_j)} sin(θ_i−θ_j), in blocks that fit in memory."""
    force = np.empty_like(theta)
    for start in range(0, theta.size, 500):
        difference = theta[start : start + 500, None] - theta[None, :]
        force[start : start + 500] = (np.exp(BETA * np.cos(difference)) * np.sin(difference)).mean(axis=1)
    return theta - EULER_STEP * force


def main() -> None:
    print(machine.describe())
    print(f"\n{'command':45s} seconds")
    for words in (["--help"], ["predict", "--beta", "5", "--dim", "2"], ["run", "emergence"]):
        print(f"tokensphere {' '.join(words):33s} {command(*words):7.2f}")

    tokens = ts.sphere.uniform(n=N, dim=2, seed=0)
    flow = ts.UnnormalizedSelfAttention(beta=BETA)
    times = np.linspace(0.0, T_END, 61)
    ts.simulate(flow, tokens, times[:2], method="dopri8")
    started = time.perf_counter()
    run = ts.simulate(flow, tokens, times, method="dopri8", rtol=1e-8)
    ours = time.perf_counter() - started
    per_step = machine.best_of(lambda: dense_euler_step(ts.sphere.angles(tokens)), repeats=1)
    steps = round(T_END / EULER_STEP)
    print(f"\nintegration, n = {N}, beta = {BETA:g}, to t = {T_END:g}")
    print(f"tokensphere, dopri8, rtol 1e-8: {run.attrs['steps']} steps, {ours:.2f} s")
    print(f"Euler dt = {EULER_STEP:g}, dense sums (NumPy): {per_step:.2f} s a step")
    print(f"{steps} such steps: {per_step * steps:.0f} s")
    print(f"ratio: {per_step * steps / ours:.0f}")


if __name__ == "__main__":
    main()
