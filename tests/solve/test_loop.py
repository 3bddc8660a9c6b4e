"""The loop: the sphere, save times, energy, refusals."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.errors import InputError
from tokensphere.solve import Integrator, SolveError


@pytest.mark.parametrize("method", ["euler", "rk4", "tsit5", "dopri8"])
@pytest.mark.parametrize("dim", [2, 50])
def test_every_saved_token_is_on_the_sphere(method, dim):
    flow = ts.SelfAttention(5.0, attention=Circle() if dim == 2 else Dense())
    step_size = 0.05 if method in ("euler", "rk4") else None
    run = ts.simulate(
        flow, ts.sphere.uniform(24, dim, 0), np.linspace(0, 3, 31), method=method, step_size=step_size, rtol=1e-4
    )
    norms = np.linalg.norm(run.tokens.values.astype(np.longdouble), axis=-1)
    assert np.abs(norms - 1).max() <= 1e-15
    inward = np.einsum("tnc,tnc->tn", run.tokens.values, run.velocity.values)
    assert np.abs(inward).max() < 1e-14


@pytest.mark.parametrize("step_size", [None, 0.013, 1])
def test_save_times_are_hit_exactly(step_size):
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(-0.3, 1.5, 17))
    times[5] = np.nextafter(times[4], 9)  # as close as two times can be
    flow, tokens = ts.SelfAttention(3.0, attention=Circle()), ts.sphere.uniform(20, 2, 0)
    run = ts.simulate(flow, tokens, times, step_size=step_size)
    assert np.array_equal(run.time.values, times)
    assert np.array_equal(run.tokens.values[0], tokens)
    assert np.isin(times[1:], run.step_time.values).all()
    np.testing.assert_allclose(run.step_size.values, np.diff(np.r_[times[0], run.step_time.values]), atol=1e-15)
    for frame in (0, 7, -1):
        np.testing.assert_allclose(run.velocity.values[frame], flow.velocity(run.tokens.values[frame]), atol=1e-15)


def test_more_save_times_change_nothing_but_the_steps():
    flow, tokens = ts.SelfAttention(3.0), ts.sphere.uniform(20, 3, 0)
    few, many = (ts.simulate(flow, tokens, np.linspace(0, 2, m), rtol=1e-10) for m in (2, 41))
    np.testing.assert_allclose(few.tokens.values[-1], many.tokens.values[-1], atol=1e-9)
    assert many.attrs["steps"] < 3 * few.attrs["steps"] + 41


def test_one_time_is_the_start():
    run = ts.simulate(ts.SelfAttention(3.0), ts.sphere.uniform(5, 3, 0), [0.5])
    assert run.sizes["time"] == 1
    assert run.attrs["steps"] == 0


def test_a_massless_token_is_a_tracer():
    """It follows the others and leaves them alone."""
    tokens = ts.sphere.uniform(20, 2, 0)
    flow = ts.UnnormalizedSelfAttention(5.0, attention=Circle())
    weights = np.r_[np.full(19, 1 / 19), 0.0]
    alone = ts.simulate(flow, tokens[:19], [0, 0.2], rtol=1e-11)
    traced = ts.simulate(flow, tokens, [0, 0.2], weights=weights, rtol=1e-11)
    np.testing.assert_allclose(traced.tokens.values[-1, :19], alone.tokens.values[-1], atol=1e-9)
    assert ts.sphere.geodesic(traced.tokens.values[-1, 19], tokens[19]) > 0.01


@pytest.mark.parametrize(
    ("flow", "dim", "end"),
    [
        (ts.UnnormalizedSelfAttention(5.0, attention=Circle()), 2, 2.0),
        (ts.SelfAttention(5.0, attention=Circle()), 2, 30.0),
        (ts.UnnormalizedSelfAttention(5.0, shifted=True, attention=Dense()), 3, 200.0),
        (ts.SelfAttention(2.0, value=-1.0, attention=Dense()), 3, 20.0),
    ],
)
def test_energy_is_monotone_over_every_accepted_step(flow, dim, end):
    energies = []
    tokens = ts.sphere.uniform(60, dim, 2)

    def observe(state):
        energies.append(flow.energy(np.asarray(state.tokens)))

    start = flow.energy(tokens)
    ts.simulate(flow, tokens, [0, end], observe=observe)
    energies = flow.gradient_sign * np.array([start, *energies])
    assert len(energies) > 15
    assert np.diff(energies).min() > -1e-12 * np.abs(energies).max()
    assert energies[-1] - energies[0] > 0.005 * abs(energies[0])


def test_shifted_clock_is_the_plain_one_slowed_down():
    tokens = ts.sphere.uniform(30, 2, 2)
    plain = ts.simulate(ts.UnnormalizedSelfAttention(5.0), tokens, [0, 0.1, 0.2], rtol=1e-11)
    slow = ts.simulate(
        ts.UnnormalizedSelfAttention(5.0, shifted=True), tokens, np.exp(5) * np.array([0, 0.1, 0.2]), rtol=1e-11
    )
    np.testing.assert_allclose(slow.tokens, plain.tokens, atol=1e-9)


def test_a_long_rest_costs_few_steps():
    cluster = ts.sphere.cap(10, [1.0, 0.0, 0.0], 0.1, 0)
    run = ts.simulate(ts.SelfAttention(1.0), cluster, [0, 1e3])
    assert run.attrs["steps"] < 2000
    assert np.ptp(run.tokens.values[-1], axis=0).max() < 1e-8


def test_tokens_at_rest_stay():
    tokens = np.repeat(np.eye(3)[:1], 4, axis=0)
    run = ts.simulate(ts.SelfAttention(5.0), tokens, [0, 10.0])
    assert np.array_equal(run.tokens.values[-1], tokens)


@pytest.mark.parametrize("attention", [Circle(), Dense()])
def test_too_few_steps_are_said(attention):
    flow, tokens = ts.UnnormalizedSelfAttention(5.0, attention=attention), ts.sphere.uniform(20, 2, 0)
    needed = ts.simulate(flow, tokens, [0, 0.3])
    total = needed.attrs["steps"] + needed.attrs["rejected"]
    ts.simulate(flow, tokens, [0, 0.3], max_steps=total)
    with pytest.raises(SolveError, match=r"t = 0\.\d+ after .* steps"):
        ts.simulate(flow, tokens, [0, 0.3], max_steps=total - 1)


def test_a_velocity_that_is_not_finite_is_said():
    class Broken(ts.flows.AbstractFlow):
        def field(self, tokens, weights, t):
            import jax.numpy as jnp

            return jnp.where(jnp.arange(4)[:, None] == 2, jnp.where(t > 0.5, jnp.nan, 0.0), 0.0) * tokens

        def velocity(self, tokens, radii=None, weights=None, t=0.0):
            return self.field(tokens, weights, t)

        def energy(self, tokens, weights=None, *, shifted=None):
            return 0.0

        def resolve(self, n, dim):
            return self

    with pytest.raises(SolveError, match=r"token 2 is not finite in the step after t = 0.[45]"):
        ts.simulate(Broken(), ts.sphere.uniform(4, 3, 0), [0, 1.0], step_size=0.1)


TOKENS = ts.sphere.uniform(5, 3, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "rk4"}, "'rk4' has no error control"),
        ({"method": "tsit"}, "did you mean 'tsit5'"),
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": np.nan}, "rtol"),
        ({"rtol": 0.5}, "rtol"),
        ({"error_norm": "l1"}, "error_norm must be one of largest, rms, got 'l1'"),
        ({"step_size": 0.0}, "step_size"),
        ({"step_size": -1.0}, "step_size"),
        ({"step_size": np.inf}, "step_size"),
        ({"times": [0, 1, 1]}, "times must increase"),
        ({"times": [0, np.inf]}, "times must be finite"),
        ({"times": []}, "times"),
        ({"weights": [1.0]}, "weights must have shape"),
        ({"tokens": 2 * TOKENS}, "token 0 has length 2"),
        ({"flow": ts.SelfAttention(1.0, value=np.eye(2))}, "value has shape"),
    ],
)
def test_bad_input_is_named(arguments, message):
    good = {"flow": ts.SelfAttention(1.0), "tokens": TOKENS, "times": [0, 1.0]}
    with pytest.raises(InputError, match=message):
        ts.simulate(**(good | arguments))


def test_a_second_run_with_one_integrator_is_the_same():
    flow = ts.SelfAttention(3.0, attention=Circle())
    integrator = Integrator(flow, None, np.array([0.0, 1.0]))
    ends = [integrator.run(integrator.start(ts.sphere.uniform(20, 2, 0)), lambda state: None) for _ in range(2)]
    assert np.array_equal(ends[0].tokens, ends[1].tokens)
