"""The state of k equal clusters."""

import math

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import RateOverflowError, cluster_angles, growth_rates, k_cluster_state, merger_time


def test_table():
    state = k_cluster_state(5, 3)
    assert state.internal_rate == pytest.approx(-49.23847887, rel=1e-9)
    np.testing.assert_allclose(state.drift_rates, [0.3488612442] * 2, rtol=1e-9)
    assert state.inverse_partition == pytest.approx(0.0201915058, rel=1e-8)
    two = k_cluster_state(2, 2)
    assert two.internal_rate == pytest.approx(-3.626860408, rel=1e-9)
    assert two.drift_rates[0] == pytest.approx(0.1353352832, rel=1e-9)
    assert state.verdict == "metastable"
    assert k_cluster_state(5, 1).verdict == "stable"


@pytest.mark.parametrize("beta", [1.0, 5.0, 20.0])
def test_closed_forms(beta):
    assert k_cluster_state(beta, 2).drift_rates[0] == pytest.approx(np.exp(-beta), rel=1e-12)
    assert k_cluster_state(beta, 4).drift_rates[1] == pytest.approx(beta, rel=1e-12)


@pytest.mark.parametrize(("beta", "k"), [(2, 2), (5, 3), (7, 4), (5, 7)])
def test_rates_are_sums_of_growth_rates(beta, k):
    rates = growth_rates(beta, 2, np.arange(200), "usa")
    state = k_cluster_state(beta, k)
    assert state.internal_rate == pytest.approx(-2 * rates[k::k].sum(), rel=1e-11)
    for m in range(1, k):
        drift = state.internal_rate + rates[m::k].sum() + rates[k - m :: k].sum()
        assert state.drift_rates[m - 1] == pytest.approx(drift, rel=1e-8, abs=1e-10)
        assert state.drift_rates[m - 1] > 0


def test_flows_share_a_state_up_to_a_factor():
    usa, sa, shifted = (k_cluster_state(5, 3, flow) for flow in ("usa", "sa", "usa-shifted"))
    assert sa.fastest_drift == pytest.approx(usa.fastest_drift * usa.inverse_partition, rel=1e-12)
    assert shifted.fastest_drift == pytest.approx(usa.fastest_drift * math.exp(-5), rel=1e-12)
    with pytest.raises(RateOverflowError, match="usa-shifted"):
        k_cluster_state(1e4, 2)
    assert k_cluster_state(1e4, 100, "sa").internal_rate < 0


def test_the_jacobian_of_three_tokens():
    beta, k, h = 5.0, 3, 1e-6

    def velocity(theta):
        gap = theta[:, None] - theta[None, :]
        return -(np.exp(beta * np.cos(gap)) * np.sin(gap)).mean(axis=1)

    start = 2 * np.pi * np.arange(k) / k
    jacobian = np.array([(velocity(start + h * e) - velocity(start - h * e)) / (2 * h) for e in np.eye(k)])
    spectrum = np.sort(np.linalg.eigvals(jacobian).real)
    np.testing.assert_allclose(spectrum, [0, *[0.3488612442] * 2], atol=1e-6)


def test_lifetimes():
    state = k_cluster_state(5, 3)
    assert state.lifetime(1e-6) - state.lifetime(1e-4) == pytest.approx(np.log(100) / state.fastest_drift)
    assert k_cluster_state(5, 1).lifetime(1e-4) == np.inf
    assert merger_time(5, 3, 1e-4, 0.1) == pytest.approx(22.8163665, rel=1e-7)
    later = merger_time(5, 3, 1e-6, 0.1) - merger_time(5, 3, 1e-4, 0.1)
    assert later == pytest.approx(np.log(100) / state.fastest_drift, rel=1e-3)
    assert merger_time(5, 3, 1e-4, flow="sa") > merger_time(5, 3, 1e-4)
    with pytest.raises(InputError, match="asymmetry"):
        state.lifetime(0.0)
    with pytest.raises(InputError, match="asymmetry"):
        merger_time(5, 3, 4.0)


def test_angles():
    centres = np.array([0.3, 0.3 + 2 * np.pi / 3, 0.3 + 4 * np.pi / 3])
    moment = np.exp(-3j * centres).mean()
    np.testing.assert_allclose(cluster_angles(np.angle(moment), 3), centres, atol=1e-14)
    for argument in (-3.0, 0.0, 3.0, 40.0):
        angles = cluster_angles(argument, 4)
        assert (angles >= 0).all()
        assert (angles < 2 * np.pi).all()
        assert np.exp(-4j * angles).mean() == pytest.approx(np.exp(1j * argument))
    with pytest.raises(InputError, match="argument_of_moment"):
        cluster_angles(np.nan, 3)
