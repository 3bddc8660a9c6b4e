"""Carrying out a study: the frames are those of `simulate`, the folder holds what it should."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from studies.small_runs import DIM3, digests, settle, study

import tokensphere as ts
from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.solve import linear_exit
from tokensphere.studies import free_folder, open_run, prepare, read_outcome, read_study

CASES = {
    "circle": {"tokens.n": 2000, "flow.beta": 7.0},
    "dim 3": DIM3,
    "sa": {"flow.kind": "sa", "solve.t_end": 0.3},
    "cap, shifted": {"tokens.law": "cap", "flow.shifted": True, "solve.t_end": 2.0},
    "rk4": {"solve.method": "rk4", "solve.step_size": 0.004, "tokens.n": 100},
    "V and B": {"flow.value": -2.0, "flow.query_key": 0.5, "tokens.n": 100},
    "times": {"solve.times": [0.0, 0.03, 0.1], "tokens.n": 100},
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_frames_are_those_of_simulate_bit_for_bit(tmp_path, settings):
    prepared, outcome = settle(tmp_path / "r", **settings)
    spec = prepared.study
    direct = ts.simulate(
        prepared.flow,
        prepared.tokens,
        prepared.times,
        rtol=spec.solve.rtol,
        method=spec.solve.method,
        step_size=spec.solve.step_size,
        events=[linear_exit(spec.measure.exit, prepared.degrees.tolist())],
    )
    run = outcome.run
    np.testing.assert_array_equal(run.time.values, prepared.times)
    assert run.tokens.values.tobytes() == direct.tokens.values.tobytes()
    np.testing.assert_array_equal(run.step_time.values, direct.step_time.values)
    np.testing.assert_array_equal(run.step_size.values, direct.step_size.values)
    np.testing.assert_array_equal(run.step_error.values, direct.step_error.values)
    assert run.attrs["events"] == direct.attrs["events"]
    assert run.attrs["steps"] == direct.attrs["steps"] == run.attrs["n_steps"] == run.sizes["step"]
    assert run.attrs["rejected"] == direct.attrs["rejected"]


def test_series_are_those_of_the_tokens(tmp_path):
    prepared, outcome = settle(tmp_path / "r", tokens__n=500, solve__t_end=0.3)
    run, flow = outcome.run, prepared.flow
    for i in range(run.sizes["time"]):
        tokens = run.tokens.isel(time=i).values
        np.testing.assert_allclose(
            run.order.values[i], ts.observe.order_parameters(tokens, run.degree.values), rtol=1e-12
        )
        assert float(run.energy[i]) == pytest.approx(flow.energy(tokens), rel=1e-12)
        assert float(run.speed[i]) == pytest.approx(float((flow.velocity(tokens) ** 2).sum(axis=1).mean()), rel=1e-9)
        assert int(run.clusters[i]) == ts.observe.count_clusters(tokens, 0.1, None, 0.02)
    landed = np.isin(run.step_time.values, run.time.values[1:])
    np.testing.assert_array_equal(run.step_order.values[landed], run.order.values[1:])
    np.testing.assert_array_equal(run.step_energy.values[landed], run.energy.values[1:])


@pytest.mark.parametrize("settings", [{}, DIM3], ids=["dim 2", "dim 3"])
def test_nothing_stored_is_nan(tmp_path, settings):
    _, outcome = settle(tmp_path / "r", **settings)
    for name, values in outcome.run.drop_vars("cluster_position").variables.items():
        assert np.isfinite(values.values).all(), name
    there = outcome.run.cluster_mass.values > 0
    assert np.isfinite(outcome.run.cluster_position.values[there]).all()


def test_the_folder(tmp_path):
    prepared, outcome = settle(tmp_path / "deep" / "r", seed=3, flow__beta=4.0)
    folder = tmp_path / "deep" / "r"
    assert {path.name for path in folder.iterdir()} == {"study.json", "run.zarr", "predictions.json", "verdicts.json"}
    assert read_study(folder) == prepared.study
    predictions = json.loads((folder / "predictions.json").read_text())
    assert predictions["beta"] == 4.0
    assert predictions["k_max"] == ts.theory.dominant_degree(4.0, 2)
    judged = json.loads((folder / "verdicts.json").read_text())
    assert judged["verdicts"] == [verdict.to_dict() for verdict in outcome.verdicts]
    assert studies.parse_study(judged["study"]) == prepared.study
    attrs = open_run(folder).attrs
    assert attrs["status"] == "complete"
    assert attrs["seed"] == 3
    assert attrs["study"] == prepared.study.model_dump(mode="json")
    assert attrs["study_hash"] == prepared.study.hash
    assert set(attrs["versions"]) >= {"tokensphere", "jax", "numpy", "zarr"}


def test_equal_studies_give_equal_bytes_and_other_seeds_do_not(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        settle(tmp_path / name, seed=seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_reading_again_gives_the_same_verdicts(tmp_path):
    prepared, outcome = settle(tmp_path / "r", solve__t_end=0.4)
    again = read_outcome(prepared, tmp_path / "r", studies.predict_study(prepared))
    assert again.to_dict() == outcome.to_dict()


def test_stopping_rules(tmp_path):
    tight = {"tokens.law": "cap", "tokens.n": 50, "solve.t_end": 20.0, "solve.frames": 21, "flow.beta": 1.0}
    _, outcome = settle(tmp_path / "within", **tight, solve__stop_within=0.01)
    run = outcome.run
    end = run.attrs["events"]["all_within"]
    assert float(run.time[-1]) == end < 20
    assert run.sizes["time"] == 2 + np.flatnonzero(np.linspace(0, 20, 21) < end)[-1]
    tokens = run.tokens.values[-1]
    mean = tokens.mean(axis=0) / np.linalg.norm(tokens.mean(axis=0))
    assert np.arccos(tokens @ mean).max() == pytest.approx(0.01, rel=1e-6)
    prepared, outcome = settle(tmp_path / "slope", **tight, solve__stop_slope=1e-3)
    last = outcome.run.tokens.values[-1]
    assert prepared.flow.energy_rate(last) == pytest.approx(1e-3, rel=1e-6)


def test_a_steep_attention_has_a_run_and_an_energy(tmp_path):
    _, outcome = settle(tmp_path / "r", flow__kind="sa", flow__beta=400.0, flow__query_key=2.0, tokens__n=50)
    assert np.isfinite(outcome.run.energy.values).all()
    _, outcome = settle(tmp_path / "s", flow__kind="sa", flow__beta=800.0, flow__query_key=3.0, tokens__n=50)
    assert np.isnan(outcome.run.energy.values).all()
    assert (outcome.verdicts[-1].outcome, outcome.verdicts[-1].sentence) == (
        "not applicable",
        "the energy exceeds the floating-point range",
    )


# -- tokens, masses and matrices from files -----------------------------------------------------------------------


def token_file(folder, kind, tokens, weights=None):
    path = folder / f"tokens.{kind}"
    if kind == "npy":
        np.save(path, tokens)
    else:
        arrays = {"tokens": tokens} | ({} if weights is None else {"weights": weights})
        np.savez(path, **arrays) if kind == "npz" else save_file(arrays, str(path))
    return str(path)


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors"])
def test_tokens_from_a_file(tmp_path, kind):
    rng = np.random.default_rng(1)
    raw, weights = rng.normal(size=(60, 3)), None
    if kind != "npy":
        weights = rng.random(60)
        weights /= weights.sum()
    path = token_file(tmp_path, kind, raw, weights)
    prepared, outcome = settle(tmp_path / "r", **DIM3 | {"tokens.law": "file"}, tokens__path=path)
    unit = ts.sphere.normalize(raw)
    np.testing.assert_array_equal(outcome.run.tokens.values[0], unit)
    expected = np.full(60, 1 / 60) if weights is None else weights
    np.testing.assert_array_equal(outcome.run.weights.values, expected)
    flow = ts.UnnormalizedSelfAttention(5.0)
    direct = ts.simulate(flow, unit, prepared.times, weights=weights, rtol=1e-10)
    np.testing.assert_allclose(outcome.run.tokens.values, direct.tokens.values, atol=1e-5)
    assert float(outcome.run.energy[0]) == pytest.approx(flow.energy(unit, weights), rel=1e-12)


def test_a_heavy_token_counts_as_its_copies(tmp_path):
    tokens = ts.sphere.uniform(20, 2, seed=4)
    masses = np.array([3.0, 2.0, *[1.0] * 18]) / 23
    copies = np.concatenate([tokens, tokens[:1], tokens[:1], tokens[1:2]])
    heavy = token_file(tmp_path, "npz", tokens, masses)
    common = {"tokens.law": "file", "solve.rtol": 1e-10}
    _, one = settle(tmp_path / "one", **common, tokens__path=heavy)
    _, two = settle(tmp_path / "two", **common, tokens__path=token_file(tmp_path, "npy", copies))
    np.testing.assert_allclose(one.run.tokens.values, two.run.tokens.values[:, :20], atol=1e-9)
    np.testing.assert_allclose(one.run.order.values, two.run.order.values, atol=1e-9)


GOOD = np.eye(3)
BAD_FILES = {
    "must have shape (n, dim) with dim >= 2, got (3,)": ("npy", np.ones(3), None),
    "must have shape (n, dim) with dim >= 2, got (3, 1)": ("npy", np.ones((3, 1)), None),
    "token 1 has zero length": ("npz", np.diag([1.0, 0.0, 1.0]), None),
    "token 2 is not finite": ("safetensors", np.diag([1.0, 1.0, np.nan]), None),
    "weights must sum to 1, got a sum of 1.5": ("npz", GOOD, np.full(3, 0.5)),
    "weights must have shape (3,)": ("safetensors", GOOD, np.full(2, 0.5)),
    "weight 0 must be a finite number >= 0": ("npz", GOOD, np.array([-1.0, 1.0, 1.0])),
    "must hold real numbers": ("npy", GOOD * 1j, None),
}


@pytest.mark.parametrize(("text", "content"), BAD_FILES.items(), ids=BAD_FILES)
def test_bad_token_files_are_refused_before_any_work(tmp_path, text, content):
    with pytest.raises(InputError) as error:
        prepare(study(flow__attention="auto", tokens__law="file", tokens__path=token_file(tmp_path, *content)))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_token_files_that_are_no_token_files(tmp_path):
    (tmp_path / "tokens.csv").write_text("1,0\n")
    (tmp_path / "tokens.npy").write_text("1,0\n")
    for name, text in (
        ("missing.npy", "no such file"),
        ("tokens.csv", "must end in .npy, .npz, .safetensors"),
        ("tokens.npy", "cannot be read"),
    ):
        with pytest.raises(InputError, match=text):
            prepare(study(flow__attention="auto", tokens__law="file", tokens__path=str(tmp_path / name)))


def test_matrices_from_files(tmp_path):
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.save(tmp_path / "turn.npy", turn)
    prepared = prepare(study(flow__value=str(tmp_path / "turn.npy"), flow__attention="auto", tokens__n=50))
    direct = ts.UnnormalizedSelfAttention(5.0, value=turn).velocity(prepared.tokens)
    np.testing.assert_allclose(prepared.flow.velocity(prepared.tokens), direct, atol=1e-15)
    key = prepared.key
    np.save(tmp_path / "turn.npy", 2 * turn)
    assert prepare(study(flow__value=str(tmp_path / "turn.npy"), flow__attention="auto", tokens__n=50)).key != key
    np.save(tmp_path / "wide.npy", np.ones((2, 3)))
    np.save(tmp_path / "three.npy", np.eye(3))
    (tmp_path / "text.npy").write_text("no array")
    for name, text in (
        ("nowhere.npy", "flow.value: no file at"),
        ("text.npy", "text.npy is not an .npy array"),
        ("wide.npy", "must be a number or a square matrix, got shape (2, 3)"),
        ("three.npy", "(3, 3), but the tokens have dim 2"),
    ):
        with pytest.raises(InputError) as error:
            prepare(study(flow__value=str(tmp_path / name)))
        assert text in str(error.value)


def test_matrices_by_name():
    """One draw a seed; V tied to B by name."""
    wanted = {"flow__kind": "sa", "flow__attention": "auto", "tokens__n": 20, "tokens__dim": 3}
    found = {}
    for value in ("gaussian", "goe", "gram", "query-key", "minus-query-key"):
        flow = prepare(study(flow__value=value, flow__query_key="goe", **wanted)).flow
        found[value], b = np.asarray(flow.value), np.asarray(flow.query_key)
        np.testing.assert_array_equal(b, b.T)
    np.testing.assert_array_equal(found["query-key"], b)
    np.testing.assert_array_equal(found["minus-query-key"], -b)
    assert np.linalg.eigvalsh(found["gram"]).min() >= 0
    assert np.abs(found["goe"] - b).max() > 0.1  # V and B are drawn independently
    assert np.abs(np.asarray(prepare(study(seed=1, flow__query_key="goe", **wanted)).flow.query_key) - b).max() > 0.1
    assert prepare(study(flow__value="minus-query-key", **wanted)).flow.value == -1.0
    with pytest.raises(InputError, match="or a law \\(gaussian, goe, gram\\)"):
        prepare(study(flow__value="gau", **wanted))


# -- refusals before any work -------------------------------------------------------------------------------------


def test_more_tokens_than_memory_are_refused():
    with pytest.raises(InputError, match=r"tokens\.n = 10,000,000,000 with dim 2 needs about .* GB of memory"):
        prepare(study(tokens__n=10**10))


@pytest.mark.parametrize(("name", "dim"), [("circle", 3), ("circle-series", 3), ("harmonic", 2), ("sphere-series", 2)])
def test_spectral_sums_need_their_sphere(name, dim):
    with pytest.raises(InputError, match=rf"flow\.attention = '{name}' needs dim {5 - dim}"):
        prepare(study(**{"tokens.n": 20, "tokens.dim": dim, "flow.attention": name}))


def test_a_folder_in_use_or_a_file_is_refused_and_left_alone(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("years of work")
    prepared = prepare(study())
    with pytest.raises(InputError, match="used is not empty"):
        prepared.run(tmp_path / "used", resume=False)
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match=r"thesis\.txt is a file"):
        prepared.run(tmp_path / "used" / "thesis.txt", resume=False)


def test_a_study_that_cannot_start_leaves_no_folder(tmp_path):
    np.save(tmp_path / "turn.npy", np.array([[0.0, 1.0], [-1.0, 0.0]]))
    prepared = prepare(
        study(flow__attention="auto", flow__query_key=str(tmp_path / "turn.npy"), solve__stop_slope=0.1, tokens__n=50)
    )
    with pytest.raises(InputError, match="no energy"):
        prepared.run(tmp_path / "r", resume=False)
    assert not (tmp_path / "r").exists()


def test_free_folders(tmp_path):
    assert free_folder(tmp_path, "a") == tmp_path / "a"
    (tmp_path / "a").mkdir()
    assert free_folder(tmp_path, "a") == tmp_path / "a-2"
    (tmp_path / "a-2").mkdir()
    assert free_folder(tmp_path, "a") == tmp_path / "a-3"


def test_a_folder_without_or_with_a_damaged_study(tmp_path):
    with pytest.raises(InputError, match=r"it has no study\.json"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text('{"seed": ')
    with pytest.raises(InputError, match=r"study\.json is damaged: it is not JSON"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text('{"sed": 1}')
    with pytest.raises(InputError, match="unknown key 'sed'; did you mean 'seed'"):
        read_study(tmp_path)


def test_clusters_are_kept_for_every_frame(tmp_path):
    _, outcome = settle(tmp_path / "r", tokens__n=2000, solve__t_end=0.6)
    run = outcome.run
    first, last = run.isel(time=0), run.isel(time=-1)
    assert float(first.cluster_mass.sum()) == pytest.approx(1.0)
    found = ts.observe.clusters(last.tokens.values, 0.1)
    shown = min(found.count, run.sizes["cluster"])
    np.testing.assert_array_equal(last.cluster_mass.values[:shown], found.masses[:shown])
    np.testing.assert_array_equal(last.cluster_position.values[:shown], found.positions[:shown])
    assert not last.cluster_mass.values[shown:].any()
    assert np.isnan(last.cluster_position.values[shown:]).all()
    assert int(last.clusters) == np.count_nonzero(found.masses >= 0.02)


def test_the_chosen_backend_is_written_down_and_kept(tmp_path, monkeypatch):
    """A repetition takes the backend of the first run, whatever the costs kept on this machine say by then."""
    import dataclasses
    import json

    from tokensphere.attention.costs import Costs, costs_file
    from tokensphere.studies import parse_study, read_study
    from tokensphere.studies.run import prepare

    monkeypatch.setenv("TOKENSPHERE_CACHE", str(tmp_path))
    study = parse_study(
        {"tokens": {"n": 300, "dim": 3}, "flow": {"beta": 3.0}, "solve": {"t_end": 0.01, "frames": 2}, "name": "kept"}
    )

    def cheap(name):
        costs = dataclasses.replace(Costs(), **{f"{name}_call": 1.0, "dense_pair": 1e-3 if name == "dense" else 1.0})
        costs_file().write_text(json.dumps(dataclasses.asdict(costs)))

    cheap("dense")
    first = prepare(study)
    assert type(first.flow.attention).__name__ == "Dense"
    first.run(tmp_path / "run", resume=False)
    assert read_study(tmp_path / "run").flow.attention == "dense"
    cheap("harmonic")
    assert type(prepare(study).flow.attention).__name__ == "Harmonic"
    again = prepare(study, folder=tmp_path / "run")
    assert type(again.flow.attention).__name__ == "Dense"
    assert again.key == prepare(study).key == first.key
