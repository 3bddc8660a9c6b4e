import matplotlib.text
import numpy as np
import pytest

from tokensphere import figures
from tokensphere.experiments.catalogue import Curve, Image, Panel
from tokensphere.figures.style import family_colors

X = np.linspace(0.1, 2.0, 20)
KINDS = (
    Curve("a line", X, X),
    Curve("predicted", X, X**2, predicted=True, color=0),
    Curve("points", X, X, "points", X * 0.9, X * 1.1),
    Curve("a band", X, X, "band", X * 0.8, X * 1.2),
)


def words(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("count", "log"), [(1, True), (2, False), (3, True)])
def test_every_panel_is_there_with_its_labels(count, log):
    shown = [Panel(f"title {i}", f"x {i} (s)", f"y {i} (rad)", KINDS, log, log) for i in range(count)]
    figure = figures.panels(shown, "what was found", "source: here")
    assert figures.png_bytes(figure).startswith(b"\x89PNG")
    assert len(figure.get_axes()) == count
    found = words(figure)
    for i in range(count):
        assert {f"title {i}", f"x {i} (s)", f"y {i} (rad)"} <= set(found)
    assert {"what was found", "source: here", "a line", "predicted", "points", "a band"} <= set(found)


@pytest.mark.filterwarnings("error")
def test_what_a_logarithm_cannot_show_leaves_a_gap():
    y = np.array([0.0, -1.0, np.nan, 1.0])
    curves = (Curve("", np.arange(4.0), y, "points", y - 1, y + 1), Curve("", np.arange(4.0), y))
    figure = figures.panels([Panel("t", "x", "y", curves, log_x=True, log_y=True)], "found")
    figures.png_bytes(figure)
    assert figure.get_axes()[0].get_legend() is None


def test_bars_stand_beside_each_other_and_predictions_are_hollow():
    k = np.arange(1, 4)
    curves = (Curve("seen", k, k, "bars", k - 0.5, k + 0.5), Curve("law", k, k, "bars", predicted=True))
    axes = figures.panels([Panel("t", "degree", "fraction", curves)], "found").get_axes()[0]
    left, right = axes.patches[:3], axes.patches[3:6]
    for one, other in zip(left, right, strict=True):
        assert one.get_x() + one.get_width() <= other.get_x() + 1e-9
    assert left[0].get_facecolor()[3] == 1
    assert right[0].get_facecolor()[3] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("log", [False, True])
def test_an_image_stands_upright_between_its_borders(log):
    values = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 100.0]])
    image = Image("t", "time t", "angle (rad)", values, (0.0, 2.0, -3.0, 3.0), label="density (1/rad)", log=log)
    figure = figures.panels([image], "found")
    figure.canvas.draw()
    axes = figure.get_axes()[0]
    assert (*axes.get_xlim(), *axes.get_ylim()) == (0.0, 2.0, -3.0, 3.0)
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    place = axes.transData.transform([(1.5, 2.0), (1.5, -2.0), (0.5, 2.0)])
    top, bottom, left = (pixels[len(pixels) - int(y), int(x)] for x, y in place)
    assert (top != bottom).any()  # the row of the largest value is above
    assert (top != left).any()
    assert "density (1/rad)" in words(figure)


def test_an_image_without_a_positive_value_on_a_logarithmic_scale():
    figures.png_bytes(figures.panels([Image("t", "x", "y", np.zeros((2, 2)), (0, 1, 0, 1), log=True)], "found"))


def test_families_have_colours_of_their_own():
    assert len(set(family_colors(range(7)).values())) == 7
    assert len(set(family_colors(range(20)).values())) == 20
    assert family_colors([2])[2] == family_colors(range(5))[2]
    assert len(set(family_colors([1, 30]).values())) == 2


def test_one_scale_for_both_axes():
    turn = np.linspace(0, 2 * np.pi, 50)
    circle = (Curve("", np.cos(turn), 0.2 * np.sin(turn)),)
    for equal in (True, False):
        figure = figures.panels([Panel("a circle", "x", "y", circle, equal=equal)], "found")
        assert (figure.get_axes()[0].get_aspect() == 1.0) is equal
