"""The dominant degree and its switches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere.theory import (
    critical_noise,
    degree_switches,
    dominant_degree,
    growth_rates,
    nearest_switch,
    noisy_order_parameter,
    runner_up,
    stationary_order_parameter,
)


def test_tables():
    two = [1.044456862108, 3.165434442701, 6.211298379432, 10.22848316299]
    three = [1.816154525436, 4.425293012396, 7.962379851546, 12.4774331094]
    np.testing.assert_allclose(degree_switches(2, 4), two, rtol=1e-12)
    np.testing.assert_allclose(degree_switches(3, 4), three, rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 8, 64, 768, 4096])
def test_the_degree_flips_across_every_switch(dim):
    for k, beta in enumerate(degree_switches(dim, 12), 1):
        assert dominant_degree(beta * (1 - 1e-9), dim) == k
        assert dominant_degree(beta * (1 + 1e-9), dim) == k + 1
        assert runner_up(beta, dim).ratio == pytest.approx(1, abs=1e-12)


def test_the_degree_flips_at_low_temperature():
    beta = degree_switches(2, 300)[-1]
    assert dominant_degree(beta * (1 - 1e-9), 2) == 300
    assert dominant_degree(beta * (1 + 1e-9), 2) == 301


def test_near_tie_of_fifty():
    second = runner_up(50, 3)
    assert second.degree == 9
    assert second.gap == pytest.approx(2.0606e-5, rel=1e-3)
    assert dominant_degree(50, 3) == 10


@pytest.mark.parametrize("dim", [2, 4096])
@pytest.mark.parametrize("beta", [1e4, 1e6])
def test_large_beta(dim, beta):
    nu = dim / 2 - 1
    k = dominant_degree(beta, dim)
    assert k == pytest.approx(np.sqrt(nu**2 + 2 * beta) - nu, abs=1.0)
    rates = growth_rates(beta, dim, np.arange(1, 2 * k + 3))
    assert 1 + np.argmax(rates) == k


def test_asymptotic_switches():
    k = np.arange(1, 201)
    np.testing.assert_allclose(degree_switches(2, 200)[20:], (k * (k + 1) / 2 + 0.25)[20:], rtol=1e-5)
    assert degree_switches(4096, 1)[0] == pytest.approx(2 * 4096 / 3, rel=1e-2)
    assert degree_switches(768, 1)[0] == pytest.approx(512, rel=1e-2)


@given(beta=st.floats(0, 3000), dim=st.integers(2, 300))
@settings(max_examples=60, deadline=None)
def test_rates_are_unimodal_and_the_degree_is_their_argmax(beta, dim):
    k = dominant_degree(beta, dim)
    rates = growth_rates(beta, dim, np.arange(1, 2 * k + 4))
    assert rates[k - 1] >= rates.max() * (1 - 1e-13)
    slack = 1e-13 * rates.max()
    assert (np.diff(rates[:k]) >= -slack).all()
    assert (np.diff(rates[k - 1 :]) <= slack).all()
    second = runner_up(beta, dim)
    assert second.degree in (k - 1, k + 1)
    assert 0 <= second.ratio <= 1
    others = np.delete(rates, k - 1)
    assert second.ratio == pytest.approx(others.max() / rates[k - 1], abs=1e-12)


@given(beta=st.floats(0, 1e4), factor=st.floats(1, 2), dim=st.integers(2, 300))
@settings(max_examples=60, deadline=None)
def test_the_degree_never_falls_as_beta_grows(beta, factor, dim):
    assert dominant_degree(beta * factor, dim) >= dominant_degree(beta, dim)


def test_nearest_switch():
    switch = nearest_switch(5, 2)
    assert (switch.lower, switch.upper) == (3, 4)
    assert switch.beta == pytest.approx(6.211298379432, rel=1e-12)
    assert nearest_switch(3.3, 2).lower == 2
    assert nearest_switch(0, 2).lower == 1
    assert nearest_switch(1e6, 2).distance == pytest.approx(4.0525e-4, rel=1e-3)
    assert set(switch.to_dict()) == {"lower", "upper", "beta", "distance"}


def test_critical_noise():
    assert critical_noise(5, 2, "usa") == pytest.approx(4.86712842849, rel=1e-11)
    assert critical_noise(5, 2) == pytest.approx(0.178676627409, rel=1e-11)
    assert critical_noise(5, 3, "usa") == pytest.approx(2.37477225637, rel=1e-11)


def test_the_degree_falls_with_noise():
    for flow in ("sa", "usa", "usa-shifted"):
        top = critical_noise(5, 2, flow)
        found = [dominant_degree(5, 2, f * top, flow) for f in (0, 0.1, 0.25, 0.5, 0.75)]
        assert found == [3, 3, 2, 2, 1]
        assert growth_rates(5, 2, 1, flow, noise=1.001 * top) < 0 < growth_rates(5, 2, 1, flow, noise=0.999 * top)
    assert dominant_degree(1e6, 4096, 1.0, "usa-shifted") == 1
    assert dominant_degree(1e4, 2, 1.0, "usa") == 141


def test_noisy_order_parameters():
    assert stationary_order_parameter(5, 2, 1, 8.0) == pytest.approx(2.55357, rel=1e-5)
    late = noisy_order_parameter([0.0, 50.0], 5, 2, 1, 8.0)
    np.testing.assert_allclose(late, [1, 2.55357], rtol=1e-5)
    assert stationary_order_parameter(5, 2, 1, 1.0) == np.inf
    quiet = noisy_order_parameter(0.1, 5, 2, 3, 0.0)
    assert quiet == pytest.approx(np.exp(0.2 * float(growth_rates(5, 2, 3, "usa"))))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("beta", [1e-310, 5e-324])
def test_the_smallest_betas(beta):
    switch = nearest_switch(beta, 2)
    assert (switch.lower, switch.upper, switch.distance) == (1, 2, np.inf)
    assert switch.beta == pytest.approx(1.044456862108, rel=1e-12)


def test_the_mean_power_from_a_known_start():
    """Without noise e^{2 lambda t} of the start; with noise the start adds (s − 1) e^{2rt} to what iid tokens have."""
    from tokensphere.theory import growth_rates, noisy_order_parameter

    times = np.array([0.0, 0.1, 0.3])
    rate = float(growth_rates(5.0, 2, 3, "usa"))
    plain = noisy_order_parameter(times, 5.0, 2, 3, 0.0, start=0.04)
    np.testing.assert_allclose(plain, 0.04 * np.exp(2 * rate * times), rtol=1e-12)
    net = rate - 9 * 0.5
    gained = noisy_order_parameter(times, 5.0, 2, 3, 0.5, start=3.0) - noisy_order_parameter(times, 5.0, 2, 3, 0.5)
    np.testing.assert_allclose(gained, 2.0 * np.exp(2 * net * times), rtol=1e-10)
    assert np.isfinite(noisy_order_parameter([1e6], 5.0, 2, 3, 0.0)).all()
