"""`tokensphere run` and `tokensphere report`."""

import json
import re
import signal
from pathlib import Path

import pytest
from studies.small_runs import SMALL, committed, digests, settle, start_process, stop_at, study, write_study

from tokensphere import studies

LONG = SMALL | {"tokens.n": 2000, "solve.t_end": 0.4, "solve.frames": 41}


@pytest.fixture
def small(tmp_path):
    return write_study(tmp_path / "small.toml", SMALL)


def test_a_run_tells_its_story(call, tmp_path, small):
    code, out, err = call("run", small, "--no-figures")
    assert (code, err) == (0, "")
    for text in (
        "small: USA, beta = 5, n = 600, dim = 2, uniform start, seed 0, to t = 0.1 with dopri8, rtol 1e-06",
        "attention circle: asked for by name",
        "run folder runs/small",
        "Dominant degree",
        "Integrated to t = 0.1 in",
        "5 steps, 0 rejected, 6 frames",
        "Verdicts",
        "Everything is in runs/small",
    ):
        assert text in out
    assert out.index("Dominant degree") < out.index("Integrated to")
    assert {path.name for path in (tmp_path / "runs" / "small").iterdir()} == {
        "study.json",
        "run.zarr",
        "predictions.json",
        "verdicts.json",
    }


def test_folders(call, tmp_path, small):
    for folder in ("small", "small-2", "small-3"):
        code, out, _ = call("run", small, "--no-figures")
        assert code == 0
        assert f"Everything is in runs/{folder}\n" in out
    code, _, err = call("run", small, "--out", "runs/small", "--no-figures")
    assert (code, err) == (
        2,
        "tokensphere: runs/small is not empty; choose another --out, or continue it with --resume runs/small\n",
    )
    assert call("run", small, "--out", "deep/er", "--no-figures", "--set", "name=x")[0] == 0
    assert studies.read_study(tmp_path / "deep" / "er").name == "x"
    assert digests("deep/er") != {}


def test_settings(call, small):
    code, _, _ = call("run", small, "--out", "a", "--no-figures", "--set", "flow.beta=6", "--set", "seed=4")
    assert code == 0
    chosen = studies.read_study(Path("a"))
    assert (chosen.flow.beta, chosen.seed, chosen.tokens.n) == (6.0, 4, 600)


def test_explain(call, tmp_path):
    code, out, err = call("run", "emergence", "--explain", "--set", "flow.beta=9")
    assert (code, err) == (0, "")
    for key, *_ in studies.explain(studies.Study()):
        assert re.search(rf"^{re.escape(key)} ", out, re.MULTILINE), key
    assert re.search(r"^flow\.beta +9\.0 +5\.0 ", out, re.MULTILINE)
    assert not list(tmp_path.iterdir())


def test_json_is_all_there_is_on_stdout(call, small):
    code, out, err = call("run", small, "--no-figures", "--json", "--out", "a")
    assert (code, err) == (0, "")
    data = json.loads(out, parse_constant=pytest.fail)
    assert set(data) == {"folder", "prediction", "measurement", "verdicts"}
    assert data["folder"] == "a"
    assert data["prediction"]["k_max"] == 3
    assert json.loads(Path("a", "verdicts.json").read_text())["verdicts"] == data["verdicts"]


def test_strict(call, small):
    """Where no cluster is heavy enough to be counted, their number disagrees."""
    wrong = ("--set", "measure.cluster_mass=0.9", "--set", "solve.t_end=1.0", "--set", "tokens.n=1000")
    code, out, err = call("run", small, "--no-figures", "--out", "a", *wrong)
    assert (code, err) == (0, "")
    assert "disagrees" in out
    code, _, err = call("run", small, "--no-figures", "--out", "b", "--strict", *wrong)
    assert (code, err) == (1, "tokensphere: a verdict disagrees\n")
    assert call("run", small, "--no-figures", "--out", "c", "--strict")[0] == 0


def test_report_gives_the_same_verdicts(call, monkeypatch, small):
    monkeypatch.setattr("tokensphere.cli.faces.write_faces", lambda *_: None)
    call("run", small, "--no-figures", "--out", "a", "--set", "solve.t_end=0.3")
    names = ("predictions.json", "verdicts.json")
    before = [Path("a", name).read_text() for name in names]
    stored = digests("a")
    code, out, err = call("report", "a", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["verdicts"] == json.loads(before[1])["verdicts"]
    assert [Path("a", name).read_text() for name in names] == before
    assert digests("a") == stored
    assert "Verdicts" in call("report", "a")[1]


@pytest.mark.slow
def test_figures_and_report(call, small):
    pytest.importorskip("matplotlib")
    code, out, err = call("run", small, "--out", "a")
    assert (code, err) == (0, "")
    figures = {path.name: path.read_bytes() for path in Path("a", "figures").iterdir()}
    assert "trajectories.png" in figures
    assert all(content[:4] == b"\x89PNG" for content in figures.values())
    report = Path("a", "report.html")
    assert report.stat().st_size > 1000
    assert f"report: {report}" in out
    report.unlink()
    code, out, err = call("report", "a")
    assert (code, err) == (0, "")
    assert report.is_file()
    assert {path.name for path in Path("a", "figures").iterdir()} == set(figures)


def test_report_of_an_interrupted_run(call, monkeypatch, tmp_path):
    monkeypatch.setattr("tokensphere.cli.faces.write_faces", lambda *_: None)

    def stop(progress):
        if progress.steps == count:
            raise KeyboardInterrupt

    for count in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            studies.prepare(study(tokens__n=5000, solve__checkpoint_seconds=0 if count == 3 else 99)).run(
                tmp_path / str(count), resume=False, report=stop
            )
    code, _, err = call("report", "1")
    assert (code, err) == (
        2,
        "tokensphere: 1 holds fewer than 2 frames; continue it with: tokensphere run --resume 1\n",
    )
    code, out, err = call("report", "3", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["verdicts"][0]["sentence"].startswith("the run ended at t = 0.0")


def test_progress_lines(call, monkeypatch, small):
    assert call("run", small, "--no-figures")[2] == ""
    monkeypatch.setattr("tokensphere.cli.progress._PLAIN_SECONDS", 0.0)
    code, out, err = call("run", small, "--no-figures")
    assert code == 0
    lines = err.splitlines()
    assert len(lines) == 5
    form = r"t = 0\.0\d+ of 0\.1  step 0\.02 \(#\d\)  A\d=\S+  A\d=\S+  A\d=\S+  \d frames(  \d+:\d\d left)?"
    assert all(re.fullmatch(form, line) for line in lines[:4])
    assert [int(re.search(r"(\d+) frames", line)[1]) for line in lines] == [2, 3, 4, 5, 6]
    assert "frames  " not in out
    assert call("run", small, "--no-figures", "--json")[2] == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signals(tmp_path, number):
    """Either signal ends the run with one line that says how to go on; it goes on to the same bytes."""
    path, folder = write_study(tmp_path / "it.toml", LONG), tmp_path / "r"
    process = start_process("run", path, "--out", folder, "--no-figures", cwd=tmp_path)
    code, err = stop_at(process, folder, 15, number)
    assert (code, err) == (1, f"tokensphere: interrupted; go on with: tokensphere run --resume {folder}\n")
    assert 15 <= committed(folder) < 41
    prepared = studies.prepare(studies.read_study(folder))
    prepared.run(folder, resume=True)
    prepared.run(tmp_path / "whole", resume=False)
    assert digests(folder) == digests(tmp_path / "whole")


def test_an_interruption_saves_what_was_done(call, tmp_path, monkeypatch):
    """Even if the next checkpoint was far away, nothing but the step in progress is done again."""
    path = write_study(tmp_path / "it.toml", SMALL | {"solve.checkpoint_seconds": 1000.0})

    def interrupt(line, progress):
        if progress.steps == 3:
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("tokensphere.cli.progress.ProgressLine.__call__", interrupt)
        code, _, err = call("run", path, "--out", "r", "--no-figures")
    assert (code, err) == (1, "tokensphere: interrupted; go on with: tokensphere run --resume r\n")
    assert committed("r") == 4
    steps = []
    monkeypatch.setattr("tokensphere.cli.progress.ProgressLine.__call__", lambda _, p: steps.append(p.steps))
    assert call("run", "--resume", "r", "--no-figures")[0] == 0
    assert steps == [4, 5]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interruption_acts_at_once(tmp_path):
    # In a background job of a shell SIGINT is ignored from the start; then there is nothing to act.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = []

    def interrupt_twice(progress):
        signal.raise_signal(signal.SIGINT)
        seen.append(progress.steps)
        signal.raise_signal(signal.SIGINT)
        seen.append("never")

    try:
        with pytest.raises(KeyboardInterrupt):
            studies.prepare(study()).run(tmp_path / "r", resume=False, report=interrupt_twice)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_an_interruption_before_the_run(call, monkeypatch, small):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tokensphere.studies.prepare", interrupt)
    assert call("run", small) == (130, "", "tokensphere: interrupted\n")


def test_resume_from_the_command_line(call, tmp_path):
    settle(tmp_path / "whole")

    def stop(progress):
        if progress.steps == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studies.prepare(study()).run(tmp_path / "r", resume=False, report=stop)
    code, out, err = call("run", "--resume", "r", "--no-figures")
    assert (code, err) == (0, "")
    assert "run folder r\n" in out
    assert digests("r") == digests("whole")
    for name in ("study.json", "predictions.json", "verdicts.json"):
        assert (tmp_path / "r" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_full_disk(call, monkeypatch, small):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("zarr.storage._local._put", full)
        code, _, err = call("run", small, "--no-figures", "--out", "a")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("tokensphere: the disk is full; what was saved in a is intact. Free some space, then: ")
