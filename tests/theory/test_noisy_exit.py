"""The law of the exit under noise: its limits without noise, and simulated amplitudes."""

import numpy as np
import pytest

from tokensphere import theory
from tokensphere.errors import InputError

DEGREES = np.arange(1, 11)


def test_without_noise_and_from_a_known_start_it_is_the_race():
    amplitudes = np.array([0.004, 0.006, 0.009, 0.007])
    law = theory.noisy_exit(5.0, 2, 20_000, [1, 2, 3, 4], 0.0, order_parameters=amplitudes)
    race = theory.race(amplitudes, [1, 2, 3, 4], theory.growth_rates(5.0, 2, [1, 2, 3, 4], flow="usa"), 0.1)
    for chance in (0.01, 0.5, 0.99):
        assert law.quantile(chance) == pytest.approx(race.exit_time, rel=1e-3)
    assert law.probabilities()[race.winner] == pytest.approx(1.0)


@pytest.mark.parametrize(("dim", "beta"), [(2, 5.0), (3, 5.0), (2, 7.0)])
def test_without_noise_and_from_a_random_start_it_is_the_exit_law(dim, beta):
    law, known = theory.noisy_exit(beta, dim, 20_000, DEGREES, 0.0, 0.3), theory.exit_law(beta, dim, 20_000, 0.3)
    assert law.median == pytest.approx(known.median, rel=1e-4)
    for k, chance in law.probabilities().items():
        assert chance == pytest.approx(known.probability(k), abs=1e-3)


def test_mean_power_is_the_order_parameter_under_noise():
    """E n A_k² = ∫ P(n A_k² > x) dx, from a random start."""
    law = theory.noisy_exit(5.0, 2, 1000, [1, 2, 3], 3.0)
    levels = np.linspace(0, 400, 40_001)
    for t in (0.0, 0.2, 0.5):
        above = 1.0 - np.array([law.below([t], level)[0] for level in levels[::20]])
        mean = np.trapezoid(above, levels[::20], axis=0)
        for k, value in zip([1, 2, 3], mean, strict=True):
            assert value == pytest.approx(float(theory.noisy_order_parameter(t, 5.0, 2, k, 3.0)), rel=0.01)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dim", [2, 3])
def test_simulated_amplitudes(known, dim):
    """Ornstein–Uhlenbeck amplitudes, exact in law at every time of a fine grid; first passages counted."""
    n, noise, delta, draws, steps = 20_000, 1.0 / (dim - 1), 0.1, 4000, 400
    degrees = np.arange(1, 7)
    start = np.array([0.006, 0.009, 0.007, 0.004, 0.008, 0.007])
    law = theory.noisy_exit(5.0, dim, n, degrees, noise, delta, order_parameters=start if known else None)
    rng, end = np.random.default_rng(0), law.quantile(0.99)
    h = end / steps
    exits, winners = np.full(draws, np.inf), np.zeros(draws, dtype=int)
    amplitudes = []
    for k, a in zip(degrees, start, strict=True):
        components = 2 if dim == 2 else 2 * k + 1
        first = rng.normal(size=(draws, components)) / np.sqrt(n * components)
        amplitudes.append(np.tile([a] + [0.0] * (components - 1), (draws, 1)) if known else first)
    for step in range(1, steps + 1):
        for i, (k, r, push) in enumerate(zip(degrees, law.rates, law.push, strict=True)):
            a = amplitudes[i]
            spread = np.sqrt(push * np.expm1(2 * r * h) / r / (n * a.shape[1]))
            a[:] = np.exp(r * h) * a + spread * rng.normal(size=a.shape)
            now = (np.linalg.norm(a, axis=1) >= delta) & np.isinf(exits)
            exits[now], winners[now] = step * h, k
    assert np.isfinite(exits).mean() == pytest.approx(0.99, abs=0.01)
    for chance in (0.1, 0.5, 0.9):
        assert (exits <= law.quantile(chance)).mean() == pytest.approx(chance, abs=0.03)
    for k, chance in law.probabilities().items():
        assert (winners == k).mean() == pytest.approx(chance, abs=0.03)
    assert law.steadiness > 10


def test_the_predicted_race_is_that_of_mean_powers():
    """It arrives when E A_k² does, by root finding; and near the median of the law."""
    from scipy.optimize import brentq

    n, noise, start = 20_000, 1.0, {1: 0.006, 2: 0.009, 3: 0.007, 4: 0.004}
    found = theory.predict_emergence(5.0, 2, n, noise=noise, order_parameters=start).measured
    for k, time in zip(found.degrees, found.times, strict=True):
        r = float(theory.growth_rates(5.0, 2, k, "usa", noise=noise))

        def power(t, k=k, r=r):
            return start[k] ** 2 * np.exp(2 * r * t) + noise * k**2 * np.expm1(2 * r * t) / (r * n) - 0.01

        assert time == pytest.approx(brentq(power, 0, 20), rel=1e-9)
    law = theory.noisy_exit(5.0, 2, n, [1, 2, 3, 4], noise, order_parameters=list(start.values()))
    assert found.exit_time == pytest.approx(law.median, rel=0.1)


def test_nothing_leaves_above_the_critical_noise():
    tau = theory.critical_noise(5.0, 2, "usa")
    law = theory.noisy_exit(5.0, 2, 20_000, DEGREES, 1.01 * tau)
    assert law.median == np.inf
    assert sum(law.probabilities().values()) < 1e-6
    assert theory.noisy_exit(5.0, 2, 20_000, DEGREES, 0.9 * tau).median < 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "n must be"),
        ({"noise": -1.0}, "noise"),
        ({"threshold": 1.5}, "threshold"),
        ({"order_parameters": [0.1]}, "order_parameters must be 2 numbers"),
        ({"order_parameters": [0.1, -0.1]}, "order_parameters must be 2 numbers"),
        ({"degrees": [-1]}, "degree"),
    ],
)
def test_bad_input(change, message):
    arguments = {"beta": 5.0, "dim": 2, "n": 100, "degrees": [1, 2], "noise": 1.0} | change
    with pytest.raises(InputError, match=message):
        theory.noisy_exit(**arguments)
    with pytest.raises(InputError, match="chance"):
        theory.noisy_exit(5.0, 2, 100, [1], 0.0).quantile(1.0)
