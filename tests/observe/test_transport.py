import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tokensphere import observe, sphere
from tokensphere.errors import InputError


def program(a, b, p, u, v):
    """Brute-force transport by linear programming."""
    n, m = len(a), len(b)
    cost = sphere.geodesic(a[:, None], b[None]) ** p
    rows = np.zeros((n + m, n * m))
    for i in range(n):
        rows[i, i * m : (i + 1) * m] = 1
    for j in range(m):
        rows[n + j, j::m] = 1
    answer = linprog(cost.ravel(), A_eq=rows[:-1], b_eq=np.concatenate([u, v])[:-1], method="highs")
    return answer.fun ** (1 / p)


def cloud(rng, n, spread):
    return sphere.from_angles(spread * rng.normal(size=n))


@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("seed", range(12))
def test_circle_against_linear_programming(p, seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 14, 2)
    spread = [0.3, 1.0, 10.0][seed % 3]
    a, b = cloud(rng, n, spread), cloud(rng, m, 10.0)
    u, v = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    assert observe.wasserstein(a, b, p, weights_a=u, weights_b=v) == pytest.approx(program(a, b, p, u, v), abs=2e-6)
    equal = program(a, b, p, np.full(n, 1 / n), np.full(m, 1 / m))
    assert observe.wasserstein(a, b, p) == pytest.approx(equal, abs=2e-6)
    mixed = program(a, b, p, u, np.full(m, 1 / m))
    assert observe.wasserstein(a, b, p, weights_a=u) == pytest.approx(mixed, abs=2e-6)


@pytest.mark.parametrize("dim", [2, 3, 7])
@pytest.mark.parametrize("metric", ["geodesic", "chordal"])
def test_identity_and_permutation(dim, metric):
    a = sphere.uniform(40, dim, 0)
    b = np.random.default_rng(0).permutation(a)
    for p in (1, 2):
        assert observe.wasserstein(a, b, p, metric) == pytest.approx(0, abs=1e-15)


@given(st.integers(1, 40), st.floats(-3.1, 3.1), st.floats(1e-9, 0.5), st.integers(0, 10**6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rotated_copy_of_an_arc(n, centre, turn, seed, weighted):
    rng = np.random.default_rng(seed)
    theta = centre + rng.uniform(-0.5, 0.5, n)
    order = rng.permutation(n)
    u = rng.dirichlet(np.ones(n)) if weighted else np.full(n, 1 / n)
    a, b = sphere.from_angles(theta), sphere.from_angles(theta[order] + turn)
    for p in (1, 2):
        assert observe.wasserstein(a, b, p, weights_a=u, weights_b=u[order]) == pytest.approx(turn, abs=1e-11)


def test_two_antipodal_pairs():
    assert observe.wasserstein([[1, 0], [-1, 0]], [[0, 1], [0, -1]]) == pytest.approx(math.pi / 2)
    assert observe.wasserstein([[1, 0]], [[-1, 0]], metric="chordal") == pytest.approx(2)


@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None)
def test_triangle_symmetry_rotation_and_copies(seed, p):
    rng = np.random.default_rng(seed)
    clouds = [cloud(rng, n, 2.0) for n in rng.integers(1, 30, 3)]
    u, v, w = (rng.dirichlet(np.ones(len(c))) for c in clouds)
    a, b, c = clouds
    ab = observe.wasserstein(a, b, p, weights_a=u, weights_b=v)
    bc = observe.wasserstein(b, c, p, weights_a=v, weights_b=w)
    ac = observe.wasserstein(a, c, p, weights_a=u, weights_b=w)
    assert ac <= ab + bc + 1e-7
    assert observe.wasserstein(b, a, p, weights_a=v, weights_b=u) == pytest.approx(ab, abs=1e-7)
    turn = sphere.from_angles([rng.uniform(0, 6)])[0]
    matrix = np.array([[turn[0], turn[1]], [-turn[1], turn[0]]])
    assert observe.wasserstein(a @ matrix, b @ matrix, p, weights_a=u, weights_b=v) == pytest.approx(ab, abs=1e-7)
    copies = rng.integers(1, 4, len(a))
    assert observe.wasserstein(np.repeat(a, copies, axis=0), b, p) == pytest.approx(
        observe.wasserstein(a, b, p, weights_a=copies / copies.sum()), abs=1e-7
    )


@pytest.mark.parametrize("p", [1, 2])
def test_assignment_agrees_with_the_circle(p):
    a, b = sphere.uniform(30, 2, 0), sphere.uniform(30, 2, 1)
    # The same points on a great circle of a higher sphere go through the assignment.
    pad = np.zeros((30, 2))
    high = observe.wasserstein(np.hstack([a, pad]), np.hstack([b, pad]), p)
    assert observe.wasserstein(a, b, p) == pytest.approx(high, rel=1e-12)


def test_large_clouds_of_unequal_size():
    a, b = sphere.uniform(200_000, 2, 1), sphere.uniform(199_999, 2, 2)
    w2 = observe.wasserstein(a, b)
    assert observe.wasserstein(a, b, 1) <= w2 <= 10 / math.sqrt(200_000)
    # E W_2^2 = 2 pi^2 / (3 n) for two independent clouds; the spread of one value is of the same order.
    assert 0.05 < w2**2 * 3 * 200_000 / (2 * math.pi**2) < 6


def test_one_token_against_many_with_masses():
    a, b = sphere.uniform(1, 5, 0), sphere.uniform(6, 5, 1)
    v = np.arange(1, 7) / 21
    expected = math.sqrt(v @ sphere.geodesic(a, b) ** 2)
    assert observe.wasserstein(a, b, weights_b=v) == pytest.approx(expected)


def test_impossible_cases_say_what_is_possible():
    a = sphere.uniform(4, 3, 0)
    with pytest.raises(InputError, match="equal counts and no weights"):
        observe.wasserstein(a, sphere.uniform(5, 3, 0))
    with pytest.raises(InputError, match="at most 3000"):
        observe.wasserstein(sphere.uniform(3001, 3, 0), sphere.uniform(3001, 3, 1))
    with pytest.raises(InputError, match="same dim"):
        observe.wasserstein(a, sphere.uniform(4, 2, 0))
    with pytest.raises(InputError, match="metric"):
        observe.wasserstein(a, a, metric="flat")
    with pytest.raises(InputError, match="p must"):
        observe.wasserstein(a, a, p=0.5)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_to_uniform_closed_forms(n):
    tokens = sphere.equispaced(n)
    assert observe.wasserstein_to_uniform(tokens, 1) == pytest.approx(math.pi / (2 * n), rel=1e-13)
    assert observe.wasserstein_to_uniform(tokens, 2) == pytest.approx(math.pi / (math.sqrt(3) * n), rel=1e-13)


@pytest.mark.parametrize("p", [1, 2])
def test_to_uniform_is_the_limit_of_many_equispaced_tokens(p):
    rng = np.random.default_rng(3)
    tokens, w = cloud(rng, 9, 1.0), rng.dirichlet(np.ones(9))
    many = observe.wasserstein(tokens, sphere.equispaced(20_000), p, weights_a=w)
    assert observe.wasserstein_to_uniform(tokens, p, w) == pytest.approx(many, abs=2e-4)


def test_to_uniform_mean_over_seeds():
    n, runs = 50, 2000
    square = np.array([observe.wasserstein_to_uniform(sphere.uniform(n, 2, s)) for s in range(runs)]) ** 2 * n
    assert square.mean() == pytest.approx(math.pi**2 / 3, abs=4 * square.std() / math.sqrt(runs))


@pytest.mark.parametrize(("n", "reference"), [(10, 1.423), (50, 1.404), (100, 1.403)])
def test_mean_distance_to_a_sampled_law(n, reference):
    # sqrt(n) E W_1 of n tokens drawn from (1 + cos(2 theta)/2 + 0.3 sin(theta)) / (2 pi)
    grid = np.linspace(0, 2 * np.pi, 20_001)
    law = (grid + 0.25 * np.sin(2 * grid) + 0.3 * (1 - np.cos(grid))) / (2 * np.pi)
    fine = sphere.from_angles(np.interp((np.arange(2000) + 0.5) / 2000, law, grid))
    rng = np.random.default_rng(0)
    runs = 1500
    values = math.sqrt(n) * np.array(
        [observe.wasserstein(sphere.from_angles(np.interp(rng.random(n), law, grid)), fine, 1) for _ in range(runs)]
    )
    # The reference has a standard error of the same size.
    assert values.mean() == pytest.approx(reference, abs=4 * math.sqrt(2 / runs) * values.std())
