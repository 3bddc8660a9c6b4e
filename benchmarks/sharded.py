"""One process against several on this machine: milliseconds an evaluation, and bytes that each process sends for it.

python benchmarks/sharded.py [processes]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import machine
import numpy as np

import tokensphere as ts
from tokensphere.attention import AbstractAttention, Circle, Dense, Harmonic, Sharded
from tokensphere.parallel import Placement, Shard, connect
from tokensphere.parallel.supervise import local_team, split_cores

CASES: dict[str, tuple[type[AbstractAttention], int, int]] = {
    "circle": (Circle, 2, 1_000_000),
    "harmonic": (Harmonic, 3, 1_000_000),
    "dense": (Dense, 3, 20_000),
}
BETA = 5.0
REPEATS = 5


def best(function, wait) -> float:
    """The shortest of several timings in milliseconds, all members starting together."""
    timings = []
    for _ in range(REPEATS + 1):
        wait()
        started = time.perf_counter()
        function()
        timings.append(time.perf_counter() - started)
    return 1e3 * min(timings[1:])


def member(placement: Placement) -> dict[str, tuple[float, float]]:
    """Milliseconds and bytes sent of every case, as one of a team or alone."""
    cores = os.environ.get("SHARDED_CORES")
    os.sched_setaffinity(0, range(int(cores)) if cores else split_cores(placement))
    mesh = connect(placement) if placement.size > 1 else None
    found = {}
    for name, (backend, dim, n) in CASES.items():
        tokens = ts.sphere.uniform(n, dim, 0)
        if mesh is None:
            attention, own, weights = backend(), tokens, np.full(n, 1 / n)
        else:
            shard = Shard.of(mesh, n)
            attention, own, weights = Sharded(backend(), mesh), shard.take(tokens), shard.masses(None)

        def evaluate(attention=attention, own=own, weights=weights) -> None:
            np.asarray(attention(own, own, None, weights, beta=BETA, tangent=True).mean)

        spent = best(evaluate, (lambda: None) if mesh is None else mesh.barrier)
        sent = 0
        if mesh is not None:
            before = mesh.sent
            evaluate()
            sent = mesh.sent - before
        found[name] = spent, sent
    return found


def main() -> None:
    if len(sys.argv) > 2:
        print(json.dumps(member(Placement(*json.loads(sys.argv[2])))))
        return
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print(machine.describe())
    results = []
    for size, cores in ((1, "1"), (1, ""), (processes, "")):
        team = [
            subprocess.Popen(
                [sys.executable, __file__, str(size), json.dumps([p.rank, p.size, p.coordinator, p.rank, p.size])],
                stdout=subprocess.PIPE,
                env=os.environ | {"SHARDED_CORES": cores},
                text=True,
            )
            for p in local_team(size)
        ]
        results.append([json.loads(process.communicate()[0].splitlines()[-1]) for process in team])
    one_core, alone, shared = results
    print(f"\nmilliseconds an evaluation (log Z and mean), beta = {BETA:g}")
    print(f"  {'':9s} {'n':>9s} {'1 core':>9s} {'all cores':>10s} {processes:>4d} processes   bytes sent by each")
    for name, (_, _, n) in CASES.items():
        slowest = max(report[name][0] for report in shared)
        times = f"{one_core[0][name][0]:9.1f} {alone[0][name][0]:10.1f} {slowest:14.1f}"
        print(f"  {name:9s} {n:9,d} {times}   {shared[0][name][1]:,}")


if __name__ == "__main__":
    main()
