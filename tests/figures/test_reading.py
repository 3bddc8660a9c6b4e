import numpy as np
import pytest
import xarray
import zarr

from tokensphere import figures, sphere, studies
from tokensphere.figures import reading
from tokensphere.figures.density import uniform_pairs


def test_series_are_those_of_the_steps_where_they_were_kept(case):
    circle, dim5 = case("circle"), case("dim5")
    assert len(reading.read_series(circle.run).times) == circle.run.sizes["step"] + 1
    assert len(reading.read_series(dim5.run).times) == dim5.run.sizes["time"]


def test_the_moments_are_named_once_and_in_order(case):
    circle = case("circle")
    shown = reading.instants(circle.run, circle.prediction, circle.seen)
    assert [i.frame for i in shown] == sorted({i.frame for i in shown})
    assert shown[0].name.startswith("start")
    assert shown[-1].name.startswith("end")
    assert sum("predicted exit" in i.name for i in shown) == 1


def test_pairs_of_uniform_tokens_have_the_uniform_law():
    edges = np.linspace(-1, 1, 21)
    for dim in (3, 5):
        tokens = sphere.uniform(1500, dim, seed=1)
        found = reading.pair_histogram(tokens, np.full(1500, 1 / 1500), edges)
        assert np.sum(found * np.diff(edges)) == pytest.approx(1.0)
        np.testing.assert_allclose(found, uniform_pairs(edges, dim), atol=0.04)


def test_weights_count_as_repeated_tokens():
    tokens, edges = sphere.uniform(40, 3, seed=2), np.linspace(-1, 1, 11)
    heavy = np.r_[np.full(20, 2.0), np.ones(20)] / 60
    weighted = reading.pair_histogram(tokens, heavy, edges)
    pairs = np.clip(tokens @ tokens.T, -1, 1)[np.triu_indices(40, 1)]
    mass = np.outer(heavy, heavy)[np.triu_indices(40, 1)]
    expected = np.histogram(pairs, edges, weights=mass, density=True)[0]
    np.testing.assert_allclose(weighted, expected)


def test_frames_are_thinned_when_they_are_large():
    def frames(count, n):
        empty = xarray.Dataset({"tokens": (("time", "token", "component"), np.broadcast_to(0.0, (count, n, 2)))})
        return reading.frame_rows(empty)

    np.testing.assert_array_equal(frames(61, 10**6), np.arange(61))
    assert len(frames(1000, 300)) == 240
    many = frames(1000, 10**7)
    assert len(many) == 24
    assert (many[0], many[-1]) == (0, 999)


@pytest.mark.parametrize("name", ["circle", "sphere", "dim5"])
def test_tokens_are_read_one_frame_and_a_sample_at_a_time(case, name, monkeypatch):
    """Whatever a figure asks of the store is at most one frame."""
    asked = []
    original = zarr.Array.get_orthogonal_selection, zarr.Array.get_basic_selection

    def watch(function):
        def read(self, *args, **kwargs):
            out = function(self, *args, **kwargs)
            if self.name.endswith("tokens"):
                asked.append(np.size(out))
            return out

        return read

    monkeypatch.setattr(zarr.Array, "get_orthogonal_selection", watch(original[0]))
    monkeypatch.setattr(zarr.Array, "get_basic_selection", watch(original[1]))
    some = case(name)
    run = studies.open_run(some.folder)
    figures.emergence_figures(run, some.setting, some.prediction, some.seen)
    assert asked
    assert max(asked) <= run.sizes["token"] * run.sizes["component"]
