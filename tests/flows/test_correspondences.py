"""Kuramoto and mean shift as attention flows, and what is said of them and is wrong."""

import jax
import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import kuramoto, mean_shift
from tokensphere.jaxsetup import jnp


@pytest.mark.parametrize(("coupling", "frequency"), [(1.0, 0.0), (2.5, 0.7), (-1.3, -2.0)])
def test_kuramoto_in_angles(coupling, frequency):
    theta = np.random.default_rng(0).uniform(0, 2 * np.pi, 9)
    masses = np.random.default_rng(1).random(9)
    masses /= masses.sum()
    tokens = ts.sphere.from_angles(theta)
    model = kuramoto(coupling, frequency)
    want = frequency + coupling * (np.sin(theta - theta[:, None]) @ masses)
    got = model.velocity(tokens, masses)
    np.testing.assert_allclose(got[:, 1] * tokens[:, 0] - got[:, 0] * tokens[:, 1], want, atol=1e-14)
    softmax = model.rate * ts.SelfAttention(0.0, value=np.sign(coupling)).velocity(tokens, weights=masses)
    np.testing.assert_allclose(
        softmax[:, 0] * -tokens[:, 1] + softmax[:, 1] * tokens[:, 0], want - frequency, atol=1e-14
    )


def test_time_and_rotation_convert():
    """Against the oscillators themselves, integrated in angles."""
    from scipy.integrate import solve_ivp

    model = kuramoto(2.0, 0.5)
    theta = np.array([0.1, 1.0, 2.9, 4.0])
    end = 1.5
    run = solve_ivp(
        lambda _, x: 0.5 + 2.0 * np.sin(x - x[:, None]).mean(axis=1), (0, end), theta, rtol=1e-11, atol=1e-12
    )
    times = np.array([0.0, end])
    flow = ts.simulate(model.flow, ts.sphere.from_angles(theta), model.flow_time(times), rtol=1e-11)
    np.testing.assert_allclose(
        model.tokens(flow.tokens.values, times)[-1], ts.sphere.from_angles(run.y[:, -1]), atol=1e-9
    )
    assert model.model_time(model.flow_time(end)) == end


def log_density(x, tokens, masses, bandwidth):
    return jnp.log(jnp.sum(masses * jnp.exp(-jnp.sum((x - tokens) ** 2, axis=1) / (2 * bandwidth**2))))


@pytest.mark.parametrize("dim", [2, 5])
@pytest.mark.parametrize("bandwidth", [1.7, 0.4])
def test_mean_shift_is_the_gradient_of_the_log_density(dim, bandwidth):
    tokens = ts.sphere.uniform(20, dim, 3)
    masses = np.random.default_rng(1).random(20)
    masses /= masses.sum()
    gradient = np.array(jax.vmap(jax.grad(log_density), (0, None, None, None))(tokens, tokens, masses, bandwidth))
    tangent = gradient - np.sum(gradient * tokens, axis=1, keepdims=True) * tokens
    model = mean_shift(bandwidth)
    np.testing.assert_allclose(model.velocity(tokens, masses), tangent, atol=1e-12 * np.abs(tangent).max())
    # said to coincide with softmax attention itself: only at β = 1, and only its tangential part
    attention = ts.SelfAttention(bandwidth**-2).velocity(tokens, weights=masses)
    assert np.abs(attention - tangent).max() > 0.3 * np.abs(tangent).max()
    assert np.abs(gradient - tangent).max() > 0.1
    # the mean-shift vector m(x) − x, by Gaussian windows
    window = np.exp(-np.sum((tokens[:, None] - tokens) ** 2, axis=2) / (2 * bandwidth**2)) * masses
    shift = window @ tokens / window.sum(axis=1, keepdims=True) - tokens
    np.testing.assert_allclose(shift - np.sum(shift * tokens, axis=1, keepdims=True) * tokens, attention, atol=1e-13)


def test_a_layer_without_residual_is_blurring_mean_shift():
    bandwidth = 0.6
    tokens = ts.sphere.uniform(15, 3, 0)
    window = np.exp(-np.sum((tokens[:, None] - tokens) ** 2, axis=2) / (2 * bandwidth**2))
    means = window @ tokens / window.sum(axis=1, keepdims=True)
    flow = mean_shift(bandwidth).flow.resolve(*tokens.shape)
    layer = flow.layer(np.zeros_like(tokens), np.asarray(flow.attended(tokens)), 1.0, 0.0)
    np.testing.assert_allclose(layer, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-14)


def test_unnormalised_attention_keeps_its_projection():
    """It is said to omit normalisation *and* projection; only the normaliser goes."""
    tokens = ts.sphere.uniform(12, 3, 0)
    kernel = np.exp(2.0 * tokens @ tokens.T) / 12
    bare = kernel @ tokens
    velocity = ts.UnnormalizedSelfAttention(2.0).velocity(tokens)
    assert np.abs(np.sum(velocity * tokens, axis=1)).max() < 1e-14
    assert np.abs(np.sum(bare * tokens, axis=1)).min() > 0.1
    np.testing.assert_allclose(velocity, bare - np.sum(bare * tokens, axis=1, keepdims=True) * tokens, atol=1e-14)


def test_noise_enters_the_density_with_the_sign_of_diffusion():
    """∂_tμ = κ^{−1}Δμ − ∇·(μχ); a published form has the other sign of Δ, by which every degree would grow."""
    tau, degree = 0.2, 3
    equation = ts.meanfield.CircleMeanField(beta=1e-6, flow="usa", noise=tau)
    run = ts.solve.evolve(equation, equation.harmonics({degree: 0.1}), [0.0, 1.0])
    density = abs(run.coefficients.values[-1][degree]) / 0.1
    assert density == pytest.approx(np.exp(-tau * degree**2), rel=1e-5)
    tokens = ts.sphere.equispaced(20_000, 0.1, degree)
    moved = ts.simulate(
        ts.UnnormalizedSelfAttention(0.0, value=1e-9), tokens, [0, 1], method="geodesic", step_size=0.25, noise=tau
    ).tokens.values[-1]
    measured = abs(ts.sphere.moments(ts.sphere.angles(moved), degree)[degree]) / 0.0995
    assert measured == pytest.approx(np.exp(-tau * degree**2), abs=0.15)
    assert measured < 1 < np.exp(tau * degree**2)


def test_bad_input_is_named():
    for call, word in (
        (lambda: kuramoto(0.0), "coupling"),
        (lambda: kuramoto(np.nan), "coupling"),
        (lambda: mean_shift(-1.0), "bandwidth"),
        (lambda: mean_shift(1e-200), "bandwidth"),
        (lambda: kuramoto(1.0, 1.0).velocity(np.eye(3)), "circle"),
    ):
        with pytest.raises(InputError, match=word):
            call()
