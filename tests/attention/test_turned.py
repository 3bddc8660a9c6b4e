"""The compiled pass behind the transforms of Circle, against plain NumPy."""

import numpy as np
import pytest

from tokensphere.attention.spectral import Received
from tokensphere.attention.turned import Turned
from tokensphere.parallel import SERIAL
from tokensphere.sphere import from_angles


def receipts(z, seed=0, size=1.0):
    rng = np.random.default_rng(seed)
    points = from_angles(rng.uniform(-np.pi, np.pi, z.size))
    along, scale = z * rng.standard_normal(z.size), 3.7
    turned = Turned(z + 1j * scale * along, scale, points, size)
    sums = along[:, None] * np.stack([-points[:, 1], points[:, 0]], axis=1)
    return turned, Received(z.copy(), sums, size)


@pytest.mark.parametrize("n", [1, 7, 70_001])
def test_equal_to_the_plain_form(n):
    turned, plain = receipts(np.exp(np.random.default_rng(1).uniform(-20, 0, n)))
    np.testing.assert_allclose(turned.sums, plain.sums, rtol=1e-15, atol=1e-16)
    np.testing.assert_array_equal(turned.z, plain.z)
    log_z, mean, far = turned.normalised(50.0, 1e-10, SERIAL)
    want_z, want_mean, want_far = plain.normalised(50.0, 1e-10, SERIAL)
    np.testing.assert_allclose(log_z, want_z, rtol=0, atol=1.5e-14)  # two roundings of a number near 50
    np.testing.assert_allclose(log_z - 50, want_z - 50, rtol=0, atol=1.5e-14)
    np.testing.assert_allclose(mean, want_mean, rtol=1e-14, atol=1e-16)
    assert far.size == want_far.size == 0


@pytest.mark.parametrize("n", [10, 70_001])
@pytest.mark.parametrize("bad", [1e-13, 0.0, -0.0, -1e-20, -2.0, np.nan, -np.nan])
@pytest.mark.parametrize("row", [0, 4, -1])
def test_the_same_far_rows(n, bad, row):
    z = np.random.default_rng(2).uniform(0.1, 1, n)
    z[row] = bad
    turned, plain = receipts(z)
    log_z, mean, far = turned.normalised(0.0, 1e-5, SERIAL)
    with np.errstate(invalid="ignore"):
        want_z, want_mean, want_far = plain.normalised(0.0, 1e-5, SERIAL)
    if np.isnan(bad):  # of either sign; a transform gives no such number among others that are finite
        assert row % n in far
        return
    np.testing.assert_array_equal(far, want_far)
    assert far.tolist() == [row % n]
    near = np.setdiff1d(np.arange(n), far)
    np.testing.assert_allclose(log_z[near], want_z[near], rtol=0, atol=1e-15)
    np.testing.assert_allclose(mean[near], want_mean[near], rtol=1e-14, atol=1e-16)


def test_a_size_above_every_row_makes_all_rows_far():
    turned, plain = receipts(np.full(100, 1e-6), size=1.0)
    np.testing.assert_array_equal(turned.normalised(0.0, 1e-5, SERIAL)[2], np.arange(100))
    np.testing.assert_array_equal(plain.normalised(0.0, 1e-5, SERIAL)[2], np.arange(100))
