"""What grows: degrees of modes, the empirical k_max, densities, and states that are not stationary."""

import numpy as np
import pytest
from scipy.special import ive

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.meanfield import CircleMeanField, SphereMeanField, ZonalMeanField
from tokensphere.solve import degree_content, linearise_density, what_grows
from tokensphere.theory import dominant_degree, growth_rates


@pytest.mark.parametrize("beta", [1.0, 2.0, 5.0, 12.0])
def test_the_empirical_dominant_degree_of_the_uniform_state(beta):
    found = what_grows(ts.SelfAttention(beta), ts.sphere.equispaced(64), count=8)
    assert found.k_max == dominant_degree(beta, 2)
    degrees = np.arange(1, 20)
    order = np.argsort(-growth_rates(beta, 2, degrees), kind="stable")
    np.testing.assert_array_equal(found.dominant, np.repeat(degrees[order], 2)[:8])
    np.testing.assert_allclose(found.content.max(axis=1), 1, atol=1e-9)
    assert all(h.holds for h in found.hypotheses)


def test_content_of_gradients_on_spheres():
    """The gradient of a harmonic consists of its degree; a rotation moves no mass."""
    for dim, resolution in ((2, 40), (3, 12), (4, 6)):
        x, w = ts.sphere.quiet(dim, 1, 0.0, resolution)
        e, f = np.eye(dim)[:2]
        first = ts.sphere.project(x, np.broadcast_to(e, x.shape))
        second = ts.sphere.project(x, np.outer(x @ e, f) + np.outer(x @ f, e))  # of ⟨x,e⟩⟨x,f⟩
        spin = np.outer(x @ e, f) - np.outer(x @ f, e)
        content = degree_content(x, np.stack([first, second, spin, first + 1j * second]), [1, 2, 3], w)
        np.testing.assert_allclose(content[:3], [[1, 0, 0], [0, 1, 0], [0, 0, 0]], atol=1e-12)
        # |∇f|² integrates to Λ_k ∫f²
        sizes = np.array([(w * (x @ e) ** 2).sum() * (dim - 1), (w * (x @ e * (x @ f)) ** 2).sum() * 2 * dim])
        np.testing.assert_allclose(content[3, :2], sizes / sizes.sum(), atol=1e-12)


def test_two_formulas_for_the_content():
    """The pair sum on the circle, embedded as a great circle, against Fourier sums."""
    theta = np.random.default_rng(1).uniform(0, 6, 9)
    speed = np.random.default_rng(2).standard_normal(9)
    x = ts.sphere.from_angles(theta)
    u = speed[:, None] * np.stack([-x[:, 1], x[:, 0]], axis=1)
    from tokensphere.solve.grows import _circle_power, _sphere_power

    degrees = np.arange(1, 6)
    pairs = _sphere_power(x, u[None] / 9, degrees)
    # P_k = cos k: the formula for spheres holds in dimension 2 too
    np.testing.assert_allclose(pairs, _circle_power(x, u[None] / 9, degrees), rtol=1e-11)


def test_a_state_that_moves_says_so():
    found = what_grows(
        ts.SelfAttention(4.0, [[0.3, 1.0], [0.2, -0.5]], [[1.0, 0.4], [0.0, 0.6]]),
        ts.sphere.uniform(40, 2, seed=0),
        count=4,
    )
    assert found.hypotheses[0].holds is False
    still = what_grows(ts.SelfAttention(4.0, value=-1.0), ts.sphere.equispaced(40), count=4)
    assert still.k_max is None
    assert still.hypotheses[-1].holds is False


@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
def test_the_uniform_density(flow):
    equation = CircleMeanField(beta=5.0, flow=flow, resolution=32)
    found = what_grows(equation, equation.harmonics({}), count=10)
    rates = np.sort(np.repeat(growth_rates(5.0, 2, range(1, 20), flow), 2))[::-1][:10]
    np.testing.assert_allclose(found.rates, rates, rtol=1e-10)
    np.testing.assert_array_equal(found.dominant, [3, 3, 4, 4, 2, 2, 5, 5, 6, 6])
    assert found.k_max == 3
    assert len(linearise_density(equation, equation.harmonics({}), count=64).eigenvalues) == 64  # all but the mass


def test_noise_shifts_the_rates():
    noise = 0.05
    equation = CircleMeanField(beta=5.0, resolution=24, noise=noise)
    found = what_grows(equation, equation.harmonics({}), count=4)
    want = growth_rates(5.0, 2, range(1, 10), noise=noise)
    np.testing.assert_allclose(found.rates.real[::2], np.sort(want)[::-1][:2], rtol=1e-9)


def noisy_state(beta, noise, resolution):
    """The clustered density at rest of SA with noise: u ∝ Z^{1/(βτ)}, found by iteration on a grid."""
    theta = 2 * np.pi * np.arange(128) / 128
    kernel = ive(np.arange(65), beta)
    u = 1 + 0.5 * np.cos(theta)
    for _ in range(400):
        z = np.fft.irfft(np.fft.rfft(u) * kernel)
        u = z ** (1 / (beta * noise))
        u /= u.mean()
    return np.fft.rfft(u, norm="forward")[: resolution + 1]


def test_a_density_away_from_the_uniform_law():
    """A clustered density at rest under noise: a rotation costs nothing, the next rate is that of its decay."""
    equation = CircleMeanField(beta=2.0, resolution=20, noise=0.2)
    state = noisy_state(2.0, 0.2, 20)
    found = linearise_density(equation, state, count=3)
    assert found.stationary
    assert abs(state[1]) > 0.5
    assert found.eigenvalues[0] == pytest.approx(0, abs=1e-8)
    rotation = 1j * np.arange(21) * state
    np.testing.assert_allclose(
        found.modes[0, 0] / found.modes[0, 0, 1] * rotation[1], rotation, atol=1e-6 * abs(rotation).max()
    )
    assert found.eigenvalues[1].real < -0.01
    pushed = state + 1e-6 * found.modes[1, 0] / np.abs(found.modes[1, 0]).max()
    after = ts.solve.evolve(equation, pushed, [0.0, 1.0], rtol=1e-10).coefficients.values[:, :21]
    decay = np.linalg.norm(after[1] - state) / np.linalg.norm(after[0] - state)
    assert np.log(decay) == pytest.approx(found.eigenvalues[1].real, rel=1e-3)


def test_tokens_and_density_agree():
    """The density at rest of the same attention with V = -I, as tokens and as coefficients: the same slow decay."""
    equation = CircleMeanField(beta=5.0, flow="sa", resolution=32, value=-1.0)
    density = linearise_density(equation, equation.harmonics({}), count=4)
    tokens = ts.solve.linearise(ts.SelfAttention(5.0, value=-1.0), ts.sphere.equispaced(80), count=80)
    want = -growth_rates(5.0, 2, range(1, 33))
    np.testing.assert_allclose(density.eigenvalues.real[::2], np.sort(want)[::-1][:2], atol=1e-9)
    for rate in want[:8]:
        assert np.abs(tokens.eigenvalues - rate).min() < 1e-12


def test_a_density_that_moves_says_so():
    equation = CircleMeanField(beta=5.0, flow="sa", resolution=32)
    assert what_grows(equation, equation.harmonics({1: 0.2}), count=4).hypotheses[0].holds is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: degree_content(np.eye(2), np.zeros((1, 3, 2)), [1]), "modes must have shape"),
        (lambda: degree_content(np.eye(2), np.zeros((1, 2, 2)), [0]), "degrees must be"),
        (lambda: what_grows(CircleMeanField(5.0), np.zeros(3)), "coefficients must have shape"),
        (lambda: what_grows(CircleMeanField(5.0), CircleMeanField(5.0).harmonics({}), [1.0]), "weights belong"),
        (lambda: what_grows(ts.SelfAttention(2.0), np.eye(2), highest=0), "highest"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_uniform_density_on_spheres():
    """Zonal densities have one mode a degree, all densities on the 2-sphere 2k + 1."""
    zonal = ZonalMeanField(beta=5.0, dim=4, resolution=16)
    found = what_grows(zonal, zonal.uniform(), count=4)
    rates = growth_rates(5.0, 4, range(1, 12))
    np.testing.assert_allclose(found.rates.real, np.sort(rates)[::-1][:4], rtol=1e-8)
    np.testing.assert_array_equal(found.dominant, 1 + np.argsort(-rates)[:4])
    sphere = SphereMeanField(beta=5.0, flow="usa", resolution=10)
    found = what_grows(sphere, sphere.uniform(), count=12)
    want = np.sort(np.repeat(growth_rates(5.0, 3, range(1, 9), "usa"), 2 * np.arange(1, 9) + 1))[::-1][:12]
    np.testing.assert_allclose(found.rates.real, want, rtol=1e-8)
    np.testing.assert_array_equal(found.dominant, [3] * 7 + [2] * 5)
    assert found.k_max == 3
