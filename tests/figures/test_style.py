import math

import numpy as np
import pytest

from tokensphere.figures import style
from tokensphere.figures.bands import phase_spans
from tokensphere.figures.trajectories import _broken_at_wrap, _turn_to_front
from tokensphere.observe import Phases


def test_labels_move_apart_and_stay_in_order():
    out = style.spread([0.0, 0.01, 0.02, 0.9, 0.99, 1.0], 0.1, 0.0, 1.0)
    assert np.diff(out).min() >= 0.1 - 1e-12
    assert min(out) >= 0
    assert max(out) <= 1 + 1e-12
    assert style.spread([0.2, 0.8], 0.1, 0.0, 1.0) == [0.2, 0.8]


def test_degrees_in_one_figure_never_share_a_colour():
    colors = style.degree_colors([1, 8, 15, 2, 9])
    assert len(set(colors.values())) == 5
    assert colors[1] == style.degree_colors([1])[1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.10925232, "0.1093"), (-2.0, "−2"), (1.589e-5, "1.589·10⁻⁵"), (6.02e23, "6.02·10²³")]
)
def test_short_numbers(value, text):
    assert style.short(value) == text


def test_phases_follow_each_other_up_to_the_end():
    found = Phases(0.0, 1.0, 2.0, 2.5, 3.0, None, 2)
    spans = phase_spans(found, 5.0)
    assert spans == [
        ("linear", 0.0, 1.0),
        ("quasi-linear", 1.0, 2.0),
        ("clustering", 2.0, 3.0),
        ("metastable", 3.0, 5.0),
    ]
    assert phase_spans(found, 1.5)[-1] == ("quasi-linear", 1.0, 1.5)
    assert phase_spans(Phases(0.0, 1.0, None, 2.0, 3.0, 4.0, 1), 5.0)[1:] == [
        ("quasi-linear", 1.0, 3.0),
        ("metastable", 3.0, 4.0),
        ("terminal", 4.0, 5.0),
    ]


def test_nothing_follows_a_linear_phase_that_does_not_end():
    assert phase_spans(Phases(0.0, None, None, 0.1, 0.2, None, 3), 1.0) == [("linear", 0.0, 1.0)]


def test_a_line_that_leaves_at_pi_comes_back_at_minus_pi():
    angle = np.array([[3.0, 0.1], [-3.0, 0.2], [-2.9, 0.3]])
    wrapped, plain = _broken_at_wrap(np.array([0.0, 1.0, 2.0]), angle)
    gap = int(np.flatnonzero(np.isnan(wrapped[:, 1]))[0])
    assert np.isnan(wrapped[:, 1]).sum() == 1
    np.testing.assert_allclose(wrapped[gap - 1], [0.5, math.pi], atol=1e-12)
    np.testing.assert_allclose(wrapped[gap + 1], [0.5, -math.pi], atol=1e-12)
    assert np.isfinite(plain).all()
    assert (np.diff(plain[:, 0]) >= 0).all()


def test_the_largest_cluster_goes_to_the_centre_of_the_map():
    for pole in ([0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.6, -0.64, 0.48]):
        turn = _turn_to_front(np.array(pole))
        np.testing.assert_allclose(turn @ pole, [1.0, 0.0, 0.0], atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_array_equal(_turn_to_front(np.full(3, np.nan)), np.eye(3))
