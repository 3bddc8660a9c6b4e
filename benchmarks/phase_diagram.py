"""How long the phase diagram takes, beside a plain torch loop over the same layers.

    python benchmarks/phase_diagram.py [number of betas, default 3]

For some of the 90 β of `tokensphere sweep phase-diagram`, both dimensions, 256 draws each, 300 layers and 200 frames:

- ours, as the sweep does it: tokens are drawn, moved into the space they span, taken through all layers and measured;
- torch: batched products, the same layers and the same measurement, all cores, in the full dimension;
- torch on tokens in the space they span, so that both do the same arithmetic.

Drawing is left out of the times of torch, which uses one thread or all, whichever is faster at the moment. Nothing is
written to disk. Ours compiles once per shape: that is shown apart.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import machine
import numpy as np

from tokensphere import sphere, studies
from tokensphere.studies.sweeps import plan_sweep

STEP, THRESHOLD = 0.1, 0.999


def ours(prepared: studies.Prepared) -> np.ndarray:
    """Fraction of aligned pairs (frames, members) after the start."""
    rows = [rows["aligned"] for _, rows in prepared.integrator.run(prepared.integrator.start(prepared.tokens))]
    return np.concatenate(rows)


def torch_loop(tokens: np.ndarray, beta: float, layers: np.ndarray) -> np.ndarray:
    """The same with batched torch products, in float64."""
    import torch

    x, found = torch.from_numpy(tokens), []
    n = tokens.shape[1]
    off = ~torch.eye(n, dtype=torch.bool)
    with torch.inference_mode():
        for count in np.diff(layers):
            for _ in range(count):
                attention = torch.softmax(beta * torch.bmm(x, x.transpose(1, 2)), dim=-1)
                x = torch.nn.functional.normalize(x + STEP * torch.bmm(attention, x), dim=-1)
            inner = torch.bmm(x, x.transpose(1, 2))
            found.append(((inner > THRESHOLD) & off).sum(dim=(1, 2)).double() / (n * (n - 1)))
    return torch.stack(found).numpy()


def choose_threads(tokens: np.ndarray) -> None:
    """One thread or all, whichever takes 20 layers faster."""
    import torch

    trial, every = np.arange(0, 21, 10), os.cpu_count() or 1
    seconds = {}
    for threads in (1, every):
        torch.set_num_threads(threads)
        seconds[threads] = min(timed(lambda: torch_loop(tokens, 1.0, trial))[0] for _ in range(3))
    torch.set_num_threads(min(seconds, key=lambda threads: seconds[threads]))


def timed(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Wall time and result."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(machine.describe())
    try:
        import torch

        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    except ImportError:
        torch = None
        print("torch is not installed, so there is nothing to compare with: pip install torch")
    points = plan_sweep("phase-diagram").points
    chosen = [point for point in points if point.index % 90 in np.linspace(5, 80, count).astype(int)]
    sums = {"ours": 0.0, "torch": 0.0, "torch in the span": 0.0}
    for dim in (8, 128):
        first = True
        for point in (p for p in chosen if p.study.tokens.dim == dim):
            if first:
                seconds = timed(lambda p=point: ours(studies.prepare(p.study)))[0]
                print(f"dim {dim}: compilation and first run {seconds:.2f} s")
                first = False
            seconds, aligned = timed(lambda p=point: ours(studies.prepare(p.study)))
            sums["ours"] += seconds
            line = f"dim {dim}, beta {point.study.flow.beta:.3g}: ours {seconds:.2f} s"
            if torch is not None:
                prepared = studies.prepare(point.study)
                layers = np.round(prepared.times / STEP).astype(int)
                seeds = np.random.SeedSequence(point.study.seed).spawn(len(prepared.tokens))
                full = np.stack([sphere.uniform(32, dim, int(seed.generate_state(1, np.uint64)[0])) for seed in seeds])
                for name, tokens in (("torch", full), ("torch in the span", prepared.tokens)):
                    choose_threads(tokens)
                    beta = point.study.flow.beta
                    seconds, peer = timed(lambda t=tokens, b=beta, steps=layers: torch_loop(t, b, steps))
                    sums[name] += seconds
                    line += f", {name} {seconds:.2f} s (fractions differ by {np.abs(aligned - peer).max():.1e})"
            print(line, flush=True)
    if torch is not None:
        print(
            f"{len(chosen)} of 180 runs: ours {sums['ours']:.2f} s, torch {sums['torch']:.2f} s "
            f"({sums['torch'] / sums['ours']:.1f} times ours), torch in the span {sums['torch in the span']:.2f} s "
            f"({sums['torch in the span'] / sums['ours']:.1f} times ours)"
        )


if __name__ == "__main__":
    main()
