"""The closest pair, by trees and by inner products, against all distances."""

import numpy as np
import pytest

from tokensphere.sphere import uniform
from tokensphere.sphere.pairs import closest_pair


@pytest.mark.parametrize(("n", "dim"), [(2, 2), (40, 3), (300, 2), (300, 5), (200, 20), (700, 12)])
def test_closest_pair(n, dim):
    tokens = uniform(n, dim, seed=n + dim)
    distances = np.linalg.norm(tokens[:, None] - tokens, axis=2) + 9.0 * np.eye(n)
    i, j, distance = closest_pair(tokens)
    assert i < j
    assert distance == distances[i, j] == pytest.approx(distances.min(), rel=1e-12)


@pytest.mark.parametrize("n", [10, 200])
def test_repeats_are_a_pair_of_different_tokens(n):
    tokens = np.repeat(uniform(n // 2, 3, seed=1), 2, axis=0)
    i, j, distance = closest_pair(tokens)
    assert i != j
    assert distance == 0.0
