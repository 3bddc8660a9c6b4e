"""CircleSeries and SphereSeries: values, derivatives, transformations, degrees."""

import functools

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from conformance.direct import attended, project, random_tokens
from scipy.special import ive, spherical_in

from tokensphere.attention import Circle, CircleSeries, Dense, Harmonic, SphereSeries, series, sphere_degrees
from tokensphere.errors import InputError

SERIES = [pytest.param(CircleSeries, 2, id="circle"), pytest.param(SphereSeries, 3, id="sphere")]
# The harmonics take many seconds to compile where several variants are compared.
COMPILED = [SERIES[0], pytest.param(SphereSeries, 3, id="sphere", marks=pytest.mark.slow)]
EXACT = {2: Circle(), 3: Harmonic()}


def cloud(n, dim, seed=0):
    rng = np.random.default_rng(seed)
    tokens = random_tokens(rng, n, dim)
    tokens[: 2 * dim] = np.concatenate([np.eye(dim), -np.eye(dim)])  # the poles among them
    masses = rng.random(n)
    return tokens, masses / masses.sum()


@pytest.mark.parametrize("beta", [0.0, 1e-3, 3.0, -3.0, 25.0])
def test_coefficients_are_bessel_functions(beta):
    degree = np.arange(41)
    sign, scale = np.sign(beta) ** degree if beta else (degree == 0).astype(float), np.exp(-abs(beta))
    for dim, want in ((2, ive(degree, abs(beta))), (3, spherical_in(degree, abs(beta)) * scale)):
        got = series.coefficients(beta, dim, 40, np.float64)
        np.testing.assert_allclose(got.potential, sign * want, rtol=1e-12, atol=1e-300)
        if beta:
            np.testing.assert_allclose(got.pull[1:], (sign * want)[1:] / beta, rtol=1e-12, atol=1e-300)
    slope = jax.jacfwd(lambda b: series.coefficients(b, 3, 40, np.float64).potential)(beta)
    np.testing.assert_allclose(slope, series.coefficients(beta, 3, 40, np.float64).radial, rtol=1e-11, atol=1e-17)


@pytest.mark.parametrize(("kind", "dim"), SERIES)
def test_agrees_with_the_sum_on_the_host(kind, dim):
    """Z and force to 1e-12 of the largest, tokens at the poles included; one compilation for every β."""
    tokens, masses = cloud(3000, dim)
    backend = kind(max_beta=60.0)
    for beta in (0.0, 1.0, -8.0, 60.0):
        got = backend(tokens, tokens, None, masses, beta=beta, tangent=True)
        want = EXACT[dim](tokens, tokens, None, masses, beta=beta, tangent=True)
        np.testing.assert_allclose(got.log_z, want.log_z, rtol=0, atol=1e-11)
        force = np.exp(want.log_z - abs(beta))[:, None] * want.mean
        difference = np.exp(got.log_z - abs(beta))[:, None] * got.mean - force
        assert np.abs(difference).max() < 1e-12 * np.abs(force).max()


@pytest.mark.parametrize(("kind", "dim"), COMPILED)
def test_values_queries_and_rows_far_from_every_key(kind, dim, monkeypatch):
    monkeypatch.setattr("tokensphere.attention.series._PAIRS", 100)  # two rows in a block
    rng = np.random.default_rng(1)
    keys = random_tokens(rng, 50, dim) + 3 * np.eye(dim)[0]
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    queries, values, masses = random_tokens(rng, 40, dim), rng.standard_normal((50, 2)), rng.random(50)
    masses /= masses.sum()
    for repairs in (0, 5, 40):
        backend = kind(repairs=repairs)
        got = backend(queries, keys, values, masses, beta=40.0)
        want = attended(queries, keys, values, masses, 40.0)
        np.testing.assert_allclose(got.log_z, want[0], rtol=0, atol=1e-7)
        np.testing.assert_allclose(got.mean, want[1], rtol=0, atol=1e-6)
    got = backend(queries, keys, None, masses, beta=40.0, tangent=True)
    want = project(queries, attended(queries, keys, None, masses, 40.0)[1])
    np.testing.assert_allclose(got.mean, want, rtol=0, atol=1e-7)
    lost = kind(repairs=None)(queries, keys, values, masses, beta=40.0).log_z
    assert not np.abs(lost - attended(queries, keys, values, masses, 40.0)[0]).max() < 1e-6


@pytest.mark.parametrize(("kind", "dim"), COMPILED)
def test_gradients_are_those_of_the_direct_sum(kind, dim):
    tokens, masses = cloud(40, dim)
    values = np.random.default_rng(2).standard_normal((40, 2))

    def gradient(attention):
        def total(tokens, values, masses, beta):
            points = tokens / jnp.linalg.norm(tokens, axis=1, keepdims=True)
            log_z, mean = attention(points, points[::-1], values, masses, beta=beta)
            own = attention(points, points, None, masses, beta=beta, tangent=False)
            return (log_z * jnp.arange(40)).sum() + (mean**2).sum() + (own.mean[:, 0] ** 3).sum() + own.log_z.sum()

        return jax.jit(jax.grad(total, argnums=(0, 1, 2, 3)))

    ours, exact = gradient(kind(max_beta=20.0)), gradient(Dense())
    for beta in (0.0, 4.0, -4.0, 20.0):
        for got, want in zip(ours(tokens, values, masses, beta), exact(tokens, values, masses, beta), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize(("kind", "dim"), SERIES)
def test_vmap_is_a_loop(kind, dim):
    clouds = np.stack([cloud(30, dim, seed)[0] for seed in range(3)])
    betas = np.array([-2.0, 0.0, 5.0])
    many = jax.jit(jax.vmap(lambda x, b: kind(max_beta=5.0)(x, x, beta=b)))(clouds, betas)
    for i in range(3):
        want = attended(clouds[i], clouds[i], beta=betas[i])
        np.testing.assert_allclose(many.log_z[i], want[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(many.mean[i], want[1], rtol=0, atol=1e-12)


def test_high_degrees_neither_overflow_nor_lose_the_poles():
    """Q_lm reaches 1e100 at these degrees, and (x+iy)^m falls below 1e-300."""
    tokens, masses = cloud(200, 3)
    got = SphereSeries(repairs=None)(tokens, tokens, None, masses, beta=1500.0, tangent=True)
    assert sphere_degrees(1500.0) > 300
    log_z, mean = attended(tokens, tokens, None, masses, 1500.0)
    np.testing.assert_allclose(got.log_z, log_z, rtol=0, atol=1e-9)
    np.testing.assert_allclose(got.mean, project(tokens, mean), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("kind", "dim"), SERIES)
def test_memory_is_linear_in_the_number_of_tokens(kind, dim):
    """No array grows with tokens times degrees, also in the gradient."""
    n = 50_000

    def total(points):
        log_z, mean = kind(max_beta=50.0, repairs=8)(points, points, beta=jnp.asarray(5.0))
        return log_z.sum() + mean.sum()

    program = jax.make_jaxpr(jax.grad(total))(jax.ShapeDtypeStruct((n, dim), np.float64))
    assert max(_sizes(program.jaxpr)) <= 12 * n * 2 + 2**22


def _sizes(jaxpr):
    for equation in jaxpr.eqns:
        yield from (np.prod(variable.aval.shape, dtype=float) for variable in equation.outvars)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _sizes(inner)


@pytest.mark.parametrize(("kind", "dim"), SERIES)
def test_float32_stays_float32(kind, dim):
    tokens, _ = cloud(60, dim)
    got = kind()(tokens.astype(np.float32), tokens.astype(np.float32), beta=5.0)
    assert got.mean.dtype == got.log_z.dtype == np.float32
    np.testing.assert_allclose(got.mean, attended(tokens, tokens, beta=5.0)[1], atol=1e-5)


@pytest.mark.parametrize(("kind", "dim"), SERIES)
def test_what_it_cannot_do_is_said(kind, dim):
    tokens, _ = cloud(10, dim)
    call = functools.partial(kind(), tokens, tokens)
    with pytest.raises(InputError, match=r"beta is traced.*max_beta"):
        jax.jit(lambda b: call(beta=b))(1.0)
    with pytest.raises(InputError, match="beta must be a finite number"):
        call(beta=np.nan)
    with pytest.raises(InputError, match="outside max_beta = 5"):
        kind(max_beta=5.0)(tokens, tokens, beta=6.0)
    got = jax.jit(lambda b: kind(max_beta=5.0)(tokens, tokens, beta=b))(6.0)
    assert np.isnan(got.log_z).all()
    assert np.isnan(got.mean).all()
    with pytest.raises(InputError, match=f"needs dim {dim}"):
        kind()(np.eye(4), np.eye(4), beta=1.0)
    bad = tokens.copy()
    bad[3, 0] = np.nan
    with pytest.raises(InputError, match=r"keys: token 3 is not finite"):
        kind()(tokens, bad, beta=1.0)


def test_too_many_degrees_are_refused():
    with pytest.raises(InputError, match="1300 degrees in float64"):
        SphereSeries()(np.eye(3), np.eye(3), beta=1e5)
    with pytest.raises(InputError, match="160 degrees in float32"):
        SphereSeries(degrees=161)(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), beta=1.0)
