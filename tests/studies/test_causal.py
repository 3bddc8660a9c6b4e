"""Studies of causal flows: what fits together, runs alone, in lanes and as ensembles, and theory that is silent."""

import numpy as np
import pytest
from studies.small_runs import DIM3, settle, study
from studies.sweeps.small_sweeps import LANES, sweep

import tokensphere as ts
from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.studies import Study, open_run, parse_study
from tokensphere.studies.build import build_flow
from tokensphere.studies.sweeps.plan import _group

CAUSAL = DIM3 | {"flow.attention": "auto", "flow.kind": "sa", "flow.causal": True}


def test_spectral_sums_are_refused():
    with pytest.raises(InputError, match=r"causal = true needs attention = 'dense' \(or 'auto'\), got 'circle'"):
        parse_study({"flow": {"causal": True, "attention": "circle"}})


def test_an_energy_to_stop_at_is_refused():
    with pytest.raises(InputError, match=r"solve.stop_slope = 0.001: a causal flow has no energy; unset it"):
        parse_study({"flow": {"causal": True}, "solve": {"stop_slope": 1e-3}})


def test_only_causal_studies_have_another_hash():
    plain = Study()
    assert study(**CAUSAL).hash != study(**CAUSAL | {"flow.causal": False}).hash
    dumped = plain.model_dump(mode="json")
    dumped["flow"].pop("causal")  # a run of a version that did not know the key
    assert parse_study(dumped).hash == plain.hash


def test_a_run_says_nothing_of_what_theory_does_not(tmp_path):
    prepared, outcome = settle(tmp_path / "r", **CAUSAL)
    assert prepared.study.flow.attention == "dense"
    assert not prepared.has_energy
    assert {v.outcome for v in outcome.verdicts} <= {"not applicable"}
    assert any("causal" in v.sentence for v in outcome.verdicts)
    run = open_run(outcome.folder)
    assert np.isnan(run.energy.values).all()
    flow = ts.SelfAttention(prepared.study.flow.beta, causal=True)
    again = ts.simulate(flow, run.tokens.values[0], run.time.values, rtol=1e-9)
    np.testing.assert_allclose(run.tokens.values[-1], again.tokens.values[-1], atol=1e-5)


def test_lanes_are_shared_with_causal_runs_only():
    one, other = study(**CAUSAL), study(**CAUSAL | {"flow.causal": False, "flow.attention": "dense"})
    assert _group(one) is not None
    assert _group(one) != _group(other)
    assert build_flow(one).causal


def test_an_ensemble(tmp_path):
    settings = {
        "experiment": "alignment",
        "flow.kind": "sa",
        "flow.beta": 2.0,
        "flow.causal": True,
        "tokens.n": 6,
        "tokens.dim": 9,
        "tokens.ensemble": 3,
        "solve.t_end": 1.0,
        "solve.frames": 3,
    }
    prepared = studies.prepare(Study().with_settings(settings))
    outcome = studies.carry_out(prepared, tmp_path / "r", prediction=studies.predict_study(prepared))
    assert [v.outcome for v in outcome.verdicts] == ["not applicable"]
    assert "causal" in outcome.verdicts[0].sentence
    run = open_run(outcome.folder)
    alone = ts.simulate(ts.SelfAttention(2.0, causal=True), prepared.tokens[1], [0.0, 1.0]).tokens.values[-1]
    mean = (alone @ alone.T)[np.triu_indices(6, 1)].mean()
    assert run.mean_inner.values[-1, 1] == pytest.approx(mean, abs=1e-6)


def test_a_sweep_in_lanes(tmp_path):
    settings = LANES | {"flow.causal": True}
    assert sweep(tmp_path, settings, over=["beta=1,4"]).computed == 2
    for i, beta in enumerate((1.0, 4.0)):
        run = open_run(tmp_path / "out" / f"run-{i}")
        flow = ts.SelfAttention(beta, causal=True)
        again = ts.simulate(flow, run.tokens.values[0], run.time.values, method="rk4", step_size=0.02)
        np.testing.assert_allclose(run.tokens.values, again.tokens.values, atol=1e-12)
