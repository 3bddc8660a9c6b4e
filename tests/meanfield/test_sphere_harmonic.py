"""The mean-field equation on the 2-sphere: rates, rotations, identities, zonal densities, tokens, starts, noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import SphereMeanField, ZonalMeanField
from tokensphere.meanfield.sphere_grid import degree_of, sphere_grid
from tokensphere.solve import evolve

FLOWS = ["sa", "usa", "usa-shifted"]
CENTRES = np.array([[0.3, -0.5, 0.8], [0.9, 0.1, -0.4], [-0.2, 0.7, 0.1]])


def smooth(equation):
    """Three lumps with no symmetry."""
    return equation.von_mises_fisher(CENTRES, [2.0, 1.0, 3.0], [0.5, 0.2, 0.3])


def rotation(seed):
    frame = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return frame * np.sign(np.linalg.det(frame))


def product(equation, c, d):
    """Σ over all m of c conj d."""
    weights = np.where(np.arange(len(c)) <= equation.resolution, 1.0, 2.0)
    return weights * (c * d.conj()).real


def test_the_grid_integrates_products_and_its_gradient_is_an_adjoint():
    top = 9
    grid = sphere_grid(top, 2 * top)
    rng = np.random.default_rng(0)
    c = rng.normal(size=55) + 1j * rng.normal(size=55)
    c[: top + 1] = c[: top + 1].real
    np.testing.assert_allclose(grid.project(grid.values(c)), c, atol=1e-13)
    # −Δ: the gradient followed by its adjoint
    degrees = degree_of(top)
    np.testing.assert_allclose(grid.transport(grid.gradient(c)), degrees * (degrees + 1) * c, atol=1e-11)
    assert grid.mean(np.ones((len(grid.cosines), grid.longitudes))) == pytest.approx(1.0, abs=1e-15)
    # degree 1 in coordinates: Y_10 = √3 z
    one = np.zeros(55, dtype=complex)
    one[1] = 1 / math.sqrt(3)
    np.testing.assert_allclose(grid.values(one).ravel(), grid.points()[:, 2], atol=1e-14)


@pytest.mark.parametrize("flow", FLOWS)
def test_linear_rates_are_the_growth_rates(flow):
    equation = SphereMeanField(5.0, flow, 32)
    rates = ts.theory.growth_rates(5.0, 3, degree_of(32), flow)
    rng = np.random.default_rng(1)
    step = rng.normal(size=rates.size) + 1j * rng.normal(size=rates.size)
    step[:33] = step[:33].real
    step[0] = 0.0
    step *= 1e-7
    uniform = equation.uniform()
    found = (equation.rate(uniform + step) - equation.rate(uniform - step)) / 2
    assert np.abs(found - rates * step).max() < 1e-10 * np.abs(rates * step).max()


@pytest.mark.parametrize("flow", FLOWS)
def test_zonal_densities_move_as_those_of_one_variable(flow):
    sphere, zonal = SphereMeanField(5.0, flow, 24), ZonalMeanField(5.0, flow, 24, dim=3)
    c = zonal.from_degrees({1: 0.1, 2: 0.2, 3: 0.3})
    assert zonal.resolution == sphere.resolution
    upright = sphere.from_degrees({1: 0.1, 2: 0.2, 3: 0.3})
    np.testing.assert_allclose(upright[:25], c, atol=1e-15)
    rate = sphere.rate(upright)
    largest = np.abs(rate).max()
    assert np.abs(rate[:25] - zonal.rate(c)).max() < 1e-10 * largest
    assert np.abs(rate[25:]).max() < 1e-13 * largest
    axis = [1.0, -2.0, 0.5]
    turned = sphere.rate(sphere.from_zonal(zonal.means(c), axis))
    mean_rates = sphere.from_zonal(zonal.means(zonal.rate(c)), axis)
    assert np.abs(turned - mean_rates).max() < 1e-10 * largest
    for name in ("energy", "dissipation", "speed_squared", "entropy"):
        assert getattr(sphere, name)(upright) == pytest.approx(getattr(zonal, name)(c), rel=1e-10), name
    np.testing.assert_allclose(sphere.order(upright, [0, 1, 2, 3, 99]), zonal.order(c, [0, 1, 2, 3, 99]), atol=1e-15)


@given(st.integers(0, 10**6), st.sampled_from(FLOWS))
@settings(max_examples=10, deadline=None)
def test_rotating_the_density_rotates_its_rate(seed, flow):
    equation = SphereMeanField(4.0, flow, 28)
    turn = rotation(seed)
    plain = equation.rate(smooth(equation))
    turned = equation.rate(equation.von_mises_fisher(CENTRES @ turn.T, [2.0, 1.0, 3.0], [0.5, 0.2, 0.3]))
    points = ts.sphere.uniform(50, 3, seed)
    a, b = equation.density(plain, points), equation.density(turned, points @ turn.T)
    assert np.abs(a - b).max() < 1e-10 * np.abs(a).max()


@pytest.mark.parametrize("value", [1.0, -0.7])
@pytest.mark.parametrize("flow", FLOWS)
def test_energy_identity(flow, value):
    equation = SphereMeanField(5.0, flow, 24, value)
    c = smooth(equation)
    rate = equation.rate(c)
    assert rate[0] == 0.0
    unit = equation.energy(equation.uniform()) * 2
    change = unit * float(product(equation, c, rate) @ equation._kernel.potential[degree_of(24)])
    assert change == pytest.approx(equation.dissipation(c), rel=1e-12)
    step = 1e-3 / np.abs(rate).max()
    measured = (equation.energy(c + step * rate) - equation.energy(c - step * rate)) / (2 * step)
    assert measured == pytest.approx(equation.dissipation(c), rel=1e-10)


def test_products_of_usa_are_exact_and_those_of_sa_measured():
    assert SphereMeanField(5.0, "usa", 20).aliasing(smooth(SphereMeanField(5.0, resolution=20))) < 1e-12
    fine, blunt = SphereMeanField(5.0, "sa", 32), SphereMeanField(50.0, "sa", 6)
    assert fine.aliasing(smooth(fine)) < 1e-12
    assert blunt.aliasing(blunt.from_zonal(0.9 ** np.arange(7), [1, 1, 1])) > 1e-6


# -- starts ---------------------------------------------------------------------------------------------------


def test_starts_agree_with_functions():
    equation = SphereMeanField(5.0, resolution=32)
    axis = np.array([2.0, -1.0, 2.0]) / 3
    by_degree = equation.from_degrees({2: 0.3, 3: 0.2}, axis)
    by_function = equation.from_function(
        lambda x: 2 + np.array([0.6, 0.4]) @ ts.special.gegenbauer([2, 3], 3, np.clip(x @ axis, -1, 1))
    )
    np.testing.assert_allclose(by_function, by_degree, atol=1e-14)
    kappas, shares = np.array([2.0, 1.0, 3.0]), np.array([0.5, 0.2, 0.3])
    unit = CENTRES / np.linalg.norm(CENTRES, axis=1)[:, None]

    def mixture(x):
        return np.exp(x @ unit.T * kappas) @ (shares * kappas / np.sinh(kappas))

    np.testing.assert_allclose(equation.from_function(mixture), smooth(equation), atol=1e-13)
    points = ts.sphere.uniform(20, 3, 0)
    np.testing.assert_allclose(equation.density(smooth(equation), points), mixture(points), rtol=1e-10)
    assert equation.mass(smooth(equation)) == pytest.approx(1.0, abs=1e-14)


def test_a_smoothed_cloud_keeps_its_order_parameters():
    equation = SphereMeanField(5.0, resolution=40)
    tokens = ts.sphere.uniform(300, 3, seed=3)
    weights = np.random.default_rng(0).random(300)
    weights /= weights.sum()
    c = equation.from_tokens(tokens, 0.25, weights)
    k = np.arange(1, 6)
    plain = ts.observe.order_parameters(tokens, k, weights)
    np.testing.assert_allclose(equation.order(c, k), plain * np.exp(-0.5 * 0.25**2 * k * (k + 1)), atol=1e-11)
    heat = SphereMeanField(5.0, value=0.0, noise=0.5, resolution=40)
    run = evolve(heat, c, [0.0, 0.35**2 - 0.25**2])
    np.testing.assert_allclose(run.coefficients.values[-1], equation.from_tokens(tokens, 0.35, weights), atol=1e-11)


def test_lifting_keeps_the_density():
    equation = SphereMeanField(5.0, resolution=12)
    c = smooth(equation.refined(24))
    low = equation.lift(c)
    np.testing.assert_allclose(low, equation.lift(equation.refined(24).lift(low)), atol=0)
    np.testing.assert_allclose(low, smooth(SphereMeanField(5.0, resolution=12)), atol=1e-15)
    points = ts.sphere.uniform(9, 3, 1)
    high = equation.refined(30).lift(low)
    np.testing.assert_allclose(equation.refined(30).density(high, points), equation.density(low, points), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda e: e.from_degrees({2: 9.0}), "negative"),
        (lambda e: e.from_degrees({99: 0.1}), "at most the resolution 12"),
        (lambda e: e.from_degrees({2: 0.1}, [0, 0, 0]), "axis"),
        (lambda e: e.from_function(lambda x: x[:, 0]), "must be >= 0"),
        (lambda e: e.from_function(lambda x: 0.0), "vanishes"),
        (lambda e: e.from_function(lambda x: np.ones(4)), "shape"),
        (lambda e: e.von_mises_fisher([1, 0], 1.0), "means"),
        (lambda e: e.von_mises_fisher([1, 0, 0], -1.0), "concentrations"),
        (lambda e: e.von_mises_fisher([1, 0, 0], 900.0), "too low"),
        (lambda e: e.von_mises_fisher(np.eye(3), 1.0, [0.5, 0.2, 0.2]), "sum to 1"),
        (lambda e: e.from_tokens(np.eye(3), 1e-3), "too low"),
        (lambda e: e.from_tokens(np.eye(3), -1.0), "width"),
        (lambda e: e.from_tokens(np.eye(4), 0.5), r"\(n, 3\)"),
        (lambda e: e.check(np.ones(4)), "91 numbers"),
        (lambda e: e.check(2 * e.uniform()), "mass 1"),
        (lambda e: e.check(e.uniform() + 1j * (np.arange(91) == 5)), "m = 0 must be real"),
        (lambda e: SphereMeanField(900.0, "usa"), "usa-shifted"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call(SphereMeanField(5.0, resolution=12))


# -- in time --------------------------------------------------------------------------------------------------


def test_reference_solution_about_any_axis():
    equation = SphereMeanField(5.0, "usa", 24)
    run = evolve(equation, equation.from_degrees({2: 0.02, 3: 0.05}, [1, 2, -0.5]), [0.0, 0.1])
    assert float(run.order.sel(degree=2)[-1]) == pytest.approx(0.0102459, abs=5e-8)
    assert float(run.order.sel(degree=3)[-1]) == pytest.approx(0.0195752, abs=5e-8)


@pytest.mark.parametrize("flow", ["usa", "sa"])
def test_density_and_weighted_tokens_agree_without_symmetry(flow):
    equation = SphereMeanField(3.0, flow, 24)
    start = smooth(equation)
    tokens, weights = ts.sphere.quiet(3, 1, 0.0, resolution=20)
    weights = weights * equation.density(start, tokens)
    weights /= weights.sum()
    law = ts.SelfAttention(3.0) if flow == "sa" else ts.UnnormalizedSelfAttention(3.0)
    end = 0.6 / ts.theory.growth_rates(3.0, 3, 2, flow)
    moved = ts.simulate(law, tokens, [0.0, end], weights=weights, rtol=1e-9).tokens.values[-1]
    run = evolve(equation, start, [0.0, end])
    k = [1, 2, 3, 4]
    np.testing.assert_allclose(
        run.order.sel(degree=k).values[-1], ts.observe.order_parameters(moved, k, weights), atol=1e-6
    )
    assert np.abs(run.order.values[-1] - run.order.values[0]).max() > 0.1


def test_rotating_the_start_rotates_the_solution():
    equation = SphereMeanField(5.0, "sa", 24)
    turn, points = rotation(5), ts.sphere.uniform(30, 3, 0)
    starts = [equation.von_mises_fisher(m, 1.0, [0.5, 0.2, 0.3]) for m in (CENTRES, CENTRES @ turn.T)]
    plain, turned = (evolve(equation, c, [0.0, 2.0], refine=False).coefficients.values[-1] for c in starts)
    a, b = equation.density(plain, points), equation.density(turned, points @ turn.T)
    assert np.abs(a - b).max() < 1e-9
    assert np.abs(plain - starts[0]).max() > 0.1


def test_noise_stabilises_the_uniform_law_exactly_at_the_critical_value():
    critical = ts.theory.critical_noise(5.0, 3, "usa")
    assert critical == pytest.approx(2.37477225637, rel=1e-11)
    size = ts.theory.growth_rates(5.0, 3, 1, "usa")
    for shift in (-1e-6, 1e-6):
        equation = SphereMeanField(5.0, "usa", 8, noise=critical * (1 + shift))
        start = equation.from_degrees({1: 1e-7}, [1, 1, 0])
        run = evolve(equation, start, [0.0, 10 / size])
        grown = run.order.sel(degree=1).values
        assert np.log(grown[1] / grown[0]) == pytest.approx(-shift * 10, rel=1e-2)


def test_a_density_too_sharp_stops_the_run():
    equation = SphereMeanField(5.0, "sa", 8)
    run = evolve(equation, equation.von_mises_fisher(CENTRES, 0.8), np.linspace(0, 20, 5), largest=16)
    assert run.attrs["status"] == "UNDER_RESOLVED"
    for name in ("coefficients", "order", "mass", "least", "energy", "dissipation", "speed_squared"):
        assert np.isfinite(run[name].values).all(), name
    assert (np.diff(run.energy) > 0).all()
    assert np.abs(run.mass - 1).max() < 1e-14


def test_free_energy_never_falls_with_noise():
    equation = SphereMeanField(5.0, "usa", 16, noise=1.0)
    run = evolve(equation, smooth(equation), np.linspace(0.0, 0.2, 5), rtol=1e-7)
    free = run.energy.values - run.entropy.values
    assert (np.diff(free) > -1e-8).all()
    assert free[-1] - free[0] > 0.1
    assert run.attrs["status"] == "complete"
