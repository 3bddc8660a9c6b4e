"""Clocks and the pairing law in them; the printed clock (product at the start) and the barycentre fail."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.solve import coarsen
from tokensphere.sphere import angles, from_angles
from tokensphere.theory import (
    clock_reading,
    convert_log_time,
    log_clock_rate,
    log_pair_time,
    log_two_cluster_lifetime,
    meeting_angle,
    pair_clock_time,
    pair_constant,
)

ANGLES, START = (0.0, 0.8, 2.2), math.cos(0.8)


@pytest.fixture(scope="module")
def pairs():
    """Runs until c = 0.9 at β = 20, 40, 80."""
    return {
        beta: coarsen(ts.SelfAttention(beta), from_angles(ANGLES), until_angle=(0, 1, math.acos(0.9)))
        for beta in (20.0, 40.0, 80.0)
    }


def test_reference_pairing_times(pairs):
    found = [float(run.step_clock[-1]) for run in pairs.values()]
    np.testing.assert_allclose(found, [0.31871, 0.30668, 0.30568], atol=6e-6)
    law = pair_clock_time(START, 0.9, pair_constant(1 / 3, 1 / 3))
    assert law == pytest.approx(0.30567, abs=5e-6)
    assert abs(found[-1] - law) < 2e-5


def test_the_printed_clock_does_not_converge_to_the_law(pairs):
    """dt = e^{β(1−c(0))} ds: its s tends to 0 like 1/β instead."""
    printed = [math.exp(run.attrs["log10_end"] * math.log(10) - beta * (1 - START)) for beta, run in pairs.items()]
    np.testing.assert_allclose(printed, [0.0574, 0.0263, 0.0126], atol=5e-5)
    law = pair_clock_time(START, 0.9, 2.0)
    assert all(abs(s - law) > 0.2 for s in printed)
    np.testing.assert_allclose(np.array(printed) * [20, 40, 80], 1 / (2 * (1 - START**2)), rtol=0.2)


@pytest.mark.parametrize("flow", ["sa", "usa-shifted"])
def test_unequal_masses_pair_at_the_constant_rate(flow):
    family = ts.SelfAttention(80.0) if flow == "sa" else ts.UnnormalizedSelfAttention(80.0, shifted=True)
    masses = [0.4, 0.1, 0.5]
    run = coarsen(family, from_angles(ANGLES), weights=masses, until_angle=(0, 1, math.acos(0.9)))
    constant = pair_constant(0.4, 0.1, flow)
    assert constant == pytest.approx(4.25 if flow == "sa" else 0.5)
    assert float(run.step_clock[-1]) == pytest.approx(pair_clock_time(START, 0.9, constant), rel=2e-3)
    others = angles(run.tokens.values[-1])[2]
    assert others == pytest.approx(2.2, abs=1e-6)


def test_pair_time_is_the_lifetime_at_large_beta():
    exact = log_two_cluster_lifetime(4000.0, 1.0, mass=0.3)
    assert log_pair_time(4000.0, math.cos(1.0), pair_constant(0.3, 0.7)) == pytest.approx(exact, abs=1e-3)


def test_where_pairs_meet():
    """SA: not at the barycentre 0.3, but at 0.155 + O(β^{−1/2}). USA: at the barycentre."""
    ends = []
    for beta in (100.0, 1600.0):
        run = coarsen(ts.SelfAttention(beta), from_angles([0.0, 1.0]), weights=[0.7, 0.3])
        ends.append(float(angles(run.merge_position.values)[0]))
    place = meeting_angle(0.0, 1.0, 0.7, 0.3)
    assert place == pytest.approx(0.09 / 0.58)
    assert abs(ends[1] - place) < abs(ends[0] - place) < 0.03
    assert all(abs(end - 0.3) > 0.1 for end in ends)
    run = coarsen(ts.UnnormalizedSelfAttention(100.0, shifted=True), from_angles([0.0, 1.0]), weights=[0.7, 0.3])
    usa = meeting_angle(0.0, 1.0, 0.7, 0.3, "usa-shifted")
    assert usa == pytest.approx(0.3)
    assert float(angles(run.merge_position.values)[0]) == pytest.approx(usa, abs=1e-6)


def test_conversions():
    np.testing.assert_allclose(convert_log_time([0.0, -np.inf], 800.0, "usa", "usa-shifted"), [800.0, -np.inf])
    assert convert_log_time(3.0, 2.0, "usa-shifted", "usa") == 1.0
    assert convert_log_time(3.0, 2.0, "usa", "usa") == 3.0


def test_rates_of_the_clocks():
    tokens, beta = from_angles([0.0, 0.01, 0.5]), 100.0
    assert log_clock_rate(tokens, beta) == pytest.approx(beta * (1 - math.cos(0.01)), rel=1e-10)
    assert log_clock_rate(tokens, beta, "real") == 0.0
    assert log_clock_rate(tokens, beta, "arc-length", speed=0.1) == pytest.approx(math.log(10.0))
    # The pair at 0.01 is nearer than 1/√(β log β) = 0.047: the next pair counts, and it is the *nearest* of these.
    assert log_clock_rate(tokens, beta, "staircase") == pytest.approx(
        math.log(math.log(beta)) + beta * (1 - math.cos(0.49)), rel=1e-10
    )


def test_copies_of_a_token_count_as_one():
    """As in frames saved after a merger; before, the rate of coincident tokens would be 0."""
    tokens = from_angles([0.0, 0.7, 0.0, 2.0])
    for clock in ("log", "staircase"):
        assert log_clock_rate(tokens, 30.0, clock) == log_clock_rate(from_angles([0.0, 0.7, 2.0]), 30.0, clock)
    run = coarsen(ts.SelfAttention(30.0), from_angles([0.0, 0.5, 2.5]), log10_times=[10.0])
    merged = run.tokens.values[-1]
    assert log_clock_rate(merged, 30.0) == pytest.approx(30.0 * (1 - merged[0] @ merged[2]), rel=1e-9)
    assert log_clock_rate(merged, 30.0) > 30.0


def test_the_staircase_clock_near_beta_1():
    """1/√(β log β) > π: no pair is that far apart."""
    assert log_clock_rate(from_angles([0.0, 2.9]), 1.05, "staircase") == pytest.approx(math.log(math.log(1.05)))


def test_reading_a_clock_along_a_run():
    run = coarsen(ts.SelfAttention(10.0), from_angles([0.0, 1.0]), times=np.linspace(0.2, 10.0, 50))
    rates = [log_clock_rate(x, 10.0) for x in run.tokens.values]
    s = clock_reading(run.log10_time.values * math.log(10.0), rates)
    assert s[-1] == pytest.approx(float(run.step_clock[-1]), rel=2e-3)
    assert s[0] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_clock_rate(from_angles([0.0]), 2.0), "two tokens"),
        (lambda: log_clock_rate(from_angles([0.0, 1.0]), 2.0, "wall"), "wall"),
        (lambda: log_clock_rate(from_angles([0.0, 0.0]), 2.0), "one place"),
        (lambda: log_clock_rate(from_angles([0.0, 1.0]), 0.5, "staircase"), "beta > 1"),
        (lambda: log_clock_rate(from_angles([0.0, 1.0]), 2.0, "arc-length"), "speed"),
        (lambda: convert_log_time(0.0, 1.0, "sa", "usa"), "sa"),
        (lambda: clock_reading([0.0, 1.0], [0.0]), "one length"),
        (lambda: pair_constant(0.7, 0.7), "masses"),
        (lambda: pair_clock_time(0.5, 0.2, 1.0), "start <= stop"),
        (lambda: meeting_angle(0.0, 4.0, 0.5, 0.5), "less than pi"),
        (lambda: log_pair_time(0.0, 0.5, 1.0), "beta > 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
