"""Kill and resume: after any crash the run ends with the bytes of one that was never stopped."""

import itertools
import json
import os
import random
import shutil
import signal

import numpy as np
import pytest
from studies.small_runs import DIM3, committed, digests, settle, start_process, stop_at, study, write_study

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.solve import CheckpointError, SolveError
from tokensphere.studies import open_run, prepare

CIRCLE = {"tokens.n": 600, "solve.t_end": 0.12, "solve.frames": 5}
SMALL3 = DIM3 | {"solve.frames": 5, "solve.t_end": 0.1}


class Crash(BaseException):
    """Ends a run as a kill would: no handler of errors sees it."""


def crash_at(monkeypatch, number):
    """Crash when file number `number` (from 0) is about to get its final name; its unnamed half stays behind."""
    counter, rename = itertools.count(), os.replace

    def replace(*arguments, **options):
        if next(counter) == number:
            raise Crash
        return rename(*arguments, **options)

    monkeypatch.setattr(os, "replace", replace)
    return counter


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of each kind, to compare with."""
    root = tmp_path_factory.mktemp("whole")
    return {name: settle(root / name, **kind)[1].folder for name, kind in (("circle", CIRCLE), ("dim 3", SMALL3))}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), [("circle", CIRCLE), ("dim 3", SMALL3)], ids=["circle", "dim 3"])
def test_a_crash_before_any_file_gets_its_name(tmp_path, monkeypatch, whole, name, settings):
    """Every ninth of the files that a run writes, in turn: crash there, resume, compare all bytes."""
    prepared, reference = prepare(study(**settings)), digests(whole[name])
    with monkeypatch.context() as patch:
        counter = crash_at(patch, -1)
        prepared.run(tmp_path / "count", resume=False)
    total = next(counter)
    assert total > 80
    resumed = 0
    for number in range(random.Random(name).randrange(9), total, 9):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            crash_at(patch, number)
            with pytest.raises(Crash):
                prepared.run(folder, resume=False)
        if not (folder / "study.json").exists():
            with pytest.raises(InputError, match="no run at"):
                prepared.run(folder, resume=True)
            continue
        prepared.run(folder, resume=True)
        resumed += 1
        assert digests(folder) == reference, number
        assert not list(folder.rglob("*.partial"))
        shutil.rmtree(folder)
    assert resumed >= total // 9 - 1


@pytest.mark.filterwarnings("error")
def test_the_reader_sees_whole_frames_after_every_crash(tmp_path, monkeypatch, whole):
    prepared, reference = prepare(study(**CIRCLE)), open_run(whole["circle"])
    seen = set()
    for number in range(40, 90, 7):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            crash_at(patch, number)
            with pytest.raises(Crash):
                prepared.run(folder, resume=False)
        run = open_run(folder)
        count = run.sizes["time"]
        seen.add(count)
        assert run.tokens.values.tobytes() == reference.tokens.values[:count].tobytes()
        for name in ("time", "order", "energy", "speed", "clusters"):
            np.testing.assert_array_equal(run[name].values, reference[name].values[:count])
        steps = run.sizes["step"]
        for name in ("step_time", "step_order", "step_energy"):
            np.testing.assert_array_equal(run[name].values, reference[name].values[:steps])
    assert len(seen) > 2


@pytest.mark.parametrize("seconds", [0.0, 1000.0], ids=["checkpoint every step", "only the first checkpoint"])
@pytest.mark.parametrize(("name", "settings"), [("circle", CIRCLE), ("dim 3", SMALL3)], ids=["circle", "dim 3"])
def test_crashes_between_steps(tmp_path, whole, name, settings, seconds):
    """With one checkpoint at the start a resumed run starts over, with two crashes on the way."""
    prepared = prepare(study(**settings, solve__checkpoint_seconds=seconds))

    def crash_after(steps):
        def report(progress):
            if progress.steps == steps:
                raise Crash

        return report

    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=False, report=crash_after(1))
    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=True, report=crash_after(3))
    prepared.run(tmp_path / "r", resume=True)
    mine, reference = digests(tmp_path / "r"), digests(whole[name])
    differ = {name for name in reference if mine.get(name) != reference[name]}
    # the checkpoint rhythm is part of the study that the store's attributes repeat
    assert differ == (set() if seconds == 0 else {"zarr.json"})
    assert set(mine) == set(reference)


def test_a_resumed_run_never_takes_frames_back(tmp_path, whole):
    """The first checkpoint is the only one, but commits go on; a reader meanwhile sees no frame vanish."""
    prepared = prepare(study(**CIRCLE, solve__checkpoint_seconds=1000.0))

    def stop(progress):
        if progress.steps == 4:
            raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokensphere.studies.recorder._COMMIT_SECONDS", 0.0)
        with pytest.raises(Crash):
            prepared.run(tmp_path / "r", resume=False, report=stop)
        before = committed(tmp_path / "r")
        assert before >= 4
        counts = []
        prepared.run(tmp_path / "r", resume=True, report=lambda progress: counts.append(committed(tmp_path / "r")))
    assert min(counts) >= before
    assert open_run(tmp_path / "r").tokens.values.tobytes() == open_run(whole["circle"]).tokens.values.tobytes()


def test_no_half_written_checkpoint_stays_behind(tmp_path):
    prepared = prepare(study(**CIRCLE, solve__checkpoint_seconds=1000.0))

    def stop(progress):
        raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=False, report=stop)
    (tmp_path / "r" / "checkpoint.bin.partial").write_bytes(b"half")
    prepared.run(tmp_path / "r", resume=True)
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"study.json", "run.zarr"}


def test_events_survive_an_interruption(tmp_path):
    """An interrupted run past its exit is judged by the exit it had."""
    prepared = prepare(study(tokens__n=2000, solve__t_end=0.3, solve__frames=31))
    prediction = studies.predict_study(prepared)

    def stop(progress):
        if progress.t >= 0.25:
            raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=False, report=stop)
    outcome = studies.read_outcome(prepared, tmp_path / "r", prediction)
    assert outcome.run.attrs["status"] == "running"
    whole = settle(tmp_path / "w", tokens__n=2000, solve__t_end=0.3, solve__frames=31)[1]
    assert outcome.seen.exit_time == whole.seen.exit_time
    names = {verdict.name: verdict.outcome for verdict in outcome.verdicts}
    assert names["exit of the linear phase, this start"] == "agrees"


# -- the real thing: SIGKILL --------------------------------------------------------------------------------------

KILLED = {
    "circle": {
        "tokens.n": 3000,
        "solve.t_end": 0.5,
        "solve.frames": 41,
        "solve.rtol": 1e-8,
        "solve.checkpoint_seconds": 0.0,
        "flow.attention": "circle",
        "solve.method": "dopri8",
    },
    "dim 3": {
        "tokens.n": 200,
        "tokens.dim": 3,
        "flow.attention": "dense",
        "flow.beta": 3.0,
        "solve.method": "tsit5",
        "solve.t_end": 3.0,
        "solve.frames": 41,
        "solve.checkpoint_seconds": 0.0,
        "measure.exit": 0.3,
        "measure.degrees": 3,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_three_kills_at_random_moments(tmp_path, name):
    settings = KILLED[name]
    path = write_study(tmp_path / "it.toml", settings)
    rng = random.Random(f"kills of {name}")
    frames = settings["solve.frames"]
    marks = [rng.randrange(low * frames // 10, (low + 2) * frames // 10) for low in (1, 4, 7)]
    folder, landed = tmp_path / "r", []
    for mark in marks:
        for attempt in range(3):
            arguments = ("--resume", folder) if folder.exists() else (path, "--out", folder)
            process = start_process("run", *arguments, "--no-figures", cwd=tmp_path)
            code, err = stop_at(process, folder, mark - 5 * attempt, signal.SIGKILL, seed=mark)
            assert code in (0, -signal.SIGKILL), err
            if code == -signal.SIGKILL:
                break
            shutil.rmtree(folder)
        landed.append(committed(folder))
        run = open_run(folder)
        assert run.attrs["status"] == "running"
        assert run.sizes["time"] == landed[-1] >= mark - 10
    assert all(a < b for a, b in itertools.pairwise([0, *landed, frames]))
    process = start_process("run", "--resume", folder, "--no-figures", cwd=tmp_path)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    chosen = studies.load_study(str(path))
    prepared = prepare(chosen)
    studies.carry_out(prepared, tmp_path / "whole", prediction=studies.predict_study(prepared))
    assert digests(folder) == digests(tmp_path / "whole")
    assert "linear_exit" in open_run(folder).attrs["events"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"study.json", "run.zarr", "predictions.json", "verdicts.json"}
    for name in names - {"run.zarr"}:
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


# -- what cannot be resumed ---------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(tmp_path):
    """A run of 5 frames, stopped after 3 steps; (folder, prepared)."""
    prepared = prepare(study(**CIRCLE))

    def stop(progress):
        if progress.steps == 3:
            raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=False, report=stop)
    return tmp_path / "r", prepared


def refused(interrupted, error, text, prepared=None):
    folder, original = interrupted
    before = open_run(folder).tokens.values
    with pytest.raises(error) as caught:
        (prepared or original).run(folder, resume=True)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(before) >= 3
    assert open_run(folder).tokens.values.tobytes() == before.tobytes()


def test_a_missing_checkpoint(interrupted):
    (interrupted[0] / "checkpoint.bin").unlink()
    refused(interrupted, CheckpointError, "no checkpoint at")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_checkpoint(interrupted, kept):
    path = interrupted[0] / "checkpoint.bin"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refused(interrupted, CheckpointError, "the saved frames are intact and can be read")


def test_a_flipped_byte_anywhere(interrupted):
    path = interrupted[0] / "checkpoint.bin"
    content = path.read_bytes()
    places = [*range(0, 700, 41), *random.Random(0).sample(range(len(content)), 12), len(content) - 1]
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        refused(interrupted, CheckpointError, "checkpoint.bin")
    path.write_bytes(content)
    interrupted[1].run(interrupted[0], resume=True)


@pytest.mark.parametrize("change", [{"flow.beta": 5.1}, {"seed": 1}, {"solve.rtol": 1e-7}, {"tokens.n": 601}])
def test_another_study(interrupted, change):
    refused(interrupted, InputError, "the study has changed since", prepare(study(**CIRCLE | change)))


def test_another_name_or_rhythm_is_no_other_study(interrupted):
    folder, _ = interrupted
    prepare(study(**CIRCLE, name="other", solve__checkpoint_seconds=9.0)).run(folder, resume=True)
    assert open_run(folder).attrs["status"] == "complete"


def test_the_checkpoint_of_another_run(interrupted, tmp_path):
    other = prepare(study(**CIRCLE, seed=1))

    def stop(progress):
        raise Crash

    with pytest.raises(Crash):
        other.run(tmp_path / "other", resume=False, report=stop)
    shutil.copy(tmp_path / "other" / "checkpoint.bin", interrupted[0] / "checkpoint.bin")
    refused(interrupted, CheckpointError, "belongs to another study")


def test_other_tokens_in_the_same_file(tmp_path):
    path = tmp_path / "tokens.npy"
    np.save(path, np.eye(2))
    chosen = study(tokens__law="file", tokens__path=str(path))

    def stop(progress):
        raise Crash

    with pytest.raises(Crash):
        prepare(chosen).run(tmp_path / "r", resume=False, report=stop)
    np.save(path, -np.eye(2))
    with pytest.raises(InputError, match="its tokens or settings differ"):
        prepare(chosen).run(tmp_path / "r", resume=True)


def test_a_complete_run(tmp_path):
    prepared, _ = settle(tmp_path / "r", **CIRCLE)
    before = digests(tmp_path / "r")
    with pytest.raises(InputError, match="is complete; to judge it again: tokensphere report"):
        prepared.run(tmp_path / "r", resume=True)
    assert digests(tmp_path / "r") == before


def test_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="no run at"):
        prepare(study()).run(tmp_path / "r", resume=True)
    assert not (tmp_path / "r").exists()


def test_an_edited_study_file_in_the_folder(interrupted):
    folder, _ = interrupted
    path = folder / "study.json"
    data = json.loads(path.read_text())
    data["flow"]["beta"] = 6.0
    path.write_text(json.dumps(data))
    refused(interrupted, InputError, "the study has changed since", prepare(studies.read_study(folder)))


def test_a_store_that_lost_frames_is_not_continued(tmp_path):
    """A loss of power may take frames whose checkpoint survived: filling the hole with NaN would be worse."""
    folder = tmp_path / "r"
    with pytest.raises(SolveError):
        prepare(study(**(CIRCLE | {"solve.max_steps": 2}))).run(folder, resume=False)
    attributes = folder / "run.zarr" / "zarr.json"
    meta = json.loads(attributes.read_text())
    assert meta["attributes"]["n_frames"] > 1
    meta["attributes"]["n_frames"] = 1
    attributes.write_text(json.dumps(meta))
    with pytest.raises(studies.RunError, match="has lost frames"):
        prepare(study(**CIRCLE)).run(folder, resume=True)


def test_a_run_that_ran_out_of_steps_goes_on_with_more(tmp_path):
    folder = tmp_path / "r"
    few = CIRCLE | {"solve.max_steps": 2}
    with pytest.raises(SolveError, match="raise max_steps"):
        prepare(study(**few)).run(folder, resume=False)
    prepare(study(**CIRCLE)).run(folder, resume=True)
    _, outcome = settle(tmp_path / "whole", **CIRCLE)
    assert digests(folder).keys() == digests(outcome.folder).keys()
    np.testing.assert_array_equal(open_run(folder).tokens.values, outcome.run.tokens.values)


@pytest.mark.parametrize("missing", ["checkpoint.bin", "run.zarr", "run.zarr/tokens"])
def test_a_run_stopped_before_its_first_checkpoint_begins_again(tmp_path, whole, missing):
    folder = tmp_path / "r"
    with pytest.raises(SolveError):
        prepare(study(**(CIRCLE | {"solve.max_steps": 1, "solve.frames": 2, "solve.rtol": 1e-12}))).run(
            folder, resume=False
        )
    # what a kill in the first moments leaves: the study, perhaps part of an empty store
    (folder / "study.json").write_text((whole["circle"] / "study.json").read_text())
    (folder / "checkpoint.bin").unlink()
    if missing != "checkpoint.bin":
        shutil.rmtree(folder / missing)
    prepare(studies.read_study(folder)).run(folder, resume=True)
    assert digests(folder) == digests(whole["circle"])
