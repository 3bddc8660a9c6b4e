import errno
import json

import numpy as np
import pytest
from studies.small_items import X, entry, outcome

from tokensphere.errors import InputError
from tokensphere.studies import reproduced
from tokensphere.studies.folder import DiskFullError
from tokensphere.studies.lock import locked
from tokensphere.studies.reproduce import reproduce


def test_an_outcome_comes_back_from_the_disk_as_it_was(tmp_path):
    item = entry()
    (done,) = reproduce([item], tmp_path)
    assert (done.state, done.computed) == ("complete", True)
    (again,) = reproduce([item], tmp_path)
    assert (again.state, again.computed, again.seconds) == ("complete", False, round(done.seconds, 3))
    assert item.calls == ["T1"]
    assert again.outcome.verdicts == done.outcome.verdicts
    first, second = again.outcome.panels
    np.testing.assert_array_equal(first.curves[1].high, X + 0.1)
    assert (first.curves[0].label, first.curves[1].kind, second.extent, second.log) == (
        "a",
        "points",
        (0, 1, -1, 1),
        True,
    )
    np.testing.assert_array_equal(second.values, np.eye(3))
    assert set(again.outcome.data) == {"squares", "count", "measured", "name"}
    assert int(again.outcome.data["count"]) == 3
    record = json.loads((tmp_path / "T1" / "verdicts.json").read_text())
    assert record["verdicts"][0]["outcome"] == "agrees"
    assert sorted(path.name for path in (tmp_path / "T1").iterdir()) == ["data.npz", "verdicts.json"]


def test_equal_outcomes_have_equal_bytes(tmp_path):
    reproduce([entry()], tmp_path / "a")
    reproduce([entry()], tmp_path / "b")
    assert (tmp_path / "a/T1/data.npz").read_bytes() == (tmp_path / "b/T1/data.npz").read_bytes()


@pytest.mark.parametrize("harm", ["again", "version", "code", "truncated", "other data", "no verdicts", "no data"])
def test_what_is_not_whole_or_of_another_version_is_computed_again(tmp_path, monkeypatch, harm):
    item = entry()
    reproduce([item], tmp_path)
    data, verdicts = tmp_path / "T1/data.npz", tmp_path / "T1/verdicts.json"
    if harm == "version":
        monkeypatch.setattr(reproduced, "versions", lambda: {"tokensphere": "99"})
    elif harm == "code":
        monkeypatch.setattr(reproduced, "_code", lambda entry: "edited")
    elif harm == "truncated":
        verdicts.write_bytes(verdicts.read_bytes()[:-20])
    elif harm == "other data":
        data.write_bytes(data.read_bytes() + b"x")
    elif harm.startswith("no "):
        {"no data": data, "no verdicts": verdicts}[harm].unlink()
    (done,) = reproduce([item], tmp_path, again=harm == "again")
    assert item.calls == ["T1", "T1"]
    assert done.computed
    assert reproduce([item], tmp_path)[0].computed is False


def test_a_failure_is_recorded_and_the_others_go_on(tmp_path):
    def fails(progress):
        raise ZeroDivisionError("by zero")

    said = []
    entries = [entry("T1"), entry("T2", fails), entry("T3", lambda progress: "text"), entry("T4")]
    results = reproduce(entries, tmp_path, done=lambda result: said.append(result.entry.id))
    assert [result.state for result in results] == ["complete", "failed", "failed", "complete"]
    assert said == ["T1", "T2", "T3", "T4"]
    record = json.loads((tmp_path / "T2/failure.json").read_text())
    assert record["error"] == "ZeroDivisionError: by zero"
    assert any("ZeroDivisionError" in line for line in record["traceback"])
    assert "returned a str, not an Outcome" in results[2].error
    assert reproduce([entry("T2")], tmp_path)[0].state == "complete"
    assert not (tmp_path / "T2/failure.json").exists()


def test_a_kill_between_the_two_files_leaves_nothing_that_counts(tmp_path, monkeypatch):
    item = entry()
    reproduce([item], tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reproduced, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            reproduce([entry("T1", lambda progress: outcome(1.05))], tmp_path, again=True)
    (found,) = reproduce([item], tmp_path)
    assert found.computed
    assert found.outcome.verdicts[0].measured == 1.0


def test_a_full_disk_stops_everything_and_says_how_to_go_on(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    later = entry("T2")
    with pytest.raises(DiskFullError, match="the same command again"):
        reproduce([entry("T1"), later], tmp_path)
    assert later.calls == []
    assert not list(tmp_path.rglob("*.partial"))


def test_an_item_that_another_process_holds_is_left_to_it(tmp_path):
    held = entry("T1")
    with locked(tmp_path / "T1", "it"):
        results = reproduce([held, entry("T2")], tmp_path)
    assert [result.state for result in results] == ["failed", "complete"]
    assert "is being written by process" in results[0].error
    assert held.calls == []
    assert not (tmp_path / "T1/failure.json").exists()


def test_figures_are_drawn_once_and_again_if_they_are_gone(tmp_path):
    drawn = []

    def draw(result):
        drawn.append(result.computed)
        result.figure.write_bytes(b"png")

    for _ in range(2):
        reproduce([entry()], tmp_path, draw=draw)
    (tmp_path / "T1/T1.png").unlink()
    reproduce([entry()], tmp_path, draw=draw)
    assert drawn == [True, False]
    reproduce([entry()], tmp_path, again=True)
    assert not (tmp_path / "T1/T1.png").exists()  # a figure never outlives its data


def test_a_figure_that_fails_leaves_the_outcome(tmp_path):
    def draw(result):
        raise ValueError("no such colour")

    (done,) = reproduce([entry()], tmp_path, draw=draw)
    assert (done.state, done.error) == ("failed", "ValueError: no such colour")
    assert done.outcome is not None
    assert reproduce([entry()], tmp_path)[0].computed is False


def test_progress_says_which_item_how_far_and_how_long(tmp_path):
    def slow(progress):
        progress(0.5, "half")
        progress(7.0, "beyond")
        return outcome()

    seen = []
    reproduce([entry("T1", slow), entry("T2", seconds=40.0)], tmp_path, report=seen.append)
    assert [(p.entry.id, p.number, p.total, p.fraction, p.text) for p in seen] == [
        ("T1", 1, 2, 0.0, "starts"),
        ("T1", 1, 2, 0.5, "half"),
        ("T1", 1, 2, 1.0, "beyond"),
        ("T2", 2, 2, 0.0, "starts"),
    ]
    assert 40.0 <= seen[1].left < 42.0


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(InputError, match="is a file; choose another --out"):
        reproduce([entry()], tmp_path / "f")
