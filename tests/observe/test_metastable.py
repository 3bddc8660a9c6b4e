"""Plateaus of cluster counts, the pair that merges, and its drift against the drift rates of k equal clusters."""

import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.observe import displacement_modes, metastable_states, plateaus
from tokensphere.sphere import from_angles


def displaced(k, asymmetry, copies=1, alternate=False):
    theta = 2 * np.pi * np.arange(k) / k + 0.3
    theta[:: 2 if alternate else k] += asymmetry
    return from_angles(np.repeat(theta, copies))


def watch(beta, k, asymmetry, flow="usa", copies=1, alternate=False, spacing=0.005):
    """A displaced k-cluster state, followed until a pair has merged; saved often around that time."""
    made = ts.SelfAttention(beta) if flow == "sa" else ts.UnnormalizedSelfAttention(beta)
    state = ts.theory.k_cluster_state(beta, k, flow)
    end = ts.theory.merger_time(beta, k, asymmetry, 0.1, flow)
    unit = 1.0 / state.fastest_drift
    times = np.concatenate(
        [np.arange(0.0, end - 0.05 * unit, 0.15 * unit), end + unit * np.arange(-0.05, 0.05, spacing)]
    )
    run = ts.simulate(made, displaced(k, asymmetry, copies, alternate), times, rtol=1e-11)
    return metastable_states(times, run.tokens.values, 0.1, beta=beta, flow=flow, window=(1e-7, 1e-3))


def test_plateaus_of_counts():
    found = plateaus(np.arange(8.0), [5, 5, 3, 3, 3, 4, 2, 2])
    assert [(p.count, p.start, p.last, p.end, p.ending) for p in found] == [
        (5, 0.0, 1.0, 2.0, "merger"),
        (3, 2.0, 4.0, 5.0, "split"),
        (4, 5.0, 5.0, 6.0, "merger"),
        (2, 6.0, 7.0, None, "series ends"),
    ]
    assert [p.duration for p in found] == [2.0, 3.0, 1.0, 1.0]
    assert [p.count for p in plateaus(np.arange(8.0), [5, 5, 3, 3, 3, 4, 2, 2], least_duration=1.5)] == [5, 3]
    with pytest.raises(InputError, match="least_duration"):
        plateaus([0.0, 1.0], [1, 1], -1.0)
    with pytest.raises(InputError, match="counts"):
        plateaus([0.0, 1.0], [1, 1, 1])


@pytest.mark.parametrize(("beta", "k", "flow", "copies"), [(5.0, 3, "usa", 1), (2.0, 2, "usa", 1), (5.0, 3, "sa", 3)])
def test_a_displaced_state_drifts_at_the_predicted_rate(beta, k, flow, copies):
    rate = ts.theory.k_cluster_state(beta, k, flow).fastest_drift
    found = watch(beta, k, 1e-7, flow, copies)
    assert found[0].plateau.count == k
    assert found[0].plateau.ending == "merger"
    assert found[0].drift.rate == pytest.approx(rate, rel=1e-3)
    assert found[0].fastest_predicted == rate
    assert found[0].pairs[0] == (0, 1)  # the displaced cluster goes the way it was displaced
    assert found[0].gaps.size == found[0].times.size
    assert found[1].plateau.count < k


def test_two_pairs_at_once():
    """Four clusters, every other one displaced: the fastest mode, at the rate beta."""
    found = watch(5.0, 4, 1e-7, alternate=True)
    assert found[0].pairs == ((0, 1), (2, 3))
    assert found[0].drift.rate == pytest.approx(5.0, rel=1e-3)
    assert [s.plateau.count for s in found] == [4, 2]


def test_the_lifetime_law():
    """The time to an angle of 0.1 grows by ln(100)/omega_max for each factor 100 of the asymmetry."""
    near, far = (watch(5.0, 3, asymmetry, spacing=0.001)[0].plateau for asymmetry in (1e-4, 1e-6))
    rate = ts.theory.k_cluster_state(5.0, 3).fastest_drift
    assert near.duration == pytest.approx(22.8163665, abs=0.003)
    assert far.duration - near.duration == pytest.approx(math.log(100) / rate, rel=1e-3)


def test_every_mode_grows_at_its_own_rate():
    beta, k = 5.0, 5
    rates = ts.theory.k_cluster_state(beta, k).drift_rates
    times = np.linspace(0, 4.0 / max(rates), 40)
    run = ts.simulate(ts.UnnormalizedSelfAttention(beta), displaced(k, 1e-5), times, rtol=1e-12)
    modes = displacement_modes(ts.sphere.angles(run.tokens.values.reshape(-1, 2)).reshape(40, k))
    assert modes.shape == (40, 2)
    for m in (1, 2):
        assert np.log(modes[-1, m - 1] / modes[0, m - 1]) / times[-1] == pytest.approx(rates[m - 1], rel=2e-3)


def test_modes_do_not_depend_on_order_or_turn():
    theta = 2 * np.pi * np.arange(6) / 6 + np.array([0.01, 0, -0.02, 0, 0.005, 0.03])
    expected = displacement_modes(theta)
    np.testing.assert_allclose(displacement_modes(theta[::-1] + 4.0), expected, atol=1e-13)
    assert expected[2] == pytest.approx(abs((0.01 - 0.02 + 0.005 - 0.03) / 6), abs=1e-15)
    np.testing.assert_allclose(displacement_modes(2 * np.pi * np.arange(6) / 6), 0.0, atol=1e-15)
    with pytest.raises(InputError, match="angles"):
        displacement_modes([0.0])


def test_unequal_clusters_by_the_speed_of_the_gap():
    """Two clusters of masses p and 1-p rest opposite each other; both attract the other, gap' = -e^{b cos g} sin g."""
    beta = 2.0
    times = np.arange(0.0, 100.0, 0.4)
    weights = np.array([0.3, 0.7])
    start = from_angles([0.0, np.pi - 1e-5])
    run = ts.simulate(ts.UnnormalizedSelfAttention(beta), start, times, weights=weights, rtol=1e-11)
    state = metastable_states(times, run.tokens.values, 0.1, weights, window=(1e-7, 1e-3))[0]
    assert state.plateau.ending == "merger"
    assert state.drift.rate == pytest.approx(math.exp(-beta), rel=2e-3)
    np.testing.assert_allclose(state.masses, [0.3, 0.7])
    assert state.predicted == ()


def test_light_clusters_and_mergers_of_many():
    angles = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.05, 3.0], [0.0, 0.01, 0.02, 3.0]])
    tokens = np.stack([from_angles(row) for row in angles])
    every = metastable_states([0.0, 1.0, 2.0], tokens, 0.1)
    assert [(s.plateau.count, s.pairs) for s in every] == [(4, ((1, 2),)), (3, ((0, 1),)), (2, ())]
    assert np.isnan(every[0].drift.rate)
    heavy = metastable_states([0.0, 1.0, 2.0], tokens, 0.1, [0.4, 0.2, 0.2, 0.2], min_mass=0.3)
    assert [s.plateau.count for s in heavy] == [1, 2, 1]
    assert heavy[0].plateau.ending == "split"


def test_a_cluster_that_dissolves_is_no_merger():
    angles = np.array([[0.0, 0.01, 2.0, 2.01], [0.0, 0.01, 2.0, 2.5]])
    tokens = np.stack([from_angles(row) for row in angles])
    state = metastable_states([0.0, 1.0], tokens, 0.1, min_mass=0.4)[0]
    assert (state.plateau.count, state.plateau.ending, state.pairs) == (2, "loss", ())


def test_in_three_dimensions():
    """A pair on the 2-sphere: the gap of two equal clusters shrinks as in the plane, without a predicted rate."""
    times = np.arange(0.0, 8.0, 0.05)
    start = np.array([[1.0, 0.0, 0.0], [0.0, np.sin(2.8), np.cos(2.8)], [0.0, 0.0, 1.0]])
    run = ts.simulate(ts.UnnormalizedSelfAttention(1.0), start, times)
    found = metastable_states(times, run.tokens.values, 0.2, beta=1.0)
    assert found[0].plateau.count == 3
    assert found[0].pairs
    assert found[0].predicted == ()
    gaps = found[0].gaps
    assert gaps[-1] > 0.2 > 0.0
    assert (np.diff(gaps)[-20:] < 0).all()


def test_bad_input_is_named():
    tokens = np.stack([displaced(3, 0.0)] * 2)
    with pytest.raises(InputError, match="tokens must have shape"):
        metastable_states([0.0, 1.0, 2.0], tokens, 0.1)
    with pytest.raises(InputError, match="window"):
        metastable_states([0.0, 1.0], tokens, 0.1, window=(1e-2, 1e-3))
    with pytest.raises(InputError, match="min_mass"):
        metastable_states([0.0, 1.0], tokens, 0.1, min_mass=2.0)
