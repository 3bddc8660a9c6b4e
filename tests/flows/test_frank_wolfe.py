"""Frank–Wolfe dynamics: exact paths, leaders, layers as the discrete method, energy, E18; the softmax form."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import EUCLIDEAN, FrankWolfe

B = np.array([[1.0, 0.3], [0.3, 0.8]])
SKEW = np.array([[1.0, 1.3], [-0.5, 0.8]])


def cloud(n=40, dim=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim))


def targets(points, b):
    return np.array([max(range(len(points)), key=lambda j: x @ b @ points[j]) for x in points])


@pytest.mark.parametrize("b", [None, 0.7, -1.0, B, SKEW], ids=["I", "0.7", "-1", "B", "skew"])
def test_velocity_is_the_formula(b):
    points = cloud()
    matrix = np.eye(2) * (1.0 if b is None else b) if np.ndim(b) == 0 else b
    value = np.array([[2.0, 0.5], [0.0, 0.1]])
    want = (points[targets(points, matrix)] - points) @ value.T
    np.testing.assert_allclose(FrankWolfe(value, b).velocity(points), want, atol=1e-13)
    np.testing.assert_allclose(FrankWolfe(value, b, slowing=True).velocity(points, t=3.0), 0.4 * want, atol=1e-13)


def test_one_dimension_and_space():
    flow = FrankWolfe()
    assert flow.space is EUCLIDEAN
    np.testing.assert_allclose(flow.velocity([[-2.0], [0.5], [3.0]]), [[0.0], [2.5], [0.0]])


def test_the_flow_follows_the_exact_path():
    points = cloud()
    path = ts.theory.vertex_paths(points, B)
    times = np.array([0.0, 0.3, 2.0, 20.0])
    run = ts.simulate(FrankWolfe(query_key=B), points, times, rtol=1e-11)
    np.testing.assert_allclose(run.tokens.values[:, path.known], path.at(times)[:, path.known], atol=1e-9)
    assert path.known.sum() > 30
    assert (run.tokens.values[:, path.leader] == points[path.leader]).all()


def test_layers_are_the_discrete_method():
    points, gamma = cloud(), 0.2
    run = ts.simulate(FrankWolfe(query_key=B), points, [0.0, 0.2, 1.0], method="layer", step_size=gamma)
    path = ts.theory.vertex_paths(points, B)
    want = path.after([0, 1, 5], gamma)
    np.testing.assert_allclose(run.tokens.values[:, path.known], want[:, path.known], atol=1e-14)
    moved = points + gamma * (points[targets(points, B)] - points)
    np.testing.assert_allclose(run.tokens.values[1], moved, atol=1e-15)


def test_leaders_in_their_own_words():
    """x_i⁺ = x_i + α/(1+α) mean_{j∈C_i}(x_j − x_i), with a tie: the middle of a square sees all corners."""
    points = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 0.0], [0.3, 0.3], [0.2, -0.1]])
    alpha = 0.5
    want = []
    for x in points:
        scores = points @ x
        best = points[scores >= scores.max() - 1e-12]
        want.append(x + alpha / (1 + alpha) * (best - x).mean(axis=0))
    gamma = alpha / (1 + alpha)
    run = ts.simulate(FrankWolfe(), points, [0.0, gamma], method="layer", step_size=gamma)
    np.testing.assert_allclose(run.tokens.values[1], want, atol=1e-15)
    np.testing.assert_array_equal(ts.theory.vertex_paths(points).leader, [True] * 4 + [False] * 3)


def test_classical_steps():
    """γ_ℓ = 2/(ℓ+2): the first layer jumps to the vertex."""
    points = cloud()
    run = ts.simulate(FrankWolfe(slowing=True), points, np.arange(4.0), method="layer", step_size=1.0).tokens.values
    np.testing.assert_allclose(run[1], points[targets(points, np.eye(2))], atol=1e-15)
    moved = run[2] + 0.5 * (run[2][targets(run[2], np.eye(2))] - run[2])
    np.testing.assert_allclose(run[3], moved, atol=1e-15)


def test_the_transposed_score_is_another_flow():
    """E18: vertices are judged by x_iᵀB y."""
    points = cloud()
    right, wrong = (FrankWolfe(query_key=m).velocity(points) for m in (SKEW, SKEW.T))
    np.testing.assert_allclose(right, points[targets(points, SKEW)] - points, atol=1e-14)
    assert (np.abs(right - wrong).max(axis=1) > 0.1).mean() > 0.3


def test_energy_climbs_by_the_gap():
    """dJ/dt = gap for every token, and layers climb too."""
    points = cloud()
    flow = FrankWolfe(query_key=B)
    run = ts.simulate(flow, points, np.linspace(0, 3, 7), rtol=1e-9).tokens.values
    heights = [flow.energy(x) for x in run]
    assert (np.diff(heights) > 0).all()
    h = 1e-6
    slope = (flow.energy(points + h * flow.velocity(points)) - flow.energy(points)) / h
    assert slope == pytest.approx(ts.observe.frank_wolfe_gap(points, B).mean(), rel=1e-5)
    layers = ts.simulate(flow, points, 0.3 * np.arange(20), method="layer", step_size=0.3).tokens.values
    assert (np.diff([flow.energy(x) for x in layers]) >= -1e-14).all()


def test_softmax_tends_to_it_and_contracts():
    points = cloud(20)
    limit = FrankWolfe(query_key=B).velocity(points)
    errors = [np.abs(FrankWolfe(query_key=B, beta=b).velocity(points) - limit).max() for b in (1.0, 30.0, 1e3, 1e5)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3
    end = ts.simulate(FrankWolfe(beta=0.1), points, [0.0, 12.0], rtol=1e-8).tokens.values[-1]
    assert np.ptp(end, axis=0).max() < 1e-3


def test_inside_transformed_code():
    import jax

    points = cloud()
    for flow in (FrankWolfe(query_key=B), FrankWolfe(query_key=B, beta=2.0)):
        np.testing.assert_allclose(jax.jit(lambda x, f=flow: f.velocity(x))(points), flow.velocity(points), atol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FrankWolfe(query_key=0.0), "query_key is zero"),
        (lambda: FrankWolfe(beta=-1.0), "beta"),
        (lambda: FrankWolfe(query_key=np.eye(3)).velocity(np.eye(2)), "dim 2"),
        (lambda: FrankWolfe().velocity([[np.nan, 0.0]]), "token 0 is not finite"),
        (lambda: FrankWolfe(query_key=SKEW).energy(np.eye(2)), "symmetric"),
        (lambda: ts.simulate(FrankWolfe(), [[1.0, 2.0]], [0.0, 1.0], radii=2.0), "radii"),
        (lambda: ts.simulate(FrankWolfe(), [[1.0, np.inf]], [0.0, 1.0]), "token 0 is not finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
