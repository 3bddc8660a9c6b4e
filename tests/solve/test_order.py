"""Measured orders of convergence, accuracy against tolerance, closed forms."""

import functools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tokensphere as ts
from tokensphere.attention import Circle, Dense

T = 2.0


def problem(dim):
    """Six tokens; the circle runs on the host, the others compiled."""
    return ts.SelfAttention(4.0, attention=Circle() if dim == 2 else Dense()), ts.sphere.uniform(6, dim, seed=5)


@functools.cache
def reference(dim):
    """Tokens at T, for which two methods agree."""
    flow, tokens = problem(dim)
    exact = ts.simulate(flow, tokens, [0, T], method="dopri8", rtol=1e-13).tokens.values[-1]
    other = ts.simulate(flow, tokens, [0, T], method="tsit5", step_size=T / 300).tokens.values[-1]
    np.testing.assert_allclose(exact, other, rtol=0, atol=3e-14)
    return exact


@pytest.mark.parametrize("dim", [2, 3, 16])
@pytest.mark.parametrize(
    ("method", "order", "counts"),
    [("euler", 1, (50, 100)), ("rk4", 4, (20, 40)), ("tsit5", 5, (20, 32, 50, 80)), ("dopri8", 8, (8, 9, 10))],
)
def test_order_of_convergence(method, order, counts, dim):
    flow, tokens = problem(dim)
    errors = []
    for count in counts:
        run = ts.simulate(flow, tokens, [0, T], method=method, step_size=T / count)
        assert run.attrs["steps"] == count
        errors.append(np.linalg.norm(run.tokens.values[-1] - reference(dim)))
    measured = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert measured == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("method", ["tsit5", "dopri8"])
@pytest.mark.parametrize("dim", [2, 16])
def test_error_follows_the_tolerance(method, dim):
    flow, tokens = problem(dim)
    rtols = np.array([1e-5, 1e-7, 1e-9, 1e-11])
    errors = []
    for rtol in rtols:
        run = ts.simulate(flow, tokens, [0, T], method=method, rtol=rtol)
        errors.append(np.abs(run.tokens.values[-1] - reference(dim)).max())
        assert errors[-1] < 2 * rtol
        assert run.step_error.values.max() < rtol
    slope = np.polyfit(np.log(rtols), np.log(errors), 1)[0]
    assert 0.7 < slope < 1.2


@pytest.mark.parametrize("dim", [2, 3])
def test_steps_do_not_depend_on_the_orientation(dim):
    flow, tokens = problem(dim)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))
    runs = [ts.simulate(flow, x, [0, 1.0, T]) for x in (tokens, tokens @ turn.T)]
    np.testing.assert_allclose(runs[1].step_size, runs[0].step_size, rtol=1e-3)
    np.testing.assert_allclose(runs[1].tokens, runs[0].tokens.values @ turn.T, atol=1e-10)


@pytest.mark.parametrize("attention", [Circle(), Dense()])
@pytest.mark.parametrize("flow", [ts.SelfAttention, ts.UnnormalizedSelfAttention])
def test_two_orthogonal_tokens_at_beta_zero(flow, attention):
    times = np.linspace(0, 3, 7)
    run = ts.simulate(flow(0.0, attention=attention), np.eye(2), times, rtol=1e-12, method="dopri8")
    inner = np.einsum("tc,tc->t", run.tokens.values[:, 0], run.tokens.values[:, 1])
    np.testing.assert_allclose(inner, np.tanh(times), atol=1e-11)


def test_kuramoto_pair():
    """Two oscillators at beta = 0: tan(gap/2) = tan(gap_0/2) e^{−t}."""
    times = np.linspace(0, 4, 5)
    start = ts.sphere.from_angles([0.3, 0.3 + 2.9])
    run = ts.simulate(ts.UnnormalizedSelfAttention(0.0), start, times, rtol=1e-12, method="dopri8")
    gap = ts.sphere.geodesic(run.tokens.values[:, 0], run.tokens.values[:, 1])
    np.testing.assert_allclose(np.tan(gap / 2), np.tan(2.9 / 2) * np.exp(-times), rtol=1e-10)


@pytest.mark.parametrize(("dim", "beta"), [(2, 3.0), (5, 1.0)])
def test_softmax_pair(dim, beta):
    """dc/dt = 2a(1 − c²) with a = e^{−β(1−c)} / (1 + e^{−β(1−c)}) for the inner product c of two tokens."""
    tokens = ts.sphere.equiangular(2, dim, -0.3, seed=1)

    def slope(_, c):
        a = 1 / (1 + np.exp(beta * (1 - c)))
        return 2 * a * (1 - c**2)

    exact = solve_ivp(slope, (0, 4), [-0.3], method="DOP853", rtol=1e-13, atol=1e-13).y[0, -1]
    run = ts.simulate(ts.SelfAttention(beta), tokens, [0, 4], rtol=1e-12, method="dopri8")
    assert run.tokens.values[-1, 0] @ run.tokens.values[-1, 1] == pytest.approx(exact, abs=1e-11)


def test_the_closest_pair_of_four_at_low_temperature():
    start = ts.sphere.from_angles([0.0, 0.9, 2.6, 4.4])
    end = ts.simulate(ts.SelfAttention(8.0), start, [0, 0.5], rtol=1e-10).tokens.values[-1]
    assert end[0] @ end[1] == pytest.approx(0.652382, abs=1e-6)
    # the exact law of an isolated pair, and the one without its denominator
    assert end[0] @ end[1] == pytest.approx(0.652438, abs=1e-4)
    assert abs(end[0] @ end[1] - 0.654297) > 1e-3
    assert ts.sphere.geodesic(end[2:], start[2:]).max() < 4e-5
