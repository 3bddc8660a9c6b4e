import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere import observe, sphere
from tokensphere.errors import InputError


def state(k, angle=0.0):
    return sphere.from_angles(angle + 2 * np.pi * np.arange(k) / k)


@given(st.integers(1, 7), st.integers(1, 20), st.floats(0, 6), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_zero_on_the_states_themselves(k, copies, angle, seed):
    tokens = np.random.default_rng(seed).permutation(np.repeat(state(k, angle), copies, axis=0))
    found = observe.k_cluster_distance(tokens, k)
    assert found.distance < 1e-13
    assert sphere.chordal(*sphere.from_angles([k * found.angle, k * angle])) < 1e-12


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_scan_over_the_angle(seed, weighted):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 25)), int(rng.integers(1, 6))
    tokens = sphere.from_angles(rng.normal(size=n) * [0.5, 1.5, 10][seed % 3])
    w = rng.dirichlet(np.ones(n)) if weighted else None
    found = observe.k_cluster_distance(tokens, k, w)

    def at(angle):
        return observe.wasserstein(tokens, state(k, angle), weights_a=w)

    assert at(found.angle) == pytest.approx(found.distance, abs=1e-6)
    assert min(at(angle) for angle in np.linspace(0, 2 * np.pi / k, 200)) >= found.distance - 1e-7


def test_uniform_is_as_far_from_every_state_as_an_arc():
    n, k = 3000, 3
    found = observe.k_cluster_distance(sphere.equispaced(n), k)
    assert found.distance == pytest.approx(math.pi / (math.sqrt(3) * k), rel=1e-3)


def test_large_cloud():
    tokens = sphere.uniform(200_000, 2, 0)
    assert observe.k_cluster_distance(tokens, 4).distance == pytest.approx(math.pi / (4 * math.sqrt(3)), rel=0.01)


def test_periodic_defect():
    assert observe.k_periodic_defect(state(3, 0.4), 3) < 1e-14
    assert observe.k_periodic_defect(sphere.equispaced(100, 1e-3, degree=2), 3) > 1e3
    theta = sphere.angles(sphere.equispaced(120, 1e-2, degree=3))
    tilt = theta + 1e-4 * np.cos(2 * theta)  # mode 2 of size 1e-4 on mode 3 of size 1e-2
    assert observe.k_periodic_defect(sphere.from_angles(tilt), 3, max_degree=3) == pytest.approx(1e-2, rel=1e-2)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="dim = 2"):
        observe.k_cluster_distance(sphere.uniform(4, 3, 0), 2)
    with pytest.raises(InputError, match="p must be 2"):
        observe.k_cluster_distance(state(3), 3, p=1)
    with pytest.raises(InputError, match="max_degree"):
        observe.k_periodic_defect(state(3), 3, max_degree=2)
