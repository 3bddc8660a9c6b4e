"""Options of a team that do not go together are refused before any process starts."""

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--processes", 2, "--distributed"], "give only one of them"),
        (["--processes", 0], "--processes must be a whole number >= 1, got 0"),
        (["--coordinator", "a:1"], "--coordinator goes with --distributed"),
        (["--distributed"], "none of SLURM_PROCID, OMPI_COMM_WORLD_RANK, PMI_RANK is set"),
        (["--processes", 2, "--set", "flow.betta=1"], "unknown key 'flow.betta'"),
        (["--processes", 2, "--resume", "x", "--out", "y"], "leave out --out"),
    ],
)
def test_refused(call, monkeypatch, options, message):
    for name in ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = call("run", "emergence", *options)
    assert code == 2
    assert message in err
    assert out == ""


def test_a_bad_coordinator(call, monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "2")
    code, _, err = call("run", "emergence", "--distributed", "--coordinator", "node1")
    assert code == 2
    assert "must be host:port" in err


def test_explain_starts_nothing(call):
    code, out, _ = call("run", "emergence", "--explain", "--processes", 2)
    assert code == 0
    assert "flow.beta" in out
