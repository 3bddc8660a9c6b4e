"""Studies under normalisation schemes: which keys fit together, runs that are stopped and go on, lanes, ensembles."""

import numpy as np
import pytest
from studies.small_runs import DIM3, digests, settle, study
from studies.sweeps.small_sweeps import LANES, plan, sweep
from studies.test_ensembles import LAYER

import tokensphere as ts
from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.figures import emergence_figures
from tokensphere.flows import MixNorm
from tokensphere.studies import Study, explain, open_run, parse_study
from tokensphere.studies.run import Prepared, check_study
from tokensphere.theory import equiangular_layer_time

MIX = {"flow.kind": "sa", "flow.scheme": "mix", "flow.switch": 0.07, "solve.rtol": 1e-8}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"flow": {"scheme": "prel"}}, "flow.scheme = 'prel': input should be 'post', 'pre', 'mix'"),
        ({"flow": {"scheem": "pre"}}, "unknown key 'flow.scheem'.*flow.scheme"),
        ({"flow": {"switch": 2.0}}, "switch = 2 needs scheme = 'mix', got 'post'"),
        ({"flow": {"scheme": "pre", "alpha": 2.0}}, "alpha = 2 needs scheme = 'ngpt', got 'pre'"),
        ({"flow": {"scheme": "pre", "original_form": True}}, "original_form = true needs scheme = 'ngpt'"),
        ({"flow": {"scheme": "sqrt", "scale_logits": True}}, "scale_logits = true needs scheme = 'ln-scaling'"),
        ({"flow": {"scheme": "ngpt", "alpha": 0}}, "flow.alpha = 0"),
        ({"flow": {"scheme": "mix", "switch": -1}}, "flow.switch = -1"),
        ({"tokens": {"radii": 2.0}}, "tokens.radii = 2: flow.scheme = 'post' has radii 1; use one of 'pre', 'peri'"),
        ({"flow": {"scheme": "mix"}, "tokens": {"radii": 2.0}}, "flow.scheme = 'mix' has radii 1"),
        ({"flow": {"scheme": "pre"}, "tokens": {"radii": 0.0}}, "tokens.radii = 0"),
        ({"flow": {"scheme": "pre", "noise": 1.0}}, "noise = 1 needs scheme = 'post', got 'pre'"),
    ],
)
def test_what_does_not_fit_is_refused(settings, text):
    with pytest.raises(InputError, match=text):
        parse_study(settings)


def test_the_keys_are_explained():
    rows = {key: (value, default) for key, value, default, _ in explain(study(flow__scheme="pre", tokens__radii=2.0))}
    assert rows["flow.scheme"] == ("pre", "post")
    assert rows["tokens.radii"] == ("2.0", "None")
    assert {"flow.switch", "flow.alpha", "flow.original_form", "flow.scale_logits"} <= set(rows)


def test_a_run_without_a_scheme_keeps_its_hash():
    plain = Study().hash
    assert plain == parse_study({"flow": {"scheme": "post"}}).hash
    others = [
        {"flow": {"scheme": "pre"}},
        {"flow": {"scheme": "pre"}, "tokens": {"radii": 2.0}},
        {"flow": {"scheme": "mix"}},
        {"flow": {"scheme": "mix", "switch": 2.0}},
        {"flow": {"scheme": "ngpt", "original_form": True}},
        {"flow": {"scheme": "ngpt", "alpha": 0.5}},
    ]
    hashes = {parse_study(settings).hash for settings in others}
    assert len(hashes | {plain}) == len(others) + 1


def test_the_stored_run_is_the_run(tmp_path):
    """Radii are kept beside the tokens; predictions and the figure say what they know of the scheme."""
    settings = DIM3 | {"flow.kind": "sa", "flow.scheme": "pre", "tokens.radii": 1.5}
    prepared, outcome = settle(tmp_path / "run", **settings)
    run = open_run(outcome.folder)
    flow = ts.Normalized(ts.SelfAttention(5.0), "pre")
    start = ts.sphere.uniform(60, 3, 0)
    want = ts.simulate(flow, start, prepared.times, radii=1.5, rtol=1e-6)
    np.testing.assert_allclose(run.tokens.values, want.tokens.values, atol=1e-10)
    np.testing.assert_allclose(run.radii.values, want.radii.values, rtol=1e-10)
    assert run.radii.dims == ("time", "token")
    verdicts = {verdict.name: verdict for verdict in outcome.verdicts}
    void = verdicts["emergence from the uniform law"]
    assert void.outcome == "not applicable"
    assert "'pre' turns tokens at another speed" in void.sentence
    assert verdicts["energy is monotone"].outcome == "agrees"
    figures = emergence_figures(run, prepared.setting, None, outcome.seen)
    assert figures["radii"].axes[0].get_ylabel() == "radius $r$"
    assert "under 'pre'" in figures["radii"].axes[0].get_title(loc="left")


def test_a_scheme_without_radii_keeps_none(tmp_path):
    settings = {"flow.kind": "sa", "flow.scheme": "sqrt"}
    prepared, outcome = settle(tmp_path / "run", **settings)
    run = open_run(outcome.folder)
    assert "radii" not in run
    plain = ts.simulate(ts.SelfAttention(5.0), run.tokens.values[0], 2 * np.sqrt(prepared.times + 1) - 2, rtol=1e-8)
    np.testing.assert_allclose(run.tokens.values, plain.tokens.values, atol=1e-5)
    assert "has the clock 2 sqrt(t+1) - 2" in prepared.obstacle


def test_scaled_logits_have_no_fixed_energy(tmp_path):
    settings = {"flow.kind": "sa", "flow.scheme": "ln-scaling", "flow.scale_logits": True}
    _, outcome = settle(tmp_path / "run", **settings)
    verdicts = {verdict.name: verdict for verdict in outcome.verdicts}
    assert verdicts["energy is monotone"].outcome == "not applicable"


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.parametrize("settings", [MIX, DIM3 | MIX], ids=["circle", "dim 3"])
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path, settings):
    """Across the switch of Mix-LN, at every step."""
    prepared, outcome = settle(tmp_path / "whole", **settings)
    wanted = digests(outcome.folder)
    assert 0.07 in open_run(outcome.folder).step_time.values
    seen = []

    def crash(progress):
        seen.append(progress.t)
        raise Crash

    with pytest.raises(Crash):
        prepared.run(tmp_path / "killed", resume=False, report=crash)
    for _ in range(200):
        try:
            studies.prepare(study(**settings)).run(tmp_path / "killed", resume=True, report=crash)
            break
        except Crash:
            pass
    assert digests(tmp_path / "killed") == wanted
    assert min(seen) < 0.07 < max(seen)


def test_lanes_of_a_sweep(tmp_path):
    """Runs of one scheme go in lanes, whatever its numbers; schemes do not mix."""
    over = ["beta=1,2", "flow.switch=0.1,0.25"]
    settings = LANES | {"flow.scheme": "mix"}
    tasks = plan(tmp_path / "plan", settings, over).tasks({0, 1, 2, 3})
    assert [task.lanes for task in tasks] == [4]
    made = sweep(tmp_path, settings, over=over)
    assert made is not None
    for folder in sorted((tmp_path / "out").glob("run-*")):
        run = open_run(folder)
        spec = run.attrs["study"]["flow"]
        flow = ts.Normalized(ts.SelfAttention(spec["beta"]), MixNorm(spec["switch"]))
        alone = ts.simulate(flow, run.tokens.values[0], run.time.values, method="rk4", step_size=0.02)
        np.testing.assert_allclose(run.radii.values, alone.radii.values, rtol=1e-12)
    mixed = plan(tmp_path / "mixed", LANES, ["flow.scheme=pre,peri,post,ngpt", "seed=0:1"])
    groups = {point.group for point in mixed.points}
    assert len(groups) == 4


@pytest.mark.parametrize("scheme", ["pre", "ngpt"])
def test_alignment_ensembles(tmp_path, scheme):
    """In layers, against the equiangular curve of the scheme: predicted, but known to a tolerance for Post-LN only."""
    settings = LAYER | {"flow.scheme": scheme, "tokens.dim": 600, "tokens.n": 4, "solve.t_end": 60.0, "flow.beta": 1.0}
    settings |= {"solve.frames": 301, "tokens.ensemble": 6, "measure.threshold": 0.99, "solve.checkpoint_seconds": 5.0}
    prepared = studies.prepare(Study().with_settings(settings))
    prediction = studies.predict_study(prepared)
    outcome = studies.carry_out(prepared, tmp_path / "run", prediction=prediction)
    verdict = outcome.verdicts[0]
    assert prediction.time == pytest.approx(equiangular_layer_time(0.99, 0.1, 1.0, 4, scheme=scheme))
    assert verdict.outcome == "not applicable"
    assert f"scheme = {scheme}" in verdict.sentence
    assert outcome.seen.median == pytest.approx(prediction.time, rel=0.1)


def test_scaled_logits_have_no_curve():
    settings = LAYER | {"flow.scheme": "ln-scaling", "flow.scale_logits": True}
    assert "logits that are not scaled" in studies.prepare(Study().with_settings(settings)).obstacle


def test_many_processes_are_refused():
    with pytest.raises(InputError, match=r"flow\.scheme = 'pre' cannot be shared by many processes"):
        Prepared(study(flow__scheme="pre"), mesh=object())


def test_a_study_is_checked_before_tokens_are_drawn():
    assert check_study(study(flow__scheme="peri", tokens__radii=3.0)).tokens.radii == 3.0
