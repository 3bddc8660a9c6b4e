"""Harmonic against sums over differences of tokens, at the poles, and its limits."""

import math

import jax
import numpy as np
import pytest
from conformance.direct import attended, project, random_tokens
from scipy.special import spherical_in

from tokensphere.attention import Harmonic, sphere_degrees, spherical
from tokensphere.errors import InputError

POLES = np.array([[0.0, 0.0, 1.0], [0.0, -0.0, -1.0], [-0.0, -0.0, 1.0], [1.0, -1e-17, 0.0], [1e-200, -1e-200, -1.0]])


def cloud(n, clustered, seed=0):
    rng = np.random.default_rng(seed)
    tokens = random_tokens(rng, n, 3)
    if clustered:
        centres = tokens[:4]
        tokens = centres[rng.integers(0, 4, n)] + 0.02 * rng.standard_normal((n, 3))
        tokens[:20] = random_tokens(rng, 20, 3)
        tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    tokens[:5] = POLES
    masses = rng.random(n)
    return tokens, masses / masses.sum()


def sphere_sums(tokens, at, masses, beta):
    """Σ_j w_j e^{β(⟨x,y_j⟩−1)} and its tangential force, from differences of tokens, correctly rounded."""
    z, force = np.empty(len(at)), np.empty((len(at), 3))
    for i, x in enumerate(at):
        gap = tokens - x
        terms = masses * np.exp(-0.5 * beta * np.einsum("ij,ij->i", gap, gap))
        z[i] = terms.sum()
        pull = np.array([math.fsum(terms * column) for column in gap.T])
        force[i] = pull - (pull @ x) * x
    return z, force


def errors(got, tokens, masses, beta, rows):
    z, force = sphere_sums(tokens, tokens[rows], masses, beta)
    got_z = np.exp(got.log_z - beta)[rows]
    difference = np.linalg.norm(got_z[:, None] * project(tokens[rows], got.mean[rows]) - force, axis=1).max()
    return np.abs(got_z - z).max() / z.max(), difference / np.linalg.norm(force, axis=1).max()


@pytest.mark.parametrize("clustered", [False, True], ids=["uniform", "clustered"])
@pytest.mark.parametrize("n", [500, 20_000])
@pytest.mark.parametrize("beta", [0.0, 1e-3, 1.0, 50.0, 1000.0])
def test_sums_over_differences_with_tokens_at_the_poles(beta, n, clustered):
    tokens, masses = cloud(n, clustered)
    rows = np.arange(30)
    for tangent in (True, False):
        got = Harmonic()(tokens, tokens, None, masses, beta=beta, tangent=tangent)
        error_z, error_force = errors(got, tokens, masses, beta, rows)
        assert error_z < 1e-12
        assert error_force < 1e-12 * (1 if tangent else 200)  # the full mean is as accurate as its radial part


@pytest.mark.slow
def test_large_beta():
    """What is left at β = 1e4 is the rounding of log Z = O(β) itself."""
    tokens, masses = cloud(500, False)
    got = Harmonic()(tokens, tokens, None, masses, beta=1e4, tangent=True)
    assert max(errors(got, tokens, masses, 1e4, np.arange(100))) < 2e-12


@pytest.mark.parametrize("beta", [0.5, 5.0, 50.0, 500.0])
@pytest.mark.parametrize("tolerance", [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2])
def test_errors_stay_below_the_tolerance(tolerance, beta):
    for clustered in (False, True):
        tokens, masses = cloud(3000, clustered)
        got = Harmonic(tolerance=tolerance)(tokens, tokens, None, masses, beta=beta, tangent=True)
        assert max(errors(got, tokens, masses, beta, np.arange(100))) <= tolerance


def test_a_coarser_tolerance_needs_fewer_degrees():
    degrees = [sphere_degrees(200.0, tolerance) for tolerance in (1e-12, 1e-8, 1e-4, 1e-2)]
    assert degrees == sorted(degrees, reverse=True)
    assert degrees[-1] < 0.6 * degrees[0]
    assert degrees[0] <= 8.5 * np.sqrt(200)


@pytest.mark.parametrize("beta", [1e-3, 0.7, 20.0, -20.0])
def test_kernel_against_spherical_bessel_functions(beta):
    kernel = spherical.sphere_kernel(beta)
    degree = np.arange(kernel.degrees + 1)
    want = 4 * np.pi * spherical_in(degree, abs(beta)) * np.exp(-abs(beta)) * np.sign(beta) ** degree
    slope = 4 * np.pi * spherical_in(degree, abs(beta), derivative=True) * np.exp(-abs(beta))
    np.testing.assert_allclose(kernel.potential, want, rtol=1e-11, atol=0)
    np.testing.assert_allclose(kernel.pull[1:], want[1:] / beta, rtol=1e-11, atol=0)
    np.testing.assert_allclose(kernel.radial, slope * np.sign(beta) ** (degree + 1), rtol=1e-9, atol=1e-18)


def test_parts_of_a_cloud_add_up(monkeypatch):
    tokens, masses = cloud(1000, True)
    kernel = spherical.sphere_kernel(30.0)
    whole = spherical.analyse(tokens, masses, kernel)
    parts = sum(spherical.analyse(tokens[k::3], masses[k::3], kernel) for k in range(3))
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-13)
    assert whole.size == (kernel.degrees + 1) * (kernel.degrees + 2) // 2
    z, force = spherical.synthesise(parts, tokens[:50], kernel)
    want_z, want = sphere_sums(tokens, tokens[:50], masses, 30.0)
    np.testing.assert_allclose(z, want_z, rtol=0, atol=1e-12 * want_z.max())
    np.testing.assert_allclose(force, want, rtol=0, atol=1e-12)


def test_blocks_do_not_matter(monkeypatch):
    tokens, masses = cloud(60_000, False)
    whole = Harmonic()(tokens, tokens, None, masses, beta=1.0)
    monkeypatch.setattr(spherical, "_BLOCK", 7000)
    for _ in range(2):
        got = Harmonic()(tokens, tokens, None, masses, beta=1.0)
        np.testing.assert_allclose(got.log_z, whole.log_z, rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.mean, whole.mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beta", [-300.0, -5.0, -1e-3])
def test_negative_beta(beta):
    tokens, masses = cloud(300, True)
    z, force = sphere_sums(tokens, -tokens, masses, -beta)  # e^{−β⟨x,y⟩} = e^{β⟨−x,y⟩}
    got = Harmonic()(tokens, tokens, None, masses, beta=beta, tangent=True)
    np.testing.assert_allclose(got.log_z, np.log(z) - beta, rtol=0, atol=1e-6)
    size = np.linalg.norm(force, axis=1).max()
    assert np.abs(np.exp(got.log_z + beta)[:, None] * got.mean - force).max() < 1e-12 * size


def test_values_of_any_width():
    tokens, masses = cloud(60, False)
    for width in (1, 4):
        values = np.random.default_rng(width).standard_normal((60, width))
        got = Harmonic()(tokens, tokens, values, masses, beta=5.0)
        np.testing.assert_allclose(got.mean, attended(tokens, tokens, values, masses, 5.0)[1], atol=1e-11)


def test_what_it_cannot_do_is_said():
    tokens = np.eye(3)
    with pytest.raises(InputError, match="dim 3"):
        Harmonic()(np.eye(2), np.eye(2), beta=1.0)
    with pytest.raises(InputError, match=r"keys: token 1 is not finite"):
        Harmonic()(tokens, np.array([[1.0, 0, 0], [np.nan, 1.0, 0]]), beta=1.0)
    for beta in (2e5, -2e5):
        with pytest.raises(InputError, match=r"\|beta\| <= 100000"):
            Harmonic()(tokens, tokens, beta=beta)
    for tolerance in (0.0, 1e-14, 0.5, np.nan):
        with pytest.raises(InputError, match="tolerance must be between"):
            Harmonic(tolerance=tolerance)
    with pytest.raises(InputError, match="row_tolerance"):
        Harmonic(row_tolerance=2.0)
    with pytest.raises(ValueError, match="gradients"):
        jax.grad(lambda x: Harmonic()(x, x, beta=1.0).mean.sum())(tokens)
