"""Help, exit codes and one clear line for every mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cli.refusals import refused
from studies.small_runs import settle, study, write_study

import tokensphere
from tokensphere import studies


@pytest.mark.parametrize(
    "command", [(), ("predict",), ("run",), ("sweep",), ("reproduce",), ("report",)], ids=lambda c: "-".join(c) or "app"
)
def test_help(call, command):
    code, out, err = call(*command, "--help")
    assert (code, err) == (0, "")
    assert "Usage: tokensphere" in out
    wanted = {
        (): ["predict", "run", "sweep", "reproduce", "report", "--version"],
        ("predict",): ["--beta", "--dim", "--tokens", "--flow", "--threshold", "--noise", "--json", "first:last:count"],
        ("run",): ["--set", "--out", "--resume", "--explain", "--figures", "--no-figures", "--strict", "--json"],
        ("sweep",): ["--over", "--list", "--set", "--out", "--workers", "--dask", "--slurm", "--submitit"],
        ("reproduce",): ["NAMES", "--list", "--out", "--again", "--no-figures", "--strict", "--json"],
        ("report",): ["FOLDER", "--json"],
    }
    for text in wanted[command]:
        assert text in out


def test_version(call):
    assert call("--version") == (0, f"{tokensphere.__version__}\n", "")


BAD_INPUT = [
    (("predct",), ["predct", "predict"]),
    (("predict",), ["--beta"]),
    (("predict", "--beta"), ["--beta"]),
    (("predict", "--beta", "5", "--bta", "3"), ["--bta", "--beta"]),
    (("predict", "--beta", "hot"), ["--beta hot: give a number, a list (1,2,5) or a range (first:last:count)"]),
    (("predict", "--beta", ","), ["--beta ,:"]),
    (("predict", "--beta", "1:10"), ["--beta 1:10:", "range"]),
    (("predict", "--beta", "1:10:1"), ["--beta 1:10:1: a range needs at least 2 values"]),
    (("predict", "--beta", "1:10:x"), ["--beta 1:10:x"]),
    (("predict", "--beta", "-1"), ["beta must be a finite number >= 0, got -1.0"]),
    (("predict", "--beta", "nan"), ["beta must be a finite number >= 0, got nan"]),
    (("predict", "--beta", "inf"), ["beta must be a finite number >= 0, got inf"]),
    (("predict", "--beta", "5", "--dim", "1"), ["dim must be a whole number >= 2, got 1.0"]),
    (("predict", "--beta", "5", "--dim", "2.5"), ["dim must be a whole number >= 2, got 2.5"]),
    (("predict", "--beta", "5", "--tokens", "1"), ["tokens must be a whole number >= 2, got 1.0"]),
    (("predict", "--beta", "5", "--tokens", "inf"), ["tokens must be a whole number >= 2, got inf"]),
    (("predict", "--beta", "5", "--flow", "softmax"), ["softmax", "usa-shifted"]),
    (("predict", "--beta", "5", "--threshold", "2"), ["threshold must be between 0 and 1, got 2.0"]),
    (("predict", "--beta", "5", "--step", "0"), ["step must be > 0, got 0.0"]),
    (("predict", "--beta", "5", "--layers", "9"), ["--layers needs --step"]),
    (("predict", "--beta", "5", "--step", "1", "--layers", "0"), ["layers must be a whole number >= 1, got 0"]),
    (("predict", "--beta", "5", "--noise", "-1"), ["noise must be a finite number >= 0, got -1.0"]),
    (("predict", "--beta", "5", "--degrees", "0"), ["degree", "got 0"]),
    (("run",), ["give a study: a .toml file, or one of alignment, emergence, emergence-beta7"]),
    (("run", "nosuch"), ["no study named 'nosuch'; known: alignment, emergence, emergence-beta7"]),
    (("run", "emergenc"), ["did you mean 'emergence'?"]),
    (("run", "nowhere.toml"), ["no study file at nowhere.toml"]),
    (("run", "broken.toml"), ["broken.toml is not valid TOML"]),
    (("run", "unknown.toml"), ["unknown.toml: unknown key 'flow.betta'; did you mean 'flow.beta'?"]),
    (("run", "emergence", "--set", "flow.betta=3"), ["unknown key 'flow.betta'; did you mean 'flow.beta'?"]),
    (("run", "emergence", "--set", "flo.beta=3"), ["unknown study key 'flo.beta'; did you mean 'flow.beta'?"]),
    (("run", "emergence", "--set", "flow"), ["--set flow: write it as key=value"]),
    (("run", "emergence", "--set", "=3"), ["--set =3: write it as key=value"]),
    (("run", "emergence", "--set", "flow.beta=-1"), ["flow.beta = -1: input should be greater than or equal to 0"]),
    (("run", "emergence", "--set", "flow.beta=nan"), ["flow.beta = nan: input should be a finite number"]),
    (("run", "emergence", "--set", "flow.beta=null"), ["flow.beta = None"]),
    (("run", "emergence", "--set", "flow.beta=800"), ["beta = 800", "overflows"]),
    (("run", "emergence", "--set", "flow.attention=circle", "--set", "tokens.dim=3"), ["needs dim 2"]),
    (("run", "emergence", "--set", "tokens.dim=1"), ["tokens.dim = 1"]),
    (("run", "emergence", "--set", "tokens.n=1e12"), ["tokens.n = 1,000,000,000,000", "GB of memory"]),
    (("run", "emergence", "--set", "solve.times=[0,2,1]"), ["times must be at least two increasing numbers"]),
    (("run", "emergence", "--set", "solve.rtol=1"), ["solve.rtol = 1"]),
    (("run", "emergence", "--set", "solve.method=rk4"), ["needs step_size"]),
    (("run", "emergence", "--set", "tokens.law=file"), ["law = 'file' needs path"]),
    (("run", "file.toml", "--set", "tokens.path=zero.npy"), ["token 1 has zero length"]),
    (("run", "file.toml", "--set", "tokens.path=flat.npy"), ["must have shape (n, dim)", "got (4,)"]),
    (("run", "file.toml", "--set", "tokens.path=mass.npz"), ["weights must sum to 1, got a sum of 1.5"]),
    (("run", "file.toml", "--set", "tokens.path=gone.npy"), ["no such file: ", "gone.npy"]),
    (("run", "file.toml", "--set", "flow.value=gone.npy"), ["flow.value: no file at ", "gone.npy"]),
    (("run", "emergence", "--resume", "x", "--out", "y"), ["leave out --out"]),
    (("run", "--resume", "nowhere"), ["no run at nowhere"]),
    (("report",), ["FOLDER"]),
    (("report", "nowhere"), ["no run at nowhere: it has no study.json"]),
]


@pytest.mark.parametrize(("arguments", "texts"), BAD_INPUT, ids=[" ".join(a) for a, _ in BAD_INPUT])
def test_bad_input(call, tmp_path, arguments, texts):
    np.save(tmp_path / "zero.npy", np.diag([1.0, 0.0]))
    np.save(tmp_path / "flat.npy", np.ones(4))
    np.savez(tmp_path / "mass.npz", tokens=np.eye(3), weights=np.full(3, 0.5))
    np.save(tmp_path / "good.npy", np.eye(2))
    (tmp_path / "broken.toml").write_text("[flow\n")
    (tmp_path / "unknown.toml").write_text("[flow]\nbetta = 3\n")
    (tmp_path / "file.toml").write_text('[tokens]\nlaw = "file"\npath = "good.npy"\n')
    before = sorted(tmp_path.iterdir())
    result = call(*arguments)
    if arguments == ("report",):
        result = (*result[:2], result[2].upper().replace("TOKENSPHERE: ", "tokensphere: "))
    refused(result, *texts)
    assert sorted(tmp_path.iterdir()) == before


def test_refusals_after_the_prediction_was_shown(call, tmp_path):
    """These are found at the disk, so tables come first; the line on stderr is the same."""
    path = write_study(tmp_path / "it.toml", {"tokens.n": 100})
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").write_text("x")
    for target, text in (("used", "used is not empty; choose another --out"), ("it.toml", "it.toml is a file")):
        code, _, err = call("run", path, "--out", target, "--no-figures")
        assert code == 2
        assert err.startswith("tokensphere: ")
        assert err.count("\n") == 1
        assert text in err


def test_an_error_of_the_system_is_one_line(call, tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr("os.fsync", forbidden)
    code, _, err = call("run", write_study(tmp_path / "it.toml", {"tokens.n": 100}), "--no-figures")
    assert (code, err) == (1, "tokensphere: Permission denied: /somewhere\n")


def test_errors_of_ours_are_not_hidden(call, tmp_path, monkeypatch):
    """A bug must show its traceback, not look like a mistake of the user."""

    def bug(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("tokensphere.theory.predict_emergence", bug)
    with pytest.raises(RuntimeError, match="a bug"):
        call("predict", "--beta", "5")


def test_a_failed_integration(call, tmp_path):
    path = write_study(tmp_path / "it.toml", {"tokens.n": 100, "solve.max_steps": 3})
    code, _, err = call("run", path, "--no-figures")
    assert code == 1
    assert err.startswith("tokensphere: gave up at t = ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("case", ["missing", "truncated", "flipped", "edited", "settings", "complete"])
def test_what_cannot_be_resumed(call, tmp_path, case):
    folder, chosen = tmp_path / "r", study()
    arguments, code = (), 1

    def stop(progress):
        if progress.steps == 3:
            raise KeyboardInterrupt

    if case == "complete":
        settle(folder)
    else:
        with pytest.raises(KeyboardInterrupt):
            studies.prepare(chosen).run(folder, resume=False, report=stop)
    before = studies.open_run(folder).tokens.values
    checkpoint = folder / "checkpoint.bin"
    if case == "missing":
        checkpoint.unlink()
        text = "no checkpoint at"
    elif case == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
        text = "truncated or damaged; the saved frames are intact"
    elif case == "flipped":
        content = bytearray(checkpoint.read_bytes())
        content[-1000] ^= 1
        checkpoint.write_bytes(bytes(content))
        text = "truncated or damaged; the saved frames are intact"
    elif case == "edited":
        data = json.loads((folder / "study.json").read_text())
        data["flow"]["beta"] = 6.0
        (folder / "study.json").write_text(json.dumps(data))
        text, code = "the study has changed since", 2
    elif case == "settings":
        arguments, text, code = ("emergence", "--set", "tokens.n=600"), "the study has changed since", 2
    else:
        text, code = "is complete; to judge it again: tokensphere report", 2
    found, _, err = call("run", *arguments, "--resume", folder, "--no-figures")
    assert found == code
    assert err.startswith("tokensphere: ")
    assert err.count("\n") == 1
    assert text in err
    assert len(before) >= 4
    assert studies.open_run(folder).tokens.values.tobytes() == before.tobytes()


LIGHT = """
import sys
from tokensphere.cli import main
sys.argv = ["tokensphere", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {heavy}
loaded = sorted(name for name in heavy if name in sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (("--help",), {"jax", "scipy", "numpy", "zarr", "xarray", "pydantic", "matplotlib"}),
        (("reproduce", "--help"), {"jax", "scipy", "numpy", "zarr", "xarray", "matplotlib"}),
        (("reproduce", "--list"), {"jax", "scipy", "numpy", "zarr", "xarray", "matplotlib"}),
        (("run", "--help"), {"jax", "scipy", "numpy", "zarr", "xarray", "matplotlib"}),
        (("predict", "--beta", "5", "--tokens", "2000"), {"jax", "diffrax", "equinox", "zarr", "xarray", "matplotlib"}),
    ],
    ids=["help", "reproduce help", "reproduce list", "run help", "predict"],
)
def test_commands_load_only_what_they_need(arguments, heavy):
    code = LIGHT.format(heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
