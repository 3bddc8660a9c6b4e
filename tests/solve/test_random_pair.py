"""The stochastic equation of two tokens under random value matrices: exponents, and which end they reach."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.solve import random_value_pair
from tokensphere.theory import alignment_probability, antipodal_exponent


@pytest.mark.parametrize(("u", "beta", "dim"), [(0.5, None, 2), (-0.3, 2.0, 8), (-0.8, 1.0, 8)])
def test_share_that_aligns(u, beta, dim):
    paths = 4000
    end = random_value_pair(u, beta, dim, [0, 12], paths=paths, seed=1, step_size=0.02)[-1]
    share = float((end > 0).mean())
    wanted = alignment_probability(u, beta, dim)
    assert share == pytest.approx(wanted, abs=4 * np.sqrt(0.25 / paths))
    assert np.median(np.abs(end)) > 5
    if beta is None:
        assert abs(share - 0.5) > 0.1


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_exponent_at_the_antipodal_pair(beta):
    """The slope of E log(1+u), deep at −1, where v never comes back within the run."""
    v = random_value_pair(-1 + 1e-12, beta, 8, [0, 1], paths=4000, seed=0, step_size=0.05)
    slopes = 2 * (v[1] - v[0])
    assert slopes.mean() == pytest.approx(antipodal_exponent(beta, 8), abs=4 * slopes.std() / np.sqrt(len(slopes)))


def test_frames_and_bad_input():
    v = random_value_pair(0.1, 1.0, 3, [0, 0.3, 1.0], paths=5, seed=0, step_size=0.25)
    assert v.shape == (3, 5)
    assert (np.tanh(v[0]) == np.tanh(np.arctanh(0.1))).all()
    for changed, word in (({"u": 1.0}, "u must"), ({"paths": 0}, "paths"), ({"step_size": 0.0}, "step_size")):
        arguments = {"u": 0.1, "beta": 1.0, "dim": 3, "times": [0, 1], "paths": 2, "seed": 0} | changed
        with pytest.raises(InputError, match=word):
            random_value_pair(**arguments)
