"""Orthonormal polynomials and Gauss rules of zonal functions, in dimensions from 2 to thousands."""

import numpy as np
import pytest
from scipy.special import roots_gegenbauer

from tokensphere import InputError
from tokensphere.meanfield.gauss import gauss_rule, iterate_orthonormal, root_multiplicities, zonal_table
from tokensphere.special import gegenbauer, laplacian_eigenvalue, multiplicity


@pytest.mark.parametrize(("dim", "top"), [(2, 64), (3, 64), (3, 512), (8, 64), (64, 256), (768, 256), (4096, 64)])
def test_values_and_slopes_are_orthonormal(dim, top):
    rule, values, slopes = zonal_table(dim, top, top + 1)
    root = np.sqrt(rule.weights)
    assert np.abs((values * root) @ (values * root).T - np.eye(top + 1)).max() < 1e-13
    unit = np.eye(top + 1)
    unit[0, 0] = 0.0
    # s_k s_l has degree k + l: exact but for the last pair
    gram = (slopes * root) @ (slopes * root).T
    assert np.abs(gram - unit).max() < 1e-13


@pytest.mark.parametrize("dim", [2, 3, 5, 64])
def test_values_are_normalised_gegenbauer_polynomials(dim):
    rule, values, _ = zonal_table(dim, 12, 30)
    roots = np.array([np.sqrt(multiplicity(k, dim)) for k in range(13)])
    np.testing.assert_allclose(values / roots[:, None], gegenbauer(np.arange(13), dim, rule.nodes), atol=1e-13)
    np.testing.assert_allclose(root_multiplicities(dim, 12), roots, rtol=1e-13)
    # √(1−q²) p_k' = √Λ_k s_k, the slope by centred differences
    step = 1e-5
    ahead, behind = (gegenbauer(np.arange(13), dim, rule.nodes * 0.9 + sign * step) for sign in (1, -1))
    slope = roots[:, None] * (ahead - behind) / (2 * step)
    q = 0.9 * rule.nodes
    height = np.sqrt(1 - q * q) * np.sqrt(dim / (dim - 1))
    for k, row in enumerate(iterate_orthonormal(dim + 2, q, 11), start=1):
        expected = np.sqrt(1 - q * q) * slope[k]
        found = np.sqrt(laplacian_eigenvalue(k, dim)) * height * row
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("dim", "count"), [(3, 50), (4, 33), (9, 40)])
def test_rules_agree_with_scipy(dim, count):
    q, w = roots_gegenbauer(count, dim / 2 - 1)
    rule = gauss_rule(dim, count)
    np.testing.assert_allclose(rule.nodes, q, atol=1e-14)
    np.testing.assert_allclose(rule.weights, w / w.sum(), rtol=1e-11)


def test_the_circle_has_chebyshev_nodes():
    rule = gauss_rule(2, 40)
    np.testing.assert_allclose(rule.nodes, -np.cos(np.pi * (np.arange(40) + 0.5) / 40), atol=1e-15)
    np.testing.assert_allclose(rule.weights, 1 / 40, rtol=1e-12)


def test_a_degree_beyond_the_float_range_is_refused():
    with pytest.raises(InputError, match="resolution must be at most"):
        root_multiplicities(4096, 4096)
    assert np.isfinite(root_multiplicities(768, 1000)).all()
