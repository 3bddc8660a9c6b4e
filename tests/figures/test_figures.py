import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from tokensphere import figures, theory
from tokensphere.errors import InputError

MAKERS = (figures.trajectories, figures.order_parameters, figures.density, figures.energy)
PNG = b"\x89PNG\r\n\x1a\n"


def words(figure):
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["circle", "sphere", "dim5", "no prediction", "repelling", "three tokens", "noise", "two frames"]
)
def test_every_kind_of_run_has_all_four_figures(case, name):
    found = case(name).figures
    assert list(found) == ["trajectories", "order_parameters", "density", "energy"]
    for figure in found.values():
        assert len(figure.get_axes()) >= 1
        assert len(figure.get_suptitle()) > 10
        assert "nan" not in " ".join(words(figure)).lower()


def test_slopes_under_noise_are_those_of_mean_powers(case):
    """The dashed line of a degree that noise holds down does not grow as it would without."""
    found = case("noise")
    (axes, *_) = found.figures["order_parameters"].get_axes()
    dashed = [line for line in axes.lines if len(line.get_xdata()) == 60]
    assert len(dashed) == 5
    n, noise = found.prediction.n, found.prediction.noise
    starts = dict(zip(found.setting.degrees.tolist(), found.seen.first_order, strict=True))
    ends = {}
    for k, start in starts.items():
        r = float(theory.growth_rates(5.0, 2, k, "usa", noise=noise))
        t = np.asarray(dashed[0].get_xdata())[-1]
        ends[k] = np.sqrt(start**2 * np.exp(2 * r * t) + noise * k**2 * np.expm1(2 * r * t) / (r * n))
    for line in dashed:
        assert min(abs(line.get_ydata()[-1] / end - 1) for end in ends.values()) < 1e-9


def test_the_titles_say_the_finding(case):
    circle = case("circle")
    title = circle.figures["order_parameters"].get_suptitle()
    assert title.startswith(f"Degree {circle.seen.winner.degree} leaves first at t = {circle.seen.exit_time:.4g}")
    assert "predicted" in title
    assert "no prediction" in case("no prediction").figures["order_parameters"].get_suptitle()
    assert "not formed" in case("two frames").figures["trajectories"].get_suptitle()
    assert "not formed" in case("repelling").figures["trajectories"].get_suptitle()
    assert "No degree leaves" in case("two frames").figures["order_parameters"].get_suptitle()
    assert "starts beyond" in case("three tokens").figures["order_parameters"].get_suptitle()
    assert "falls" in case("repelling").figures["energy"].get_suptitle()


def test_every_axis_is_labelled(case):
    for name in ("circle", "dim5"):
        for figure in case(name).figures.values():
            shown = " ".join(words(figure))
            assert "time $t$" in shown or "angle" in shown or "inner product" in shown


def test_files_are_written_whole_and_equal_runs_give_equal_bytes(case, tmp_path):
    circle = case("circle")
    made = {"energy": circle.figures["energy"]}
    first = figures.save_figures(made, tmp_path / "new" / "figures")
    assert first == [tmp_path / "new" / "figures" / "energy.png"]
    data = first[0].read_bytes()
    assert data.startswith(PNG)
    assert len(data) > 20_000
    assert data == figures.png_bytes(figures.energy(*circle.arguments))
    assert [path.name for path in first[0].parent.iterdir()] == ["energy.png"]


@pytest.mark.parametrize("name", ["sphere", "two frames"])
def test_pictures_are_not_blank(case, name):
    figure = case(name).figures["trajectories"]
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_nothing_global_is_touched(case):
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30.0}):
        before = dict(matplotlib.rcParams)
        figure = figures.energy(*case("circle").arguments)
        assert figures.png_bytes(figure).startswith(PNG)
        assert dict(matplotlib.rcParams) == before
        assert not any(t.get_usetex() for t in figure.findobj(matplotlib.text.Text))


def test_importing_is_cheap_and_figures_never_load_pyplot():
    heavy = ("matplotlib", "jax", "xarray", "scipy")
    code = f"import sys, tokensphere.figures; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("make", MAKERS)
def test_without_matplotlib_the_error_says_what_to_install(case, make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"figures need matplotlib: pip install 'tokensphere\[plots\]'"):
        make(*case("circle").arguments)
