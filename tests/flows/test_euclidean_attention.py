"""Attention in R^d without normalisation: the formula, both forms of it, the exact triple, growth without overflow."""

import numpy as np
import pytest
from conformance.direct import attended

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import EuclideanAttention

V = np.array([[0.8, 0.5, 0.0], [-0.2, 0.3, 0.1], [0.0, 0.4, -0.3]])
B = np.array([[1.0, 0.3, -0.2], [0.1, 0.8, 0.4], [-0.3, 0.0, 1.1]])
TRIPLE = np.array([[-1.0], [0.0], [1.0]])


def cloud(n=15, dim=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim))


def test_velocity_is_the_formula():
    points, masses = cloud(), np.random.default_rng(1).random(15)
    masses /= masses.sum()
    want = attended(points @ B, points, points @ V.T, masses, 0.7)[1]
    np.testing.assert_allclose(EuclideanAttention(0.7, V, B).velocity(points, masses), want, atol=1e-14)
    wrong = attended(points @ B.T, points, points @ V.T, masses, 0.7)[1]  # E18
    assert np.abs(want - wrong).max() > 0.1


@pytest.mark.parametrize(("value", "query_key"), [(None, None), (-0.5, 0.7), (V, B), (V, None), (0.5, B)])
def test_both_forms_are_one_flow(value, query_key):
    points = 0.5 * cloud()
    plain, scaled = (EuclideanAttention(0.7, value, query_key, rescaled=r) for r in (False, True))
    x = ts.simulate(plain, points, [0.0, 1.5], rtol=1e-11).tokens.values[-1]
    z = ts.simulate(scaled, points, [0.0, 1.5], rtol=1e-11).tokens.values[-1]
    np.testing.assert_allclose(plain.rescale(x, 1.5), z, atol=1e-8)
    np.testing.assert_allclose(scaled.restore(z, 1.5), x, atol=1e-8)
    assert np.abs(x - z).max() > 0.01


def test_the_triple():
    """Three tokens in R, solved exactly, in both forms and in the limit."""
    times = np.array([0.0, 0.5, 2.0, 8.0])
    want = ts.theory.free_triple(times, 1.0, 1.0)
    plain = ts.simulate(EuclideanAttention(1.0), TRIPLE, times, rtol=1e-12).tokens.values
    scaled = ts.simulate(EuclideanAttention(1.0, rescaled=True), TRIPLE, times, rtol=1e-12).tokens.values
    np.testing.assert_allclose(plain[:, 2, 0] * np.exp(-times), want, rtol=1e-9)
    np.testing.assert_allclose(scaled[:, [0, 2], 0], np.stack([-want, want], axis=1), atol=1e-10)
    u = 1.0
    want_rate = 2 * u * np.sinh(u**2) / (1 + 2 * np.cosh(u**2))
    assert EuclideanAttention(1.0).velocity(TRIPLE)[2, 0] == pytest.approx(want_rate, rel=1e-14)


def test_nothing_overflows_in_rescaled_tokens():
    points = cloud()
    flow = EuclideanAttention(1.0, rescaled=True)
    run = ts.simulate(flow, points, [0.0, 20.0, 700.0], rtol=1e-6)
    tokens = run.tokens.values
    assert np.isfinite(tokens).all()
    assert np.linalg.norm(tokens, axis=2).max() <= np.linalg.norm(points, axis=1).max() + 1e-9  # hulls shrink
    hard = ts.flows.FrankWolfe().velocity(points)
    np.testing.assert_allclose(flow.velocity(points, t=800.0), hard, atol=1e-12)
    skew = EuclideanAttention(1.0, V, B, rescaled=True).velocity(points, t=1e4)
    assert np.isfinite(skew).all()


def test_grown_tokens_are_a_hardmax_and_then_refused():
    points = cloud()
    grown = EuclideanAttention(1.0).velocity(1e20 * points)
    np.testing.assert_allclose(grown, 1e20 * (ts.flows.FrankWolfe().velocity(points) + points), rtol=1e-12)
    with pytest.raises(InputError, match="use rescaled=True"):
        EuclideanAttention(1.0).velocity(1e160 * points)
    with pytest.raises(InputError, match="do not rescale, or stop earlier"):  # z = e^t x
        ts.simulate(EuclideanAttention(0.0, value=-1.0, rescaled=True), points, [0, 800], method="rk4", step_size=2.0)


def test_inside_transformed_code():
    import jax

    points = cloud()
    for flow in (EuclideanAttention(0.7, V, B), EuclideanAttention(0.7, V, B, rescaled=True)):
        got = jax.jit(lambda x, t, f=flow: f.velocity(x, t=t))(points, 0.8)
        np.testing.assert_allclose(got, flow.velocity(points, t=0.8), atol=1e-12)


def test_negative_identity_comes_to_rest():
    """V = −I: speeds are square integrable; the tokens tend to rest."""
    run = ts.simulate(EuclideanAttention(1.0, value=-1.0), cloud(), np.linspace(0, 200, 21), rtol=1e-6)
    speeds = (run.velocity.values**2).sum(axis=(1, 2))
    assert speeds[-1] < 1e-3 * speeds[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EuclideanAttention(-1.0), "beta"),
        (lambda: EuclideanAttention(1.0, V).velocity(np.eye(2)), "dim 2"),
        (lambda: EuclideanAttention(1.0).velocity([[0.0], [np.nan]]), "token 1 is not finite"),
        (lambda: EuclideanAttention(1.0).energy(np.eye(2)), "no energy"),
        (lambda: EuclideanAttention(1.0).velocity(np.zeros(3)), "shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
