"""The exact triple in R: reference value, limit, the equation itself."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import free_resting_speed, free_triple, free_triple_limit


def test_reference():
    assert free_triple_limit(1.0, 1.0) == pytest.approx(0.843718, abs=5e-7)
    assert free_triple([0.0, 30.0], 1.0, 1.0)[-1] == pytest.approx(free_triple_limit(1.0, 1.0), abs=1e-10)


@pytest.mark.parametrize(("beta", "start"), [(1.0, 1.0), (0.3, 0.7), (4.0, 2.0)])
def test_it_solves_the_equation(beta, start):
    times = np.linspace(0.0, 3.0, 3001)
    u = free_triple(times, beta, start) * np.exp(times)
    a = beta * u**2
    exact = 2 * u * np.sinh(np.minimum(a, 300)) / (1 + 2 * np.cosh(np.minimum(a, 300)))
    got = np.gradient(u, times, edge_order=2)
    np.testing.assert_allclose(got[1:-1], exact[1:-1], rtol=1e-5)


@pytest.mark.parametrize(("beta", "start"), [(1.0, 0.3), (0.2, 1.0), (2.0, 3.0)])
def test_limit_is_where_the_path_ends(beta, start):
    assert free_triple([0.0, 60.0], beta, start)[-1] == pytest.approx(free_triple_limit(beta, start), rel=1e-9)


def test_ends_of_the_range():
    assert free_triple_limit(0.0, 2.0) == 0.0
    assert free_triple([0.0, 1.0], 0.0, 2.0)[-1] == pytest.approx(2.0 * np.exp(-1.0), rel=1e-12)
    assert free_triple_limit(1e4, 1.0) == 1.0
    assert free_triple([0.0, 500.0], 1e4, 1.0)[-1] == pytest.approx(1.0, rel=1e-12)


def test_coming_to_rest():
    """The moment equation itself, from another start: dC/dt = −2βC², mean speed² = β² tr C³."""
    beta, c, h = 0.7, np.diag([3.0, 0.5, 1.0]), 0.01
    for _ in range(50_000):
        c = c - 2 * beta * h * c @ c
    want = beta**2 * np.trace(c @ c @ c)
    assert free_resting_speed([500.0], beta, 3)[0] == pytest.approx(want, rel=0.02)


@pytest.mark.parametrize(
    "call",
    [
        lambda: free_triple_limit(1.0, 0.0),
        lambda: free_triple([-1.0], 1.0, 1.0),
        lambda: free_resting_speed([0.0], 1.0, 1),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
