"""Layer mode: x⁺ = N(x + ηA), and not a projected Euler step."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.errors import InputError
from tokensphere.solve import Event, all_within
from tokensphere.theory import equiangular_layers


def layers(flow, tokens, count, step, **options):
    times = step * np.arange(count + 1)
    return ts.simulate(flow, tokens, times, method="layer", step_size=step, **options)


@pytest.mark.parametrize(("kind", "beta"), [(ts.SelfAttention, 2.0), (ts.UnnormalizedSelfAttention, 0.7)])
def test_equiangular_tokens_follow_the_exact_map(kind, beta):
    n, step, count = 8, 0.1, 12
    run = layers(kind(beta), np.eye(n), count, step)
    rho = equiangular_layers(count, step, beta, n, "sa" if kind is ts.SelfAttention else "usa")
    for frame, expected in zip(run.tokens.values, rho, strict=True):
        inner = (frame @ frame.T)[~np.eye(n, dtype=bool)]
        np.testing.assert_allclose(inner, expected, atol=1e-13)


def test_reference_value():
    run = layers(ts.SelfAttention(2.0), np.eye(32), 10, 0.1)
    last = run.tokens.values[-1]
    assert last[0] @ last[1] == pytest.approx(0.109789, abs=1e-6)


def test_a_layer_is_the_formula_and_not_a_projected_euler_step():
    """With V and B that are no multiples of I. The radial part of A makes a difference that no rounding explains."""
    rng = np.random.default_rng(0)
    x = ts.sphere.uniform(6, 3, 1)
    v, b, eta, beta = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), 0.1, 1.5
    weights = np.exp(beta * x @ b @ x.T)
    a = weights / weights.sum(1, keepdims=True) @ x @ v.T
    moved = ts.sphere.normalize(x + eta * a)
    tangential = ts.sphere.normalize(x + eta * (a - (x * a).sum(1, keepdims=True) * x))
    flow = ts.SelfAttention(beta, value=v, query_key=b)
    got = layers(flow, x, 1, eta).tokens.values[-1]
    np.testing.assert_allclose(got, moved, atol=1e-14)
    assert np.abs(got - tangential).max() > 1e-3
    euler = ts.simulate(flow, x, [0, eta], method="euler", step_size=eta).tokens.values[-1]
    np.testing.assert_allclose(euler, tangential, atol=1e-14)


def test_the_fourier_sum_gives_the_same_layers():
    x = ts.sphere.uniform(40, 2, 0)
    runs = [layers(ts.SelfAttention(3.0, attention=a), x, 5, 0.2) for a in (Circle(), Dense())]
    np.testing.assert_allclose(runs[0].tokens, runs[1].tokens, atol=1e-11)


def test_layers_tend_to_the_flow_at_order_one():
    x = ts.sphere.uniform(10, 3, 4)
    flow = ts.SelfAttention(2.0)
    exact = ts.simulate(flow, x, [0, 1.0], rtol=1e-11).tokens.values[-1]
    errors = [np.abs(layers(flow, x, round(1 / h), h).tokens.values[-1] - exact).max() for h in (0.1, 0.05, 0.025)]
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2


def test_the_velocity_that_is_kept_is_tangent():
    run = layers(ts.SelfAttention(2.0), ts.sphere.uniform(5, 3, 0), 2, 0.1)
    dots = np.einsum("tij,tij->ti", run.tokens.values, run.velocity.values)
    assert np.abs(dots).max() < 1e-15
    assert np.abs(run.velocity.values).max() > 0.01


def test_events_fire_at_whole_layers():
    seen = []
    counter = Event("any", lambda moment: (seen.append(moment.t), -1.0)[1])
    run = layers(
        ts.SelfAttention(1.0), ts.sphere.cap(6, [0, 0, 1.0], 0.5, 0), 60, 0.1, events=[all_within(0.1), counter]
    )
    time = run.attrs["events"]["all_within"]
    assert run.time[-1] == time < 6
    assert time / 0.1 == pytest.approx(round(time / 0.1), abs=1e-9)
    assert len(seen) == run.attrs["steps"] + 1


def test_save_times_are_whole_layers():
    with pytest.raises(InputError, match=r"t = 0\.1 \* layer, and 0\.25 is not; the nearest is 0\.2"):
        ts.simulate(ts.SelfAttention(1.0), np.eye(3), [0, 0.25], method="layer", step_size=0.1)
    with pytest.raises(InputError, match="give it a step_size"):
        ts.simulate(ts.SelfAttention(1.0), np.eye(3), [0, 0.2], method="layer")
