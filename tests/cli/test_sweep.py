"""`tokensphere sweep`."""

import json

from cli.refusals import refused
from studies.small_runs import write_study
from studies.sweeps.small_sweeps import CIRCLE

from tokensphere.studies import builtin_names, load_study
from tokensphere.studies.sweeps import plan_sweep

TINY = {
    "experiment": "alignment",
    "tokens.n": 4,
    "tokens.dim": 6,
    "tokens.ensemble": 3,
    "solve.method": "layer",
    "solve.step_size": 0.1,
    "solve.t_end": 1.0,
    "solve.frames": 6,
}


def test_a_sweep_and_the_same_command_again(call, tmp_path):
    write_study(tmp_path / "small.toml", CIRCLE)
    command = ["sweep", "small.toml", "--over", "beta=1,2", "--set", "seed=5"]
    code, out, err = call(*command)
    assert code == 0, err
    assert "2 runs over beta (2)" in out
    assert "2 of 2 runs are complete, 2 computed now." in out
    assert "0 computed now" in call(*command)[1]
    assert json.loads((tmp_path / "sweeps/small/run-1/study.json").read_text())["seed"] == 5
    refused(call("sweep", "small.toml", "--over", "beta=1,3"), "holds another sweep")


def test_failures_are_reported_at_the_end(call, tmp_path):
    write_study(tmp_path / "small.toml", CIRCLE)
    code, out, err = call("sweep", "small.toml", "--over", "beta=-1,2", "--json")
    assert code == 1
    assert err == "tokensphere: 1 of 2 runs failed; try them again with --retry-failed\n"
    found = json.loads(out)
    assert found["counts"] == {"complete": 1, "failed": 1, "pending": 0}
    assert found["failed"][0]["parameters"] == {"flow.beta": -1}
    assert "greater than or equal to 0" in found["failed"][0]["error"]


def test_refusals(call, tmp_path):
    write_study(tmp_path / "small.toml", CIRCLE)
    refused(call("sweep", "small.toml"), "nothing to sweep over")
    refused(call("sweep", "small.toml", "--over", "bta=1,2"), "did you mean 'beta'")
    refused(call("sweep", "smal"), "no study named 'smal'")
    refused(call("sweep", "small.toml", "--over", "beta=1,2", "--workers", "0"), "workers must be a whole number >= 1")
    refused(call("sweep", "small.toml", "--over", "beta=1,2", "--workers", "2", "--slurm"), "give one of --workers")
    refused(call("sweep", "small.toml", "--over", "beta=1,2", "--job", "a=1"), "needs --slurm or --submitit")
    refused(call("sweep", "small.toml", "--over", "beta=1,2", "--list", "rows.csv"), "not both")
    refused(call("run", "phase-diagram"), "use: tokensphere sweep phase-diagram")


def test_the_phase_diagram_that_comes_along():
    assert builtin_names(sweeps=True) == ["phase-diagram", "phase-diagram-usa"]
    assert load_study("alignment").experiment == "alignment"
    plan = plan_sweep("phase-diagram")
    assert [(axis.name, len(axis.values)) for axis in plan.axes] == [("dim", 2), ("beta", 90)]
    assert plan.axes[1].values[0] == 0.1
    assert plan.axes[1].values[-1] == 9.0
    assert all(point.error is None for point in plan.points)
    assert plan.figure == "phase-diagram"


def test_the_one_of_usa():
    plan = plan_sweep("phase-diagram-usa")
    assert len(plan.points) == 100
    assert all(point.error is None for point in plan.points)


def test_other_matrices(call, tmp_path):
    """V and B by the names of their laws; the curve, which is for V = B = I, is left out."""
    code, out, err = call(
        *("sweep", "phase-diagram", "--over", "beta=0.1,3", "--over", "dim=8", "--set", "ensemble=2", "--set", "n=4"),
        *("--set", "query_key=goe", "--set", "value=minus-query-key"),
    )
    assert code == 0, err
    assert "Figure: sweeps/phase-diagram/phase-diagram.png" in out


def test_its_figure(call, tmp_path):
    code, out, err = call(
        "sweep", "phase-diagram", "--over", "beta=0.1,3", "--over", "dim=8,12", "--set", "ensemble=2", "--set", "n=4"
    )
    assert code == 0, err
    assert (tmp_path / "sweeps/phase-diagram/phase-diagram.png").read_bytes()[:4] == b"\x89PNG"
    assert "Figure: sweeps/phase-diagram/phase-diagram.png" in out


def test_an_alignment_run(call, tmp_path):
    write_study(tmp_path / "tiny.toml", TINY)
    code, out, err = call("run", "tiny.toml", "--out", "r")
    assert code == 0, err
    assert "median crossing time" in out
    assert (tmp_path / "r" / "figures" / "alignment.png").exists()
    code, out, _ = call("report", "r")
    assert code == 0
    assert "Figures: alignment.png" in out
