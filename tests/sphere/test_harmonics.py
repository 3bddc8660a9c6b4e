import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_gegenbauer
from scipy.stats import ortho_group

from tokensphere import sphere
from tokensphere.errors import InputError


def direct(tokens, degrees, weights):
    gram = np.clip(tokens @ tokens.T, -1, 1)
    nu = tokens.shape[1] / 2 - 1
    if nu == 0:
        return np.array([weights @ np.cos(k * np.arccos(gram)) @ weights for k in degrees])
    return np.array([weights @ eval_gegenbauer(k, nu, gram) @ weights / eval_gegenbauer(k, nu, 1.0) for k in degrees])


def masses(n, seed=0):
    w = np.random.default_rng(seed).random(n)
    return w / w.sum()


@pytest.mark.parametrize(("n", "dim"), [(3, 2), (700, 2), (3, 3), (700, 3), (600, 4), (5, 9), (650, 9)])
@pytest.mark.parametrize("degrees", [[1], [2, 1], [0, 1, 2, 3, 7, 12]])
def test_power_against_gram(n, dim, degrees):
    tokens, w = sphere.uniform(n, dim, n + dim), masses(n)
    np.testing.assert_allclose(sphere.harmonic_power(tokens, degrees, w), direct(tokens, degrees, w), atol=2e-12)


def test_power_at_the_poles_and_the_seam():
    tokens = np.array([[0, 0, 1.0], [0, 0, -1.0], [1.0, -1e-300, 0], [-1.0, -0.0, 0], [1.0, 0, 0]] * 40)
    np.testing.assert_allclose(
        sphere.harmonic_power(tokens, [3, 4, 8]), direct(tokens, [3, 4, 8], np.full(200, 1 / 200)), atol=1e-12
    )


@pytest.mark.parametrize("n", [5, 3000])
def test_moments_against_the_sum(n):
    theta = np.random.default_rng(2).uniform(-10, 10, n)
    w = masses(n)
    expected = np.exp(-1j * np.outer(np.arange(41), theta)) @ w
    np.testing.assert_allclose(sphere.moments(theta, 40, w), expected, atol=2e-12)


@given(st.integers(2, 6), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_rotation_permutation_and_copies(dim, seed):
    rng = np.random.default_rng(seed)
    tokens = sphere.uniform(30, dim, seed)
    base = sphere.harmonic_power(tokens, [1, 2, 5])
    assert np.all(base >= 0)
    turned = tokens @ ortho_group.rvs(dim, random_state=rng)
    np.testing.assert_allclose(sphere.harmonic_power(turned, [1, 2, 5]), base, atol=1e-12)
    np.testing.assert_allclose(sphere.harmonic_power(rng.permutation(tokens), [1, 2, 5]), base, atol=1e-13)
    copies = rng.integers(1, 4, 30)
    np.testing.assert_allclose(
        sphere.harmonic_power(np.repeat(tokens, copies, axis=0), [1, 2, 5]),
        sphere.harmonic_power(tokens, [1, 2, 5], copies / copies.sum()),
        atol=1e-12,
    )


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_one_cluster_has_power_one(dim):
    tokens = np.tile(sphere.uniform(1, dim, 0), (300, 1))
    np.testing.assert_allclose(sphere.harmonic_power(tokens, [0, 1, 2, 3, 9]), 1, atol=1e-11)


def test_never_negative_on_balanced_tokens():
    tokens, weights = sphere.quiet(4, 1, 0.0, 8)
    assert np.all(sphere.harmonic_power(tokens, range(1, 12), weights) >= 0)


def test_bad_input_is_named():
    tokens = sphere.uniform(5, 3, 0)
    with pytest.raises(InputError, match="degree"):
        sphere.harmonic_power(tokens, [1, -2])
    with pytest.raises(InputError, match="at least one degree"):
        sphere.harmonic_power(tokens, [])
    with pytest.raises(InputError, match="weights must sum"):
        sphere.harmonic_power(tokens, [1], np.ones(5))
    with pytest.raises(InputError, match="angle 1"):
        sphere.moments([0.0, np.inf], 3)
