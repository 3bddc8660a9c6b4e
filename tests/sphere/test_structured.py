import numpy as np
import pytest

from tokensphere import sphere
from tokensphere.errors import InputError


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize(
    ("n", "dim", "rho"),
    [
        (1, 2, 0.3),
        (5, 5, 0.0),
        (5, 9, -0.2),
        (5, 4, -0.25),
        (5, 5, -0.25),
        (2, 2, -1.0),
        (40, 64, 0.999),
        (300, 300, 1e-9),
        (6, 2, 1.0),
        (3, 2, -0.5),
        (200, 199, -1 / 199),
        (256, 512, 0.5),
    ],
)
def test_equiangular_gram(n, dim, rho, seed):
    tokens = sphere.equiangular(n, dim, rho, seed)
    assert tokens.shape == (n, dim)
    gram = tokens @ tokens.T
    expected = np.full((n, n), rho)
    np.fill_diagonal(expected, 1.0)
    assert np.abs(gram - expected).max() < 1e-14


def test_equiangular_rotations_differ_by_seed():
    assert not np.allclose(sphere.equiangular(3, 3, 0.5, 1), sphere.equiangular(3, 3, 0.5, 2))


@pytest.mark.parametrize(
    ("n", "dim", "rho", "message"),
    [
        (4, 3, 0.5, "dim must be >= 4"),
        (4, 2, -1 / 3, "dim must be >= 3"),
        (4, 8, -0.4, "inner_product"),
        (4, 8, 1.01, "inner_product"),
        (4, 8, np.nan, "inner_product"),
    ],
)
def test_equiangular_refuses(n, dim, rho, message):
    with pytest.raises(InputError, match=message):
        sphere.equiangular(n, dim, rho)
