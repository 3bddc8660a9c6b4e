"""Growth rates: tables, limits, other matrices, and the wrong formulas in circulation."""

import mpmath as mp
import numpy as np
import pytest
from scipy.special import iv

from tokensphere.errors import InputError
from tokensphere.special import funk_hecke, funk_hecke_exponential, laplacian_eigenvalue
from tokensphere.theory import (
    RateOverflowError,
    cluster_energy,
    dominant_degree,
    effective_neighbours,
    growth_rates,
    log_growth_rates,
    partition,
    rotation_rates,
    runner_up,
    self_term_factor,
    uniform_energy,
)

# dim, beta, k_max, lambda_max SA, lambda_max USA, 2nd/1st
TABLE = [
    (2, 1, 1, 0.4463899659, 0.56515910399, "0.960775"),
    (2, 2, 2, 0.60445068407, 1.3778968954, "0.694776"),
    (2, 5, 3, 0.68267833362, 18.596070304, "0.879022"),
    (2, 7, 4, 0.69148406331, 116.58000091, "0.939366"),
    (2, 10, 4, 0.69693975614, 1962.3848604, "0.990107"),
    (2, 50, 10, 0.73082864865, 2.143194319e20, "0.980281"),
    (3, 1, 1, 0.626070571, 0.73575888234, "0.583584"),
    (3, 2, 2, 0.58208375673, 1.0555682657, "0.923088"),
    (3, 5, 3, 0.67234868729, 9.978086245, "0.927993"),
    (3, 7, 3, 0.69471426098, 54.417575766, "0.935235"),
    (3, 10, 4, 0.71099999089, 783.04084736, "0.907384"),
    (3, 50, 10, 0.72721027947, 3.7703711564e19, "0.999979"),
    (8, 1, 1, 0.864285199, 0.91967239427, "0.226693"),
    (8, 2, 1, 0.83458695565, 1.0652999696, "0.442723"),
    (8, 5, 1, 0.69222966969, 2.7461870089, "0.9656"),
    (8, 7, 2, 0.72148152711, 8.5997724062, "0.82997"),
    (8, 10, 2, 0.70718544994, 59.688060396, "0.975565"),
    (8, 50, 7, 0.72833406122, 7.4891782282e16, "0.997108"),
]


@pytest.mark.parametrize(("dim", "beta", "k", "sa", "usa", "ratio"), TABLE)
def test_table(dim, beta, k, sa, usa, ratio):
    assert dominant_degree(beta, dim) == k
    assert growth_rates(beta, dim, k) == pytest.approx(sa, rel=1e-9)
    assert growth_rates(beta, dim, k, "usa") == pytest.approx(usa, rel=1e-9)
    shifted = growth_rates(beta, dim, k, flow="usa-shifted")
    assert shifted == pytest.approx(usa * np.exp(-beta), rel=1e-9)
    digits = len(ratio) - 2
    assert runner_up(beta, dim).ratio == pytest.approx(float(ratio), abs=0.51 * 10**-digits)


def test_circle_formula():
    k = np.arange(8)
    np.testing.assert_allclose(growth_rates(5, 2, k, "usa"), k**2 * iv(k, 5) / 5, rtol=1e-13)
    np.testing.assert_allclose(growth_rates(5, 2, k), k**2 * iv(k, 5) / (5 * iv(0, 5)), rtol=1e-13)


@pytest.mark.parametrize(("beta", "dim"), [(0.5, 2), (5, 3), (20, 8), (60, 128)])
def test_rate_is_laplacian_times_the_quadrature_eigenvalue(beta, dim):
    k = np.arange(7)
    eigenvalues = funk_hecke(lambda q: np.exp(beta * (q - 1)) / beta, dim, k)
    rates = growth_rates(beta, dim, k, "usa-shifted")
    np.testing.assert_allclose(rates, laplacian_eigenvalue(k, dim) * eigenvalues, rtol=1e-9, atol=1e-11)


def test_high_precision_at_extreme_values():
    mp.mp.dps = 60
    for beta, dim, k in [(1e4, 2, 141), (1e6, 2, 1414), (1e4, 4096, 5), (0.01, 4096, 1)]:
        nu, b = mp.mpf(dim) / 2 - 1, mp.mpf(beta)
        exact = k * (k + dim - 2) / b * mp.besseli(k + nu, b) / mp.besseli(nu, b)
        assert growth_rates(beta, dim, k) == pytest.approx(float(exact), rel=5e-14)


def test_wrong_normalisations_are_not_reproduced():
    rate = float(growth_rates(5, 2, 3, "usa"))
    i3 = float(iv(3, 5))
    assert rate == pytest.approx(18.5960703045, rel=1e-11)
    assert rate / np.pi == pytest.approx(5.91931302208, rel=1e-11)
    for wrong in (9 * i3 / (np.pi * 5), 9 * 2 * np.pi * i3 / 5, 9 * 2 * i3 / 5, i3 / 5):
        assert abs(rate / wrong - 1) > 0.4


def test_condition_two_lambda_above_the_constant_fails_with_the_right_rate():
    rate = float(growth_rates(5, 2, 3, "usa"))
    assert 2 * rate < np.exp(5) < 2 * (2 * np.pi * rate)


@pytest.mark.parametrize(("dim", "beta", "right", "wrong"), [(3, 7, 3, 4), (8, 5, 1, 2), (3, 2, 2, 2), (3, 5, 3, 3)])
def test_basis_coefficients_alone_give_another_degree(dim, beta, right, wrong):
    k = np.arange(1, 12)
    nu = dim / 2 - 1
    a = funk_hecke_exponential(beta, dim, k)
    basis = a * (k + nu) / nu
    assert 1 + np.argmax(laplacian_eigenvalue(k, dim) * basis) == wrong
    assert 1 + np.argmax(laplacian_eigenvalue(k, dim) * basis * nu / (k + nu)) == right
    assert dominant_degree(beta, dim) == right


@pytest.mark.parametrize("dim", [2, 3, 64])
def test_small_and_large_beta(dim):
    rates = growth_rates(0, dim, [0, 1, 2, 5])
    np.testing.assert_allclose(rates, [0, (dim - 1) / dim, 0, 0], rtol=1e-15)
    assert growth_rates(1e-9, dim, 1) == pytest.approx((dim - 1) / dim, rel=1e-8)
    k = dominant_degree(1e6, dim)
    assert growth_rates(1e6, dim, k) == pytest.approx(0.735758882343, rel=2e-3)


def test_low_temperature_is_the_heat_equation():
    rates = 1000 * growth_rates(1000, 2, [1, 3]) / np.array([1, 9])
    np.testing.assert_allclose(rates, [0.9994998749, 0.9955078709], rtol=1e-9)


def test_overflow_is_said_and_the_logarithm_works():
    with pytest.raises(RateOverflowError, match="usa-shifted"):
        growth_rates(1e4, 2, [1, 2], "usa")
    with pytest.raises(OverflowError):
        growth_rates(1e4, 2, 141, "usa")
    logs = log_growth_rates(1e4, 2, [0, 141], "usa")
    assert logs[0] == -np.inf
    assert logs[1] == pytest.approx(1e4 + np.log(growth_rates(1e4, 2, 141, "usa-shifted")), rel=1e-14)
    with pytest.raises(RateOverflowError):
        partition(2, 1e4)


def test_shapes_and_bad_input():
    assert growth_rates(5, 2, [[1, 2], [3, 0]]).shape == (2, 2)
    assert isinstance(growth_rates(5, 2, 3), np.ndarray)
    for kwargs, name in [
        ({"beta": -1, "dim": 2, "degrees": 1}, "beta"),
        ({"beta": 1, "dim": 1, "degrees": 1}, "dim"),
        ({"beta": 1, "dim": 2, "degrees": -1}, "degrees"),
        ({"beta": 1, "dim": 2, "degrees": 1, "flow": "use"}, "did you mean"),
        ({"beta": 1, "dim": 2, "degrees": 1, "noise": -1}, "noise"),
        ({"beta": 1, "dim": 2, "degrees": 1, "value": np.nan}, "value"),
    ]:
        with pytest.raises(InputError, match=name):
            growth_rates(**kwargs)


def test_scaled_matrices():
    k = np.arange(1, 7)
    np.testing.assert_allclose(growth_rates(5, 3, k, value=-2, query_key=0.4), -2 * growth_rates(2, 3, k))
    negative = growth_rates(5, 3, k, query_key=-1)
    assert (np.sign(negative) == np.where(k % 2, 1, -1)).all()
    np.testing.assert_allclose(np.abs(negative), growth_rates(5, 3, k))
    assert (growth_rates(5, 3, k, value=-1) < 0).all()


def test_negative_query_key_by_quadrature():
    k = np.arange(1, 6)
    a = funk_hecke(lambda q: np.exp(-5 * q - 5), 3, k)
    rates = laplacian_eigenvalue(k, 3) * a / -5
    np.testing.assert_allclose(growth_rates(5, 3, k, "usa-shifted", query_key=-1), rates, rtol=1e-9)


def test_rotations():
    assert rotation_rates(5, 3, 0.2, 0.2, "usa") == pytest.approx(15.3479991196 - 10.5001311321j, rel=1e-10)
    k = np.arange(9)
    for flow in ("sa", "usa", "usa-shifted"):
        np.testing.assert_allclose(rotation_rates(5, k, flow=flow), growth_rates(5, 2, k, flow), atol=1e-11)
        got = rotation_rates(5, k, flow=flow, query_key=-0.7, value=1.5)
        want = growth_rates(5, 2, k, flow, query_key=-0.7, value=1.5)
        np.testing.assert_allclose(got, want, atol=1e-11)
    got = rotation_rates(1e4, [100, 141], flow="sa")
    np.testing.assert_allclose(got, growth_rates(1e4, 2, [100, 141]), rtol=1e-9)


def test_partition_and_energies():
    assert partition(2, 5) == pytest.approx(27.2398718236, rel=1e-11)
    assert partition(3, 5) == pytest.approx(14.8406421156, rel=1e-11)
    assert uniform_energy(5, 2) == pytest.approx(2.72398718236, rel=1e-11)
    assert uniform_energy(5, 3) == pytest.approx(1.48406421156, rel=1e-11)
    assert cluster_energy(5) == pytest.approx(14.8413159103, rel=1e-11)
    assert uniform_energy(5, 2) < cluster_energy(5, 3) < cluster_energy(5, 2) < cluster_energy(5)


def test_self_term():
    # 0.842 is the factor relative to the mean-field rate
    assert self_term_factor(30, 5, 2) == pytest.approx(0.842, abs=5e-4)
    assert self_term_factor(30, 5, 2, "usa") == pytest.approx(29 / 30)
    assert effective_neighbours(30, 5, 2) == pytest.approx(30 * 27.2398718236 * np.exp(-5), rel=1e-10)
    assert self_term_factor(10, 1e6, 4096) == 0.0


@pytest.mark.parametrize("s", [-1.5, 0.4, 2.0])
def test_the_shifted_clock_is_shifted_by_beta_for_every_query_key(s):
    k, beta = np.arange(6), 5.0
    a = funk_hecke(lambda q: np.exp(beta * (s * q - 1)), 3, k)
    rates = laplacian_eigenvalue(k, 3) * a / (beta * s)
    np.testing.assert_allclose(growth_rates(beta, 3, k, "usa-shifted", query_key=s), rates, rtol=1e-8)
    usa = np.exp(-beta) * growth_rates(beta, 2, k, "usa", query_key=s)
    np.testing.assert_allclose(growth_rates(beta, 2, k, "usa-shifted", query_key=s), usa, rtol=1e-12)
    np.testing.assert_allclose(rotation_rates(beta, k, flow="usa-shifted", query_key=s), usa, rtol=1e-9, atol=1e-11)


def test_the_shifted_clock_overflows_only_for_a_large_query_key():
    assert np.isfinite(growth_rates(1e4, 2, 141, "usa-shifted"))
    for rates in (growth_rates, lambda b, d, k, f, **s: rotation_rates(b, k, flow=f, **s)):
        with pytest.raises(RateOverflowError, match="query_key"):
            rates(1e4, 2, 141, "usa-shifted", query_key=2.0)
