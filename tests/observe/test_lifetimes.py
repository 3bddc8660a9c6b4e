"""Survival with censoring against hand calculation, coverage of the intervals, and fits with and without log beta."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.observe import ClusterTree, fit_lifetimes, lifetime, lifetimes, survival
from tokensphere.theory import lifetime_constant, log_two_cluster_lifetime


def test_kaplan_meier_by_hand():
    """Freireich's remission times, 6-MP arm: the textbook values of S and of Greenwood's error."""
    t = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    seen = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    found = survival(np.array(t, dtype=float), seen)
    np.testing.assert_array_equal(found.log10_times, [6, 7, 10, 13, 16, 22, 23])
    np.testing.assert_allclose(found.survival, [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=6e-4)
    assert (found.median, found.censored, found.count) == (23.0, 12, 21)
    assert found.interval[0] == 13.0
    assert found.interval[1] == math.inf
    assert math.isnan(found.mean)


def test_without_censoring_the_median_is_that_of_the_sample():
    found = survival(np.arange(1.0, 12.0))
    assert found.median == 6.0
    assert found.interval == (2.0, 10.0)  # ranks 2 and 10 of 11: coverage 0.988; ranks 3 and 9: 0.935
    assert found.mean == pytest.approx(6.0)
    assert found.mean_interval[0] < 6.0 < found.mean_interval[1]
    assert survival([1.0, 2.0]).interval == (-math.inf, math.inf)  # too few to say


@pytest.mark.parametrize("cut", [None, 0.6])
def test_intervals_cover_the_true_median(cut):
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(600):
        t = rng.exponential(1.0, 30)
        stop = np.full(30, np.inf) if cut is None else rng.exponential(1.0 / cut, 30)
        found = survival(np.log10(np.minimum(t, stop)), t <= stop, confidence=0.9, resamples=2)
        inside += found.interval[0] <= math.log10(math.log(2.0)) <= found.interval[1]
    assert 0.87 <= inside / 600 <= 0.985


def test_leaving_censored_runs_out_is_biased():
    rng = np.random.default_rng(4)
    t = rng.exponential(1.0, 4000)
    seen = t < 1.0
    found = survival(np.log10(np.minimum(t, 1.0)), seen)
    assert 10**found.median == pytest.approx(math.log(2.0), rel=0.05)
    assert np.median(t[seen]) < 0.5


def test_lifetimes_of_trees():
    tree = ClusterTree(np.full(3, 1 / 3), np.array([[0, 1], [2, 3]]), np.array([1.0, 2.0]), 3.0)
    assert lifetime(tree, 3) == (1.0, True)
    assert lifetime(tree, 2) == (pytest.approx(math.log10(90.0)), True)
    assert lifetime(tree, 1) == (pytest.approx(math.log10(900.0)), False)
    assert lifetime(tree, 4) is None
    huge = ClusterTree(np.full(3, 1 / 3), np.array([[0, 1], [2, 3]]), np.array([900.0, 901.0]), 901.0)
    assert lifetime(huge, 2)[0] == pytest.approx(900 + math.log10(9.0))


def test_an_ensemble_of_starts():
    runs = [
        ts.solve.coarsen(
            ts.SelfAttention(20.0), ts.sphere.uniform(4, 3, seed=s), log10_times=[8.0], rtol=1e-5, method="tsit5"
        )
        for s in range(5)
    ]
    found = lifetimes(runs, 2, confidence=0.9)
    assert 0 < found.censored < found.count <= 5
    assert found.interval[0] <= found.median <= found.interval[1]
    with pytest.raises(InputError, match="ever had 17"):
        lifetimes(runs, 17)


@pytest.mark.parametrize(("flow", "mass"), [("sa", 0.5), ("sa", 0.2), ("usa-shifted", 0.5)])
def test_the_fit_finds_barrier_and_constant(flow, mass):
    betas = np.array([50.0, 75.0, 100.0, 150.0, 250.0, 400.0])
    logs = [log_two_cluster_lifetime(b, 1.0, mass=mass, flow=flow) for b in betas]
    fit = fit_lifetimes(betas, logs, corrections=2)
    assert fit.barrier == pytest.approx(1 - math.cos(1.0), abs=1e-6)
    assert fit.constant(1.0) == pytest.approx(lifetime_constant(mass, flow), rel=1e-3)
    assert fit.residual < 1e-4


def test_a_fit_without_log_beta_is_wrong():
    betas = np.arange(25.0, 36.0)
    fit = fit_lifetimes(betas, [log_two_cluster_lifetime(b, 1.0) for b in betas])
    barrier = 1 - math.cos(1.0)
    assert fit.naive_barrier == pytest.approx(0.424, abs=2e-3)
    assert abs(fit.naive_barrier - barrier) > 30 * abs(fit.barrier - barrier)


def test_errors_of_the_fit():
    rng = np.random.default_rng(0)
    betas, pulls = np.linspace(10, 60, 30), []
    for _ in range(200):
        fit = fit_lifetimes(betas, 0.4 * betas - np.log(betas) + 1.0 + 0.1 * rng.normal(size=30), corrections=0)
        pulls.append((fit.barrier - 0.4) / fit.barrier_error)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: survival([]), "at least one"),
        (lambda: survival([1.0], [True, False]), "observed"),
        (lambda: survival([1.0], confidence=1.0), "confidence"),
        (lambda: fit_lifetimes([10.0, 20.0], [1.0, 2.0]), "at least 3"),
        (lambda: fit_lifetimes([10.0], [1.0, 2.0]), "one length"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
