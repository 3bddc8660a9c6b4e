"""A whole adaptive run beside diffrax with a plain JAX vector field, both warm, in one process.

    python benchmarks/adaptive_run.py

SA, dim 3, beta = 9, n = 1,000 uniform tokens, to t = 15, rtol = 1e-6. The peer is what a careful user of diffrax
would write: `diffeqsolve` with Tsit5, a PID controller at the same tolerance, softmax over an n × n array of logits.
It holds a root mean square over the tokens against the tolerance; we do so with `error_norm="rms"`, and by default
the error of the worst token. An interaction sum to a thousandth of rtol is all that such a run can use; the default
is 1e-12. All are compared with a run of our own at rtol = 1e-10, and diffrax's time is divided by ours.
"""

from __future__ import annotations

import time

import diffrax
import machine
import numpy as np

import tokensphere as ts
from tokensphere.attention import Harmonic
from tokensphere.jaxsetup import jax, jnp

N, DIM, BETA, T_END, RTOL = 1_000, 3, 9.0, 15.0, 1e-6


def plain_field(t: object, x: jax.Array, beta: float) -> jax.Array:
    """P_x softmax(β x xᵀ) x over the whole matrix."""
    x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
    mean = jax.nn.softmax(beta * x @ x.T, axis=1) @ x
    return mean - jnp.sum(mean * x, axis=1, keepdims=True) * x


@jax.jit
def with_diffrax(tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(plain_field),
        diffrax.Tsit5(),
        0.0,
        T_END,
        None,
        tokens,
        BETA,
        stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=RTOL),
        max_steps=100_000,
    )
    return solution.ys[0], solution.stats["num_steps"]


def main() -> None:
    print(machine.describe())
    tokens = ts.sphere.uniform(n=N, dim=DIM, seed=0)
    flow = ts.SelfAttention(BETA)

    def ours(flow: ts.AbstractFlow, norm: str = "largest", rtol: float = RTOL) -> tuple[np.ndarray, int]:
        run = ts.simulate(flow, tokens, [0.0, T_END], rtol=rtol, method="tsit5", error_norm=norm)
        return run.tokens.values[-1], run.attrs["steps"] + run.attrs["rejected"]

    best = ours(flow, rtol=1e-10)[0]
    coarser = ts.SelfAttention(BETA, attention=Harmonic(tolerance=1e-3 * RTOL))
    rows = {
        "diffrax, plain jnp field": lambda: with_diffrax(jnp.asarray(tokens)),
        "tokensphere": lambda: ours(flow),
        "tokensphere, rms": lambda: ours(flow, "rms"),
        "tokensphere, rms, sum to 1e-9": lambda: ours(coarser, "rms"),
    }
    print(f"\nSA, dim {DIM}, beta = {BETA:g}, n = {N}, to t = {T_END:g}, rtol {RTOL:g}")
    print(f"  {'':30s} {'seconds':>8s} {'steps':>6s} {'ratio':>6s} {'largest distance to rtol 1e-10':>32s}")
    # In turns, so that a busy moment of the machine meets all of them.
    seconds = {name: [] for name in rows}
    for _ in range(6):
        for name, run in rows.items():
            begin = time.perf_counter()
            np.asarray(run()[0])
            seconds[name].append(time.perf_counter() - begin)
    slowest = min(seconds["diffrax, plain jnp field"])
    for name, run in rows.items():
        end, steps = run()
        end = np.asarray(end) / np.linalg.norm(end, axis=1, keepdims=True)
        distance = np.linalg.norm(end - best, axis=1).max()
        quickest = min(seconds[name])
        print(f"  {name:30s} {quickest:8.3f} {int(steps):6d} {slowest / quickest:6.2f} {distance:32.1e}")


if __name__ == "__main__":
    main()
