"""Vertices, leaders, exact paths and the bound on the gap, without any simulation."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.observe import frank_wolfe_gap
from tokensphere.theory import frank_wolfe_gap_bound, vertex_paths

B = np.array([[1.0, 0.3], [0.3, 0.8]])
SKEW = np.array([[1.0, 1.3], [-0.5, 0.8]])
TRIANGLE = np.array([[1.0, 0.0], [-0.6, 0.8], [-0.6, -0.8], [0.3, 0.1], [-0.2, 0.3]])


def test_targets_and_leaders_by_hand():
    found = vertex_paths(TRIANGLE)
    np.testing.assert_array_equal(found.target, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(found.leader, [True, True, True, False, False])
    assert found.known.all()
    got = found.at([0.0, np.log(2.0)])
    np.testing.assert_allclose(got[1, 3], 0.5 * (TRIANGLE[3] + TRIANGLE[0]), atol=1e-15)
    np.testing.assert_allclose(found.after([2], 0.5)[0, 4], 0.25 * TRIANGLE[4] + 0.75 * TRIANGLE[1], atol=1e-15)
    np.testing.assert_array_equal(got[1, :3], TRIANGLE[:3])


def test_a_vertex_that_is_no_leader():
    """A flat vertex sees another one above itself: it moves, and the paths towards it are not known."""
    points = np.array([[1.0, 0.0], [0.2, 0.5], [-1.0, 0.0], [0.0, -0.1], [0.0, 0.6]])
    matrix = np.diag([1.0, 0.1])
    found = vertex_paths(points, matrix)
    scores = points @ matrix @ points.T
    np.testing.assert_array_equal(found.leader, scores.argmax(axis=1) == np.arange(5))
    assert not found.leader[1]
    np.testing.assert_array_equal(found.known, found.leader[found.target])
    assert np.isnan(found.at([1.0])[0, ~found.known]).all() or found.known.all()


def test_scores_are_not_those_of_the_transpose():
    """E18."""
    points = np.random.default_rng(0).standard_normal((30, 2))
    want = [max(range(30), key=lambda j: x @ SKEW @ points[j]) for x in points]
    np.testing.assert_array_equal(vertex_paths(points, SKEW).target, want)
    assert (vertex_paths(points, SKEW.T).target != want).mean() > 0.2


def test_ties_and_copies():
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.3, 0.3]])
    assert not vertex_paths(square).known[4]
    doubled = vertex_paths(np.concatenate([TRIANGLE, TRIANGLE[:1]]))
    assert doubled.known.all()
    assert doubled.leader[[0, 5]].all()


@pytest.mark.parametrize("steps", [np.full(30, 0.3), 2.0 / (np.arange(30) + 2.0)])
def test_the_gap_stays_below_its_bound(steps):
    """The discrete method by hand; the bound is not idle: a fifth of it would not do."""
    points = np.random.default_rng(1).standard_normal((40, 2))
    bound = frank_wolfe_gap_bound(points, steps, B)
    least, x = np.full(40, np.inf), points
    worst = 0.0
    for step, limit in zip(steps, bound, strict=True):
        least = np.minimum(least, frank_wolfe_gap(x, B))
        assert (least <= limit + 1e-12).all()
        worst = max(worst, float(np.nanmax(np.where(limit > 1e-9, least / np.maximum(limit, 1e-9), np.nan))))
        x = x + step * (x[(x @ B @ x.T).argmax(axis=1)] - x)
    assert worst > 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vertex_paths(np.zeros(3)), "shape"),
        (lambda: vertex_paths(TRIANGLE, np.eye(3)), "query_key"),
        (lambda: vertex_paths(TRIANGLE).at([-1.0]), "times"),
        (lambda: vertex_paths(TRIANGLE).after([1], 1.5), "step"),
        (lambda: frank_wolfe_gap_bound(TRIANGLE, [0.5], SKEW), "symmetric"),
        (lambda: frank_wolfe_gap_bound(TRIANGLE, [0.5], -1.0), "positive"),
        (lambda: frank_wolfe_gap_bound(TRIANGLE, [1.5]), "steps"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
