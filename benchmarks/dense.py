"""The direct sum beside NumPy, torch's fused attention, KeOps and a C loop, in one run.

    python benchmarks/dense.py [--n 16384] [--quick]

Self-attention of a symmetric kernel: softmax over j of β⟨x_i, x_j⟩ applied to the tokens. For each case the programs
take turns, so that all of them see the same machine; the least of several times counts. Prints ns a pair, the ratio of
each peer to ours, the largest error against double precision, the slope of cost against n, and the peak memory.

torch and pykeops are wanted but not needed: pip install torch pykeops.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
import peers

import tokensphere as ts
from tokensphere.attention import Dense, Polynomial
from tokensphere.attention.polynomial import feature_count

BETA = 50.0
HERE = Path(__file__).parent
_MEMORY = """
import sys, numpy as np
import tokensphere as ts
from tokensphere.attention import Dense
from machine import peak_megabytes
tokens = ts.sphere.uniform(n={n}, dim=3, seed=0)
Dense()(tokens[:300], tokens[:300], beta=50.0)
before = peak_megabytes()
Dense()(tokens, tokens, beta=50.0)
print(before, peak_megabytes())
"""


SLOW = 4.0  # seconds after which one turn is enough


def turns(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least time of each, taken in turns; one that is slow has few turns."""
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(repeats):
        for name, run in runs.items():
            if turn and (best[name] > SLOW or best[name] > 5 * best["tokensphere"]):
                continue
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def against_peers(n: int, dims: list[int], repeats: int) -> None:
    available = peers.available()
    names = ["tokensphere", *available]
    print(f"\nns a pair at n = {n:,}, beta = {BETA:g} (in brackets: time over ours); error of ours against float64")
    print("  dim dtype   " + " ".join(f"{name:>18s}" for name in names) + "      error")
    for dim in dims:
        tokens = ts.sphere.uniform(n=n, dim=dim, seed=0)
        # KeOps keeps a row in registers: minutes at this size.
        others = {name: peer for name, peer in available.items() if name != "pykeops" or dim <= 64}
        for kind in (np.float64, np.float32):
            points = tokens.astype(kind)
            exact = Dense()(points.astype(np.float64), points.astype(np.float64), beta=BETA).mean
            runs = {"tokensphere": lambda points=points: Dense()(points, points, beta=BETA).mean}
            runs |= {name: peer(points, BETA) for name, peer in others.items()}
            slow = {}
            for name, run in list(runs.items()):  # warm, and right
                started = time.perf_counter()
                error = np.abs(np.asarray(run(), dtype=np.float64) - exact).max()
                assert error < 1e-4, (name, error)
                if name not in ("tokensphere", "torch SDPA", "pykeops") and time.perf_counter() - started > SLOW:
                    slow[name] = time.perf_counter() - started
                    del runs[name]
            seconds = turns(runs, repeats) | slow
            cells = [
                f"{1e9 * seconds[name] / n**2:9.3f} ({seconds[name] / seconds['tokensphere']:5.2f})"
                if name in seconds
                else "-"
                for name in names
            ]
            mean = Dense()(points, points, beta=BETA).mean.astype(np.float64)
            if kind is np.float64:
                rows = slice(0, 64)
                logits = BETA * (points[rows].astype(np.longdouble) @ points.T.astype(np.longdouble))
                kernel = np.exp(logits - logits.max(axis=1, keepdims=True))
                exact, mean = (kernel @ points / kernel.sum(axis=1, keepdims=True)).astype(float), mean[rows]
            error = np.abs(mean - exact).max()
            print(
                f"  {dim:3d} {np.dtype(kind).name} " + " ".join(f"{cell:>18s}" for cell in cells) + f"    {error:.1e}"
            )


def against_beta(n: int, repeats: int) -> None:
    print(f"\nns a pair and error in single precision over beta, n = {n:,}, dim 3")
    tokens = ts.sphere.uniform(n=n, dim=3, seed=0)
    single = tokens.astype(np.float32)
    for beta in (0.1, 1.0, 10.0, 50.0, 1e3, 1e6):
        both = {
            "tokensphere": lambda b=beta: Dense()(tokens, tokens, beta=b),
            "single": lambda b=beta: Dense()(single, single, beta=b),
        }
        seconds = turns(both, repeats)
        exact = Dense()(single.astype(float), single.astype(float), beta=beta).mean
        error = np.abs(Dense()(single, single, beta=beta).mean - exact).max()
        print(
            f"  beta = {beta:8g}   float64 {1e9 * seconds['tokensphere'] / n**2:6.3f}"
            f"   float32 {1e9 * seconds['single'] / n**2:6.3f}   error {error:.1e}"
        )


def against_n(most: int) -> None:
    print("\ncost against n, dim 3, float64")
    sizes = [n for n in (1_000, 4_000, 16_000, 64_000) if n <= most]
    times = []
    for n in sizes:
        tokens = ts.sphere.uniform(n=n, dim=3, seed=0)
        times.append(machine.best_of(lambda x=tokens: Dense()(x, x, beta=BETA), repeats=3))
        print(f"  n = {n:7,d}   {1e3 * times[-1]:10.2f} ms   {1e9 * times[-1] / n**2:.3f} ns a pair")
    slope = np.polyfit(np.log(sizes[1:]), np.log(times[1:]), 1)[0]
    print(f"  slope from n = {sizes[1]:,}: {slope:.2f}")


def memory(n: int) -> None:
    out = subprocess.run(
        [sys.executable, "-c", _MEMORY.format(n=n)], check=True, capture_output=True, text=True, cwd=HERE
    )
    before, peak = (float(word) for word in out.stdout.split())
    print(f"\npeak memory at n = {n:,}, dim 3: {peak:.0f} MB, of which {before:.0f} MB before the sum")


def low_rank(n: int) -> None:
    print(
        f"\npolynomial features beside the direct sum, n = {n:,} (time of Dense over Polynomial; - : too many features)"
    )
    print("  dim  beta  tolerance  features       ms   Dense ms   ratio  largest error")
    for dim in (4, 5, 6, 8, 10, 12, 16):
        tokens = ts.sphere.uniform(n=n, dim=dim, seed=0)
        dense = {}
        for beta in (0.5, 1.0, 5.0):
            for tolerance in (1e-6, 1e-12):
                count = feature_count(beta, dim, tolerance)
                if count is None:
                    print(f"  {dim:3d} {beta:5g} {tolerance:10.0e}         -")
                    continue
                if beta not in dense:
                    started = time.perf_counter()
                    dense[beta] = Dense()(tokens, tokens, beta=beta), time.perf_counter() - started
                exact, direct = dense[beta]
                attention = Polynomial(tolerance=tolerance)
                attention(tokens[:100], tokens[:100], beta=beta)
                started = time.perf_counter()
                got = attention(tokens, tokens, beta=beta)
                ours = time.perf_counter() - started
                error = max(np.abs(got.log_z - exact.log_z).max(), np.abs(got.mean - exact.mean).max())
                print(
                    f"  {dim:3d} {beta:5g} {tolerance:10.0e} {count:9,d} {1e3 * ours:8.0f} {1e3 * direct:10.0f}"
                    f" {direct / ours:7.1f}        {error:.0e}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=16_384)
    parser.add_argument("--quick", action="store_true", help="a minute instead of ten")
    options = parser.parse_args()
    print(machine.describe())
    repeats = 2 if options.quick else 5
    against_peers(options.n, [3, 64] if options.quick else [2, 3, 8, 16, 64, 512], repeats)
    against_beta(options.n, repeats)
    against_n(16_000 if options.quick else 64_000)
    memory(20_000 if options.quick else 200_000)
    low_rank(20_000 if options.quick else 100_000)


if __name__ == "__main__":
    main()
