"""Densities in time: rates to many digits, spectral accuracy, symmetry, energy, noise, and the stop when too sharp."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tokensphere as ts
from tokensphere import InputError
from tokensphere.meanfield import CircleMeanField
from tokensphere.solve import SolveError, evolve

FLOWS = ["sa", "usa", "usa-shifted"]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("amplitude", [1e-6, 1e-6j])
def test_growth_rate_of_the_dominant_degree(flow, amplitude):
    """Sine and cosine alike, 1e-8 relative; 18.5960703045 for USA at beta = 5."""
    equation = CircleMeanField(5.0, flow, resolution=64)
    rate = ts.theory.growth_rates(5.0, 2, 3, flow)
    run = evolve(equation, equation.harmonics({3: amplitude}), [0.0, 2 / rate])
    grown = np.log(run.order.sel(degree=3))
    assert float(grown[1] - grown[0]) / (2 / rate) == pytest.approx(rate, rel=1e-8)
    if flow == "usa":
        assert rate == pytest.approx(18.5960703045, rel=1e-9)


@pytest.mark.parametrize("flow", ["sa", "usa"])
def test_rotating_the_start_rotates_the_solution(flow):
    equation = CircleMeanField(5.0, flow)
    end = 1.5 / ts.theory.growth_rates(5.0, 2, 3, flow)
    start = equation.harmonics({1: 0.01, 2: 0.02j, 3: 0.05})
    turn = np.exp(-0.7j * np.arange(65))
    runs = [evolve(equation, c, [0.0, end], refine=False) for c in (start, turn * start)]
    assert runs[0].attrs["status"] == "complete"
    plain, turned = (run.coefficients.values[-1] for run in runs)
    assert np.abs(turned - turn * plain).max() < 1e-10
    assert np.abs(plain[1:]).max() > 0.2  # far from linear


@pytest.mark.parametrize("flow", ["sa", "usa"])
def test_accuracy_is_spectral(flow):
    """The error falls by orders of magnitude with each few modes."""
    end = 2.0 / ts.theory.growth_rates(3.0, 2, 2, flow)
    finest = CircleMeanField(3.0, flow, resolution=96)
    begin = {1: 0.02, 2: 0.05j}
    best = evolve(finest, finest.harmonics(begin), [0.0, end], rtol=1e-12).coefficients.values[-1]
    errors = []
    for resolution in (8, 16, 32):
        equation = CircleMeanField(3.0, flow, resolution=resolution)
        # scipy's solver goes on where ours would stop
        found = solve_ivp(
            lambda t, c, e=equation: e.rate(c), (0, end), equation.harmonics(begin), rtol=1e-12, atol=1e-14
        )
        errors.append(np.abs(found.y[:, -1] - best[: resolution + 1]).max())
    assert errors[0] > 1e-5
    assert errors[1] < 0.1 * errors[0]
    assert errors[2] < 1e-2 * errors[1]
    assert errors[2] / errors[1] < errors[1] / errors[0]  # faster than any order


@pytest.mark.parametrize("flow", FLOWS)
def test_energy_never_falls_and_changes_as_its_identity_says(flow):
    equation = CircleMeanField(4.0, flow)
    rate = ts.theory.growth_rates(4.0, 2, 2, flow)
    times = np.linspace(0.0, 3.5 / rate, 201)
    run = evolve(equation, equation.harmonics({2: 0.02, 3: 0.01j}), times, rtol=1e-12)
    assert run.attrs["status"] == "complete"
    energy, slope = run.energy.values, run.dissipation.values
    assert (np.diff(energy) > -1e-13 * energy[:-1]).all()
    assert (np.diff(energy) > 0).all()
    # Simpson over pairs of intervals
    h = times[1]
    gained = h / 3 * (slope[:-2:2] + 4 * slope[1:-1:2] + slope[2::2])
    assert np.allclose(np.diff(energy[::2]), gained, rtol=0, atol=1e-5 * (energy[-1] - energy[0]))
    assert np.allclose(run.mass, 1.0, atol=1e-15)
    assert run.least.min() > 0


def test_free_energy_never_falls_with_noise():
    equation = CircleMeanField(4.0, "usa", noise=0.5)
    run = evolve(equation, equation.harmonics({1: 0.2, 3: 0.05j}), np.linspace(0.0, 1.0, 21), rtol=1e-8)
    free = run.energy.values - 0.5 * run.entropy.values
    assert (np.diff(free) > -1e-9).all()
    assert free[-1] - free[0] > 0.1
    assert run.attrs["status"] == "complete"


@pytest.mark.parametrize("flow", ["sa", "usa"])
def test_noise_makes_the_uniform_law_stable_exactly_at_the_critical_value(flow):
    critical = ts.theory.critical_noise(5.0, 2, flow)
    for factor in (1 - 1e-5, 1 + 1e-5):
        equation = CircleMeanField(5.0, flow, noise=critical * factor)
        end = 2.0 / critical
        run = evolve(equation, equation.harmonics({1: 1e-8}), [0.0, end], rtol=1e-13)
        grown = float(np.log(run.order[1, 0] / run.order[0, 0]))
        assert grown == pytest.approx((1 - factor) * critical * end, rel=1e-2)


def test_noise_alone_is_the_heat_equation():
    """beta → 0 leaves λ_1 = 1/2 for SA, so degrees ≥ 2 decay like e^{−τ m² t} to first order in beta."""
    equation = CircleMeanField(1e-9, "sa", noise=2.0, value=1e-6)
    run = evolve(equation, equation.harmonics({2: 0.1, 5: 0.1j, 40: 0.01}), [0.0, 0.05])
    decay = np.exp(-2.0 * np.array([2, 5, 40]) ** 2 * 0.05) * np.array([0.1, 0.1, 0.01])
    assert np.allclose(np.abs(run.coefficients.values[-1])[[2, 5, 40]], decay, rtol=1e-6, atol=1e-14)


def test_resolution_follows_the_density_and_the_run_stops_when_it_may_not():
    equation = CircleMeanField(5.0, "usa", resolution=32)
    start = equation.harmonics({3: 0.05})
    run = evolve(equation, start, np.linspace(0.0, 1.0, 21), largest=128)
    assert run.attrs["status"] == "UNDER_RESOLVED"
    assert run.attrs["end"] < 1.0
    assert run.time.values[-1] == run.attrs["end"]
    assert set(run.resolution.values) >= {32, 128}
    assert run.sizes["coefficient"] == 129
    fixed = evolve(equation, start, np.linspace(0.0, 1.0, 21), refine=False)
    assert fixed.attrs["end"] < run.attrs["end"]
    # what both have seen is the same
    shared = len(fixed.time) - 1
    assert np.abs(fixed.order[:shared] - run.order[:shared]).max() < 1e-5


def test_density_and_tokens_agree_far_from_uniform():
    """A quiet start of tokens and the density with the same law: equal modes (the law of equal masses is exact)."""
    equation = CircleMeanField(3.0, "usa")
    start = equation.harmonics({2: 0.05, 3: 0.02j})
    nodes = 2 * np.pi * np.arange(512) / 512
    weights = equation.density(start, nodes) / 512
    run = evolve(equation, start, [0.0, 1.0])
    tokens = ts.simulate(
        ts.UnnormalizedSelfAttention(3.0), ts.sphere.from_angles(nodes), [0.0, 1.0], weights=weights, rtol=1e-11
    )
    last = tokens.tokens.values[-1]
    moments = ts.sphere.moments(np.arctan2(last[:, 1], last[:, 0]), 8, weights)
    assert np.abs(moments[1:]).max() > 0.3
    assert np.abs(run.coefficients.values[-1][:9] - moments).max() < 1e-7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "rk4"}, "tsit5"),
        ({"method": "heun"}, "heun"),
        ({"rtol": 1.0}, "rtol"),
        ({"times": [0.0, 0.0]}, "times"),
        ({"coefficients": np.ones(3)}, "shape"),
        ({"equation": CircleMeanField(5.0, noise=1.0), "method": "dopri8"}, "noise needs method 'tsit5'"),
    ],
)
def test_bad_input_is_named(options, message):
    equation = CircleMeanField(5.0)
    good = {"equation": equation, "coefficients": equation.harmonics({1: 0.1}), "times": [0.0, 1.0]}
    with pytest.raises(InputError, match=message):
        evolve(**(good | options))


def test_too_many_steps_are_said():
    equation = CircleMeanField(5.0)
    with pytest.raises(SolveError, match=r"gave up at t = .* after 3 steps"):
        evolve(equation, equation.harmonics({1: 0.1}), [0.0, 10.0], max_steps=3)


def test_the_uniform_law_stays():
    equation = CircleMeanField(5.0, "usa")
    run = evolve(equation, equation.harmonics({}), [0.0, 1.0, 2.0])
    assert not run.coefficients.values[:, 1:].any()
    assert run.attrs["status"] == "complete"
