"""Two groups of 500 tokens until they are 0.1 rad apart, with mergers in log time and without.

    python benchmarks/coarsening.py

SA on the circle, n = 1,000, groups 0.02 rad wide at angle 1, at β = 10, 20 and 30, where the ordinary run is feasible
(explicit steps cannot be longer than the contraction inside a cluster allows, about 3 time units), and at β = 50, where
it is not: 1.4e8 time units. Both are compared with the quadrature for two clusters. Times are those of a warm process.
"""

from __future__ import annotations

import time

import machine
import numpy as np

import tokensphere as ts
from tokensphere.solve import Event, coarsen
from tokensphere.solve.clocked import pair_angle

N, WIDTH, UNTIL = 1_000, 0.02, 0.1


def two_groups() -> np.ndarray:
    """Two equal groups, centred at the angles 0 and 1."""
    spread = np.random.default_rng(0).uniform(-0.5 * WIDTH, 0.5 * WIDTH, N // 2)
    spread -= spread.mean()
    return ts.sphere.from_angles(np.concatenate([spread, 1.0 + spread]))


def with_mergers(beta: float, tokens: np.ndarray) -> tuple[float, int]:
    run = coarsen(ts.SelfAttention(beta), tokens, until_angle=(0, N // 2, UNTIL))
    return 10 ** run.attrs["log10_end"], run.attrs["steps"] + run.attrs["rejected"]


def without(beta: float, tokens: np.ndarray, longest: float) -> tuple[float, int]:
    near = Event("near", lambda moment: UNTIL - pair_angle(moment.tokens, 0, N // 2), terminal=True)
    run = ts.simulate(ts.SelfAttention(beta), tokens, [0.0, longest], events=[near], rtol=1e-8)
    return run.attrs["events"]["near"], run.attrs["steps"] + run.attrs["rejected"]


def main() -> None:
    print(machine.describe())
    tokens = two_groups()
    with_mergers(5.0, tokens)
    without(5.0, tokens, 100.0)
    print(f"\nSA on the circle, n = {N}, two groups {WIDTH:g} rad wide at angle 1, until {UNTIL:g} rad")
    print(f"  {'beta':>5s} {'quadrature':>12s} {'log time':>12s} {'steps':>6s} {'seconds':>8s}", end="")
    print(f" {'ordinary':>12s} {'steps':>7s} {'seconds':>8s} {'ratio':>6s} {'difference':>10s}")
    for beta in (10.0, 20.0, 30.0, 50.0):
        law = ts.theory.two_cluster_lifetime(beta, 1.0, until=UNTIL)
        begin = time.perf_counter()
        life, steps = with_mergers(beta, tokens)
        own = time.perf_counter() - begin
        print(f"  {beta:5g} {law:12.6g} {life:12.6g} {steps:6d} {own:8.2f}", end="", flush=True)
        if beta > 30:
            print(f" {'not feasible':>12s}   ({law / 3:.1g} steps at least)")
            continue
        begin = time.perf_counter()
        plain, steps = without(beta, tokens, 2 * law)
        took = time.perf_counter() - begin
        print(f" {plain:12.6g} {steps:7d} {took:8.2f} {took / own:6.1f} {life / plain - 1:10.1e}")


if __name__ == "__main__":
    main()
