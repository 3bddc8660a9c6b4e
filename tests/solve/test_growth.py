"""Quiet starts grow at the predicted rates."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.theory import growth_rates

KINDS = {"sa": ts.SelfAttention, "usa": ts.UnnormalizedSelfAttention}
SHIFTED = {"usa-shifted": lambda beta, **fields: ts.UnnormalizedSelfAttention(beta, shifted=True, **fields)}


def circle_rate(flow, beta, degree, phase, attention):
    """Slope of ln of the complex mode; its imaginary part is a drift."""
    rates = growth_rates(beta, 2, range(1, 12), flow)
    end = min(2 / rates[degree - 1], 5 / rates.max())
    made = (KINDS | SHIFTED)[flow](beta, attention=attention)
    start = ts.sphere.equispaced(1009, 1e-6, degree, phase)  # a prime: no resonance with a grid
    run = ts.simulate(made, start, [0, end], method="dopri8", step_size=end / 25)
    modes = [ts.sphere.moments(ts.sphere.angles(x), degree)[degree] for x in run.tokens.values]
    assert abs(modes[0]) == pytest.approx(1e-6, rel=1e-8)
    return np.log(modes[1] / modes[0]) / end


@pytest.mark.parametrize("phase", [0.0, np.pi / 2], ids=["cosine", "sine"])
@pytest.mark.parametrize(("beta", "degrees"), [(2.0, (1, 2)), (5.0, (1, 2, 3, 5)), (7.0, (2, 4, 6))])
@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
def test_growth_on_the_circle(flow, beta, degrees, phase):
    for degree in degrees:
        predicted = float(growth_rates(beta, 2, degree, flow))
        measured = circle_rate(flow, beta, degree, phase, Circle())
        assert measured.real == pytest.approx(predicted, rel=1e-8)
        assert abs(measured.imag) < 1e-8 * predicted


def test_growth_by_the_direct_sum_and_wrong_rates():
    measured = circle_rate("usa", 5.0, 3, np.pi / 2, Dense()).real
    assert measured == pytest.approx(18.5960703045, rel=1e-8)
    # k² I_k / (πβ), and the decay −22.2 of sine modes under a reflected kernel
    assert abs(measured / 5.91931302208 - 1) > 1
    assert measured > 0


@pytest.mark.parametrize("flow", ["sa", "usa"])
@pytest.mark.parametrize(
    ("dim", "beta", "resolution"), [(3, 2.0, 10), (3, 5.0, 12), pytest.param(4, 2.0, 7, marks=pytest.mark.slow)]
)
def test_growth_on_spheres(flow, dim, beta, resolution):
    for degree in (1, 2, 3):
        predicted = float(growth_rates(beta, dim, degree, flow))
        start, weights = ts.sphere.quiet(dim, degree, 1e-6, resolution)
        end = 1.5 / predicted
        run = ts.simulate(KINDS[flow](beta), start, [0, end], method="dopri8", step_size=end / 6, weights=weights)
        size = [weights @ legendre(degree, dim, x[:, 0]) for x in run.tokens.values]
        assert np.log(size[1] / size[0]) / end == pytest.approx(predicted, rel=1e-4)


def legendre(degree, dim, q):
    """P_k with P_k(1) = 1, by hand for dim 3 and 4."""
    if degree == 1:
        return q
    if dim == 3:
        return (3 * q**2 - 1) / 2 if degree == 2 else (5 * q**3 - 3 * q) / 2
    return (4 * q**2 - 1) / 3 if degree == 2 else 2 * q**3 - q


def test_rates_of_the_two_flows_differ_by_the_partition_function():
    ratio = circle_rate("usa", 5.0, 3, 0.0, Circle()).real / circle_rate("sa", 5.0, 3, 0.0, Circle()).real
    assert ratio == pytest.approx(27.2398718236, rel=1e-8)


@pytest.mark.parametrize("flow", ["sa", "usa"])
@pytest.mark.parametrize("attention", [Circle(), Dense()])
def test_periodic_tokens_stay_periodic(flow, attention):
    rate = growth_rates(5.0, 2, 3, flow)
    start = ts.sphere.equispaced(60, 0.05, degree=3, phase=0.4)
    run = ts.simulate(KINDS[flow](5.0, attention=attention), start, [0, 2 / rate, 4 / rate])
    for t, tokens in zip(run.time.values, run.tokens.values, strict=True):
        modes = np.abs(ts.sphere.moments(ts.sphere.angles(tokens), 8))
        assert modes[[1, 2, 4, 5, 7, 8]].max() < 1e-14 * np.exp(1.2 * rate * t)
    assert modes[3] > 0.5
