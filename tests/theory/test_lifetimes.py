"""Two clusters: table, the time of two weighted tokens, asymptotics, and the fit without log beta, which is wrong."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.solve import Event
from tokensphere.theory import lifetime_constant, log_two_cluster_lifetime, pair_time, two_cluster_lifetime


def test_reference_values():
    for beta, time in ((10, 10.7787), (30, 24387.9), (50, 1.40166e8)):
        assert two_cluster_lifetime(beta, 1.0) == pytest.approx(time, rel=1e-5)
    assert two_cluster_lifetime(10, 1.0, flow="usa-shifted") == pytest.approx(19.1671, rel=1e-5)
    assert two_cluster_lifetime(10, 1.0, flow="usa") == pytest.approx(19.1671 * math.exp(-10), rel=1e-5)


@pytest.mark.parametrize("flow", ["sa", "usa-shifted"])
@pytest.mark.parametrize("mass", [0.5, 0.2])
def test_two_weighted_tokens_take_this_long(flow, mass):
    family = ts.SelfAttention(4.0) if flow == "sa" else ts.UnnormalizedSelfAttention(4.0, shifted=True)
    tokens = ts.sphere.from_angles(np.array([0.0, 1.2]))
    near = Event("near", lambda moment: float(moment.tokens[0] @ moment.tokens[1]) - math.cos(0.3), terminal=True)
    run = ts.simulate(family, tokens, [0.0, 1e3], weights=[mass, 1 - mass], events=[near], rtol=1e-10)
    wanted = two_cluster_lifetime(4.0, 1.2, until=0.3, mass=mass, flow=flow)
    assert run.attrs["events"]["near"] == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
@pytest.mark.parametrize("beta", [0.5, 8.0, 60.0])
def test_equal_clusters_are_an_isolated_pair(flow, beta):
    """Quadrature against the exponential integrals of the pairing law."""
    closed = pair_time(beta, math.cos(1.3), math.cos(0.2), flow)
    assert two_cluster_lifetime(beta, 1.3, until=0.2, flow=flow) == pytest.approx(closed, rel=1e-9)


@pytest.mark.parametrize("flow", ["sa", "usa-shifted"])
@pytest.mark.parametrize("mass", [0.5, 0.3])
def test_the_constant_is_reached(flow, mass):
    for beta, tolerance in ((200.0, 0.02), (20_000.0, 2e-4)):
        leading = beta * (1 - math.cos(1.0)) - math.log(beta * math.sin(1.0) ** 2)
        found = log_two_cluster_lifetime(beta, 1.0, mass=mass, flow=flow)
        assert found - leading == pytest.approx(math.log(lifetime_constant(mass, flow)), abs=tolerance)
    assert two_cluster_lifetime(20_000.0, 1.0) == math.inf
    scaled = two_cluster_lifetime(50, 1.0) * 50 * math.sin(1) ** 2 * math.exp(-50 * (1 - math.cos(1)))
    assert scaled == pytest.approx(0.5170, abs=5e-5)


def test_the_slope_of_log_t_is_not_that_of_the_exponential():
    """d log T/d beta at beta = 30: 0.424, not 1 − cos φ_0 = 0.4597."""
    slope = (log_two_cluster_lifetime(30.01, 1.0) - log_two_cluster_lifetime(29.99, 1.0)) / 0.02
    assert slope == pytest.approx(0.424, abs=1e-3)
    assert abs(slope - (1 - math.cos(1.0))) > 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"angle": 4.0}, "until <= angle < pi"),
        ({"angle": 0.05}, "until"),
        ({"mass": 1.0}, "mass"),
        ({"beta": -1.0}, "beta"),
        ({"flow": "softmax"}, "softmax"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        two_cluster_lifetime(**({"beta": 10.0, "angle": 1.0} | options))
