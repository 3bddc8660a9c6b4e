"""The store of a run: what is in it, and what a reader sees of a run that has not ended."""

import numpy as np
import pytest
import zarr

from tokensphere.errors import InputError
from tokensphere.studies import RunStore, open_run

TIMES = np.array([0.0, 0.5, 1.0])


def new_store(tmp_path, spectral=True):
    return RunStore.create(
        tmp_path / "run.zarr",
        times=TIMES,
        weights=np.array([0.25, 0.25, 0.5]),
        dim=2,
        degrees=np.array([1, 2]),
        spectral=spectral,
        attributes={"study": '{"name": "x"}', "status": "running", "events": {}},
    )


def frame(number):
    return np.full((3, 2), float(number))


def series(*numbers):
    rows = np.array(numbers, dtype=float)
    names = ("energy", "speed", "clusters")
    return {"time": TIMES[list(numbers)], "order": np.stack([rows, 2 * rows], axis=1)} | dict.fromkeys(names, rows)


def steps(*numbers):
    rows = np.array(numbers, dtype=float)
    names = ("step_time", "step_size", "step_error", "step_speed", "step_energy")
    return dict.fromkeys(names, rows) | {"step_order": np.stack([rows, rows], axis=1)}


def test_layout(tmp_path):
    store = new_store(tmp_path)
    for number in range(3):
        store.write_tokens(number, frame(number))
    store.write_steps(0, steps(0, 1))
    store.commit(0, series(0, 1, 2), 2, {"linear_exit": 0.7})
    store.finish({"status": "complete"})
    run = open_run(tmp_path)
    assert dict(run.sizes) == {"time": 3, "token": 3, "component": 2, "degree": 2, "step": 2, "cluster": 32}
    assert {name: run[name].dims for name in run.data_vars} == {
        "tokens": ("time", "token", "component"),
        "order": ("time", "degree"),
        "energy": ("time",),
        "speed": ("time",),
        "clusters": ("time",),
        "cluster_mass": ("time", "cluster"),
        "cluster_position": ("time", "cluster", "component"),
        "step_size": ("step",),
        "step_error": ("step",),
        "step_speed": ("step",),
        "step_energy": ("step",),
        "step_order": ("step", "degree"),
    }
    assert set(run.coords) == {"time", "degree", "weights", "step_time"}
    assert run.tokens.dtype == np.float64
    np.testing.assert_array_equal(run.tokens.values, np.stack([frame(k) for k in range(3)]))
    np.testing.assert_array_equal(run.weights.values, [0.25, 0.25, 0.5])
    np.testing.assert_array_equal(run.order.values, [[0, 0], [1, 2], [2, 4]])
    assert run.attrs["study"] == {"name": "x"}
    assert run.attrs["status"] == "complete"
    assert run.attrs["events"] == {"linear_exit": 0.7}
    assert (run.attrs["n_frames"], run.attrs["n_steps"]) == (3, 2)
    group = zarr.open_group(str(tmp_path / "run.zarr"), mode="r")
    assert group.metadata.zarr_format == 3
    assert group["tokens"].chunks == (1, 3, 2)


def test_series_of_steps_need_a_cheap_spectrum(tmp_path):
    assert set(new_store(tmp_path, spectral=False)._group.array_keys()) == {
        "tokens", "weights", "time", "degree", "order", "energy", "speed", "clusters",
        "cluster_mass", "cluster_position", "step_time", "step_size", "step_error", "step_speed",
    }  # fmt: skip


def test_frames_without_the_commit_mark_do_not_exist(tmp_path):
    store = new_store(tmp_path)
    store.write_tokens(0, frame(0))
    store.commit(0, series(0), 0, {})
    store.write_tokens(1, frame(1))
    run = open_run(tmp_path)
    assert run.sizes["time"] == 1
    np.testing.assert_array_equal(run.tokens.values, frame(0)[None])

    # the series of frame 1 are there, its mark is not
    for name, values in series(1).items():
        store._array(name)[1:2] = values
    assert open_run(tmp_path).time.values.tolist() == [0.0]
    store.commit(1, series(1), 0, {})
    assert open_run(tmp_path).time.values.tolist() == [0.0, 0.5]


def test_half_written_steps_do_not_exist(tmp_path):
    store = new_store(tmp_path)
    store.write_tokens(0, frame(0))
    store.write_steps(0, steps(5))
    store.commit(0, series(0), 1, {})
    store._array("step_time").resize((4,))
    run = open_run(tmp_path)
    assert run.sizes["step"] == 1
    assert run.step_time.values.tolist() == run.step_energy.values.tolist() == [5.0]


def test_what_is_written_twice_stays_committed(tmp_path):
    store = new_store(tmp_path)
    for number in range(3):
        store.write_tokens(number, frame(number))
    store.commit(0, series(0, 1, 2), 9, {"linear_exit": 0.3})
    again = RunStore.open(tmp_path / "run.zarr")
    again.write_tokens(1, frame(1))
    again.commit(1, series(1), 4, {"linear_exit": 0.3})
    assert open_run(tmp_path).sizes["time"] == 3
    assert again.attributes["n_steps"] == 9


def test_steps_grow_and_are_replaced(tmp_path):
    store = new_store(tmp_path)
    store.write_steps(0, steps(0, 1, 2))
    store.write_steps(2, steps(7, 8))
    store.commit(0, {}, 4, {})
    assert open_run(tmp_path).step_time.values.tolist() == [0, 1, 7, 8]


def test_leftovers_of_an_interrupted_write_are_removed(tmp_path):
    new_store(tmp_path)
    leftover = tmp_path / "run.zarr" / "tokens" / "c" / "0" / "0" / "0.abc.partial"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    RunStore.open(tmp_path / "run.zarr")
    assert not leftover.exists()


def test_where_there_is_no_run(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"no run at .*: it has no run\.zarr"):
            open_run(place)
        with pytest.raises(InputError, match="no run at"):
            RunStore.open(place / "run.zarr")


def test_a_run_opens_by_its_folder_or_its_group(tmp_path):
    store = new_store(tmp_path)
    store.write_tokens(0, frame(0))
    store.commit(0, series(0), 0, {})
    assert open_run(str(tmp_path)).identical(open_run(tmp_path / "run.zarr"))
