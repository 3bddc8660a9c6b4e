"""Aligned pairs and the mean inner product, against counting."""

import numpy as np
import pytest

from tokensphere import sphere
from tokensphere.errors import InputError
from tokensphere.observe import alignment


def test_against_counting():
    x = sphere.uniform(12, 3, 0)
    inner = x @ x.T
    pairs = [inner[i, j] for i in range(12) for j in range(12) if i != j]
    found = alignment(x, 0.3)
    assert found["aligned"] == pytest.approx(np.mean(np.array(pairs) > 0.3), abs=1e-15)
    assert found["mean_inner"] == pytest.approx(np.mean(pairs), abs=1e-14)


def test_extremes():
    same = np.tile([[1.0, 0.0]], (4, 1))
    assert alignment(same) == {"aligned": 1.0, "mean_inner": pytest.approx(1.0)}
    assert alignment(np.eye(4)) == {"aligned": 0.0, "mean_inner": pytest.approx(0.0, abs=1e-15)}


def test_bad_input():
    with pytest.raises(InputError, match="at least 2 tokens"):
        alignment([[1.0, 0.0]])
    with pytest.raises(InputError, match="threshold must lie"):
        alignment(np.eye(3), 1.0)
