"""Densities and tokens under the same instruments."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere import InputError, observe
from tokensphere.meanfield import CircleMeanField
from tokensphere.solve import evolve


def bumps_at(angles, masses, kappa, resolution=256):
    """Modes of a mixture of narrow wrapped normals."""
    m = np.arange(resolution + 1)
    return (np.exp(-1j * np.outer(m, angles)) * np.exp(-(m**2) / (2 * kappa))[:, None]) @ np.asarray(masses)


def test_tokens_of_a_density_have_its_modes():
    c = bumps_at([0.3, 2.0], [0.4, 0.6], 20.0, 40)
    tokens, weights = observe.density_tokens(c, 512)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert np.abs(ts.sphere.moments(ts.sphere.angles(tokens), 20, weights) - c[:21]).max() < 1e-12
    assert np.allclose(observe.order_parameters(tokens, [1, 2, 3], weights), np.abs(c[1:4]), atol=1e-12)


@pytest.mark.parametrize("turn", [0.0, 1.0, 4.0])
@pytest.mark.parametrize(
    ("angles", "masses", "wanted"),
    [([0.0], [1.0], 1), ([0.0, 2.1, 4.2], [1 / 3] * 3, 3), ([0, 1.2, 2.5, 4.0], [0.4, 0.2, 0.2, 0.2], 4)],
)
def test_bumps_are_counted_wherever_they_are(angles, masses, wanted, turn):
    assert observe.count_bumps(bumps_at(np.array(angles) + turn, masses, 60.0)) == wanted


def test_ripples_are_no_bumps():
    equation = CircleMeanField(5.0)
    assert observe.count_bumps(equation.harmonics({})) == 0
    assert observe.count_bumps(equation.harmonics({3: 0.01})) == 0
    assert observe.count_bumps(equation.harmonics({3: 0.3})) == 3
    small = bumps_at([0.0, 3.0], [0.999, 0.001], 60.0)
    assert observe.count_bumps(small) == 1
    assert observe.count_bumps(small, least=1e-3) == 2


def test_distance_to_clusters_is_the_spread():
    """k narrow bumps of variance 1/kappa each lie W_2 = kappa^{−1/2} from their centres."""
    k, kappa = 3, 400.0
    c = bumps_at(0.4 + 2 * np.pi * np.arange(k) / k, np.full(k, 1 / k), kappa, 512)
    found = observe.density_distance(c, k)
    assert found.distance == pytest.approx(kappa**-0.5, rel=1e-4)
    assert found.angle == pytest.approx(0.4, abs=1e-6)


def test_defect_by_hand_and_as_for_tokens():
    c = np.zeros(9, dtype=complex)
    c[[0, 1, 3, 5, 6]] = 1.0, 0.1j, 0.3, 0.05, 0.1
    assert observe.density_defect(c, 3) == pytest.approx(np.sqrt((0.01 + 0.0025) / (0.09 + 0.01)), rel=1e-14)
    assert observe.density_defect(c, 3, 3) == pytest.approx(1 / 3, rel=1e-14)
    tokens, weights = observe.density_tokens(c)
    assert observe.k_periodic_defect(tokens, 3, weights) == pytest.approx(observe.density_defect(c, 3), rel=1e-9)
    assert observe.density_defect(c, 20) == np.inf


def test_phases_of_a_density_are_those_of_its_tokens():
    equation = CircleMeanField(5.0, "usa")
    start = equation.harmonics({3: 2e-3, 2: 2e-4j})
    times = np.linspace(0.0, 0.45, 91)
    run = evolve(equation, start, times, rtol=1e-8, largest=2048)
    seen = observe.density_phases(run)
    grid, weights = observe.density_tokens(start, 1000)
    tokens = ts.simulate(ts.UnnormalizedSelfAttention(5.0), grid, times, weights=weights, rtol=1e-8)
    order = np.stack([observe.order_parameters(x, np.arange(1, 9), weights) for x in tokens.tokens.values])
    speed = (tokens.velocity.values**2).sum(axis=2) @ weights
    other = observe.phases(times, order, speed)
    assert seen.linear_exit == pytest.approx(other.linear_exit, abs=1e-5)
    assert seen.quasi_linear_exit == pytest.approx(other.quasi_linear_exit, abs=1e-5)
    assert seen.peak == pytest.approx(other.peak, abs=1e-4)
    lam = ts.theory.growth_rates(5.0, 2, 3, "usa")
    assert seen.linear_exit == pytest.approx(np.log(0.1 / 2e-3) / lam, rel=0.02)
    assert observe.count_bumps(run.coefficients.values[-1]) == 3
    assert set(seen.durations()) == {"linear", "quasi_linear", "clustering", "metastable"}


def test_bad_input_is_named():
    good = np.array([1.0, 0.1], dtype=complex)
    for bad, message in ((np.ones(1), "shape"), (np.array([0.5, 0.1]), "mass 1"), (np.array([1, np.nan]), "finite")):
        with pytest.raises(InputError, match=message):
            observe.density_tokens(bad)
    with pytest.raises(InputError, match="drop"):
        observe.count_bumps(good, drop=2.0)
    with pytest.raises(InputError, match="count"):
        observe.density_tokens(good, 1)
    import xarray

    with pytest.raises(InputError, match="needs a run on the circle"):
        observe.density_phases(xarray.Dataset())
