import numpy as np
import pytest

from tokensphere import sphere
from tokensphere.errors import InputError


@pytest.mark.parametrize("degree", [1, 3, 17])
@pytest.mark.parametrize("phase", [0.0, 1.3])
def test_equispaced_excites_one_mode(degree, phase):
    size = 1e-6
    mu = sphere.moments(sphere.angles(sphere.equispaced(120, size, degree, phase)), 59)
    assert abs(mu[degree] - size * np.exp(-1j * phase)) < 1e-15
    others = np.delete(mu, [0, degree])
    assert np.abs(others).max() < 3 * size**2


def test_equispaced_without_amplitude_is_exact():
    tokens = sphere.equispaced(8)
    np.testing.assert_allclose(sphere.angles(tokens)[:4], np.arange(4) * np.pi / 4, atol=1e-15)


@pytest.mark.parametrize(("dim", "degree", "eps"), [(2, 3, 0.3), (3, 2, 0.8), (3, 3, -0.9), (5, 2, 0.7)])
def test_perturbed_uniform_power(dim, degree, eps):
    n = 40_000
    count = {(2, 3): 2, (3, 2): 5, (3, 3): 7, (5, 2): 14}[dim, degree]
    tokens = sphere.perturbed_uniform(n, dim, degree, eps, seed=11)
    from tokensphere.sphere.harmonics import zonal

    mean = zonal(tokens[:, 0], degree, dim).mean()
    expected = eps if dim == 2 else eps / count
    assert abs(mean - expected) < 5 / np.sqrt(n * count)


def test_perturbed_uniform_phase_and_axis():
    tokens = sphere.perturbed_uniform(40_000, 2, 3, 0.4, seed=0, phase=0.9)
    mu = sphere.moments(sphere.angles(tokens), 3)[3]
    assert abs(mu - 0.4 * np.exp(-0.9j)) < 0.02
    tokens = sphere.perturbed_uniform(40_000, 3, 1, 1.0, seed=0, axis=[0, 0, -2.0])
    np.testing.assert_allclose(tokens.mean(axis=0), [0, 0, -1 / 3], atol=0.02)


@pytest.mark.parametrize(("dim", "degree"), [(2, 3), (3, 1), (3, 3), (4, 2), (5, 2)])
def test_quiet_start_is_noise_free(dim, degree):
    counts = {(2, 3): 1, (3, 1): 3, (3, 3): 7, (4, 2): 9, (5, 2): 14}
    tokens, weights = sphere.quiet(dim, degree, 1e-3, resolution=6)
    assert tokens.shape == (2 * 6 ** (dim - 1), dim)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    power = sphere.harmonic_power(tokens, range(1, 7), weights)
    assert np.sqrt(power[degree - 1]) == pytest.approx(1e-3 / counts[dim, degree], rel=1e-8)
    others = np.delete(power, degree - 1)
    assert others.max() < 1e-15


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: sphere.equispaced(10, 0.6), "amplitude"),
        (lambda: sphere.equispaced(10, 0.1, degree=5), "degree"),
        (lambda: sphere.perturbed_uniform(10, 2, 1, 0.51, 0), "negative"),
        (lambda: sphere.perturbed_uniform(10, 3, 1, 1.1, 0), "negative"),
        (lambda: sphere.perturbed_uniform(10, 3, 1, 0.1, 0, phase=1.0), "phase"),
        (lambda: sphere.perturbed_uniform(10, 3, 1, 0.1, 0, axis=[1, 0]), "axis"),
        (lambda: sphere.quiet(3, 8, 0.1, 8), "resolution"),
        (lambda: sphere.quiet(9, 1, 0.1, 16), "resolution"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(InputError, match=name):
        call()


def test_even_degree_may_exceed_one_when_positive():
    # P_2 >= -1/2 in dim 3, so a tilt of 1.9 is still a density.
    tokens = sphere.perturbed_uniform(20_000, 3, 2, 1.9, seed=0)
    assert (1.5 * tokens[:, 0] ** 2 - 0.5).mean() == pytest.approx(1.9 / 5, abs=0.02)
