"""The logarithm of compiled loops against NumPy's and against extended precision."""

import numpy as np
import pytest
from numba import njit

from tokensphere.attention.turned import bits_of, log, number_of


@njit(fastmath={"contract", "nsz"}, error_model="numpy")
def logs(z, out):
    for i in range(out.size):
        out[i] = log(z[i])


@njit
def there_and_back(x):
    return bits_of(x), number_of(bits_of(x))


def got(z):
    out = np.empty(z.size)
    logs(z, out)
    return out


def samples():
    rng = np.random.default_rng(0)
    everywhere = np.exp2(rng.uniform(-1022, 1023, 200_000))
    roots = np.sqrt(0.5) * np.exp2(np.arange(-1020.0, 1020.0))  # where the exponent changes
    edges = np.concatenate([np.exp2(np.arange(-1022.0, 1024.0)), roots])
    near_one = 1 + np.concatenate([d := np.exp2(np.arange(-52.0, -1)), -d / 2, rng.uniform(-0.4, 0.6, 100_000)])
    ends = [np.finfo(float).tiny, np.finfo(float).max]
    around = [edges, np.nextafter(edges, 0)[1:], np.nextafter(edges, np.inf)]
    return np.concatenate([everywhere, *around, near_one, rng.uniform(0, 1, 100_000) + 1e-300, ends])


def test_equal_to_the_other_logarithm_over_the_whole_range():
    z = samples()
    z = z[z >= np.finfo(float).tiny]
    want = np.log(z)
    np.testing.assert_allclose(got(z), want, rtol=2.3e-16, atol=1e-16)
    assert np.abs(got(z) - want)[np.abs(want) < 4].max() <= 1e-15


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no extended precision here")
def test_within_one_rounding_of_extended_precision():
    z = samples()
    z = z[z >= np.finfo(float).tiny]
    want = np.log(z.astype(np.longdouble))
    error = np.abs(got(z) - want) / np.spacing(np.maximum(np.abs(want), 1e-16).astype(float))
    assert error.max() < 1.0


def test_exact_values():
    np.testing.assert_array_equal(got(np.array([1.0, 2.0, 0.5, 2.0**-1022])), np.log([1.0, 2.0, 0.5, 2.0**-1022]))


def test_bits_keep_the_order_of_positive_numbers():
    x = np.array([0.0, 5e-324, 1e-300, 0.3, 1.0, 1e300, np.inf, np.nan])
    bits = [there_and_back(v)[0] for v in x]
    assert bits == sorted(bits)
    assert len(set(bits)) == x.size
    np.testing.assert_array_equal([there_and_back(v)[1] for v in x], x)
    assert all(there_and_back(v)[0] < 0 for v in (-0.0, -1e-300, -np.inf))
