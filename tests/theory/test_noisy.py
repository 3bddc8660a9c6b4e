"""Thresholds of the noisy transformer: tables, limits and independent equations."""

import numpy as np
import pytest
from scipy.special import gamma, iv

from tokensphere.errors import InputError
from tokensphere.theory import critical_kappa, critical_noise, order_at_rest, tricritical_beta


def test_critical_kappa():
    assert critical_kappa(1.0, 2) == pytest.approx(1.76941, abs=6e-6)
    assert critical_kappa(1.0, 3) == pytest.approx(np.e, rel=1e-12)
    assert critical_kappa(1e-9, 5) == pytest.approx(5.0, rel=1e-8)
    for beta, dim in ((5.0, 2), (2.0, 7)):
        direct = beta ** (dim / 2) / (2 ** (dim / 2 - 1) * gamma(dim / 2) * iv(dim / 2, beta))
        assert critical_kappa(beta, dim) == pytest.approx(direct, rel=1e-12)
        assert critical_kappa(beta, dim) * critical_noise(beta, dim, "usa") == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize(("dim", "wanted"), [(2, 2.44692), (3, 1.81615), (64, 1.03149)])
def test_tricritical_beta(dim, wanted):
    found = tricritical_beta(dim)
    assert found == pytest.approx(wanted, abs=6e-6)
    assert iv(dim / 2 + 1, found) / iv(dim / 2, found) == pytest.approx(1 / dim, rel=1e-12)


def test_order_at_rest():
    assert order_at_rest(3.0, 2) == pytest.approx(0.724159, abs=6e-7)
    assert order_at_rest(2.0, 2) == 0.0
    assert 0 < order_at_rest(2.0001, 2) < 0.02
    for kappa, dim in ((3.5, 3), (40.0, 2), (9.0, 8)):
        r = order_at_rest(kappa, dim)
        assert iv(dim / 2, kappa * r) / iv(dim / 2 - 1, kappa * r) == pytest.approx(r, rel=1e-10)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="kappa"):
        order_at_rest(-1.0, 2)
    with pytest.raises(InputError, match="dim"):
        tricritical_beta(1)
