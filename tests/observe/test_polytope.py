"""Vertices of hulls, depth, distances and gaps, against hand-made polytopes and linear programs."""

import numpy as np
import pytest
from scipy.optimize import linprog

from tokensphere.errors import InputError
from tokensphere.observe import frank_wolfe_gap, hull_depth, hull_vertices, vertex_distance

SQUARE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


def by_linear_programs(points):
    """A vertex is no convex combination of the others."""
    found = []
    for i, x in enumerate(points):
        others = np.delete(points, i, axis=0)
        system = np.concatenate([others.T, np.ones((1, len(others)))])
        feasible = linprog(np.zeros(len(others)), A_eq=system, b_eq=np.append(x, 1.0), bounds=(0, None)).status == 0
        if not feasible:
            found.append(i)
    return found


@pytest.mark.parametrize(("n", "dim"), [(30, 2), (25, 3), (24, 5), (30, 9)])
def test_vertices(n, dim):
    points = np.random.default_rng(dim).standard_normal((n, dim))
    points[:8] *= 0.05
    found = hull_vertices(points)
    assert found.tolist() == by_linear_programs(points)
    assert 0 < found.size < n


def test_flat_hulls_copies_and_lines():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    flat = np.concatenate([SQUARE, [[0.2, 0.1], [1.0, 0.0]]]) @ turn[:2] + 3.0
    assert hull_vertices(flat).tolist() == [0, 1, 2, 3]  # the copy of the first is no second vertex
    line = np.outer([0.3, -1.0, 2.0, 0.0], turn[0])
    assert hull_vertices(line).tolist() == [1, 2]
    assert hull_vertices(np.ones((5, 3))).tolist() == [0]
    assert hull_vertices([[2.0], [1.0], [3.0]]).tolist() == [1, 2]


def test_depth():
    got = hull_depth([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.9, 0.0]], SQUARE)
    np.testing.assert_allclose(got, [np.sqrt(0.5), 0.0, -np.sqrt(0.5), 0.1 / np.sqrt(2)], atol=1e-14)
    np.testing.assert_allclose(hull_depth([[0.2], [3.0]], [[-1.0], [1.0]]), [0.8, -2.0])


def test_distance_to_vertices():
    np.testing.assert_allclose(vertex_distance([[0.0, 0.0], [1.0, 1.0], [0.0, -1.0]], SQUARE), [1.0, 1.0, 0.0])


def test_gap():
    rng = np.random.default_rng(1)
    points, b = rng.standard_normal((30, 3)), rng.standard_normal((3, 3))
    want = [max(x @ b @ (y - x) for y in points) for x in points]
    np.testing.assert_allclose(frank_wolfe_gap(points, b), want, atol=1e-13)
    assert np.abs(frank_wolfe_gap(points, b.T) - want).max() > 0.1
    np.testing.assert_allclose(frank_wolfe_gap(SQUARE), 0.0)
    np.testing.assert_allclose(frank_wolfe_gap(SQUARE, -1.0), 2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hull_vertices([1.0, 2.0]), "shape"),
        (lambda: hull_vertices([[np.nan, 0.0]]), "token 0"),
        (lambda: hull_depth(SQUARE, SQUARE[:2]), "do not span"),
        (lambda: hull_depth(SQUARE, np.eye(3)), "dim 2"),
        (lambda: vertex_distance(SQUARE, np.eye(3)), "dim"),
        (lambda: frank_wolfe_gap(SQUARE, np.eye(3)), "query_key"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
