"""A sweep as one dataset."""

import json

import numpy as np
import pytest
from studies.sweeps.small_sweeps import CIRCLE, sweep, write_study

from tokensphere.errors import InputError
from tokensphere.studies import open_run, open_sweep
from tokensphere.studies.sweeps import InProcess, plan_sweep, run_sweep


def test_a_grid_with_a_missing_run(tmp_path):
    sweep(tmp_path, CIRCLE | {"measure.degrees": 4}, over=["beta=1,-1,2", "seed=3:5"])
    found = open_sweep(tmp_path / "out")
    assert dict(found.sizes) | {"claim": 0} == {
        "beta": 3, "seed": 2, "time": 4, "degree": 4, "cluster": 32, "claim": 0,
    }  # fmt: skip
    assert found.order.dims == ("beta", "seed", "time", "degree")
    assert list(found.beta.values) == [1, -1, 2]
    assert list(found.seed.values) == [3, 4]
    own = open_run(tmp_path / "out" / "run-5")
    np.testing.assert_array_equal(found.order.sel(beta=2, seed=4), own.order)
    np.testing.assert_array_equal(found.time, own.time)
    assert np.isnan(found.energy.sel(beta=-1)).all()
    assert list(found.state.values.ravel()) == ["complete"] * 2 + ["failed"] * 2 + ["complete"] * 2
    verdicts = json.loads((tmp_path / "out" / "run-5" / "verdicts.json").read_text())["verdicts"]
    for verdict in verdicts:
        here = found.sel(beta=2, seed=4, claim=verdict["name"])
        assert str(here.verdict.values) == verdict["outcome"]
        if isinstance(verdict["measured"], float):
            assert float(here.measured) == verdict["measured"]
    assert (found.verdict.sel(beta=-1) == "").all()
    tokens = open_sweep(tmp_path / "out", ["tokens"]).tokens
    assert tokens.dims == ("beta", "seed", "time", "token", "component")
    np.testing.assert_array_equal(tokens.sel(beta=2, seed=4), own.tokens)
    with pytest.raises(InputError, match="no variable 'oder'; did you mean 'order'"):
        open_sweep(tmp_path / "out", ["oder"])


def test_different_save_times_are_padded(tmp_path):
    sweep(tmp_path, over=["t_end=0.1,0.2", "frames=3,4"])
    found = open_sweep(tmp_path / "out")
    assert found.energy.dims == ("t_end", "frames", "frame")
    np.testing.assert_allclose(found.time.sel(t_end=0.2, frames=3), [0, 0.1, 0.2, np.nan])
    assert np.isnan(found.energy.sel(frames=3)[:, 3]).all()
    assert not np.isnan(found.energy.sel(frames=4)).any()


def test_a_list(tmp_path):
    (tmp_path / "rows.csv").write_text("beta,kind\n1,usa\n2,sa\n3,usa\n")
    path = write_study(tmp_path / "small.toml", CIRCLE)
    run_sweep(plan_sweep(str(path), listed=tmp_path / "rows.csv"), tmp_path / "out", InProcess())
    found = open_sweep(tmp_path / "out")
    assert found.energy.dims == ("run", "time")
    assert list(found.beta.values) == [1, 2, 3]
    assert list(found.kind.values) == ["usa", "sa", "usa"]


def test_no_sweep(tmp_path):
    with pytest.raises(InputError, match="no sweep at"):
        open_sweep(tmp_path)
