"""The pairing regime: the two-body law against a run of two tokens, its clock, its time, and who merges first."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import first_merger, pair_in_clock, pair_product, pair_rate, pair_time
from tokensphere.theory.growth import RateOverflowError

FLOWS = {
    "sa": ts.SelfAttention,
    "usa": ts.UnnormalizedSelfAttention,
    "usa-shifted": lambda beta: ts.UnnormalizedSelfAttention(beta, shifted=True),
}


@pytest.mark.parametrize("flow", list(FLOWS))
def test_two_tokens_follow_the_law(flow):
    tokens = ts.sphere.from_angles([0.0, 1.1])
    times = np.linspace(0, 0.6, 4)
    run = ts.simulate(FLOWS[flow](3.0), tokens, times, rtol=1e-12, method="dopri8")
    got = np.einsum("ti,ti->t", *np.moveaxis(run.tokens.values, 1, 0))
    np.testing.assert_allclose(pair_product(3.0, math.cos(1.1), times, flow), got, atol=1e-11)


def test_the_reference_of_four_tokens():
    c0 = math.cos(0.9)
    assert pair_product(8.0, c0, [0, 0.5])[1] == pytest.approx(0.652438, abs=5e-7)
    # without the denominator of softmax: another law
    assert pair_product(8.0, c0, [0, 0.5], "usa-shifted", n=2)[1] != pytest.approx(0.652438, abs=1e-3)


@given(st.floats(0.0, 40.0), st.floats(-0.95, 0.9), st.sampled_from(["sa", "usa-shifted"]))
@example(5e-324, 0.5, "sa")
@example(1e-15, -0.3, "usa-shifted")
@example(1e-14, 0.0, "sa")
@settings(max_examples=40, deadline=None)
def test_times_against_quadrature(beta, c0, flow):
    c1 = 0.5 * (c0 + 0.99)
    got = pair_time(beta, c0, c1, flow, n=7)
    want = mpmath.quad(
        lambda c: 1 / (2 * _rate(beta, c, flow) * (1 - c * c)), mpmath.linspace(mpmath.mpf(c0), mpmath.mpf(c1), 9)
    )
    assert got == pytest.approx(float(want), rel=1e-9)


def _rate(beta, c, flow):
    e = mpmath.exp(-beta * (1 - c))
    return e / (1 + e) if flow == "sa" else e / 7


def test_time_is_the_inverse_of_the_law():
    t = pair_time(9.0, 0.1, 0.8)
    assert pair_product(9.0, 0.1, [0.0, t])[1] == pytest.approx(0.8, abs=1e-8)
    assert pair_time(9.0, 0.1, 0.8, "usa", 5) == pytest.approx(
        math.exp(-9) * pair_time(9.0, 0.1, 0.8, "usa-shifted", 5)
    )


def test_the_clock():
    """c(s) = tanh(2s + artanh c_0) with ds = a dt, along the law itself."""
    times = np.linspace(0, 40, 4001)
    c = pair_product(4.0, 0.2, times)
    a = pair_rate(4.0, c)
    s = np.concatenate([[0], np.cumsum(0.5 * (a[1:] + a[:-1]) * np.diff(times))])
    np.testing.assert_allclose(c, pair_in_clock(0.2, s), atol=1e-5)


def test_times_are_exponentially_long():
    """ln t / beta tends to 1 - c_0."""
    logs = [math.log(pair_time(beta, 0.3, 0.99)) / beta for beta in (50.0, 200.0, 800.0)]
    assert np.all(np.diff(np.abs(np.array(logs) - 0.7)) < 0)
    assert logs[-1] == pytest.approx(0.7, abs=0.01)
    with pytest.raises(RateOverflowError):
        pair_time(1200.0, 0.3, 0.99)


def test_who_merges_first():
    tokens = ts.sphere.from_angles([0.0, 2.6, 0.9, 4.4])
    prediction = first_merger(tokens, 8.0)
    i, j, time = prediction.value
    assert (i, j, prediction.holds) == (0, 2, None)  # equal masses cannot be told
    assert prediction.hypotheses[0].holds is True
    assert time == pytest.approx(pair_time(8.0, math.cos(0.9), math.cos(0.1)))
    # a run agrees on the pair and on the time
    run = ts.simulate(ts.SelfAttention(8.0), tokens, [0, 0.98 * time, 1.02 * time])
    gaps = ts.sphere.geodesic(run.tokens.values[:, 0], run.tokens.values[:, 2])
    assert gaps[1] > 0.1 > gaps[2]


def test_a_tie_is_said():
    square = ts.sphere.from_angles(np.arange(4) * np.pi / 2)
    assert first_merger(square, 8.0).hypotheses[0].holds is False
    assert first_merger(square, 2000.0).value[2] == math.inf
    assert first_merger(ts.sphere.from_angles([0.0, 0.05]), 5.0).value == (0, 1, 0.0)


@pytest.mark.parametrize("flow", ["sa", "usa-shifted"])
def test_an_antipodal_pair_rests(flow):
    """Exactly at the antipode; near it the time is finite, of a logarithm that all digits of 1 + c go into."""
    for tokens in ([[1.0, 0.0], [-1.0, 0.0]], ts.sphere.from_angles([0.3, 0.3 + np.pi])):
        prediction = first_merger(tokens, 20.0, flow=flow)
        assert prediction.value == (0, 1, math.inf)
        assert "antipodal" in prediction.hypotheses[0].detail
    for gap in (1e-4, 1e-9):
        found = first_merger([[1.0, 0.0], [-math.cos(gap), math.sin(gap)]], 2.0, flow=flow).value[2]
        low, high = mpmath.mpf(gap) ** 2 / 2, 1 + mpmath.cos(0.1)

        def slowness(u):  # of u = log(1 + c)
            e = mpmath.exp(-2 * (2 - mpmath.exp(u)))
            return 1 / (2 * (e / (1 + e) if flow == "sa" else e / 2) * (2 - mpmath.exp(u)))

        want = mpmath.quad(slowness, mpmath.linspace(mpmath.log(low), mpmath.log(high), 12))
        assert found == pytest.approx(float(want), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_time(5, 0.9, 0.1), "start must be below stop"),
        (lambda: pair_time(5, -1.0, 0.1), "inner product"),
        (lambda: pair_product(5, 1.0, [0, 1]), "inner product"),
        (lambda: pair_rate(5, 1.5), "inner_product"),
        (lambda: first_merger(np.eye(2)[[0, 1, 0]], 5.0), "tokens 0 and 2 coincide"),
        (lambda: first_merger(np.eye(2)[:1], 5.0), "two tokens"),
        (lambda: first_merger(np.eye(2), 5.0, angle=4.0), "angle"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
