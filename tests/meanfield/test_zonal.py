"""The mean-field equation for zonal densities: rates, identities, other geometries, tokens, high dimensions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import CircleMeanField, ZonalMeanField
from tokensphere.solve import evolve
from tokensphere.special import laplacian_eigenvalue

FLOWS = ["sa", "usa", "usa-shifted"]


def smooth(equation, seed=0, size=0.4):
    """A positive density with random rapidly decaying degrees."""
    rng = np.random.default_rng(seed)
    c = equation.uniform()
    c[1:9] = rng.normal(size=8) * np.exp(-0.7 * np.arange(8))
    low = equation.density(c - equation.uniform(), np.linspace(-1, 1, 400)).min()
    c[1:] *= size / abs(low)
    return c


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("dim", [2, 3, 8, 64, 768])
def test_linear_rates_are_the_growth_rates(flow, dim):
    """Every degree below the resolution, to 1e-10 of the largest rate; those near it to 1e-9 of themselves."""
    equation = ZonalMeanField(5.0, flow, 48, dim=dim)
    rates = ts.theory.growth_rates(5.0, dim, np.arange(49), flow)
    uniform = equation.uniform()
    for k in range(1, 49):
        step = np.zeros(49)
        step[k] = 1e-7
        found = (equation.rate(uniform + step) - equation.rate(uniform - step)) / 2e-7
        assert found[k] == pytest.approx(rates[k], rel=1e-9, abs=1e-10 * rates.max())
        found[k] = 0.0
        assert np.abs(found).max() < 1e-10 * rates.max()


@pytest.mark.parametrize("value", [1.0, -0.7])
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_energy_identity(flow, dim, value):
    """dE/dt along the rate is the dissipation; E is quadratic, so centred differences are exact."""
    equation = ZonalMeanField(5.0, flow, 48, value, dim=dim)
    c = smooth(equation, dim)
    rate = equation.rate(c)
    step = 1e-3 / np.abs(rate).max()
    change = (equation.energy(c + step * rate) - equation.energy(c - step * rate)) / (2 * step)
    assert change == pytest.approx(equation.dissipation(c), rel=1e-10)
    assert math.copysign(1.0, change) == math.copysign(1.0, value)
    assert rate[0] == 0.0


@given(st.integers(2, 40), st.floats(0.1, 30.0), st.sampled_from(FLOWS), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_energy_identity_for_any_setting(dim, beta, flow, seed):
    equation = ZonalMeanField(beta, flow, 32, dim=dim)
    c = smooth(equation, seed)
    rate = equation.rate(c)
    unit = equation.energy(equation.uniform()) * 2 * beta
    weights = equation._kernel.potential * unit / beta
    assert float(weights @ (c * rate)) == pytest.approx(equation.dissipation(c), rel=1e-9)


@pytest.mark.parametrize("flow", FLOWS)
def test_dimension_two_is_the_circle(flow):
    zonal, circle = ZonalMeanField(4.0, flow, 40, dim=2), CircleMeanField(4.0, flow, 40)
    c = zonal.from_degrees({1: 0.2, 2: -0.3, 5: 0.1})
    m = circle.harmonics({1: 0.1, 2: -0.15, 5: 0.05})
    np.testing.assert_allclose(zonal.rate(c)[1:], math.sqrt(2) * circle.rate(m)[1:].real, atol=1e-12)
    for name in ("energy", "dissipation", "speed_squared", "entropy", "mass"):
        assert getattr(zonal, name)(c) == pytest.approx(getattr(circle, name)(m), rel=1e-9), name
    np.testing.assert_allclose(zonal.order(c, [1, 2, 3, 5, 99]), circle.order(m, [1, 2, 3, 5, 99]), atol=1e-15)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("dim", [3, 4])
def test_rates_are_those_of_weighted_tokens(flow, dim):
    """d⟨P_k⟩/dt = Σ_j w_j P_k'(q_j) v_j[0] over the tokens of a product quadrature."""
    equation = ZonalMeanField(2.0, flow, 24, dim=dim)
    c = equation.from_degrees({1: 0.2, 2: 0.3, 3: 0.1})
    tokens, weights = ts.sphere.quiet(dim, 1, 0.0, resolution=24 if dim == 3 else 14)
    weights = weights * equation.density(c, tokens[:, 0])
    weights /= weights.sum()
    shifted = flow == "usa-shifted"
    law = ts.SelfAttention(2.0) if flow == "sa" else ts.UnnormalizedSelfAttention(2.0, shifted=shifted)
    rise = np.asarray(law.velocity(tokens, weights=weights))[:, 0]
    k, q, step = np.arange(1, 6), tokens[:, 0] * (1 - 1e-6), 1e-6
    slope = (ts.special.gegenbauer(k, dim, q + step) - ts.special.gegenbauer(k, dim, q - step)) / (2 * step)
    expected = slope @ (weights * rise)
    found = equation.means(equation.rate(c))[1:6]
    np.testing.assert_allclose(found, expected, atol=3e-5 * np.abs(expected).max())


def test_products_of_usa_are_exact_and_those_of_sa_measured():
    c = smooth(ZonalMeanField(5.0, resolution=32), 3)
    assert ZonalMeanField(5.0, "usa", 32).aliasing(c) < 1e-13
    assert ZonalMeanField(5.0, "sa", 32).aliasing(c) < 1e-12
    sharp = ZonalMeanField(5.0, "sa", 48)
    assert sharp.aliasing(sharp.von_mises_fisher([30.0, -30.0])) < 1e-10
    # too little resolution is seen
    blunt = ZonalMeanField(40.0, "sa", 8)
    assert blunt.aliasing(0.9 * blunt._roots * 0.9 ** np.arange(9) + 0.1 * blunt.uniform()) > 1e-8


# -- starts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3, 8, 64])
def test_starts_agree_with_each_other(dim):
    equation = ZonalMeanField(5.0, resolution=48, dim=dim)
    by_degree = equation.from_degrees({2: 0.02, 3: 0.05})
    by_function = equation.from_function(
        lambda q: 3 * (1 + np.array([0.02, 0.05]) @ ts.special.gegenbauer([2, 3], dim, q))
    )
    np.testing.assert_allclose(by_function, by_degree, atol=1e-14)
    closed = equation.von_mises_fisher([3.0, -2.0], [0.3, 0.7])
    norms = np.exp(ts.special.log_scaled_partition(dim, 3.0)), np.exp(ts.special.log_scaled_partition(dim, 2.0))
    summed = equation.from_function(
        lambda q: 0.3 * np.exp(3 * (q - 1)) / norms[0] + 0.7 * np.exp(2 * (-q - 1)) / norms[1]
    )
    np.testing.assert_allclose(closed, summed, atol=1e-12)
    assert equation.mass(closed) == pytest.approx(1.0, abs=1e-14)
    q = np.linspace(-0.5, 0.5, 5)
    np.testing.assert_allclose(
        equation.density(by_degree, q), 1 + np.array([0.02, 0.05]) @ ts.special.gegenbauer([2, 3], dim, q)
    )


def test_a_smoothed_cloud_keeps_its_order_parameters():
    dim, width = 5, 0.3
    equation = ZonalMeanField(5.0, resolution=40, dim=dim)
    tokens = ts.sphere.von_mises_fisher(4000, [0, 0, 1, 0, 0], 6.0, seed=1)
    c = equation.from_tokens(tokens, [0, 0, 2.0, 0, 0], width)
    k = np.arange(1, 5)
    plain = ts.special.gegenbauer(k, dim, np.clip(tokens[:, 2], -1, 1)).mean(axis=1)
    np.testing.assert_allclose(equation.means(c)[1:5], plain * np.exp(-0.5 * width**2 * k * (k + 3)), rtol=1e-12)
    assert equation.least(c) > -1e-9
    # a token smoothed for the time h²/2 of the noise is the heat kernel evolved
    heat = ZonalMeanField(5.0, value=0.0, noise=1.0, resolution=40, dim=dim)
    first, last = (heat.from_tokens(tokens, [0, 0, 1, 0, 0], h) for h in (0.3, 0.5))
    run = evolve(heat, first, [0.0, (0.25 - 0.09) / 2])
    np.testing.assert_allclose(run.coefficients.values[-1], last, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda e: e.from_degrees({2: 9.0}), "negative"),
        (lambda e: e.from_degrees({99: 0.1}), "at most the resolution 16"),
        (lambda e: e.from_degrees({2: math.nan}), "amplitude"),
        (lambda e: e.from_function(lambda q: q), "must be >= 0"),
        (lambda e: e.from_function(lambda q: np.ones(3)), "shape"),
        (lambda e: e.from_function(lambda q: 0.0), "vanishes"),
        (lambda e: e.von_mises_fisher([1.0, math.inf]), "finite"),
        (lambda e: e.von_mises_fisher(500.0), "too low"),
        (lambda e: e.from_tokens(np.eye(3), [1, 0, 0], 1e-3), "too low"),
        (lambda e: e.from_tokens(np.eye(3), [1, 0, 0], 0.0), "width"),
        (lambda e: e.from_tokens(np.eye(4), [1, 0, 0], 0.5), "dim = 3"),
        (lambda e: e.check(np.ones(4)), "17 real numbers"),
        (lambda e: e.check(np.ones(17, dtype=complex)), "17 real numbers"),
        (lambda e: e.check(2 * e.uniform()), "mass 1"),
        (lambda e: e.check(e.uniform() * np.where(np.arange(17) == 3, np.nan, 1)), "coefficient 3"),
        (lambda e: ZonalMeanField(5.0, dim=1), "dim"),
        (lambda e: ZonalMeanField(800.0, "usa"), "usa-shifted"),
        (lambda e: ZonalMeanField(5.0, dim=4096, resolution=4096), "at most"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call(ZonalMeanField(5.0, resolution=16))


# -- in time --------------------------------------------------------------------------------------------------


def test_reference_solution_of_dimension_three():
    """d = 3, beta = 5, u_0 = 1 + .02 P_2 + .05 P_3 at t = .1, and the same by weighted tokens."""
    equation = ZonalMeanField(5.0, "usa", 32)
    run = evolve(equation, equation.from_degrees({2: 0.02, 3: 0.05}), [0.0, 0.05, 0.1])
    means = equation.means(run.coefficients.values[-1])
    assert means[2] == pytest.approx(0.0102459, abs=5e-8)
    assert means[3] == pytest.approx(0.0195752, abs=5e-8)
    tokens, weights = ts.sphere.quiet(3, 1, 0.0, resolution=24)
    weights = weights * equation.density(run.coefficients.values[0][:33], tokens[:, 0])
    flow = ts.UnnormalizedSelfAttention(5.0)
    end = ts.simulate(flow, tokens, [0.0, 0.1], weights=weights / weights.sum(), rtol=1e-10).tokens.values[-1]
    q = np.clip(end[:, 0], -1, 1)
    found = ts.special.gegenbauer([1, 2, 3, 4], 3, q) @ (weights / weights.sum())
    np.testing.assert_allclose(found, means[1:5], atol=1e-6)
    assert (np.diff(run.energy) > 0).all()
    # uniform: E = 1.48406421156
    assert equation.energy(equation.uniform()) == pytest.approx(1.48406421156, rel=1e-11)


@pytest.mark.parametrize(("flow", "dim"), [("usa", 3), ("sa", 3), ("usa", 64)])
def test_noise_stabilises_the_uniform_law_exactly_at_the_critical_value(flow, dim):
    critical = ts.theory.critical_noise(5.0, dim, flow)
    size = ts.theory.growth_rates(5.0, dim, 1, flow)
    for shift in (-1e-6, 1e-6):
        equation = ZonalMeanField(5.0, flow, 16, noise=critical * (1 + shift), dim=dim)
        step = np.zeros(17)
        step[1] = 1e-7
        uniform = equation.uniform()
        found = ((equation.rate(uniform + step) - equation.rate(uniform - step)) / 2e-7)[1] - equation.damping()[1]
        assert found == pytest.approx(-shift * size, rel=1e-3)
        run = evolve(equation, uniform + step, [0.0, 10 / size])
        grown = run.coefficients.values[:, 1]
        assert np.log(grown[1] / grown[0]) == pytest.approx(-shift * 10, rel=1e-2)


def test_noise_alone_is_the_heat_equation():
    equation = ZonalMeanField(5.0, value=0.0, noise=0.4, dim=6, resolution=24)
    start = equation.from_degrees({1: 0.3, 4: 0.2})
    run = evolve(equation, start, [0.0, 0.7])
    decay = np.exp(-0.4 * 0.7 * laplacian_eigenvalue(np.arange(25), 6))
    np.testing.assert_allclose(run.coefficients.values[-1], start * decay, atol=1e-12)


@pytest.mark.parametrize(("flow", "dim", "beta"), [("usa", 3, 5.0), ("sa", 3, 5.0), ("usa", 8, 10.0), ("sa", 64, 5.0)])
def test_a_density_too_sharp_stops_the_run(flow, dim, beta):
    equation = ZonalMeanField(beta, flow, 16, dim=dim)
    rate = float(ts.theory.growth_rates(beta, dim, [1, 2, 3], flow).max())
    run = evolve(equation, equation.von_mises_fisher([2.0, -1.0], [0.6, 0.4]), np.linspace(0, 40, 9) / rate, largest=64)
    assert run.attrs["status"] == "UNDER_RESOLVED"
    assert 0 < run.attrs["end"] < 40 / rate
    for name in ("coefficients", "order", "mass", "least", "energy", "dissipation", "speed_squared"):
        assert np.isfinite(run[name].values).all(), name
    assert (np.diff(run.energy) > 0).all()
    assert np.abs(run.mass - 1).max() < 1e-14
    assert run.resolution.values[-1] == 64


@pytest.mark.parametrize(("dim", "beta"), [(64, 5.0), (768, 5.0), (768, 2000.0), (4096, 1e5)])
def test_high_dimensions_neither_overflow_nor_lose_the_rates(dim, beta):
    equation = ZonalMeanField(beta, "sa", 32, dim=dim)
    rates = ts.theory.growth_rates(beta, dim, [1, 2], "sa")
    start = equation.uniform()
    start[1:3] = 1e-9
    end = 1.0 / rates.max()
    run = evolve(equation, start, [0.0, end])
    found = np.log(run.coefficients.values[-1, 1:3] / 1e-9) / end
    np.testing.assert_allclose(found, rates, atol=1e-5 * rates.max())
    assert run.attrs["status"] == "complete"
    assert float(run.least[-1]) > 0.99


@pytest.mark.parametrize(("flow", "dim"), [("usa", 3), ("sa", 3), ("usa", 8)])
def test_accuracy_is_spectral(flow, dim):
    end = 2.0 / ts.theory.growth_rates(3.0, dim, 2, flow)
    ends = {}
    for resolution in (8, 16, 48):
        equation = ZonalMeanField(3.0, flow, resolution, dim=dim)
        # the resolution is doubled once the tail fills, so the start is run as it is: a fixed number of steps
        c, steps = equation.from_degrees({1: 0.1, 2: 0.2}), 200
        for _ in range(steps):
            half = c + 0.5 * end / steps * equation.rate(c)
            c = c + end / steps * equation.rate(half)
        ends[resolution] = equation.means(c)[:9]
    errors = [np.abs(ends[k] - ends[48]).max() for k in (8, 16)]
    assert errors[0] > 1e-9
    assert errors[1] < 1e-3 * errors[0]


def test_free_energy_never_falls_with_noise():
    equation = ZonalMeanField(5.0, "usa", 32, noise=0.5, dim=3)
    run = evolve(equation, equation.von_mises_fisher(1.0), np.linspace(0.0, 0.2, 5), rtol=1e-8)
    free = run.energy.values - 0.5 * run.entropy.values
    assert (np.diff(free) > -1e-9).all()
    assert free[-1] - free[0] > 0.1
    assert run.attrs["status"] == "complete"
