import dataclasses
import json
import sys

import pytest

from tokensphere.attention import choose
from tokensphere.attention.costs import Costs, costs_file, known_costs, measure_costs


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKENSPHERE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_costs_are_measured_once_and_kept(cache):
    assert known_costs() == (Costs(), None)
    costs, path = measure_costs()
    assert path == costs_file()
    assert path.parent == cache
    assert known_costs() == (costs, path)
    assert all(value > 0 for value in dataclasses.astuple(costs))
    # plausible on any machine: between a tenth of a nanosecond and a microsecond a pair, and so on
    assert 0.05 < costs.dense_pair < 1e3
    assert 5 < costs.circle_token < 1e5
    assert 5 < costs.harmonic_token < 1e6


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"dense_call": 1}', "zero"])
def test_a_damaged_file_is_as_none(cache, damage):
    cache.mkdir()
    text = json.dumps(dataclasses.asdict(Costs()) | {"dense_pair": 0.0}) if damage == "zero" else damage
    costs_file().write_text(text)
    assert known_costs() == (Costs(), None)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOKENSPHERE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(sys.modules["tokensphere.attention.costs"], "_measure", Costs)
    assert measure_costs() == (Costs(), None)


def test_measured_costs_decide_where_the_built_in_ones_leave_a_doubt(cache):
    cache.mkdir()
    choice = choose(1_000, 3, beta=9.0, costs=Costs())
    first, second = choice.candidates[:2]
    assert second.milliseconds < 5 * first.milliseconds  # a close call
    for name, cheap in (("dense", {"dense_call": 1.0, "dense_pair": 1e-3}), ("harmonic", {"harmonic_call": 1.0})):
        costs_file().write_text(json.dumps(dataclasses.asdict(dataclasses.replace(Costs(), **cheap))))
        found = choose(1_000, 3, beta=9.0)
        assert found.name == name
        assert found.costs_from == costs_file()


def test_a_clear_case_needs_no_measurement(cache, monkeypatch):
    module = sys.modules["tokensphere.attention.choose"]  # the package has a function of that name
    monkeypatch.setattr(module, "settled_costs", lambda _: pytest.fail("measured"))
    assert choose(1_000_000, 2, beta=5.0).name == "circle"
    assert choose(1_000_000, 3, beta=5.0).name == "harmonic"
    assert choose(1_000_000, 4, beta=1.0).name == "polynomial"
    assert choose(1_000_000, 16, beta=5.0).name == "dense"
