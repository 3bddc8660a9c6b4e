import numpy as np
import pytest

from tokensphere.attention.angles import angles


def test_equal_to_arctan2_everywhere():
    rng = np.random.default_rng(0)
    theta = np.concatenate([rng.uniform(-np.pi, np.pi, 100_000), np.arange(-8, 9) * np.pi / 8])
    theta = np.concatenate([theta, theta[-17:] + 1e-9, theta[-17:] - 1e-16, [1e-300, -1e-12]])
    points = np.stack([np.cos(theta), np.sin(theta)], axis=1) * rng.uniform(0.5, 2, theta.size)[:, None]
    out = np.empty(theta.size)
    angles(points, out)
    np.testing.assert_allclose(out, np.arctan2(points[:, 1], points[:, 0]), rtol=0, atol=5e-16)


@pytest.mark.parametrize(("point", "want"), [((1, 0), 0), ((0, 1), 0.5), ((-1, 0), 1), ((0, -1), -0.5)])
def test_axes(point, want):
    out = np.empty(1)
    angles(np.array([point], dtype=float), out)
    assert out[0] == pytest.approx(want * np.pi, abs=1e-16)
