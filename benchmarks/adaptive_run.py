"""A whole adaptive run beside diffrax with a plain JAX vector field, both warm, in one process.

    python benchmarks/adaptive_run.py

SA, dim 3, beta = 9, n = 1,000 uniform tokens, to t = 15, rtol = 1e-6. The peer is what a careful user of diffrax
would write: `diffeqsolve` with Tsit5, a PID controller at the same tolerance, softmax over an n × n array of logits.
Both are compared with a run of our own at rtol = 1e-10.
"""

from __future__ import annotations

import diffrax
import machine
import numpy as np

import tokensphere as ts
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

    def ours(rtol: float = RTOL) -> tuple[np.ndarray, int]:
        run = ts.simulate(flow, tokens, [0.0, T_END], rtol=rtol, method="tsit5")
        return run.tokens.values[-1], run.attrs["steps"] + run.attrs["rejected"]

    best = ours(1e-10)[0]
    rows = {"tokensphere": ours, "diffrax, plain jnp field": lambda: with_diffrax(jnp.asarray(tokens))}
    seconds = {}
    print(f"\nSA, dim {DIM}, beta = {BETA:g}, n = {N}, to t = {T_END:g}, rtol {RTOL:g}")
    print(f"  {'':26s} {'seconds':>8s} {'steps':>6s} {'largest distance to rtol 1e-10':>32s}")
    for name, run in rows.items():
        seconds[name] = machine.best_of(run, repeats=3)
        end, steps = run()
        end = np.asarray(end) / np.linalg.norm(end, axis=1, keepdims=True)
        print(f"  {name:26s} {seconds[name]:8.3f} {int(steps):6d} {np.linalg.norm(end - best, axis=1).max():32.1e}")
    first, second = seconds.values()
    print(f"  ratio: {second / first:.2f}")


if __name__ == "__main__":
    main()
