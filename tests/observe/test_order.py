import math

import numpy as np
import pytest

from tokensphere import observe, sphere
from tokensphere.errors import InputError


@pytest.mark.parametrize("dim", [2, 3])
def test_uniform_tokens_have_mean_power_one_over_n(dim):
    n, runs = 50, 400
    power = np.mean([observe.order_parameters(sphere.uniform(n, dim, s), [1, 2, 3]) ** 2 for s in range(runs)], axis=0)
    np.testing.assert_allclose(n * power, 1, atol=5 * math.sqrt(1 / runs))


def test_k_cluster_state_has_order_one_in_multiples_of_k():
    tokens = sphere.equispaced(3)
    np.testing.assert_allclose(observe.order_parameters(tokens, [1, 2, 3, 6]), [0, 0, 1, 1], atol=1e-15)


def test_growth_is_exact_for_an_exponential():
    t = np.linspace(0, 4, 41)
    fit = observe.fit_growth(t, 1e-3 * np.exp(1.7 * t), 2e-3, 0.1)
    assert fit.rate == pytest.approx(1.7, rel=1e-12)
    assert fit.stderr < 1e-12
    assert fit.r_squared == pytest.approx(1)
    assert (fit.start, fit.stop) == pytest.approx((0.5, 2.7))
    assert fit.points == 23
    measured = fit.measurement()
    assert measured.unit == "1/time"
    assert measured.to_dict()["value"] == fit.rate
    assert "growth rate = 1.7" in str(measured)


def test_growth_window_ends_at_the_first_exit_and_starts_at_the_last_dip():
    a = np.array([0.02, 0.05, 0.03, 0.06, 0.12, 0.24, 0.6, 0.1, 0.2, 0.3])
    fit = observe.fit_growth(np.arange(10.0), a, 0.01, 0.5)
    assert (fit.start, fit.stop, fit.points) == (2, 5, 4)
    assert fit.rate == pytest.approx(math.log(2), rel=1e-12)


def test_decay_is_fitted_too():
    t = np.linspace(0, 10, 101)
    fit = observe.fit_growth(t, 0.3 * np.exp(-t) + 1e-9, 1e-3, 0.5)
    assert fit.rate == pytest.approx(-1, rel=1e-4)


def test_noise_gives_an_honest_standard_error():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 30)
    misses = [
        (f.rate - 5) / f.stderr
        for f in (
            observe.fit_growth(t, 1e-3 * np.exp(5 * t + 0.01 * rng.normal(size=30)), 1e-4, 1.0) for _ in range(200)
        )
    ]
    assert 0.8 < np.std(misses) < 1.3


def test_too_few_points_are_reported():
    fit = observe.fit_growth([0, 1, 2], [1e-3, 1e-2, 1.0], 1e-3, 0.1)
    assert math.isnan(fit.rate)
    assert fit.points == 2
    assert "only 2 samples" in fit.reason
    assert fit.measurement().to_dict()["value"] is None
    assert "no amplitude" in observe.fit_growth([0, 1], [1e-3, 1e-3], 0.1, 0.2).reason


def test_winner_is_the_first_to_cross():
    t = np.linspace(0, 3, 31)
    order = np.stack([0.01 * np.exp(1.5 * t), 0.004 * np.exp(2.5 * t)], axis=1)
    winner = observe.winning_degree(t, order, [2, 3], 0.3)
    assert winner.degree == 3
    assert winner.time == pytest.approx(math.log(75) / 2.5, rel=1e-12)
    assert observe.winning_degree(t, order, [2, 3], 0.03).degree == 2
    assert observe.winning_degree(t, order * 1e-6, [2, 3]).degree is None


def test_bad_series_are_named():
    with pytest.raises(InputError, match="lower must be below"):
        observe.fit_growth([0, 1], [1, 1], 0.2, 0.1)
    with pytest.raises(InputError, match=r"amplitudes must have shape \(2,\)"):
        observe.fit_growth([0, 1], [1, 1, 1], 0.1, 0.2)
    with pytest.raises(InputError, match="not finite at time 1"):
        observe.fit_growth([0, 1], [1, np.nan], 0.1, 0.2)
    with pytest.raises(InputError, match="degrees must name"):
        observe.winning_degree([0, 1], np.ones((2, 3)), [1, 2])
