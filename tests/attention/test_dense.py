"""Dense: derivatives, transformations, blocks and memory."""

import functools

import jax
import jax.extend
import numpy as np
import pytest
from conformance.direct import attended, random_tokens

from tokensphere.attention import Dense


@pytest.fixture
def problem():
    rng = np.random.default_rng(1)
    masses = rng.random(9)
    masses[2] = 0.0
    return random_tokens(rng, 5, 3), random_tokens(rng, 9, 3), rng.standard_normal((9, 2)), masses / masses.sum()


@pytest.mark.parametrize("block", [2**18, 20])
def test_gradient_is_the_difference_quotient(problem, block):
    queries, keys, values, masses = problem

    def total(queries, keys, values, beta):
        log_z, mean = Dense(block=block)(queries, keys, values, masses, beta=beta)
        return (log_z * np.arange(1, 6)).sum() + (mean**2).sum()

    point = (queries, keys, values, 3.0)
    gradient = jax.jit(jax.grad(total, argnums=(0, 1, 2, 3)))(*point)
    rng = np.random.default_rng(2)
    for part in range(4):
        direction = rng.standard_normal(np.shape(point[part]))
        slopes = []
        for h in (1e-3, -1e-3, 2e-3, -2e-3):
            moved = [value + h * direction if k == part else value for k, value in enumerate(point)]
            log_z, mean = attended(moved[0], moved[1], moved[2], masses, moved[3])
            slopes.append((log_z * np.arange(1, 6)).sum() + (mean**2).sum())
        quotient = (8 * (slopes[0] - slopes[1]) - (slopes[2] - slopes[3])) / 12e-3
        assert np.sum(np.asarray(gradient[part]) * direction) == pytest.approx(quotient, rel=1e-9, abs=1e-10)


def test_gradient_at_large_beta_and_equal_tokens_is_finite():
    tokens = np.repeat(np.eye(3)[:1], 4, axis=0)

    def total(points):
        log_z, mean = Dense()(points, points, beta=1e6)
        return log_z.sum() + mean.sum()

    assert np.isfinite(jax.jit(jax.grad(total))(tokens)).all()


def test_vmap_is_a_loop(problem):
    queries, keys, values, masses = problem
    betas = np.array([-2.0, 0.0, 5.0])
    clouds = np.stack([keys, keys[::-1], -keys])
    for block in (2**18, 20):
        one = functools.partial(lambda block, k, b: Dense(block=block)(queries, k, values, masses, beta=b), block)
        many = jax.jit(jax.vmap(one))(clouds, betas)
        for i in range(3):
            want = attended(queries, clouds[i], values, masses, betas[i])
            np.testing.assert_allclose(many.log_z[i], want[0], atol=1e-14)
            np.testing.assert_allclose(many.mean[i], want[1], atol=1e-14)


@pytest.mark.parametrize("beta", [5.0, 1e4])
def test_block_size_does_not_matter(beta):
    tokens = random_tokens(np.random.default_rng(3), 101, 4)
    whole = jax.jit(Dense(block=10**9))(tokens, tokens, beta=beta)
    for block in (1, 333, 101 * 100):
        got = jax.jit(Dense(block=block))(tokens, tokens, beta=beta)
        np.testing.assert_allclose(got.log_z, whole.log_z, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(got.mean, whole.mean, rtol=0, atol=1e-14 + 2e-16 * beta)


def _sizes(jaxpr):
    """Numbers of elements of every array a program makes, those of its inner programs too."""
    for equation in jaxpr.eqns:
        yield from (np.prod(variable.aval.shape, dtype=float) for variable in equation.outvars)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _sizes(inner)


@pytest.mark.parametrize("derivative", [False, True])
def test_no_array_of_all_pairs_is_ever_made(derivative):
    n, block = 20_000, 2**16

    def total(points):
        log_z, mean = Dense(block=block)(points, points, beta=5.0)
        return log_z.sum() + mean.sum()

    program = jax.make_jaxpr(jax.grad(total) if derivative else total)(jax.ShapeDtypeStruct((n, 3), np.float64))
    assert max(_sizes(program.jaxpr)) <= 8 * n


def test_the_count_of_sizes_sees_a_full_block():
    program = jax.make_jaxpr(lambda x: Dense(block=10**9)(x, x, beta=5.0))(jax.ShapeDtypeStruct((2000, 3), np.float64))
    assert max(_sizes(program.jaxpr)) == 2000**2


def test_float32_stays_float32():
    tokens = random_tokens(np.random.default_rng(4), 40, 3)
    want = attended(tokens, tokens, beta=5.0)
    for block in (2**18, 100):
        single = tokens.astype(np.float32)
        got = jax.jit(functools.partial(Dense(block=block), beta=5.0))(single, single)
        assert got.mean.dtype == np.float32
        np.testing.assert_allclose(got.mean, want[1], atol=3e-6)
        np.testing.assert_allclose(got.log_z, want[0], atol=3e-6)
