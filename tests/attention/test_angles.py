import numpy as np
import pytest

from tokensphere.attention.angles import angles


def test_equal_to_arctan2_everywhere():
    rng = np.random.default_rng(0)
    theta = np.concatenate([rng.uniform(-np.pi, np.pi, 100_000), np.arange(-8, 9) * np.pi / 8])
    theta = np.concatenate([theta, theta[-17:] + 1e-9, theta[-17:] - 1e-16, [1e-300, -1e-12]])
    points = np.stack([np.cos(theta), np.sin(theta)], axis=1) * rng.uniform(0.5, 2, theta.size)[:, None]
    out = np.empty(theta.size)
    angles(points.reshape(-1), out, 1e-6)
    np.testing.assert_allclose(out, np.arctan2(points[:, 1], points[:, 0]), rtol=0, atol=5e-16)


@pytest.mark.parametrize(("point", "want"), [((1, 0), 0), ((0, 1), 0.5), ((-1, 0), 1), ((0, -1), -0.5)])
def test_axes(point, want):
    out = np.empty(1)
    angles(np.array(point, dtype=float), out, 1e-6)
    assert out[0] == pytest.approx(want * np.pi, abs=1e-16)


def test_points_of_unit_length_are_counted():
    points = np.tile([0.6, 0.8], (50, 1))
    out = np.empty(50)
    assert angles(points.reshape(-1), out, 1e-6) == 50
    bad = {3: [0.6, 0.81], 17: [np.nan, 1.0], 18: [1.0, np.nan], 30: [np.inf, 0.0], 40: [0.6, 0.8 - 1e-6], 49: [0, 0]}
    points[list(bad)] = list(bad.values())
    points[5] = [0.6, 0.8 - 5e-7]
    assert angles(points.reshape(-1), out, 1e-6) == 50 - len(bad)
