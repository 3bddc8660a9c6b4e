"""Quantiles that move: against the spectral solver, tokens, heat, and through the birth of Diracs."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import (
    CircleMeanField,
    QuantileMeanField,
    quiet_tokens,
    random_tokens,
    uniform_plus,
)
from tokensphere.solve import evolve

START = {1: 0.03 - 0.05j, 2: 0.1j, 3: 0.05}


@pytest.mark.parametrize("flow", ["sa", "usa", "usa-shifted"])
def test_agrees_with_the_spectral_solver(flow):
    c = uniform_plus(START, 64)
    density = CircleMeanField(3.0, flow=flow, value=0.8)
    times = [0.0, 0.1 / ts.theory.growth_rates(3.0, 2, 2, flow), 0.6 / ts.theory.growth_rates(3.0, 2, 2, flow)]
    expected = evolve(density, c, times)
    assert expected.attrs["status"] == "complete"
    equation = QuantileMeanField(3.0, flow=flow, value=0.8, resolution=256)
    run = evolve(equation, equation.start(c), times)
    for i in range(3):
        found = equation.coefficients(run.coefficients.values[i], 12)
        np.testing.assert_allclose(found, expected.coefficients.values[i][:13], atol=1e-10)
    for name in ("energy", "dissipation", "entropy", "speed_squared"):
        np.testing.assert_allclose(run[name], expected[name], rtol=1e-9)
    np.testing.assert_allclose(run.least, expected.least, rtol=1e-3)  # both on their own grids
    np.testing.assert_allclose(run.order, expected.order, atol=1e-10)
    np.testing.assert_allclose(run.mass, 1.0, rtol=1e-14)


def test_converges_spectrally_to_its_own_refinement():
    c, times = uniform_plus(START, 16), [0.0, 0.35]

    def found(n):
        equation = QuantileMeanField(3.0, flow="usa", resolution=n)
        run = evolve(equation, equation.start(c), times, rtol=1e-12)
        return equation.coefficients(run.coefficients.values[-1], 3)

    fine = found(512)
    errors = [np.abs(found(n) - fine).max() for n in (12, 24, 48, 96)]
    assert errors[0] > 1e-4  # too few are seen to be too few
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 100
    assert errors[3] < 1e-11


def test_quantiles_are_tokens_of_the_flow():
    c = uniform_plus(START, 8)
    equation = QuantileMeanField(3.0, flow="sa", resolution=100)
    run = evolve(equation, equation.start(c), [0.0, 1.0])
    flow = ts.SelfAttention(beta=3.0)
    tokens = ts.simulate(flow, quiet_tokens(c, 100), [0.0, 1.0], rtol=1e-11).tokens.values[-1]
    np.testing.assert_allclose(equation.tokens(run.coefficients.values[-1]), tokens, atol=1e-9)


def test_equal_mass_and_random_samples_of_a_density():
    c = uniform_plus(START, 8)
    np.testing.assert_allclose(ts.sphere.moments(ts.sphere.angles(quiet_tokens(c, 64)), 3), c[:4], atol=1e-14)
    n = 20_000
    tokens = random_tokens(c, n, seed=4)
    np.testing.assert_array_equal(tokens, random_tokens(c, n, seed=4))
    noise = np.abs(ts.sphere.moments(ts.sphere.angles(tokens), 8) - c)[1:] * np.sqrt(n)
    assert 0.3 < noise.mean() < 1.8
    assert np.sqrt(n) * ts.observe.wasserstein_to_density(tokens, c) < 4.0


def test_diracs_are_reached_and_passed():
    equation = QuantileMeanField(5.0, flow="usa", resolution=300)
    run = evolve(equation, equation.start(uniform_plus({3: 0.02}, 4)), [0.0, 0.3, 1.0, 3.0])
    assert run.attrs["status"] == "complete"
    x = run.coefficients.values[-1]
    assert np.isfinite(x).all()
    assert np.diff(x, append=x[0] + 2 * np.pi).min() > -1e-9  # in order, but for rounding
    assert ts.observe.count_clusters(equation.tokens(x), 1e-8) == 3
    assert run.order.sel(degree=3).values[-1] == pytest.approx(1.0, abs=1e-12)
    assert run.energy.values[-1] == pytest.approx(ts.theory.cluster_energy(5.0, 3), rel=1e-12)
    assert (np.diff(run.energy.values) >= -1e-12).all()
    assert run.dissipation.values[-1] < 1e-10
    assert run.entropy.values[-1] == np.inf
    equation.check(x)  # a state that can be gone on from
    # every third of the circle holds a third of the mass, all of it in a few narrow cells
    edges = np.linspace(-np.pi, np.pi, 31)
    density = equation.density(x, edges)
    assert density.mean() == pytest.approx(1.0, abs=1e-12)
    assert np.sort(density)[-6:].sum() / 30 > 0.98


@pytest.mark.parametrize("beta", [1e4, 1e6])
def test_no_overflow_at_any_temperature(beta):
    for flow in ("sa", "usa-shifted"):
        equation = QuantileMeanField(beta, flow=flow, resolution=200)
        x = equation.start(uniform_plus({2: 0.3}, 4))
        assert np.isfinite(equation.rate(x)).all()
    assert np.isfinite(equation.energy(x))
    with pytest.raises(InputError, match="usa-shifted"):
        QuantileMeanField(beta, flow="usa")


def test_pure_heat_is_exact():
    c = uniform_plus({1: 0.2 - 0.1j, 2: 0.1}, 8)
    m, tau, t = np.arange(9), 0.7, 0.3
    expected = c * np.exp(-tau * m**2 * t)
    errors = []
    for n in (16, 32, 64):
        equation = QuantileMeanField(1.0, flow="usa", value=0.0, noise=tau, resolution=n)
        run = evolve(equation, equation.start(c), [0.0, t], refine=False, rtol=1e-11)
        errors.append(np.abs(equation.coefficients(run.coefficients.values[-1], 6) - expected[:7]).max())
    assert errors[1] < errors[0] / 100
    assert errors[2] < 1e-11


def test_noise_with_drift_agrees_with_the_spectral_solver():
    c = uniform_plus(START, 32)
    arguments = {"beta": 3.0, "flow": "sa", "noise": 0.25}
    expected = evolve(CircleMeanField(**arguments, resolution=32), c, [0.0, 0.5])
    equation = QuantileMeanField(**arguments, resolution=64)
    run = evolve(equation, equation.start(c), [0.0, 0.5], refine=False)
    found = equation.coefficients(run.coefficients.values[-1], 8)
    np.testing.assert_allclose(found, expected.coefficients.values[-1][:9], atol=1e-9)


def test_stationary_state_under_noise():
    # u ∝ exp(Φ/τ), Φ = W∗u, solves the stationary equation of USA
    from scipy.special import iv

    beta, tau, n = 1.0, 0.45, 256
    c = np.zeros(33, dtype=complex)
    c[:2] = 1.0, 0.7
    grid = 2 * np.pi * np.arange(256) / 256
    m = np.arange(33)
    for _ in range(400):
        modes = iv(m, beta) / beta * c
        weights = np.exp((modes[0].real + 2 * np.real(np.exp(1j * np.outer(grid, m[1:])) @ modes[1:])) / tau)
        c = np.fft.fft(weights / weights.mean())[:33] / 256
    assert abs(c[1]) > 0.5  # clustered, far from uniform
    equation = QuantileMeanField(beta, flow="usa", noise=tau, resolution=n)
    rate = equation.rate(equation.start(np.where(np.abs(c) > 1e-15, c, 0)))
    assert np.abs(rate).max() < 1e-6
    assert np.abs(QuantileMeanField(beta, flow="usa", resolution=n).rate(equation.start(c))).max() > 0.1


def test_refinement_interpolates():
    c = uniform_plus(START, 8)
    for n, finer in ((64, 128), (65, 200), (128, 64)):
        coarse, fine = QuantileMeanField(1.0, resolution=n), QuantileMeanField(1.0, resolution=finer)
        np.testing.assert_allclose(fine.lift(coarse.start(c)), fine.start(c), atol=1e-12)
    noisy = QuantileMeanField(1.0, noise=0.1, resolution=64)
    assert 0 < noisy.tail(noisy.start(c)) < 1e-7
    assert QuantileMeanField(1.0, resolution=64).tail(noisy.start(c)) == 0.0


def test_bad_states_are_named():
    equation = QuantileMeanField(1.0, resolution=8)
    x = equation.start([1.0])
    with pytest.raises(InputError, match=r"shape \(8,\)"):
        equation.check(x[:-1])
    with pytest.raises(InputError, match="quantile 3 is not finite"):
        equation.check(np.where(np.arange(8) == 3, np.nan, x))
    with pytest.raises(InputError, match="number 2 is"):
        equation.check(x[[0, 1, 3, 2, 4, 5, 6, 7]])
    with pytest.raises(InputError, match="increasing angles"):
        equation.density(x, [0.0, 0.0])
    with pytest.raises(InputError, match="n must"):
        quiet_tokens([1.0], 0)
