"""Funk-Hecke eigenvalues: closed form against quadrature and tables."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.special import (
    basis_coefficient,
    funk_hecke,
    funk_hecke_exponential,
    log_funk_hecke,
    log_funk_hecke_exponential,
)


def test_table():
    value = funk_hecke_exponential(5, 3, 3, scaled=False)
    assert value == pytest.approx(4.157535935, rel=1e-9)
    assert basis_coefficient(value, 3, 3) == pytest.approx(29.10275155, rel=1e-9)


def test_partition_is_degree_zero():
    np.testing.assert_allclose(funk_hecke_exponential(5, 2, [0], scaled=False), 27.2398718236, rtol=1e-11)
    np.testing.assert_allclose(funk_hecke_exponential(5, 3, [0], scaled=False), 14.8406421156, rtol=1e-11)


@pytest.mark.parametrize(
    ("beta", "dim"), [(1, 2), (5, 2), (5, 3), (50, 8), (10, 64), (1e4, 2), (1e6, 2), (1e6, 3), (300, 4096)]
)
def test_quadrature_agrees_with_the_closed_form(beta, dim):
    k = np.arange(6)
    exact = log_funk_hecke_exponential(beta, dim, k)
    log_a0, ratios = log_funk_hecke(lambda t: -2 * beta * np.sin(t / 2) ** 2, dim, k, angle=True)
    assert log_a0 == pytest.approx(exact[0], abs=2e-11)
    np.testing.assert_allclose(ratios, np.exp(exact - exact[0]), atol=1e-12)
    direct = funk_hecke(lambda q: np.exp(beta * (q - 1)), dim, k, rtol=1e-9)
    np.testing.assert_allclose(direct, np.exp(exact), atol=1e-8 * np.exp(exact[0]), rtol=0)


def test_both_extremes_at_once():
    k = [0, 1, 5, 300]
    log_a0, ratios = log_funk_hecke(lambda t: -2e6 * np.sin(t / 2) ** 2, 4096, k, angle=True)
    exact = log_funk_hecke_exponential(1e6, 4096, k)
    assert log_a0 == pytest.approx(exact[0], rel=1e-13)
    np.testing.assert_allclose(ratios, np.exp(exact - exact[0]), rtol=1e-11)


def test_other_smooth_kernels():
    np.testing.assert_allclose(funk_hecke(lambda q: q, 8, [0, 1, 2]), [0, 1 / 8, 0], atol=1e-15)
    # q^2 = 1/d + (1 - 1/d) P_2
    np.testing.assert_allclose(funk_hecke(np.square, 5, [0, 1, 2]), [0.2, 0, 2 / 35], atol=1e-14)


def test_a_discontinuous_kernel_is_refused():
    with pytest.raises(RuntimeError, match="did not converge"):
        funk_hecke(lambda q: (q > 0.3) * 1.0, 3, [0, 1])


def test_bad_input_is_named():
    with pytest.raises(InputError, match="overflows"):
        funk_hecke_exponential(1e4, 2, [0], scaled=False)
    with pytest.raises(InputError, match="shifted"), np.errstate(over="ignore"):
        funk_hecke(lambda q: np.exp(1e4 * q), 3, [0])
    with pytest.raises(InputError, match="shape"):
        funk_hecke(lambda q: 1.0, 3, [0])
    with pytest.raises(InputError, match="rtol"):
        funk_hecke(np.square, 3, [0], rtol=0)
