"""Coarsened runs: reference times, the plain run where it is feasible, saves, clocks, masses, mergers."""

import dataclasses
import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.observe import cluster_tree
from tokensphere.solve import ClockedFlow, Event, coarsen, default_delta
from tokensphere.solve.clocked import pull
from tokensphere.solve.merging import Clustered, merge_near
from tokensphere.sphere import from_angles, geodesic
from tokensphere.theory import log_two_cluster_lifetime

LOG10 = math.log(10.0)


def families(beta):
    return {
        "sa": ts.SelfAttention(beta),
        "usa": ts.UnnormalizedSelfAttention(beta),
        "usa-shifted": ts.UnnormalizedSelfAttention(beta, shifted=True),
    }


@pytest.mark.parametrize(("beta", "time"), [(10.0, 10.7787), (30.0, 24387.9), (50.0, 1.40166e8)])
def test_reference_lifetimes(beta, time):
    run = coarsen(ts.SelfAttention(beta), from_angles([0.0, 1.0]), until_angle=(0, 1, 0.1))
    assert run.attrs["status"] == "angle"
    assert 10 ** run.attrs["log10_end"] == pytest.approx(time, rel=5e-6)
    assert 10 ** run.attrs["log10_end"] == pytest.approx(ts.theory.two_cluster_lifetime(beta, 1.0), rel=1e-6)
    assert geodesic(*run.tokens.values[-1, :2]) == pytest.approx(0.1, abs=1e-9)


def test_reference_log_times():
    run = coarsen(ts.SelfAttention(40.0), from_angles([0.0, 1.0, 2.2, 3.6]))
    np.testing.assert_allclose(run.merge_log10_time, [6.2513, 12.5334, 28.5885], atol=5e-5)
    assert run.attrs["delta"] == pytest.approx(0.1 / math.sqrt(40.0))
    assert run.attrs["status"] == "clusters"


def test_reference_levels_of_a_well_prepared_chain():
    flow = ts.UnnormalizedSelfAttention(3000.0, shifted=True)
    run = coarsen(flow, from_angles([0.0, 0.05, 0.15, 0.4, 1.0]))
    np.testing.assert_allclose(cluster_tree(run).levels(), [0.2, 0.28, 0.44, 0.68, 1.0], rtol=1e-12)
    plateau = [run.step_energy.values[run.step_clusters.values == k].min() for k in (4, 3, 2, 1)]
    np.testing.assert_allclose(plateau, [0.28, 0.44, 0.68, 1.0], atol=1e-9)
    assert run.attrs["log10_end"] > 400
    assert np.isinf(run.time.values[-1])  # beyond every float, while its logarithm is known
    assert np.isfinite(run.log10_time.values[1:]).all()
    assert (np.diff(run.step_energy) > -1e-12).all()


@pytest.mark.parametrize("family", ["sa", "usa", "usa-shifted"])
@pytest.mark.parametrize("mass", [0.5, 0.2])
def test_weighted_lifetimes_of_both_families(family, mass):
    flow = families(60.0)[family]
    run = coarsen(flow, from_angles([0.0, 1.2]), weights=[mass, 1 - mass], until_angle=(1, 0, 0.3))
    law = log_two_cluster_lifetime(60.0, 1.2, until=0.3, mass=mass, flow=family)
    assert run.attrs["log10_end"] * LOG10 == pytest.approx(law, abs=1e-6)


@pytest.mark.parametrize("family", ["sa", "usa", "usa-shifted"])
def test_saved_tokens_are_those_of_the_plain_run(family):
    """No merger yet: the same flow in another clock, dim 3, unequal masses, factors in V and B."""
    plain = families(3.0)[family]
    flow = dataclasses.replace(plain, value=0.7, query_key=1.5)
    tokens = ts.sphere.uniform(7, 3, seed=4)
    weights = np.arange(1.0, 8.0) / 28.0
    times = np.array([0.0, 0.3, 1.0]) * (math.exp(-4.5) if family == "usa" else 1.0)
    exact = ts.simulate(flow, tokens, times, weights=weights, rtol=1e-11)
    run = coarsen(flow, tokens, times=times, weights=weights, rtol=1e-10, delta=1e-4)
    assert run.attrs["status"] == "times"
    np.testing.assert_allclose(run.time, times, rtol=1e-12)
    np.testing.assert_allclose(run.tokens, exact.tokens, atol=1e-8)


def test_mergers_change_little_and_less_with_delta():
    """The plain run through several mergers, beta = 4; the error is quadratic in delta."""
    flow, tokens = ts.SelfAttention(4.0), ts.sphere.uniform(12, 2, seed=5)
    times = np.array([0.0, 6.0])
    exact = ts.simulate(flow, tokens, times, rtol=1e-11).tokens.values[-1]
    errors = []
    for delta in (0.04, 0.01):
        run = coarsen(flow, tokens, times=times, delta=delta, rtol=1e-9)
        assert 2 <= int(run.clusters[-1]) < 12
        errors.append(np.abs(run.tokens.values[-1] - exact).max())
    assert errors[1] < 0.02
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.slow
def test_two_groups_of_many_tokens():
    """n = 1,000: through beta = 20 with and without mergers, and at beta = 50 to t = 1.4e8."""
    rng = np.random.default_rng(0)
    spread = 0.01 * rng.uniform(-1, 1, 500)
    spread -= spread.mean()
    tokens = from_angles(np.concatenate([spread, 1.0 + spread]))
    flow = ts.SelfAttention(20.0)
    near = Event("near", lambda moment: 0.1 - float(geodesic(moment.tokens[0], moment.tokens[500])), terminal=True)
    plain = ts.simulate(flow, tokens, [0.0, 1000.0], events=[near]).attrs["events"]["near"]
    run = coarsen(flow, tokens, until_angle=(0, 500, 0.1))
    assert 10 ** run.attrs["log10_end"] == pytest.approx(plain, rel=1e-3)
    long = coarsen(ts.SelfAttention(50.0), tokens, until_angle=(0, 500, 0.1))
    assert 10 ** long.attrs["log10_end"] == pytest.approx(1.40166e8, rel=1e-3)
    assert long.attrs["steps"] < 200


@pytest.mark.parametrize("clock", ["real", "arc-length", "staircase"])
def test_every_clock_tells_the_same_time(clock):
    flow, tokens = ts.SelfAttention(6.0), from_angles([0.0, 0.9, 2.5])
    wanted = coarsen(flow, tokens, until_clusters=2, rtol=1e-9)
    run = coarsen(flow, tokens, until_clusters=2, clock=clock, rtol=1e-9)
    assert run.attrs["log10_end"] == pytest.approx(wanted.attrs["log10_end"], abs=1e-6)
    np.testing.assert_allclose(run.tokens[-1], wanted.tokens[-1], atol=1e-6)
    if clock == "real":
        np.testing.assert_allclose(run.step_clock, 10**run.step_log10_time, rtol=1e-9)


def times_and_clock(flow, tokens, clock, **options):
    run = coarsen(flow, tokens, clock=clock, **options)
    return run.merge_log10_time.values, float(run.step_clock[-1])


@pytest.mark.parametrize("clock", ["arc-length", "staircase"])
@pytest.mark.parametrize(
    ("beta", "start", "reference"),
    [
        (30.0, [0.0, 0.5, 2.5], None),
        (30.0, [0.0, 1.0, 2.5], None),
        (40.0, [0.0, 1.0, 2.2, 3.6], [6.2513, 12.5334, 28.5885]),
    ],
)
def test_every_clock_goes_to_one_cluster_at_large_beta(clock, beta, start, reference):
    """Where a pair passes 1/√(β log β), dt/ds of the staircase clock jumps by up to e^40 and more."""
    flow, tokens = ts.SelfAttention(beta), from_angles(start)
    times, told = times_and_clock(flow, tokens, clock)
    wanted, _ = times_and_clock(flow, tokens, "log", rtol=1e-9)
    np.testing.assert_allclose(times, wanted, atol=1e-6)
    if reference is not None:
        np.testing.assert_allclose(times, reference, atol=5e-5)
    assert told == pytest.approx(times_and_clock(flow, tokens, clock, rtol=1e-10)[1], abs=1e-6)


def test_the_staircase_clock_of_a_chain_at_beta_3000():
    flow, tokens = ts.UnnormalizedSelfAttention(3000.0, shifted=True), from_angles([0.0, 0.05, 0.15, 0.4, 1.0])
    times, told = times_and_clock(flow, tokens, "staircase")
    np.testing.assert_allclose(times, times_and_clock(flow, tokens, "log")[0], atol=1e-6)
    assert times[-1] > 400
    assert 0 < told < 10


def test_the_staircase_clock_stands_still_until_the_pair_has_merged():
    """Before a pair passes 1/√(β log β) the clock is s/log β; from there to the merger the next pair counts."""
    beta, tokens = 40.0, from_angles([0.0, 1.0, 2.5])
    threshold = 1 / math.sqrt(beta * math.log(beta))
    near = coarsen(ts.SelfAttention(beta), tokens, until_angle=(0, 1, threshold), clock="staircase")
    s = coarsen(ts.SelfAttention(beta), tokens, until_angle=(0, 1, threshold)).step_clock.values[-1]
    assert float(near.step_clock[-1]) == pytest.approx(s / math.log(beta), rel=3e-6)
    merged = coarsen(ts.SelfAttention(beta), tokens, until_clusters=2, clock="staircase")
    assert float(merged.step_clock[-1]) == pytest.approx(float(near.step_clock[-1]), rel=3e-6)
    log = coarsen(ts.SelfAttention(beta), tokens, until_clusters=2)
    assert float(log.step_clock[-1]) / math.log(beta) > 1.2 * float(merged.step_clock[-1])


def test_arc_length_of_the_staircase_figure():
    """β = 2000: until the first merger two of five equal tokens move, each by half of their distance less δ/2."""
    scale = math.log(2000.0) / math.sqrt(2000.0)
    start = 0.5 * np.array([0.0, 0.5, 2.0, 4.0, 7.0]) * scale
    flow = ts.UnnormalizedSelfAttention(2000.0, shifted=True)
    times, _ = times_and_clock(flow, from_angles(start), "arc-length")
    np.testing.assert_allclose(times, times_and_clock(flow, from_angles(start), "log")[0], atol=1e-6)
    _, way = times_and_clock(flow, from_angles(start), "arc-length", until_clusters=4)
    assert way == pytest.approx((0.25 * scale - default_delta(2000.0)) / math.sqrt(2), rel=2e-3)


def test_the_ordinary_clock_reaches_beyond_1e10():
    flow, tokens = ts.SelfAttention(20.0), from_angles([0.0, 1.0, 2.5])
    times, told = times_and_clock(flow, tokens, "real", max_steps=1000)
    np.testing.assert_allclose(times, times_and_clock(flow, tokens, "log")[0], atol=1e-6)
    assert math.log10(told) == pytest.approx(times[-1]) == pytest.approx(10.6658, abs=1e-4)


@pytest.mark.parametrize(("beta", "scaled"), [(10.0, 0.7695), (30.0, 0.5309), (50.0, 0.5170)])
def test_reference_scaled_lifetimes(beta, scaled):
    """T β sin²φ_0 e^{−β(1−cos φ_0)}, which tends to ½."""
    log_t = coarsen(ts.SelfAttention(beta), from_angles([0.0, 1.0]), until_angle=(0, 1, 0.1)).attrs["log10_end"] * LOG10
    for found in (log_t, log_two_cluster_lifetime(beta, 1.0)):
        leading = beta * (1 - math.cos(1.0)) - math.log(beta * math.sin(1.0) ** 2)
        assert math.exp(found - leading) == pytest.approx(scaled, abs=5e-5)


def test_the_arc_length_clock_measures_the_way():
    tokens = from_angles([0.0, 0.9, 2.5])
    run = coarsen(ts.SelfAttention(6.0), tokens, times=np.linspace(0.2, 2.0, 10), clock="arc-length")
    assert run.clusters.values.tolist() == [3] * 11
    way = np.linalg.norm(np.diff(run.tokens.values, axis=0), axis=(1, 2)).sum()
    assert float(run.step_clock[-1]) == pytest.approx(way, rel=1e-3)


def test_velocity_in_the_log_clock_keeps_its_digits():
    """At β(1 − c) = 200 the plain velocity is lost beside the self-term; here dc/ds = K(1 − c²) to 1e-12."""
    tokens = from_angles([0.0, 2.0])
    flow = ClockedFlow.of(200.0 / (1 - math.cos(2.0)), True, 2)
    vectors, top = pull(flow, tokens, np.array([0.3, 0.7]))
    constant = 0.7 / 0.3 + 0.3 / 0.7
    assert top == pytest.approx(200.0)
    change = vectors[0] @ tokens[1] + tokens[0] @ vectors[1]
    assert change == pytest.approx(constant * math.sin(2.0) ** 2, rel=1e-12)


def test_merging_keeps_mass_and_place_and_separates():
    rng = np.random.default_rng(1)
    tokens = np.concatenate([np.repeat(from_angles([0.0, 2.0]), 40, axis=0), from_angles(rng.uniform(3, 5, 100))])
    masses = rng.uniform(0.5, 1.0, len(tokens))
    merged, merges = merge_near(Clustered.of(tokens, masses / masses.sum()), 0.05)
    assert merged.count + len(merges) == len(tokens)
    assert merged.masses.sum() == pytest.approx(1.0)
    gram = np.linalg.norm(merged.positions[:, None] - merged.positions, axis=2) + 9 * np.eye(merged.count)
    assert gram.min() > 0.05
    assert len(set(merged.labels[:40].tolist())) == len(set(merged.labels[40:80].tolist())) == 1
    distance = np.linalg.norm(tokens - merged.positions[merged.labels], axis=1)
    assert distance.max() < 0.05  # a chain of close tokens is not one cluster
    np.testing.assert_allclose(np.bincount(merged.labels, masses / masses.sum()), merged.masses)
    nodes = [node for merge in merges for node in merge.nodes]
    assert len(set(nodes)) == len(nodes)


def test_a_state_at_rest_ends_the_run():
    run = coarsen(ts.SelfAttention(5.0), np.array([[1.0, 0.0], [-1.0, 0.0]]), log10_times=[3.0, 400.0])
    assert run.attrs["status"] == "at rest"
    np.testing.assert_allclose(run.log10_time[1:], [3.0, 400.0])
    np.testing.assert_array_equal(run.tokens[-1], run.tokens[0])


def test_saves_across_mergers_in_log_time():
    run = coarsen(ts.SelfAttention(40.0), from_angles([0.0, 1.0, 2.2, 3.6]), log10_times=[-3.0, 6.0, 7.0, 20.0, 40.0])
    assert run.clusters.values.tolist() == [4, 4, 4, 3, 2, 1, 1] or run.clusters.values.tolist() == [4, 4, 4, 3, 2, 1]
    np.testing.assert_allclose(run.log10_time[1:5], [-3.0, 6.0, 7.0, 20.0])
    assert run.label.values[3].tolist()[0] == run.label.values[3].tolist()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flow": ts.SelfAttention(1.0, value=-1.0)}, "value"),
        ({"flow": ts.SelfAttention(1.0, query_key=np.eye(2))}, "query_key"),
        ({"weights": [0.0, 1.0]}, "zero"),
        ({"delta": 0.0}, "merge"),
        ({"delta": 0.1, "merge_angle": 0.1}, "not both"),
        ({"times": [1.0], "log10_times": [1.0]}, "not both"),
        ({"times": [-1.0]}, "positive"),
        ({"clock": "wall"}, "wall"),
        ({"until_angle": (0, 5, 0.5)}, "until_angle"),
        ({"until_angle": (0, 1, 0.001)}, "until_angle"),
        ({"until_angle": (0, 1)}, r"until_angle is two tokens and an angle.*\(0, 1\)"),
        ({"until_angle": 0.1}, "until_angle"),
        ({"until_angle": (0.5, 1, 0.3)}, "until_angle.*0.5"),
        ({"until_angle": (0, 1, "x")}, "until_angle.*'x'"),
        ({"delta": "x"}, "delta must be a number, got 'x'"),
        ({"merge_angle": 6.2}, r"merge_angle must lie in .*pi/3.*6.2"),
        ({"merge_angle": "x"}, "merge_angle.*'x'"),
        ({"log10_times": "x"}, "log10_times.*'x'"),
        ({"flow": ts.SelfAttention(10.0, attention=ts.attention.Hardmax())}, "softmax.*Hardmax"),
        ({"flow": ts.SelfAttention(10.0, attention=ts.attention.Dense(mask=np.eye(2, dtype=bool)))}, "mask"),
        ({"rtol": 0.0}, "rtol"),
        ({"until_clusters": 0}, "until_clusters"),
    ],
)
def test_bad_input_is_named(options, message):
    arguments = {"flow": ts.SelfAttention(10.0), "tokens": from_angles([0.0, 1.0])} | options
    with pytest.raises(InputError, match=message):
        coarsen(arguments.pop("flow"), arguments.pop("tokens"), **arguments)


def test_default_delta():
    assert default_delta(100.0) == pytest.approx(0.01)
    assert default_delta(0.0) == 0.1
