"""Tokens at the quantiles of a Poisson kernel: its moments, and bad input."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.sphere import angles, moments, poisson_kernel


@pytest.mark.parametrize("order", [0.0, 0.3, 0.9])
def test_moments_are_powers(order):
    tokens = poisson_kernel(2000, order, mean=0.7)
    k = np.arange(1, 6)
    np.testing.assert_allclose(moments(angles(tokens), 5)[1:], order**k * np.exp(-0.7j * k), atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=1), 1.0, atol=1e-15)


def test_few_tokens_miss_by_the_power_of_their_number():
    order, n = 0.8, 20
    error = abs(moments(angles(poisson_kernel(n, order)), 1)[1] - order)
    assert error == pytest.approx((1 - order**2) * order ** (n - 1), rel=0.02)


@pytest.mark.parametrize(("arguments", "word"), [((0, 0.5), "n"), ((9, 1.0), "order"), ((9, 0.5, np.inf), "mean")])
def test_bad_input_is_named(arguments, word):
    with pytest.raises(InputError, match=word):
        poisson_kernel(*arguments)
