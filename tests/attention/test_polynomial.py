import itertools
import math

import jax
import numpy as np
import pytest
from conformance.direct import attended, random_tokens

import tokensphere as ts
from tokensphere.attention import Dense, Polynomial
from tokensphere.attention.polynomial import Features, feature_count, feature_degree, fit
from tokensphere.errors import InputError


@pytest.mark.parametrize(("dim", "degree"), [(1, 4), (2, 3), (3, 5), (5, 4)])
def test_features_are_all_monomials(dim, degree):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((7, dim))
    features = Features(dim, degree)
    identity = np.eye(features.upto(degree))
    made = features.evaluate(points, identity)
    exponents = [e for e in itertools.product(range(degree + 1), repeat=dim) if sum(e) <= degree]
    assert len(made) == len(exponents) == math.comb(degree + dim, dim)
    want = np.array([np.prod(points**e, axis=1) for e in exponents])
    np.testing.assert_allclose(made[np.argsort(made[:, 0])], want[np.argsort(want[:, 0])], rtol=1e-13)


@pytest.mark.parametrize(("dim", "degree"), [(2, 6), (4, 5), (3, 21)])
def test_factors_give_powers_of_inner_products(dim, degree):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 1, dim)) / 2
    features = Features(dim, degree)
    a = features.evaluate(x, np.eye(features.upto(degree)))[:, 0]
    b = features.evaluate(y, np.eye(features.upto(degree)))[:, 0]
    for k in range(degree + 1):
        part = slice(features.upto(k - 1), features.upto(k))
        got = np.sum(features.factor[part] * a[part] * b[part])
        assert got == pytest.approx((x[0] @ y[0]) ** k, rel=1e-11, abs=1e-14)


def test_raised_exponents_are_products_with_a_coordinate():
    rng = np.random.default_rng(2)
    points = rng.standard_normal((3, 4))
    features = Features(4, 5)
    made = features.evaluate(points, np.eye(features.upto(5)))
    below = features.upto(4)
    for i in range(4):
        np.testing.assert_allclose(made[features.raised[i]], made[:below] * points[:, i], rtol=1e-13)


@pytest.mark.parametrize("beta", [0.0, 1e-9, 0.3, 2.0, -2.0, 8.0, -8.0])
@pytest.mark.parametrize("tolerance", [1e-12, 1e-8, 1e-4])
def test_the_stated_error_of_the_polynomial_is_a_bound_and_not_a_loose_one(beta, tolerance):
    found = fit(beta, 4, tolerance)
    s = np.cos(np.linspace(0, np.pi, 2001))
    kernel = np.exp(beta * s - abs(beta))
    error = np.abs(np.polynomial.polynomial.polyval(s, found.coefficients) - kernel).max()
    assert error <= found.error + 1e-15
    if found.error > 1e-14:
        assert error > found.error / 10
    assert found.size >= 1 - 2 * found.error


@pytest.mark.parametrize("tolerance", [1e-12, 1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize(("dim", "beta"), [(3, 3.0), (4, 1.0), (6, 0.5), (5, -1.5)])
def test_the_tolerance_is_kept_in_every_row(tolerance, dim, beta):
    rng = np.random.default_rng(3)
    uniform = random_tokens(rng, 500, dim)
    cap = np.eye(dim)[0] + 0.1 * rng.standard_normal((500, dim))
    cap /= np.linalg.norm(cap, axis=1, keepdims=True)
    masses = rng.random(500) ** 5
    masses /= masses.sum()
    for queries, keys in ((uniform, uniform), (cap, cap), (uniform, cap), (-cap, cap)):
        want = attended(queries, keys, None, masses, beta)
        got = Polynomial(tolerance=tolerance)(queries, keys, None, masses, beta=beta)
        assert np.abs(got.log_z - want[0]).max() < 2 * tolerance
        assert np.linalg.norm(got.mean - want[1], axis=1).max() < 2 * tolerance


def test_only_far_rows_are_summed_directly(monkeypatch):
    rng = np.random.default_rng(4)
    tokens = random_tokens(rng, 2000, 4)
    asked = []
    from tokensphere.attention import host

    original = host.attend
    monkeypatch.setattr(
        host, "attend", lambda queries, *a, **k: (asked.append(len(queries)), original(queries, *a, **k))[1]
    )
    Polynomial()(tokens, tokens, beta=2.0)
    assert asked == []
    keys = np.repeat(np.eye(4)[:1], 50, axis=0)
    Polynomial(tolerance=1e-9)(np.concatenate([keys, -keys[:3]]), keys, beta=6.0)
    assert asked == [3]


def test_general_queries_and_lengths():
    """A matrix B and points inside the ball, as for anisotropic flows."""
    rng = np.random.default_rng(5)
    b = rng.standard_normal((4, 4)) / 3
    tokens, values = random_tokens(rng, 300, 4), rng.standard_normal((300, 2))
    want = attended(tokens @ b, 0.7 * tokens, values, None, 2.0)
    got = Polynomial()(tokens @ b, 0.7 * tokens, values, beta=2.0)
    np.testing.assert_allclose(got.log_z, want[0], atol=1e-12)
    np.testing.assert_allclose(got.mean, want[1], atol=4e-12)


def test_any_dimension_can_be_asked():
    """Γ(d/2) and I_ν leave the floats for d of some hundred; choosing a backend asks nevertheless."""
    for dim in (300, 1000, 20_000):
        assert feature_count(6.0, dim) is None or feature_count(6.0, dim) > 1
    assert ts.SelfAttention(6.0).resolve(1000, 1000).attention is not None


def test_numbers_of_features():
    assert feature_count(1.0, 4, 1e-6) == math.comb(feature_degree(1.0, 4, 1e-6) + 4, 4)
    assert feature_count(50.0, 16) is None
    with pytest.raises(InputError, match=r"features for dim 16.*use Dense"):
        Polynomial()(np.eye(16), np.eye(16), beta=50.0)
    with pytest.raises(InputError, match="tolerance"):
        Polynomial(tolerance=1e-16)


def test_bits_do_not_depend_on_threads_and_compiled_code_calls_back(monkeypatch):
    import tokensphere.attention.polynomial as module

    tokens = random_tokens(np.random.default_rng(6), 3000, 4)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(module, "available_threads", lambda threads=threads: threads)
        results.append(Polynomial()(tokens, tokens, beta=1.0).mean)
    assert np.array_equal(*results)
    np.testing.assert_array_equal(jax.jit(lambda x: Polynomial()(x, x, beta=1.0).mean)(tokens), results[0])
    np.testing.assert_allclose(results[0], Dense()(tokens, tokens, beta=1.0).mean, atol=1e-12)
