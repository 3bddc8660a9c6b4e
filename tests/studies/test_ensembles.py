"""Ensembles on disk: killed and resumed, they end with the same bytes."""

import numpy as np
import pytest
from studies.small_runs import digests

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.solve import ensemble as room
from tokensphere.studies import Study, open_run

SMALL = {
    "experiment": "alignment",
    "flow.kind": "sa",
    "flow.beta": 2.0,
    "tokens.n": 6,
    "tokens.dim": 9,
    "tokens.ensemble": 5,
    "solve.t_end": 1.2,
    "solve.frames": 9,
    "solve.checkpoint_seconds": 0.0,
}
LAYER = SMALL | {"solve.method": "layer", "solve.step_size": 0.1}
ADAPTIVE = SMALL | {"solve.method": "tsit5", "solve.rtol": 1e-5}


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.parametrize("settings", [LAYER, ADAPTIVE], ids=["layers", "adaptive"])
@pytest.mark.parametrize("rhythm", [0.0, 1000.0], ids=["every checkpoint", "first checkpoint only"])
def test_resumed_runs_have_the_same_bytes(tmp_path, monkeypatch, settings, rhythm):
    monkeypatch.setattr(room, "_FRAMES", 2)
    settings = settings | {"solve.checkpoint_seconds": rhythm}
    prepared = studies.prepare(Study().with_settings(settings))
    prepared.run(tmp_path / "whole", resume=False)
    count = []

    def crash(progress):
        count.append(progress)
        if len(count) in (1, 3):
            raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=False, report=crash)
    with pytest.raises(Crash):
        prepared.run(tmp_path / "r", resume=True, report=crash)
    assert open_run(tmp_path / "r").sizes["time"] < 9
    prepared.run(tmp_path / "r", resume=True)
    assert digests(tmp_path / "r") == digests(tmp_path / "whole")
    run = open_run(tmp_path / "r")
    assert run.attrs["status"] == "complete"
    assert not np.isnan(run.aligned).any()
    with pytest.raises(InputError, match="is complete"):
        prepared.run(tmp_path / "r", resume=True)


def test_save_times_move_to_the_nearest_layer():
    """Nine times over 1.2 are 0.15 apart; layers 0.1."""
    times = studies.prepare(Study().with_settings(LAYER)).times
    np.testing.assert_allclose(times, [0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.1, 1.2], atol=1e-12)
    fewer = studies.prepare(Study().with_settings(LAYER | {"solve.frames": 40})).times
    np.testing.assert_allclose(fewer, 0.1 * np.arange(13), atol=1e-12)
