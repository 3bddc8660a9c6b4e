"""The staircase: levels, order of mergers, well-prepared tokens, and the errors in circulation."""

import json
import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.sphere import from_angles

SCALE = math.log(2000) / math.sqrt(2000)
FIGURE = 0.5 * np.array([0, 0.5, 2, 4, 7]) * SCALE
CHAIN = np.array([0, 0.05, 0.15, 0.4, 1.0])


def test_levels_of_the_figure():
    """Tokens 4 and 5 pair before 4 joins the others: .52, not the .68 of a chain."""
    found = ts.theory.staircase(from_angles(FIGURE), 2000.0)
    np.testing.assert_allclose(found.levels, [0.2, 0.28, 0.44, 0.52, 1.0], atol=1e-14)
    assert [(s.first, s.second) for s in found.steps] == [
        ((0,), (1,)),
        ((0, 1), (2,)),
        ((3,), (4,)),
        ((0, 1, 2), (3, 4)),
    ]
    chain_levels = np.array([0.2, 0.28, 0.44, 0.68, 1.0])
    assert np.abs(np.array(found.levels) - chain_levels).max() > 0.1
    assert found.hypotheses[0].holds
    assert not found.hypotheses[1].holds
    assert "tokens 3 and 4" in found.hypotheses[1].detail


def test_arc_length_of_the_figure():
    """10,080 steps of 10⁻⁵ log β in the Euclidean length of the path of five angles."""
    found = ts.theory.staircase(from_angles(FIGURE), 2000.0)
    assert math.sqrt(5) * found.length / (1e-5 * math.log(2000)) == pytest.approx(10_080, abs=1)
    for step in found.steps:
        p, q = step.masses
        assert step.length == pytest.approx(step.angle * math.sqrt(p * q / (p + q)), rel=1e-14)


def test_levels_of_a_well_prepared_chain():
    found = ts.theory.staircase(from_angles(CHAIN), 3000.0)
    np.testing.assert_allclose(found.levels, [0.2, 0.28, 0.44, 0.68, 1.0], atol=1e-14)
    assert [s.second for s in found.steps] == [(1,), (2,), (3,), (4,)]
    assert all(h.holds for h in found.hypotheses)


def test_well_prepared_by_the_definition():
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(200):
        theta = np.sort(rng.uniform(0, 1, 4) ** 3 * math.pi)
        beta = float(rng.uniform(5, 5000))
        unit = math.log(beta) / beta

        def prepared(t, unit=unit):
            return all(
                math.cos(t[i] - t[0]) > math.cos(t[k] - t[i]) + unit for i in range(1, 3) for k in range(i + 1, 4)
            )

        want = prepared(theta) or prepared(theta[-1] - theta[::-1])
        shuffled = rng.permutation(4)
        got = ts.theory.well_prepared(from_angles(theta[shuffled] + rng.uniform(0, 6)), beta)
        assert got.holds == want
        seen.add(want)
    assert seen == {True, False}


def test_more_than_a_half_circle_is_not_prepared():
    assert ts.theory.well_prepared(from_angles([0, 0.1, 2.0, 4.0]), 1000.0).holds is False
    assert ts.theory.well_prepared(from_angles([0, 2.0]), 1000.0).holds is True


def test_times_of_the_log_time_reference():
    """SA, θ = (0, 1, 2.2, 3.6), β = 40: log10 t = 6.2513, 12.5334, 28.5885, to O(1/β) here."""
    found = ts.theory.staircase(from_angles([0, 1, 2.2, 3.6]), 40.0, flow="sa")
    total, want = 0.0, (6.2513, 12.5334, 28.5885)
    for step, log10 in zip(found.steps, want, strict=True):
        total += math.exp(step.log_time)
        assert math.log10(total) == pytest.approx(log10, abs=0.06)
    assert [(s.first, s.second) for s in found.steps] == [((0,), (1,)), ((2,), (3,)), ((0, 1), (2, 3))]


@pytest.mark.parametrize(("flow", "where"), [("sa", 0.2), ("usa-shifted", 1 / 3)])
def test_unequal_masses_meet_nearer_to_the_heavier(flow, where):
    """At (m_1²θ_1 + m_2²θ_2)/(m_1² + m_2²) for SA, not at the barycentre: seen in the next angle."""
    found = ts.theory.staircase(from_angles([0.0, 1.0, 3.0]), 50.0, weights=[0.4, 0.2, 0.4], flow=flow)
    assert found.steps[1].angle == pytest.approx(3.0 - where, abs=1e-12)
    assert found.levels == pytest.approx((0.36, 0.52, 1.0))


def test_dimension_and_rotation_do_not_matter():
    flat = from_angles(FIGURE)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    lifted = np.pad(flat, ((0, 0), (0, 2))) @ turn
    one, two = ts.theory.staircase(flat, 900.0), ts.theory.staircase(lifted, 900.0)
    assert one.levels == pytest.approx(two.levels)
    assert [s.log_time for s in one.steps] == pytest.approx([s.log_time for s in two.steps], rel=1e-8)


def test_antipodal_clusters_rest():
    found = ts.theory.staircase(from_angles([0.0, math.pi]), 10.0)
    assert found.steps[0].log_time == math.inf
    assert ts.theory.staircase(from_angles([0.0, 1.0]), 0.5).levels == pytest.approx((0.5, 1.0))
    assert json.loads(json.dumps(found.to_dict()))["steps"][0]["log_time"] is None


def test_a_tie_is_told():
    found = ts.theory.staircase(from_angles([0.0, 1.0, 2.0]), 50.0)
    assert found.hypotheses[0].holds is False


def test_the_gradient_has_the_factor_of_both_masses():
    """∂𝓔/∂θ_i = −(2β/n²) Σ_j sin(θ_i − θ_j) e^{β(cos − 1)}: printed without 1/n², and 𝓔 with 1/(2βe^β) instead."""
    beta, theta, h = 2000.0, FIGURE, 1e-7
    gaps = theta[:, None] - theta
    pull = -np.sum(np.sin(gaps) * np.exp(beta * (np.cos(gaps) - 1)), axis=1)
    shift = h * np.eye(5)
    energy = lambda t: ts.observe.staircase_energy(from_angles(t), beta)  # noqa: E731
    slope = np.array([(energy(theta + e) - energy(theta - e)) / (2 * h) for e in shift])
    np.testing.assert_allclose(slope, 2 * beta * pull / 25, atol=1e-6 * np.abs(slope).max())
    assert np.abs(slope - 2 * beta * pull).max() > 10 * np.abs(slope).max()
    with pytest.raises(InputError, match="overflow"):
        ts.observe.energy(from_angles(theta), beta)  # needs e^β


def test_the_clock_of_the_theorem_takes_the_least_not_the_largest():
    """One unit of a clock with the maximum over pairs is longer than the whole staircase takes."""
    beta, tokens = 2000.0, from_angles(FIGURE)
    found = ts.theory.staircase(tokens, beta)
    rate = ts.theory.log_clock_rate(tokens, beta, "staircase")
    c = tokens @ tokens.T
    far = np.arccos(np.clip(c, -1, 1)) > 1 / math.sqrt(beta * math.log(beta))
    assert rate == pytest.approx(math.log(math.log(beta)) + beta * (1 - c[far].max()), rel=1e-9)
    assert rate < found.steps[0].log_time + 5
    assert math.log(math.log(beta)) + beta * (1 - c[far].min()) > found.steps[-1].log_time + 100


@pytest.mark.parametrize(
    ("tokens", "options"),
    [
        (from_angles([0.0, 0.0, 1.0]), {}),
        (from_angles([0.0]), {}),
        (from_angles([0.0, 1.0]), {"beta": 0.0}),
        (from_angles([0.0, 1.0]), {"weights": [0.0, 1.0]}),
        (from_angles([0.0, 1.0]), {"flow": "mean"}),
    ],
)
def test_bad_input(tokens, options):
    with pytest.raises(InputError):
        ts.theory.staircase(tokens, **({"beta": 10.0} | options))
    with pytest.raises(InputError, match="circle"):
        ts.theory.well_prepared(np.eye(3), 10.0)
