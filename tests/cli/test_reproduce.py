import json

import pytest
from cli.refusals import refused
from studies.small_items import entry, outcome


@pytest.fixture
def catalogue(monkeypatch):
    """Three small items: one agrees, one disagrees, one fails."""

    def fails(progress):
        raise ZeroDivisionError("by zero")

    made = {
        "T2": entry("T2", lambda progress: outcome(2.0), 3.0),
        "T1": entry("T1", lambda progress: outcome(), 2.0),
        "T10": entry("T10", fails, 4.0),
    }
    monkeypatch.setattr("tokensphere.experiments.reproduce.ITEMS", made)
    return made


def test_the_list(call, catalogue):
    code, out, err = call("reproduce", "--list")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith("T")]
    assert [row[0] for row in rows] == ["T1", "T2", "T10"]
    assert rows[2][-1] == "4"
    assert "3 items, 9 s on two cores" in out
    code, out, _ = call("reproduce", "T2", "--list", "--json")
    assert (code, [item["id"] for item in json.loads(out)]) == (0, ["T2"])


def test_one_verdict_a_line_and_a_summary(call, catalogue, tmp_path):
    code, out, err = call("reproduce", "T1", "t2", "--out", "it")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "T1  Title of T1" in out
    assert any(line.startswith("T1  agrees          one: predicted 1, measured 1 rad; ") for line in lines)
    assert any(line.startswith("T2  disagrees       one: predicted 1, measured 2 rad; ") for line in lines)
    assert "T1  not applicable  two: no theory" in lines
    assert "2 of 2 items complete, 2 computed now; 0 failed." in lines
    assert "4 verdicts: 1 agree, 1 disagree, 2 not applicable." in lines
    assert "Disagreeing: T2" in lines
    for name in ("T1", "T2"):
        folder = tmp_path / "it" / name
        assert sorted(path.name for path in folder.iterdir()) == [f"{name}.png", "data.npz", "verdicts.json"]
    _, out, _ = call("reproduce", "T1", "T2", "--out", "it")
    assert "2 of 2 items complete, 0 computed now; 0 failed." in out
    assert catalogue["T1"].calls == ["T1"]
    call("reproduce", "T1", "--out", "it", "--again")
    assert catalogue["T1"].calls == ["T1", "T1"]


def test_exit_codes(call, catalogue):
    code, _, err = call("reproduce", "T1", "T2", "--strict", "--no-figures")
    assert (code, err) == (1, "tokensphere: a verdict disagrees: T2\n")
    assert call("reproduce", "T1", "--strict", "--no-figures")[0] == 0
    code, out, err = call("reproduce", "emergence", "--no-figures")
    assert (code, err) == (1, "tokensphere: 1 of 3 items failed: T10\n")
    assert "T10  failed          ZeroDivisionError: by zero" in out
    assert "2 of 3 items complete" in out


def test_json_holds_everything(call, catalogue):
    code, out, err = call("reproduce", "T1", "T10", "--json", "--no-figures")
    assert code == 1
    found = json.loads(out)
    assert [(item["id"], item["state"], item["computed"]) for item in found] == [
        ("T1", "complete", True),
        ("T10", "failed", True),
    ]
    assert found[0]["verdicts"][0]["outcome"] == "agrees"
    assert found[0]["figure"] is None
    assert found[1]["error"] == "ZeroDivisionError: by zero"
    assert err == "tokensphere: 1 of 2 items failed: T10\n"


def test_an_interrupt_says_how_to_go_on(call, monkeypatch):
    def stopped(progress):
        raise KeyboardInterrupt

    made = {"T1": entry("T1"), "T2": entry("T2", stopped)}
    monkeypatch.setattr("tokensphere.experiments.reproduce.ITEMS", made)
    code, out, err = call("reproduce", "emergence", "--no-figures")
    assert (code, err) == (1, "tokensphere: interrupted; the same command again goes on\n")
    assert "T1  agrees" in out
    call("reproduce", "emergence", "--no-figures")
    assert made["T1"].calls == ["T1"]


def test_without_matplotlib_there_is_a_sentence(call, catalogue, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else real(name, *a))
    code, out, _ = call("reproduce", "T1")
    assert code == 0
    assert "No figures: they need matplotlib: pip install 'tokensphere[plots]'" in out


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ((), ["give items or a group (emergence); --list shows all items"]),
        (("emergenc",), ["no item or group named 'emergenc'; did you mean 'emergence'?"]),
        (("T1", "M99"), ["no item or group named 'M99'"]),
        (("T1", "--out", "file"), ["file is a file; choose another --out"]),
    ],
)
def test_refusals(call, catalogue, tmp_path, arguments, texts):
    (tmp_path / "file").write_text("")
    refused(call("reproduce", *arguments), *texts)
    assert not any(item.calls for item in catalogue.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
