"""Attention matrices and how Boolean they are."""

import numpy as np
import pytest
from conformance.direct import attended

from tokensphere.errors import InputError
from tokensphere.observe import attention_matrix, attention_rank


def test_matrix_is_the_softmax():
    rng = np.random.default_rng(0)
    points, b, masses = rng.standard_normal((12, 3)), rng.standard_normal((3, 3)), rng.random(12)
    masses[4] = 0.0
    masses /= masses.sum()
    got = attention_matrix(points, 0.8, b, masses)
    np.testing.assert_allclose(got @ points, attended(points @ b, points, None, masses, 0.8)[1], atol=1e-14)
    np.testing.assert_allclose(got.sum(axis=1), 1.0, atol=1e-15)
    wrong = attended(points @ b.T, points, None, masses, 0.8)[1]  # E18
    assert np.abs(got @ points - wrong).max() > 0.1
    assert np.isfinite(attention_matrix(1e6 * points, 1e6)).all()


def test_reading():
    matrix = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0], [0.3, 0.1, 0.2, 0.4], [1.0, 0, 0, 0]])
    found = attention_rank(matrix)
    np.testing.assert_allclose(found.defects, [0, 0, 0.6, 0], atol=1e-15)
    assert found.off.tolist() == [2]
    assert found.columns.tolist() == [0, 3, 3, 0]
    assert (found.rank, found.boolean_rank) == (3, 2)
    assert attention_rank(np.full((5, 5), 0.2)).rank == 1


def test_tolerance():
    matrix = np.array([[1 - 1e-4, 1e-4], [0.0, 1.0]])
    assert attention_rank(matrix).off.tolist() == [0]
    assert attention_rank(matrix, tolerance=1e-3).off.tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attention_rank([[0.5, 0.6]]), "sum to 1"),
        (lambda: attention_rank(np.eye(2), tolerance=0.0), "tolerance"),
        (lambda: attention_matrix(np.zeros((20_001, 1)), 1.0), "too large"),
        (lambda: attention_matrix(np.eye(2), 1.0, np.eye(3)), "query_key"),
        (lambda: attention_matrix(np.eye(2), -1.0), "beta"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
