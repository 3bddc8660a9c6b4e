import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import ortho_group

from tokensphere import observe, sphere
from tokensphere.errors import InputError


def reference(tokens, angle):
    distance = sphere.geodesic(tokens[:, None], tokens[None])
    return connected_components(csr_array(distance <= angle), directed=False)


def same_partition(a, b):
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("dim", [2, 3, 5, 8, 9, 30])
@pytest.mark.parametrize("kind", ["uniform", "mixture", "repeats"])
def test_against_the_dense_graph(dim, kind):
    tokens = {
        "uniform": lambda: sphere.uniform(300, dim, 1),
        "mixture": lambda: sphere.mixture(300, sphere.uniform(40, dim, 2), 300.0 * dim, 3),
        "repeats": lambda: np.repeat(sphere.uniform(30, dim, 4), 10, axis=0),
    }[kind]()
    gaps = np.sort(sphere.geodesic(tokens[:, None], tokens[None]) + 9 * np.eye(300), axis=1)[:, 0]
    for angle in [1e-3, *np.quantile(gaps, [0.1, 0.5, 0.9, 1.0]) * 1.01 + 1e-6, 1.2]:
        count, labels = reference(tokens, angle)
        found = observe.clusters(tokens, angle)
        assert found.count == count
        assert observe.count_clusters(tokens, angle) == count
        assert same_partition(found.labels, labels)


def test_thousands_of_small_clusters():
    means = sphere.uniform(2000, 3, 5)
    tokens = np.repeat(means, 12, axis=0)
    tokens = sphere.normalize(tokens + 1e-9 * np.random.default_rng(0).normal(size=tokens.shape))
    expected = reference(means, 0.012)[0]
    assert 1000 < expected < 2000
    assert observe.count_clusters(tokens, 0.012) == expected


@pytest.mark.parametrize("spread", [0.0, 1e-16, 1e-9, 1e-3])
def test_collapsed_tokens_stay_cheap(spread):
    n = 200_000
    tokens = np.tile([[0.6, 0.0, 0.8]], (n, 1))
    tokens[n // 2 :, 2] *= -1
    if spread:
        tokens = sphere.normalize(tokens + spread * np.random.default_rng(0).normal(size=tokens.shape))
    tracemalloc.start()
    began = time.perf_counter()
    assert observe.count_clusters(tokens, 0.05) == 2
    elapsed = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert elapsed < 15
    assert peak < 300e6


def test_record_is_ordered_by_mass():
    theta = [0.0, 0.1, 2.0, 4.0, 4.1, 4.2]
    weights = np.array([0.3, 0.1, 0.25, 0.1, 0.2, 0.05])
    found = observe.clusters(sphere.from_angles(theta), 0.15, weights)
    assert found.count == 3
    np.testing.assert_allclose(found.masses, [0.4, 0.35, 0.25])
    np.testing.assert_array_equal(found.sizes, [2, 3, 1])
    np.testing.assert_array_equal(found.labels, [0, 0, 2, 1, 1, 1])
    mean = weights[:2] @ sphere.from_angles(theta[:2])
    np.testing.assert_allclose(found.positions[0], mean / np.linalg.norm(mean))
    assert observe.count_clusters(sphere.from_angles(theta), 0.15, weights, min_mass=0.3) == 2
    assert observe.count_clusters(sphere.from_angles(theta), 0.15, weights, min_mass=0.25) == 3


def test_circle_wraps_round():
    tokens = sphere.from_angles([-3.1, 3.1, 0.0])
    assert observe.count_clusters(tokens, 0.09) == 2
    assert observe.count_clusters(tokens, 0.08) == 3
    assert observe.count_clusters(sphere.equispaced(10), 0.63) == 1
    assert observe.count_clusters(sphere.equispaced(10), 0.62) == 10


@pytest.mark.parametrize("dim", [2, 3, 12])
def test_one_token(dim):
    found = observe.clusters(sphere.uniform(1, dim, 0), 0.1)
    assert (found.count, found.masses[0], found.sizes[0]) == (1, 1.0, 1)


def test_balanced_cluster_has_no_position():
    found = observe.clusters(sphere.equispaced(10), 1.0)
    assert np.isnan(found.positions).all()


@given(st.integers(2, 10), st.integers(0, 10**6), st.floats(0.05, 1.5))
@settings(max_examples=30, deadline=None)
def test_rotation_permutation_and_weights(dim, seed, angle):
    rng = np.random.default_rng(seed)
    tokens = sphere.mixture(60, sphere.uniform(8, dim, seed), 50.0, seed)
    base = observe.clusters(tokens, angle)
    order = rng.permutation(60)
    moved = observe.clusters(tokens[order] @ ortho_group.rvs(dim, random_state=rng), angle)
    assert same_partition(base.labels[order], moved.labels)
    copies = rng.integers(1, 4, 60)
    a = observe.clusters(np.repeat(tokens, copies, axis=0), angle)
    b = observe.clusters(tokens, angle, copies / copies.sum())
    np.testing.assert_allclose(a.masses, b.masses, atol=1e-14)
    assert np.all(np.diff(a.masses) <= 1e-14)


def test_angles_below_the_resolution_of_inner_products():
    step = 3e-10
    tokens = np.zeros((40, 12))
    tokens[:, 0], tokens[:, 1] = 1.0, step * np.arange(40)
    assert observe.count_clusters(tokens, 1.1 * step) == 1
    assert observe.count_clusters(tokens, 0.9 * step) == 40


def test_bad_input_is_named():
    tokens = sphere.uniform(5, 3, 0)
    for angle in (0.0, np.pi, np.nan, -1):
        with pytest.raises(InputError, match="angle"):
            observe.clusters(tokens, angle)
    with pytest.raises(InputError, match="min_mass"):
        observe.count_clusters(tokens, 0.1, min_mass=2)
    with pytest.raises(InputError, match="weights"):
        observe.clusters(tokens, 0.1, np.ones(4) / 4)
