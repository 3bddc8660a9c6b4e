"""Gegenbauer polynomials, multiplicities and the change of basis."""

import math

import numpy as np
import pytest
from scipy.special import eval_chebyt, eval_legendre

from tokensphere.errors import InputError
from tokensphere.special import basis_coefficient, gegenbauer, laplacian_eigenvalue, multiplicity

Q = np.linspace(-1, 1, 41)


def test_circle_is_chebyshev_and_sphere_is_legendre():
    k = np.arange(30)
    np.testing.assert_allclose(gegenbauer(k, 2, Q), eval_chebyt(k[:, None], Q), atol=2e-13)
    np.testing.assert_allclose(gegenbauer(k, 3, Q), eval_legendre(k[:, None], Q), atol=2e-13)


@pytest.mark.parametrize("dim", [2, 3, 5, 64, 4096])
def test_value_at_one_and_bound(dim):
    p = gegenbauer([0, 1, 7, 50], dim, Q)
    np.testing.assert_allclose(p[:, -1], 1.0, atol=1e-12)
    assert (np.abs(p) <= 1 + 1e-12).all()


@pytest.mark.parametrize("dim", [3, 4, 8])
def test_norm_is_one_over_multiplicity(dim):
    x, w = np.polynomial.legendre.leggauss(200)
    theta = 0.5 * np.pi * (x + 1)
    w = w * np.sin(theta) ** (dim - 2)
    p = gegenbauer(np.arange(6), dim, np.cos(theta))
    gram = (p * w) @ p.T / w.sum()
    np.testing.assert_allclose(gram, np.diag([1 / multiplicity(k, dim) for k in range(6)]), atol=1e-13)


def test_shapes():
    assert gegenbauer(3, 4, 0.5).shape == ()
    assert gegenbauer([1, 2], 4, np.zeros((3, 5))).shape == (2, 3, 5)


def test_multiplicity():
    assert [multiplicity(k, 2) for k in range(4)] == [1, 2, 2, 2]
    assert [multiplicity(k, 3) for k in range(6)] == [2 * k + 1 for k in range(6)]
    assert [multiplicity(k, 4) for k in range(6)] == [(k + 1) ** 2 for k in range(6)]
    assert multiplicity(1, 768) == 768
    big = multiplicity(100, 4096)
    assert isinstance(big, int)
    assert big == math.comb(4195, 4095) - math.comb(4193, 4095)


def test_laplacian():
    np.testing.assert_array_equal(laplacian_eigenvalue([0, 1, 3], 8), [0, 7, 27])


def test_bad_values_are_named():
    with pytest.raises(InputError, match="degrees"):
        gegenbauer([-1], 3, 0.0)
    with pytest.raises(InputError, match="degrees"):
        gegenbauer([1.5], 3, 0.0)
    with pytest.raises(InputError, match="cosines"):
        gegenbauer(1, 3, 1.5)
    with pytest.raises(InputError, match="dim"):
        gegenbauer(1, 1, 0.0)
    with pytest.raises(InputError, match="dim"):
        basis_coefficient(1.0, 1, 2)
