"""Events: when they fire, where a run stops, and when they stay silent."""

import dataclasses

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.errors import InputError
from tokensphere.solve import Event, Integrator, all_within, energy_slope_below, linear_exit


def circle(n=200, seed=2):
    return ts.UnnormalizedSelfAttention(5.0, attention=Circle()), ts.sphere.uniform(n, 2, seed)


def state_at(flow, tokens, t):
    """Tokens at time t by an independent run with another method and a tight tolerance."""
    return ts.simulate(flow, tokens, [0, t], method="dopri8", rtol=1e-13).tokens.values[-1]


@pytest.mark.parametrize("method", ["tsit5", "dopri8"])
def test_linear_exit_is_where_the_order_crosses(method):
    flow, tokens = circle()
    run = ts.simulate(flow, tokens, [0, 0.3], events=[linear_exit(0.2)], method=method, rtol=1e-10)
    exit_time = run.attrs["events"]["linear_exit"]

    def order(t):
        theta = ts.sphere.angles(state_at(flow, tokens, t))
        return max(abs(np.exp(-1j * k * theta).mean()) for k in range(1, 9))

    assert order(exit_time) == pytest.approx(0.2, abs=1e-8)
    # the first crossing: below at every earlier time
    before = ts.simulate(flow, tokens, np.linspace(0, exit_time * (1 - 1e-6), 30), rtol=1e-10)
    assert max(ts.observe.order_parameters(x, range(1, 9)).max() for x in before.tokens.values) < 0.2
    assert run.time.values[-1] == 0.3


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("angle", [0.3, 1e-3])
def test_all_within_stops_the_run(dim, angle):
    tokens = ts.sphere.cap(20, np.eye(dim)[0], 1.0, seed=0)
    weights = np.r_[np.full(19, 1 / 19), 0.0]
    tokens[-1] = -tokens[0]  # a massless token does not count
    flow = ts.SelfAttention(2.0)
    run = ts.simulate(flow, tokens, [0, 0.1, 50.0], weights=weights, events=[all_within(angle)])
    last = run.tokens.values[-1]
    assert run.time.values[-1] == run.attrs["events"]["all_within"] < 50
    assert run.sizes["time"] == 3
    mean = weights @ last
    widest = ts.sphere.geodesic(last[:19], mean / np.linalg.norm(mean)).max()
    assert widest == pytest.approx(angle, rel=1e-8)
    assert widest <= angle * (1 + 1e-12)


def test_rest_is_found_by_the_energy_slope():
    flow, tokens = ts.UnnormalizedSelfAttention(2.0, shifted=True), ts.sphere.uniform(30, 3, seed=1)
    run = ts.simulate(flow, tokens, [0, 1e3], events=[energy_slope_below(1e-6)], rtol=1e-10)
    last = run.tokens.values[-1]
    speeds = np.sum(flow.velocity(last) ** 2, axis=1)
    assert speeds.mean() == pytest.approx(1e-6, rel=1e-6)
    assert run.time.values[-1] == run.attrs["events"]["energy_slope_below"]


def test_a_crossing_in_the_first_step():
    flow, tokens = circle()
    start = ts.observe.order_parameters(tokens, range(1, 9)).max()
    event = linear_exit(start * (1 + 1e-7), terminal=True)
    run = ts.simulate(flow, tokens, [0, 0.3], events=[event])
    assert run.attrs["steps"] == 1
    assert 0 < run.time.values[-1] < 1e-6
    assert ts.observe.order_parameters(run.tokens.values[-1], range(1, 9)).max() >= start * (1 + 1e-7)


def test_an_event_true_at_the_start_waits_until_it_was_false():
    flow, tokens = circle()
    always = Event("always", lambda moment: 1.0)
    dip = Event("dip", lambda moment: abs(moment.t - 0.1) - 0.05)
    fired = ts.simulate(flow, tokens, [0, 0.2], events=[always, dip]).attrs["events"]
    assert fired == {"dip": pytest.approx(0.15, abs=1e-9)}


def test_an_event_at_the_start():
    flow, tokens = circle()
    event = Event("always", lambda moment: 1.0, at_start=True)
    assert ts.simulate(flow, tokens, [0.1, 0.2], events=[event]).attrs["events"] == {"always": 0.1}
    run = ts.simulate(flow, tokens, [0.1, 0.2], events=[dataclasses.replace(event, terminal=True)])
    assert run.time.values.tolist() == [0.1]
    assert run.attrs["steps"] == 0
    # the order of random tokens is already above a low threshold
    assert ts.simulate(flow, tokens, [0, 0.1], events=[linear_exit(1e-3)]).attrs["events"] == {"linear_exit": 0.0}


@pytest.mark.parametrize("step_size", [None, 0.01, 1])
def test_several_events_in_one_step_fire_in_order_up_to_a_terminal_one(step_size):
    flow, tokens = ts.SelfAttention(1.0, attention=Dense()), ts.sphere.uniform(6, 3, seed=0)
    events = [
        Event("third", lambda moment: moment.t - 0.8),
        Event("stop", lambda moment: np.float64(moment.t - 0.7), terminal=True),
        Event("first", lambda moment: np.float32(0 if moment.t >= 0.6 else -1)),
        Event("never", lambda moment: -1),
    ]
    run = ts.simulate(flow, tokens, [0, 0.5, 1.0], events=events, step_size=step_size)
    assert list(run.attrs["events"]) == ["first", "stop"]
    assert run.attrs["events"]["first"] == pytest.approx(0.6, abs=1e-9)
    assert run.attrs["events"]["stop"] == pytest.approx(0.7, abs=1e-9)
    assert run.time.values.tolist() == [0, 0.5, run.attrs["events"]["stop"]]
    np.testing.assert_allclose(run.tokens.values[-1], state_at(flow, tokens, run.time.values[-1]), atol=1e-6)


def test_an_event_at_a_save_time_gives_one_frame():
    flow, tokens = ts.SelfAttention(1.0), ts.sphere.uniform(6, 3, seed=0)
    run = ts.simulate(flow, tokens, [0, 0.5, 1.0], events=[Event("stop", lambda m: m.t - 0.5, terminal=True)])
    assert run.time.values.tolist() == [0, 0.5]


def test_a_fired_event_is_not_evaluated_again():
    flow, tokens = circle(50)
    seen = []
    event = Event("early", lambda moment: seen.append(moment.t) or moment.t - 1e-3)
    ts.simulate(flow, tokens, np.linspace(0, 0.1, 11), events=[event])
    assert max(seen) < 0.05


def test_events_do_not_change_the_steps():
    flow, tokens = circle()
    plain = ts.simulate(flow, tokens, [0, 0.2])
    watched = ts.simulate(flow, tokens, [0, 0.2], events=[linear_exit(0.2)])
    assert np.array_equal(plain.tokens, watched.tokens)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: linear_exit(1.0), "threshold"),
        (lambda: linear_exit(0.0), "threshold"),
        (lambda: all_within(0.0), "angle"),
        (lambda: all_within(3.2), "angle"),
        (lambda: energy_slope_below(0.0), "slope"),
        (lambda: energy_slope_below(np.nan), "slope"),
    ],
)
def test_bad_thresholds_are_named(call, name):
    with pytest.raises(InputError, match=name):
        call()


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (ts.SelfAttention(1.0, query_key=np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]])), "symmetric"),
    ],
)
def test_a_flow_without_usable_energy_is_refused_before_the_first_step(flow, message):
    integrator = Integrator(
        flow.resolve(6, 3), None, np.array([0.0, 1.0]), events=[energy_slope_below(1e-6)], step_size=0.1
    )
    with pytest.raises(InputError, match=message):
        integrator.start(ts.sphere.uniform(6, 3, seed=0))


def test_two_events_of_one_name_are_refused():
    tokens = ts.sphere.cap(20, np.eye(3)[0], 0.5, seed=0)
    events = [ts.solve.all_within(0.05), ts.solve.all_within(0.3, terminal=False)]
    with pytest.raises(ts.InputError, match="same name"):
        ts.simulate(ts.SelfAttention(1.0), tokens, [0, 1], events=events)


def test_an_event_that_holds_at_the_start_fires_at_once():
    tokens = ts.sphere.cap(20, np.eye(3)[0], 0.1, seed=0)
    run = ts.simulate(ts.SelfAttention(1.0), tokens, [0, 1], events=[ts.solve.all_within(0.5)])
    assert run.attrs["events"] == {"all_within": 0.0}
    assert run.sizes["time"] == 1
    run = ts.simulate(ts.SelfAttention(1.0), tokens, [0, 1], events=[ts.solve.linear_exit(0.1)])
    assert run.attrs["events"] == {"linear_exit": 0.0}
    assert run.sizes["time"] == 2


def test_rest_is_found_where_the_plain_energy_overflows():
    tokens = ts.sphere.cap(12, np.eye(2)[0], 0.01, seed=0)
    rest = ts.solve.energy_slope_below(1e-9)
    run = ts.simulate(ts.SelfAttention(800.0), tokens, [0, 30], rtol=1e-6, events=[rest])
    assert 0 < run.attrs["events"]["energy_slope_below"] < 30
