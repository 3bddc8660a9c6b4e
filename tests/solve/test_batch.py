"""Runs in lanes: each is the run it would be alone, whoever is beside it."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Dense
from tokensphere.errors import InputError
from tokensphere.solve import Integrator, SolveError, all_within, run_batch

TIMES = np.array([0.0, 0.2, 0.5])


def integrator(beta, method="tsit5", **options):
    flow = ts.UnnormalizedSelfAttention(beta, attention=Dense())
    options = {"rtol": 1e-8, "events": [all_within(0.4)], **options}
    return Integrator(flow, None, TIMES, method=method, **options)


def tokens(seed):
    return ts.sphere.cap(6, [0, 0, 1.0], 1.2, seed)


def alone(own, start):
    log = []
    own.run(own.start(start), log.append)
    return log


def together(members, lanes, states=None):
    """The states of every lane after each of its steps."""
    log = {lane: [] for lane in members}
    states = states or {lane: own.start(tokens(lane)) for lane, own in members.items()}
    errors = run_batch(members, states, lanes, lambda lane, state: log[lane].append(state))
    return log, errors


def test_lanes_take_the_steps_of_single_runs():
    """Different β, step sizes and events (one stops early); equal to rounding."""
    members = {0: integrator(0.5), 1: integrator(3.0), 3: integrator(1.0)}
    log, errors = together(members, 4)
    assert not errors
    for lane, own in members.items():
        single = alone(own, tokens(lane))
        assert len(single) == len(log[lane])
        for a, b in zip(single, log[lane], strict=True):
            # an error estimate near rounding moves the next step a little, and the tokens with it
            assert a.t == pytest.approx(b.t, rel=1e-6)
            speed = np.abs(np.asarray(a.velocity)).max()
            np.testing.assert_allclose(np.asarray(a.tokens), b.tokens, atol=1e-12 + 2 * speed * abs(a.t - b.t))
            assert [f.name for f in a.fired] == [f.name for f in b.fired]
    assert len({len(states) for states in log.values()}) > 1


def test_a_lane_does_not_see_the_others_nor_a_break():
    members = {0: integrator(0.5), 1: integrator(3.0), 3: integrator(1.0)}
    whole, _ = together(members, 4)
    one, _ = together({1: members[1]}, 4)
    assert [s.tokens.tobytes() for s in one[1]] == [s.tokens.tobytes() for s in whole[1]]
    middle = whole[1][2]
    rest, _ = together({1: members[1]}, 4, {1: middle})
    assert [s.tokens.tobytes() for s in rest[1]] == [s.tokens.tobytes() for s in whole[1][3:]]


def test_layers_in_lanes():
    members = {lane: integrator(1.0 + lane, "layer", step_size=0.1, events=[]) for lane in range(2)}
    log, _ = together(members, 2)
    for lane, own in members.items():
        single = alone(own, tokens(lane))
        np.testing.assert_allclose(np.asarray(single[-1].tokens), log[lane][-1].tokens, atol=1e-13)
        assert len(single) == len(log[lane]) == 5


def test_one_that_fails_does_not_stop_the_others():
    members = {0: integrator(1.0, max_steps=2, events=[]), 1: integrator(1.0, events=[])}
    log, errors = together(members, 2)
    assert list(errors) == [0]
    assert isinstance(errors[0], SolveError)
    assert log[1][-1].finished
    assert len(log[0]) == 2


def test_runs_that_do_not_fit_together():
    with pytest.raises(InputError, match="same flow, method and shape"):
        together({0: integrator(1.0), 1: integrator(1.0, "rk4", step_size=0.1)}, 2)
    with pytest.raises(InputError, match="a lane each"):
        together({5: integrator(1.0)}, 2)
