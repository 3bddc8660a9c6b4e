"""Leading eigenvalues by products alone: multiple, complex, clustered, and cut pairs."""

import numpy as np
import pytest

from tokensphere.solve.spectrum import leading_spectrum

RNG = np.random.default_rng(0)


def product_of(matrix):
    return lambda columns: matrix @ columns


def with_eigenvalues(values, size, symmetric=True):
    """A matrix of this spectrum, completed by eigenvalues below -1."""
    diagonal = np.diag(np.r_[values, np.linspace(-1, -5, size - len(values))])
    basis = RNG.standard_normal((size, size)) if not symmetric else np.linalg.qr(RNG.standard_normal((size, size)))[0]
    if symmetric:
        return basis @ diagonal @ basis.T
    basis = np.eye(size) + 0.3 * basis / np.sqrt(size)
    return basis @ diagonal @ np.linalg.inv(basis)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dense", [0, 1000])
def test_every_copy_of_a_multiple_eigenvalue_is_found(symmetric, dense):
    values = [3.0] * 7 + [2.5] * 5 + [1.0]
    matrix = with_eigenvalues(values, 200, symmetric)
    found = leading_spectrum(product_of(matrix), 200, 13, dense=dense)
    assert found.method == ("dense" if dense else "arnoldi")
    np.testing.assert_allclose(found.values, values, atol=1e-9)
    assert found.residuals.max() < 1e-9
    assert np.linalg.matrix_rank(found.vectors[:, :7], tol=1e-6) == 7
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=0), 1)


def test_a_pair_is_not_cut():
    matrix = with_eigenvalues([2.0, 0.0, 0.0], 60, symmetric=False)
    block = np.eye(60)
    block[1:3, 1:3] = [[0.8, -1.5], [1.5, 0.8]]
    block[0, 0] = 2.0
    block[3:, 3:] = np.diag(np.linspace(-1, -2, 57))
    basis = np.eye(60) + 0.02 * RNG.standard_normal((60, 60))
    matrix = basis @ block @ np.linalg.inv(basis)
    for dense in (0, 100):
        found = leading_spectrum(product_of(matrix), 60, 2, dense=dense)
        np.testing.assert_allclose(found.values, [2.0, 0.8 + 1.5j, 0.8 - 1.5j], atol=1e-9)
        assert found.residuals.max() < 1e-9


def test_stable_maps_and_repeatability():
    matrix = with_eigenvalues([-0.1, -0.2], 80)
    first, second = (leading_spectrum(product_of(matrix), 80, 2, dense=0) for _ in range(2))
    np.testing.assert_allclose(first.values, [-0.1, -0.2], atol=1e-10)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(leading_spectrum(np.zeros_like, 50, 3, dense=0).values, 0)
