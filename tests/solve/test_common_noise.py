"""One Brownian motion for all tokens: its random numbers, the exact law of distances, measured orders."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.flows import project
from tokensphere.parallel import Shard
from tokensphere.solve import Integrator, Noise, conformal, step_with_noise, tableau
from tokensphere.theory import common_noise_exponent

METHODS = ("geodesic", "strang")
TAU = 0.3


def test_the_map_is_the_flow_of_a_constant_pull():
    tokens, pull = ts.sphere.uniform(6, 4, 0), np.array([[0.7, -1.1, 0.2, 0.4]])
    flat = solve_ivp(
        lambda _, x: project(x.reshape(6, 4), np.tile(pull, (6, 1))).ravel(),
        (0, 1),
        tokens.ravel(),
        rtol=1e-12,
        atol=1e-13,
    )
    np.testing.assert_allclose(conformal(tokens, pull), flat.y[:, -1].reshape(6, 4), atol=1e-10)
    np.testing.assert_allclose(conformal(tokens, 0 * pull), tokens, atol=1e-16)
    back = conformal(conformal(tokens, 4 * pull), -4 * pull)
    np.testing.assert_allclose(back, tokens, atol=1e-9)  # such a pull brings tokens together to within e^{−6}
    # on the circle, in angles
    from tokensphere.solve.geodesic import _shove_angles

    theta = np.linspace(-3, 3, 7)
    kick = np.array([[0.5, -0.8]])
    want = conformal(ts.sphere.from_angles(theta), kick)
    np.testing.assert_allclose(ts.sphere.from_angles(_shove_angles(theta, kick)), want, atol=1e-14)


def test_one_increment_for_all_tokens_and_processes():
    noise = Noise(TAU, 5, common=True)
    kicks = noise.kicks(3, 0.1, 2, 1000, 2)
    assert kicks.shape == (2, 1, 2)

    class Seat:
        size, local_devices, rank = 3, 1, 1

    assert (noise.kicks(3, 0.1, 2, 334, 2, Shard.of(Seat, 1000)) == kicks).all()
    many = np.stack([noise.kicks(step, 0.1, 1, 9, 3)[0, 0] for step in range(3000)])
    assert many.var() == pytest.approx(2 * TAU * 0.1, rel=4 * np.sqrt(2 / many.size))


class Still(ts.flows.AlignmentFlow):
    """Tokens that do not move by themselves."""

    def field(self, tokens, weights=None, t=0.0):
        return np.zeros_like(tokens)


def gaussians(parts, dim):
    nodes, weights = np.polynomial.hermite_e.hermegauss(12 if dim * parts <= 4 else 7)
    grid = np.array(list(itertools.product(nodes, repeat=parts * dim))).reshape(-1, parts, dim)
    weights = np.prod(np.array(list(itertools.product(weights / weights.sum(), repeat=parts * dim))), axis=1)
    return grid, weights


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dim", [2, 3])
def test_distances_shrink_at_the_exact_mean_rate(method, dim):
    """E log|x_1 − x_2| falls by (d−1)τ a unit of time, from any start, up to an error of order 1 in the step.

    The expectation over the kicks of a step is a Gauss–Hermite sum; it is the same for every pair.
    """
    parts = tableau(method).kicks
    nodes, weights = gaussians(parts, dim)
    x, y = ts.sphere.uniform(2, dim, 1)
    counts, errors = np.array([5, 10, 20]), []
    for count in counts:
        kicks = nodes.swapaxes(0, 1) * np.sqrt(2 * TAU / count / parts)
        ends = []
        for start in (x, y):
            rows = np.tile(start, (len(weights), 1))
            ends.append(
                step_with_noise(Still(), tableau(method), 0.0, 1 / count, rows, 0 * rows, None, kicks, True).points
            )
        change = np.log(np.linalg.norm(ends[0] - ends[1], axis=1) / np.linalg.norm(x - y))
        errors.append(count * (weights @ change) / common_noise_exponent(TAU, dim) - 1)
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(1.0, abs=0.1)
    assert abs(errors[-1]) < 0.02
    assert common_noise_exponent(TAU, dim) == -(dim - 1) * TAU


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dim", [2, 3])
def test_strong_order_is_one_half(method, dim):
    """Of tokens and of their inner products; many paths at once, a row of kicks for each."""
    paths, finest, time, parts = 2000, 256, 0.5, tableau(method).kicks
    rng = np.random.default_rng(0)
    pair = ts.sphere.uniform(2, dim, 2)
    start = np.repeat(pair, paths, axis=0)
    small = rng.normal(size=(finest * parts, paths, dim)) * np.sqrt(2 * TAU * time / finest / parts)
    flow = Pull()

    def end(count):
        x = start
        for kicks in small.reshape(count, parts, finest // count, paths, dim).sum(axis=2):
            kicks = np.concatenate([kicks, kicks], axis=1)
            x = step_with_noise(flow, tableau(method), 0.0, time / count, x, flow.field(x), None, kicks, True).points
        return x

    fine, counts = end(finest), np.array([4, 8, 16])
    ends = [end(count) for count in counts]
    errors = np.array([np.sqrt(np.mean((found - fine) ** 2)) for found in ends])
    assert -np.polyfit(np.log(counts), np.log(errors), 1)[0] == pytest.approx(0.5, abs=0.15)
    inner = [np.sum(found[:paths] * found[paths:], axis=1) for found in (*ends, fine)]
    errors = np.array([np.sqrt(np.mean((found - inner[-1]) ** 2)) for found in inner[:-1]])
    assert 0.35 < -np.polyfit(np.log(counts), np.log(errors), 1)[0] < 1.2
    assert errors[-1] < 0.1


class Pull(Still):
    """Every token is drawn towards a pole."""

    def field(self, tokens, weights=None, t=0.0):
        return project(tokens, np.tile(np.eye(tokens.shape[1])[0], (len(tokens), 1)))


@pytest.mark.parametrize("method", METHODS)
def test_every_backend_takes_the_same_steps(method):
    tokens = ts.sphere.uniform(30, 2, 0)
    ends = [
        ts.simulate(
            ts.SelfAttention(3.0, attention=attention), tokens, [0, 1], method=method, step_size=0.05, noise=TAU,
            seed=2, common_noise=True,
        ).tokens.values[-1]
        for attention in (Circle(), Dense())
    ]  # fmt: skip
    # stages are added along the chord in one and along the circle in the other: the order of RK4, not rounding
    assert np.abs(ends[0] - ends[1]).max() < (1e-12 if method == "geodesic" else 2e-5)


def test_common_noise_holds_together_what_attention_drives_apart():
    """V = −I repels at rate 1: (d−1)τ > 1 wins, independent noise of the same strength does not."""
    tokens = ts.sphere.from_angles(1e-3 * np.arange(8))
    flow = ts.SelfAttention(2.0, value=-1.0, attention=Circle())
    spread = {}
    for tau, common in ((2.5, True), (0.2, True), (2.5, False)):
        growth = [
            np.log(np.ptp(np.linalg.norm(end - end[0], axis=1)) / 7e-3)
            for seed in range(4)
            for end in [
                ts.simulate(
                    flow, tokens, [0, 2], method="strang", step_size=0.04, noise=tau, seed=seed, common_noise=common
                ).tokens.values[-1]
            ]
        ]
        spread[tau, common] = np.mean(growth)
    assert common_noise_exponent(2.5, 2, contraction=-1.0) == -1.5
    assert spread[2.5, True] < -1.0
    assert spread[0.2, True] > 0.5
    assert spread[2.5, False] > 4.0


def test_a_run_goes_on_bit_for_bit():
    tokens, flow = ts.sphere.uniform(5, 3, 0), ts.SelfAttention(2.0)

    def integrator():
        return Integrator(
            flow.resolve(5, 3), None, np.array([0.0, 0.3]), method="strang", step_size=0.1, noise=TAU, seed=1,
            common_noise=True,
        )  # fmt: skip

    log = []
    own = integrator()
    own.run(own.start(tokens), log.append)
    again = integrator().run(log[0], lambda state: None)
    assert (np.asarray(again.tokens) == np.asarray(log[-1].tokens)).all()
