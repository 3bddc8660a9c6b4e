import subprocess
import sys

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.experiments import Verdict
from tokensphere.experiments.catalogue import Curve, Image, Outcome, Panel
from tokensphere.experiments.reproduce import ITEMS, Entry, find_items

X = np.arange(3.0)
CURVE = Curve("a", X, X)
PANEL = Panel("title", "x (1)", "y (1)", (CURVE,))
VERDICT = Verdict("v", "agrees", 1.0, 1.0, 0.1, "", "said")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Curve("a", X, X[:2]), "curve 'a': lengths differ: x 3, y 2"),
        (lambda: Curve("a", X, X, low=X), "give both low and high"),
        (lambda: Curve("a", X, X, low=X, high=X[:1]), "high 1"),
        (lambda: Curve("a", X, X, "band"), "a band needs low and high"),
        (lambda: Curve("a", X, X, "dots"), "kind must be one of points, line, band, bars, got 'dots'"),
        (lambda: Curve("a", [0.0, np.nan, 1.0], X), "x must be finite"),
        (lambda: Curve("a", X, ["x", "y", "z"]), "y must be an array of numbers"),
        (lambda: Curve("a", X, np.zeros((3, 1))), "1 axis"),
        (lambda: Curve("a", [], []), "non-empty"),
        (lambda: Panel("t", "", "y", (CURVE,)), "panel 't': x must say"),
        (lambda: Panel("t", "x", "y", ()), "panel 't' has no curve"),
        (lambda: Image("t", "x", "y", X, (0, 1, 0, 1)), "image 't': values"),
        (lambda: Image("t", "x", "y", np.eye(2), (1, 0, 0, 1)), "extent must be left < right"),
        (lambda: Outcome((), (PANEL,)), "at least one verdict and one panel"),
        (lambda: Outcome((VERDICT,), ()), "at least one verdict and one panel"),
        (lambda: Outcome((VERDICT,), (PANEL,), {"a b": 1.0}), "names must be words"),
        (lambda: Outcome((VERDICT,), (PANEL,), {"a": object()}), "a must be numbers or texts"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, text):
    with pytest.raises(InputError, match=text.replace("(", r"\(")):
        make()


def test_gaps_are_allowed_in_y_and_numbers_become_arrays():
    curve = Curve("", [0, 1], [np.nan, 2])
    assert curve.x.dtype == curve.y.dtype == np.float64
    assert Outcome([VERDICT], [PANEL], {"n": 3, "names": np.array(["a"])}).verdicts == (VERDICT,)


def test_items_are_found_by_id_in_any_case_and_by_group_in_order_of_their_numbers(monkeypatch):
    made = {name: Entry(name, "t", "s", 1, "x:y", group) for name, group in _SOME}
    monkeypatch.setattr("tokensphere.experiments.reproduce.ITEMS", made)
    assert [entry.id for entry in find_items(["emergence"])] == ["M1", "M2", "M10"]
    assert [entry.id for entry in find_items(["m10", "M2", "M10"])] == ["M2", "M10"]
    assert [entry.id for entry in find_items(["other", "M1"])] == ["M1", "E2"]
    with pytest.raises(InputError, match="no item or group named 'emergenc'; did you mean 'emergence'"):
        find_items(["M1", "emergenc"])
    with pytest.raises(InputError, match=r"no item or group named 'zzz'; known: .*M10"):
        find_items(["zzz"])


_SOME = (("M10", "emergence"), ("M2", "emergence"), ("E2", "other"), ("M1", "emergence"))


@pytest.mark.parametrize("entry", ITEMS.values(), ids=lambda entry: entry.id)
def test_every_entry_names_a_function_that_is_there(entry):
    item = entry.load()
    assert callable(item.run)
    assert item.run.__doc__.startswith(f"{entry.id}: ")
    assert entry.seconds > 0
    assert entry.title
    assert entry.source


def test_ids_are_unique():
    from tokensphere.experiments import reproduce

    assert len(reproduce._ENTRIES) == len(ITEMS)


def test_the_list_is_light():
    code = (
        "import sys; from tokensphere.experiments.reproduce import find_items; find_items(['emergence']);"
        "print([m for m in ('numpy', 'scipy', 'jax', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
