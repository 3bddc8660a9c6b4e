"""Error and cost of the interaction sum: `Circle` and `Dense` beside a direct NumPy sum, in one run.

python benchmarks/attention.py
"""

from __future__ import annotations

import machine
import numpy as np

import tokensphere as ts
from tokensphere.attention import Circle, Dense


def direct_force(theta: np.ndarray, beta: float) -> np.ndarray:
    """mean_j e^{β(cos(θ_j−θ_i)−1)} sin(θ_j−θ_i) over angle differences, in blocks."""
    force = np.empty_like(theta)
    for start in range(0, theta.size, 500):
        difference = theta[None, :] - theta[start : start + 500, None]
        # cos − 1 = −2 sin²(·/2) keeps its digits where the kernel is sharp
        kernel = np.exp(-2.0 * beta * np.sin(0.5 * difference) ** 2)
        force[start : start + 500] = (kernel * np.sin(difference)).mean(axis=1)
    return force


def circle_force(tokens: np.ndarray, beta: float) -> np.ndarray:
    """The same force from `Circle`, along the counter-clockwise tangent."""
    log_z, mean = Circle()(tokens, tokens, beta=beta, tangent=True)
    along = mean[:, 1] * tokens[:, 0] - mean[:, 0] * tokens[:, 1]
    return np.exp(log_z - beta) * along


def main() -> None:
    print(machine.describe())
    print("\nCircle against the direct sum over angle differences, n = 20,000: error relative to the largest force")
    tokens = ts.sphere.uniform(n=20_000, dim=2, seed=0)
    theta = ts.sphere.angles(tokens)
    for beta in (0.0, 1e-3, 1.0, 50.0, 1e3, 1e5):
        exact = direct_force(theta, beta)
        error = np.abs(circle_force(tokens, beta) - exact).max() / np.abs(exact).max()
        print(f"  beta = {beta:8g}   {error:.1e}")

    print("\nmilliseconds an evaluation (log Z and mean), beta = 5, dim 2")
    print(f"  {'n':>9s} {'Circle':>10s} {'Dense':>10s} {'NumPy':>10s}   Dense/Circle")
    for n in (200, 1_000, 5_000, 20_000, 1_000_000):
        tokens = ts.sphere.uniform(n=n, dim=2, seed=0)
        theta = ts.sphere.angles(tokens)
        spectral = machine.best_of(lambda x=tokens: Circle()(x, x, beta=5.0, tangent=True))
        row = f"  {n:9d} {1e3 * spectral:10.3f}"
        if n <= 20_000:
            flow = ts.SelfAttention(5.0, attention=Dense())
            dense = machine.best_of(lambda x=tokens, f=flow: f.velocity(x), repeats=3)
            plain = machine.best_of(lambda a=theta: direct_force(a, 5.0), repeats=1)
            row += f" {1e3 * dense:10.3f} {1e3 * plain:10.3f}   {dense / spectral:.1f}"
        print(row)


if __name__ == "__main__":
    main()
