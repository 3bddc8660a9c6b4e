"""Rényi centres and fixed centres: counts against simulated streams, the parking constant, the corrected inequality."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import (
    cap_mass,
    centre_angle,
    centre_count,
    centre_force,
    centre_stiffness,
    fixed_centres,
    parking_density,
    strong_centre_count,
)


def test_cap_mass():
    for angle in (0.1, 1.0, np.pi / 2, 2.5, np.pi):
        assert cap_mass(angle, 2) == pytest.approx(angle / np.pi, rel=1e-12)
        assert cap_mass(angle, 3) == pytest.approx((1 - np.cos(angle)) / 2, rel=1e-12)
    inside = ts.sphere.uniform(200_000, 5, seed=0)[:, 0] >= np.cos(1.1)
    assert cap_mass(1.1, 5) == pytest.approx(inside.mean(), abs=4e-3)


def test_parking_constant():
    assert parking_density() == pytest.approx(0.7475979202534, abs=1e-12)
    assert parking_density(0.0) == 0.0
    assert parking_density(1e-3) == pytest.approx(1e-3 - 1e-6, rel=1e-5)  # two cars that come exclude each other
    # Against the density by Simpson's rule with the inner integral from its own series
    t = np.linspace(0.0, 2.0, 2001)
    inner = sum((-1) ** (k + 1) * t**k / (k * math.factorial(k)) for k in range(1, 40))
    f = np.exp(-2 * inner)
    simpson = (t[1] / 3) * (f[0] + f[-1] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum())
    assert parking_density(2.0) == pytest.approx(simpson, rel=1e-11)


def test_strong_centres_reference():
    assert strong_centre_count(0.125, 2, 400).value == pytest.approx(25.13, abs=5e-3)
    assert strong_centre_count(0.125, 2).value == pytest.approx(np.pi / 0.125, rel=1e-12)
    assert strong_centre_count(0.3, 3).value == pytest.approx(2 / (1 - np.cos(0.3)), rel=1e-12)
    assert strong_centre_count(0.3, 3, 1).value == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(("dim", "angle", "length"), [(2, 0.4, 60), (3, 0.6, 80), (10, 1.0, 80)])
def test_counts_are_those_of_streams(dim, angle, length):
    streams = [ts.observe.renyi_centres(ts.sphere.uniform(length, dim, seed=s), angle) for s in range(400)]
    strong, every = np.array([(c.strong.sum(), c.count) for c in streams]).T

    def fits(prediction, counts):
        return abs(counts.mean() - prediction) < 4 * counts.std() / np.sqrt(len(counts)) + 1e-12

    assert fits(strong_centre_count(angle, dim, length).value, strong)
    found = centre_count(angle, dim, length)
    if dim == 2:
        assert found.holds is None
        assert fits(found.value, every)
        assert not fits(0.7476 * 2 * np.pi / angle, strong)  # strong centres are others
    else:
        assert found.value is None
        assert found.holds is False


def test_long_streams_park_as_many_centres_as_the_constant_says():
    angle = 0.02
    counts = [ts.observe.renyi_centres(ts.sphere.uniform(60_000, 2, seed=s), angle).count for s in range(10)]
    assert np.mean(counts) == pytest.approx(centre_count(angle, 2, 60_000).value, rel=0.01)
    assert centre_count(angle, 2).value == pytest.approx(parking_density() * 2 * np.pi / angle, rel=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_number_of_centres_grows_like_a_power_of_beta(dim):
    counts = [strong_centre_count(centre_angle(beta, 1.0), dim).value for beta in (1e4, 4e4)]
    assert counts[1] / counts[0] == pytest.approx(4 ** ((dim - 1) / 2), rel=1e-3)


def test_force_and_stiffness():
    x = np.linspace(-3, 3, 13)
    h = 1e-5
    slope = (centre_force(x + h, 7.0) - centre_force(x - h, 7.0)) / (2 * h)
    np.testing.assert_allclose(centre_stiffness(x, 7.0), slope, atol=1e-8)
    np.testing.assert_allclose(centre_force(x, 7.0), np.exp(7 * (np.cos(x) - 1)) * np.sin(x), atol=1e-15)


def test_fixed_centres_reference():
    found = fixed_centres(11.0, [0.0, np.pi], 1, epsilon=0.09, separation=5.68)
    assert found.value == pytest.approx(0.0271, abs=5e-5)
    assert [h.holds for h in found.hypotheses] == [True, True, True, True, True, None]
    assert found.holds is None
    assert fixed_centres(11.0, [0.0, 1.0], 1, epsilon=0.09, separation=5.68).hypotheses[1].holds is False


def test_the_printed_inequality_says_nothing():
    """N g((c−2ε)/√β) < g(ε/√β) holds for any N, since g is negative beyond 1/√β; ours ends the range of N."""
    beta, epsilon = 400.0, 0.95
    unit = 1 / np.sqrt(beta)
    masses = [1.0, 1.0]
    angles = [0.0, (4 + 2 * epsilon) * unit]

    def printed(n):
        return (n + 2) * centre_stiffness(4 * unit, beta) < centre_stiffness(epsilon * unit, beta)

    def ours(n):
        states = [h.holds for h in fixed_centres(beta, angles, n, epsilon=epsilon, masses=masses).hypotheses]
        return states[3], states[4]

    assert printed(1)
    assert ours(1) == (True, True)
    assert printed(13)
    assert ours(13) == (True, False)  # the first inequality holds still, and only the corrected one fails
    assert printed(10**9)


@pytest.mark.parametrize("seed", range(3))
def test_free_tokens_end_at_fixed_centres(seed):
    """Several free tokens, centres of different weights, masses scaled to sum to 1."""
    rng = np.random.default_rng(seed)
    beta, epsilon, masses = 60.0, 0.3, np.array([1.0, 3.0, 2.0])
    centres = 2 * np.pi * np.arange(3) / 3 + rng.uniform(-0.2, 0.2, 3)
    # Starts away from the balance between two centres, where a run would take e^{β…}
    free = centres[rng.integers(3, size=5)] + rng.uniform(0.1, 0.35, 5) * rng.choice([-1, 1], 5)
    found = fixed_centres(beta, centres, 5, epsilon=epsilon, masses=masses)
    assert False not in [h.holds for h in found.hypotheses]
    flow = ts.flows.Frozen(ts.SelfAttention(beta), np.arange(8) < 3)
    weights = np.concatenate([masses, np.ones(5)]) / 11
    run = ts.simulate(flow, ts.sphere.from_angles(np.concatenate([centres, free])), [0.0, 200.0], weights=weights)
    last = run.tokens.values[-1]
    away = ts.sphere.geodesic(last[3:, None], last[None, :3]).min(axis=1)
    assert away.max() <= found.value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cap_mass(0.0, 2), "angle"),
        (lambda: centre_angle(1.0, 4.0), "separation"),
        (lambda: centre_angle(0.0, 1.0), "beta"),
        (lambda: parking_density(-1.0), "time"),
        (lambda: strong_centre_count(0.1, 2, 0), "tokens"),
        (lambda: fixed_centres(11.0, [0.0], 1, epsilon=0.1), "at least two"),
        (lambda: fixed_centres(11.0, [0.0, 1.0], 1, epsilon=1.5), "epsilon"),
        (lambda: fixed_centres(11.0, [0.0, 1.0], 1, epsilon=0.1, masses=[1.0]), "masses"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
