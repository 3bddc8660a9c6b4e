"""Coordinates in the span of the tokens keep all inner products."""

import numpy as np
import pytest

from tokensphere import sphere


@pytest.mark.parametrize(("n", "dim"), [(1, 5), (2, 40), (6, 7), (5, 200)])
def test_inner_products_stay(n, dim):
    x = sphere.uniform(n, dim, 3)
    y = sphere.in_span(x)
    assert y.shape == (n, max(n, 2))
    np.testing.assert_allclose(y @ y.T, x @ x.T, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, atol=1e-15)


def test_few_dimensions_are_left_alone():
    x = sphere.uniform(6, 6, 0)
    np.testing.assert_array_equal(sphere.in_span(x), x)


def test_dependent_tokens():
    x = np.tile(sphere.uniform(1, 9, 0), (3, 1))
    y = sphere.in_span(x)
    np.testing.assert_allclose(y @ y.T, np.ones((3, 3)), atol=1e-14)
