import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensphere import sphere
from tokensphere.errors import InputError


def test_import_is_light():
    code = (
        "import sys, tokensphere.sphere; "
        "assert not {'scipy', 'ducc0', 'jax', 'safetensors'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_normalize_extreme_lengths():
    rows = np.array([[3e300, 4e300], [3e-310, 4e-310], [1.0, 0.0]])
    np.testing.assert_allclose(sphere.normalize(rows), [[0.6, 0.8], [0.6, 0.8], [1, 0]], rtol=1e-9)


def test_normalize_names_the_zero_token():
    with pytest.raises(InputError, match="token 1 has zero length"):
        sphere.normalize([[1.0, 0.0], [0.0, 0.0]])


def test_project_is_tangent():
    x = sphere.uniform(50, 5, 0)
    y = np.random.default_rng(1).normal(size=(50, 5))
    p = sphere.project(x, y)
    assert np.abs((p * x).sum(axis=1)).max() < 1e-14
    np.testing.assert_allclose(sphere.project(x, p), p, atol=1e-14)
    with pytest.raises(InputError, match="shape"):
        sphere.project(x, y[:3])


@given(st.floats(-15, 0), st.booleans())
def test_geodesic_is_accurate_near_zero_and_pi(exponent, antipodal):
    small = 10.0**exponent
    a = sphere.from_angles([0.0])[0]
    b = np.array([np.cos(small), np.sin(small)])
    if antipodal:
        assert abs(sphere.geodesic(a, -b) - (np.pi - small)) < 1e-15 * 4
    else:
        assert sphere.geodesic(a, b) == pytest.approx(small, rel=1e-14)


def test_distances_broadcast_and_agree():
    x, y = sphere.uniform(7, 4, 1), sphere.uniform(5, 4, 2)
    g, c = sphere.geodesic(x[:, None], y[None]), sphere.chordal(x[:, None], y[None])
    assert g.shape == (7, 5)
    np.testing.assert_allclose(c, 2 * np.sin(g / 2), rtol=1e-13)


@given(st.lists(st.floats(-3.14, 3.14), min_size=1, max_size=20))
def test_angles_round_trip(theta):
    np.testing.assert_allclose(sphere.angles(sphere.from_angles(theta)), theta, atol=1e-15)


def test_angles_need_the_circle():
    with pytest.raises(InputError, match="dim = 2"):
        sphere.angles(sphere.uniform(3, 3, 0))
    with pytest.raises(InputError, match="not finite"):
        sphere.from_angles([0.0, np.nan])
