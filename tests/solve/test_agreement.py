"""The error of a step as one number."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.parallel import SERIAL, Shard
from tokensphere.solve.agreement import error_size

ERRORS = np.array([3.0, 0.0, 4.0, 0.0])


class _Half:
    """A team of two, of which the other has the errors `other`."""

    rank, size, local_devices = 0, 2, 1

    def __init__(self, other):
        self.other = other

    def sum(self, partial):
        return partial + np.sum(self.other**2)

    def max(self, number):
        return np.maximum(number, self.other.max())


def test_both_norms_by_hand():
    assert error_size(ERRORS, "largest") == 4.0
    assert error_size(ERRORS[:, None], "rms") == 2.5
    assert np.isnan(error_size(None, "rms"))


@pytest.mark.parametrize("norm", ["largest", "rms"])
def test_slices_have_the_error_of_the_whole_and_fillers_do_not_count(norm):
    whole = np.append(ERRORS, 1.0)
    shard = Shard.of(_Half(whole[3:]), 5)  # three tokens here, two there, one row that fills up
    first = error_size(whole[:3], norm, shard)
    assert first == pytest.approx(error_size(whole, norm), rel=1e-15)
    last = Shard(SERIAL, 2, 3, 3)
    assert error_size(np.array([3.0, 4.0, 100.0]), norm, last) == error_size(np.array([3.0, 4.0]), norm)


@pytest.mark.parametrize("norm", ["largest", "rms"])
def test_steps_meet_the_tolerance_in_their_norm(norm):
    """The error estimate of every accepted step is below rtol, and the root mean square allows longer steps."""
    tokens = ts.sphere.uniform(n=200, dim=3, seed=1)
    run = ts.simulate(ts.SelfAttention(9.0), tokens, [0.0, 3.0], rtol=1e-6, error_norm=norm)
    assert (run.step_error < 1e-6).all()
    other = ts.simulate(ts.SelfAttention(9.0), tokens, [0.0, 3.0], rtol=1e-6)
    assert (run.attrs["steps"] < other.attrs["steps"]) == (norm == "rms")
    best = ts.simulate(ts.SelfAttention(9.0), tokens, [0.0, 3.0], rtol=1e-11, method="dopri8")
    assert abs(run.tokens - best.tokens).max() < 1e-5
