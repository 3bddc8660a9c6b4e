"""Random matrices: their laws by moments."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.sphere import MATRIX_LAWS, random_matrix


def test_entries_off_the_diagonal_have_variance_one():
    dim = 300
    for law in MATRIX_LAWS:
        matrix = random_matrix(law, dim, 3)
        off = matrix[~np.eye(dim, dtype=bool)]
        assert off.mean() == pytest.approx(0, abs=0.02)
        assert off.var() == pytest.approx(1, abs=0.03)
        np.testing.assert_array_equal(matrix, random_matrix(law, dim, 3))


def test_symmetry_and_sign():
    goe, gram = random_matrix("goe", 200, 0), random_matrix("gram", 200, 0)
    np.testing.assert_array_equal(goe, goe.T)
    assert np.abs(np.linalg.eigvalsh(goe)).max() == pytest.approx(2 * np.sqrt(200), rel=0.1)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    assert np.diag(gram).mean() == pytest.approx(np.sqrt(200), rel=0.05)
    drawn = random_matrix("gaussian", 200, 0)
    assert np.abs(drawn - drawn.T).max() > 1


@pytest.mark.parametrize(("law", "dim", "text"), [("goee", 3, "did you mean 'goe'"), ("goe", 1, "dim")])
def test_bad_input_is_named(law, dim, text):
    with pytest.raises(InputError, match=text):
        random_matrix(law, dim, 0)
