import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import ive

from tokensphere import sphere
from tokensphere.errors import InputError


@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_uniform_has_mean_power_one_over_n(dim):
    n, runs = 60, 300
    power = np.mean([sphere.harmonic_power(sphere.uniform(n, dim, s), [1, 2]) for s in range(runs)], axis=0)
    count = np.array([dim, (dim + 2) * (dim - 1) / 2])
    assert np.all(np.abs(n * power - 1) < 5 * np.sqrt(2 / count / runs))


def test_seeds_repeat_and_are_required_whole_numbers():
    assert np.array_equal(sphere.uniform(9, 3, 4), sphere.uniform(9, 3, 4))
    assert not np.array_equal(sphere.uniform(9, 3, 4), sphere.uniform(9, 3, 5))
    for seed in (None, 1.5, -1, True):
        with pytest.raises(InputError, match="seed"):
            sphere.uniform(9, 3, seed)


@pytest.mark.parametrize("dim", [2, 3, 5, 100])
@pytest.mark.parametrize("kappa", [0.0, 0.3, 5.0, 400.0])
def test_vmf_mean_resultant(dim, kappa):
    n = 40_000
    mean = np.linspace(-1, 2, dim)
    tokens = sphere.von_mises_fisher(n, mean, kappa, seed=3)
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=1), 1, atol=1e-15 * 5)
    t = tokens @ (mean / np.linalg.norm(mean))
    nu = dim / 2 - 1
    expected = ive(nu + 1, kappa) / ive(nu, kappa) if kappa else 0.0
    assert abs(t.mean() - expected) < 5 * t.std() / np.sqrt(n)
    if dim == 3 and kappa:
        assert expected == pytest.approx(1 / np.tanh(kappa) - 1 / kappa)
    # No direction around the mean is preferred.
    rest = tokens.mean(axis=0) - t.mean() * mean / np.linalg.norm(mean)
    assert np.linalg.norm(rest) < 5 * np.sqrt(max(1 - expected**2, 1e-12) / n)


@pytest.mark.parametrize("kappa", [1e6, 1e12])
def test_vmf_stays_exact_when_very_concentrated(kappa):
    axis = np.array([0.0, -1.0, 0.0, 0.0])
    tokens = sphere.von_mises_fisher(20_000, axis, kappa, seed=1)
    scaled = kappa * np.sum((tokens - axis) ** 2, axis=1)  # -> chi-squared, dim - 1 degrees of freedom
    assert stats.kstest(scaled, "chi2", args=(3,)).pvalue > 1e-3


def test_mixture_proportions_and_centres():
    means = np.eye(4)[:3]
    tokens = sphere.mixture(30_000, means, [1e4, 1e4, 1e3], seed=2, proportions=[0.2, 0.3, 0.5])
    share = np.bincount(np.argmax(tokens @ means.T, axis=1)) / 30_000
    np.testing.assert_allclose(share, [0.2, 0.3, 0.5], atol=0.015)
    with pytest.raises(InputError, match="proportions"):
        sphere.mixture(10, means, 1.0, seed=0, proportions=[0.5, 0.5, 0.5])
    with pytest.raises(InputError, match=r"means\[1\]"):
        sphere.mixture(10, [[1, 0], [0, 0]], 1.0, seed=0)


@pytest.mark.parametrize("dim", [2, 3, 4, 30])
@pytest.mark.parametrize("angle", [1e-3, 0.7, 1.57, 2.5, np.pi])
def test_cap_is_uniform(dim, angle):
    center = np.ones(dim)
    tokens = sphere.cap(4000, center, angle, seed=5)
    theta = sphere.geodesic(tokens, center / np.sqrt(dim))
    assert theta.max() <= angle + 1e-12
    grid = np.linspace(0, angle, 4001)
    law = integrate.cumulative_trapezoid(np.sin(grid) ** (dim - 2), grid, initial=0)
    assert stats.kstest(theta, lambda x: np.interp(x, grid, law / law[-1])).pvalue > 1e-3


def test_cap_whose_area_underflows():
    theta = sphere.geodesic(sphere.cap(2000, np.eye(1000)[0], 1e-3, seed=0), np.eye(1000)[0])
    assert stats.kstest((theta / 1e-3) ** 999, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: sphere.uniform(0, 3, 0), "n must"),
        (lambda: sphere.uniform(3, 1, 0), "dim"),
        (lambda: sphere.von_mises_fisher(3, [0, 0], 1.0, 0), "mean"),
        (lambda: sphere.von_mises_fisher(3, [1, 0], -1.0, 0), "concentration"),
        (lambda: sphere.cap(3, [1, 0], 0.0, 0), "angle"),
        (lambda: sphere.cap(3, [1, np.nan], 1.0, 0), "center"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(InputError, match=name) as caught:
        call()
    assert "\n" not in str(caught.value)
