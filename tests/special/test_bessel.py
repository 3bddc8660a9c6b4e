"""Bessel ratios and the partition function against 40-digit values."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere.errors import InputError
from tokensphere.special import bessel_ratio, bessel_ratios, log_scaled_partition, mean_resultant

mp.mp.dps = 40


def exact_ratio(order, beta):
    return mp.besseli(mp.mpf(order) + 1, mp.mpf(beta)) / mp.besseli(mp.mpf(order), mp.mpf(beta))


@pytest.mark.parametrize("order", [0, 0.5, 1, 31, 383.5, 2047])
@pytest.mark.parametrize("beta", [1e-9, 0.3, 5.0, 50.0, 1e4, 1e6])
def test_ratios_have_full_relative_accuracy(order, beta):
    got = bessel_ratios(order, beta, 21)
    for j in (0, 9, 20):
        assert abs(float(mp.mpf(got[j]) / exact_ratio(order + j, beta) - 1)) < 5e-15
    assert float(bessel_ratio(order, beta)) == pytest.approx(got[0], rel=5e-15)


def test_vectorised_ratio_agrees_with_the_scalar_one():
    orders, beta = np.arange(40.0), np.geomspace(0.1, 1e4, 40)
    scalar = [bessel_ratios(o, b, 1)[0] for o, b in zip(orders, beta, strict=True)]
    np.testing.assert_allclose(bessel_ratio(orders, beta), scalar, rtol=5e-15)


@given(order=st.floats(0, 2047), beta=st.floats(0, 1e4))
@settings(max_examples=60, deadline=None)
def test_ratios_lie_in_the_unit_interval_and_decrease_with_the_order(order, beta):
    r = bessel_ratios(order, beta, 10)
    assert (r >= 0).all()
    assert (r < 1).all()
    assert (np.diff(r) <= 0).all()


@given(order=st.floats(0, 500), beta=st.floats(0.01, 1e4), factor=st.floats(1.001, 3))
@settings(max_examples=60, deadline=None)
def test_ratio_increases_with_beta(order, beta, factor):
    assert bessel_ratio(order, factor * beta) > bessel_ratio(order, beta)


@pytest.mark.parametrize("dim", [2, 3, 8, 64, 768, 4096])
@pytest.mark.parametrize("beta", [1e-6, 0.1, 5.0, 599.0, 601.0, 1e4, 1e6])
def test_log_partition(dim, beta):
    half, b = mp.mpf(dim) / 2, mp.mpf(beta)
    exact = mp.log(mp.gamma(half) * (2 / b) ** (half - 1) * mp.besseli(half - 1, b)) - b
    assert log_scaled_partition(dim, beta) == pytest.approx(float(exact), rel=1e-14, abs=0)


def test_zero_inverse_temperature():
    assert log_scaled_partition(7, 0) == 0
    assert (bessel_ratios(1.5, 0, 3) == 0).all()
    assert mean_resultant(3, 0) == 0


def test_mean_resultant_is_coth_minus_inverse_in_three_dimensions():
    assert mean_resultant(3, 2.0) == pytest.approx(1 / np.tanh(2.0) - 0.5, rel=1e-14)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_values_are_named(bad):
    with pytest.raises(InputError, match="order"):
        bessel_ratios(bad, 1.0, 1)
    with pytest.raises(InputError, match="beta"):
        bessel_ratios(0, bad, 1)
    with pytest.raises(InputError, match="beta"):
        bessel_ratio(0, bad)
    with pytest.raises(InputError, match="beta"):
        log_scaled_partition(3, bad)


def test_mean_resultant_at_any_argument():
    """The expansion for huge arguments continues the recurrence, and costs nothing."""
    from tokensphere.special import mean_resultant

    for dim in (2, 3, 8):
        below, above = 0.999e8 * dim, 1.001e8 * dim
        for kappa in (below, above):
            expansion = 1 - (dim - 1) / (2 * kappa) + (dim - 1) * (dim - 3) / (8 * kappa**2)
            assert mean_resultant(dim, kappa) == pytest.approx(expansion, abs=3e-14)
        assert 1 - mean_resultant(dim, 1e16) <= 1e-14
