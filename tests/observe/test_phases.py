import math

import numpy as np
import pytest

from tokensphere import observe
from tokensphere.errors import InputError


def series():
    t = np.linspace(0, 4, 401)
    order = np.stack([0.01 * np.exp(2 * t), 0.001 * np.exp(-t)], axis=1).clip(max=1.0)
    speed = np.exp(-((t - 1.234) ** 2) / (2 * 0.3**2))
    counts = np.where(t < 2.0, 50, np.where(t < 3.5, 3, 2))
    return t, order, speed, counts


def test_all_times_of_a_synthetic_run():
    found = observe.phases(*series())
    assert found.linear_exit == pytest.approx(math.log(10) / 2, rel=1e-12)
    assert found.quasi_linear_exit == pytest.approx(math.log(50) / 2, rel=1e-12)
    assert found.peak == pytest.approx(1.234, abs=1e-9)
    assert found.clusters_formed == pytest.approx(1.234 + 0.3 * math.sqrt(2 * math.log(100)), abs=1e-3)
    assert found.clusters == 3
    assert found.first_merger == pytest.approx(3.5)
    lengths = found.durations()
    assert lengths["linear"] == found.linear_exit
    assert lengths["quasi_linear"] == pytest.approx(math.log(5) / 2)
    assert lengths["metastable"] == pytest.approx(3.5 - found.clusters_formed)


def test_unreached_times_are_none():
    t, order, speed, counts = series()
    short = slice(0, 120)
    found = observe.phases(t[short], order[short], speed[short], counts[short])
    assert found.linear_exit is not None
    assert (found.quasi_linear_exit, found.peak, found.clusters_formed, found.first_merger) == (None,) * 4
    assert found.durations()["clustering"] is None
    only_order = observe.phases(t, order)
    assert only_order.peak is None
    assert only_order.quasi_linear_exit is not None
    assert observe.phases(t, order, speed * 0, counts).peak is None


def test_speed_that_falls_to_zero():
    found = observe.phases([0, 1, 2, 3], np.full((4, 1), 0.2), [1.0, 2.0, 0.0, 0.0])
    assert found.linear_exit == 0
    assert found.clusters_formed == pytest.approx(1 + 0.99)


def test_bad_series_are_named():
    t, order, speed, counts = series()
    with pytest.raises(InputError, match="order must have shape"):
        observe.phases(t, order[:, 0])
    with pytest.raises(InputError, match="speed_squared"):
        observe.phases(t, order, -speed)
    with pytest.raises(InputError, match="clusters"):
        observe.phases(t, order, speed, counts[:3])
