"""Study files: defaults, types, one clear line for every mistake."""

import json

import pytest

from tokensphere.errors import InputError
from tokensphere.studies import Study, builtin_names, explain, load_study, parse_study
from tokensphere.studies.schema import FlowStudy, MeasureStudy, SolveStudy, TokensStudy


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_defaults():
    study = Study()
    assert (study.flow.kind, study.flow.beta, study.tokens.law, study.tokens.n, study.tokens.dim) == (
        "usa",
        5.0,
        "uniform",
        20_000,
        2,
    )
    assert (study.solve.method, study.solve.rtol, study.solve.frames) == ("dopri8", 1e-8, 61)
    assert (study.measure.exit, study.measure.degrees, study.seed) == (0.1, None, 0)
    assert parse_study({}) == study


def test_a_study_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        Study().flow.beta = 3.0


@pytest.mark.parametrize(
    ("data", "key", "meant"),
    [
        ({"sed": 1}, "sed", "seed"),
        ({"flow": {"betta": 1.0}}, "flow.betta", "flow.beta"),
        ({"tokens": {"dimension": 3}}, "tokens.dimension", "tokens.dim"),
        ({"solve": {"tend": 1.0}}, "solve.tend", "solve.t_end"),
        ({"measure": {"cluster_angel": 0.1}}, "measure.cluster_angel", "measure.cluster_angle"),
        ({"solver": {"t_end": 1.0}}, "solver", "solve"),
    ],
)
def test_unknown_keys_are_errors_with_the_nearest_right_one(tmp_path, data, key, meant):
    path = tmp_path / "mine.toml"
    lines = []
    for section, value in data.items():
        if isinstance(value, dict):
            lines += [f"[{section}]", *(f"{name} = {inner}" for name, inner in value.items())]
        else:
            lines.append(f"{section} = {value}")
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as error:
        load_study(str(path))
    text = one_line(error)
    assert text.startswith("mine.toml: unknown key")
    assert f"'{key}'" in text
    assert "did you mean" in text
    assert meant in text


@pytest.mark.parametrize(
    ("key", "meant"),
    [("flow.betta", "flow.beta"), ("flo.beta", "flow.beta"), ("flow.beta.x", "flow.beta"), ("sede", "seed")],
)
def test_unknown_settings_are_errors_with_the_nearest_right_one(key, meant):
    with pytest.raises(InputError) as error:
        Study().with_settings({key: 1})
    text = one_line(error)
    assert f"'{key}'" in text
    assert f"did you mean '{meant}'?" in text


BAD = [
    ("flow.beta", -1.0),
    ("flow.beta", float("nan")),
    ("flow.beta", float("inf")),
    ("flow.beta", "hot"),
    ("flow.beta", None),
    ("flow.kind", "softmax"),
    ("flow.attention", "fft"),
    ("flow.shifted", "perhaps"),
    ("tokens.n", 0),
    ("tokens.n", 2.5),
    ("tokens.n", float("inf")),
    ("tokens.dim", 1),
    ("tokens.law", "normal"),
    ("tokens.angle", 0.0),
    ("tokens.concentration", -1.0),
    ("tokens.centers", 0),
    ("solve.t_end", 0.0),
    ("solve.frames", 1),
    ("solve.method", "heun"),
    ("solve.rtol", 0.0),
    ("solve.rtol", 0.5),
    ("solve.error_norm", "l1"),
    ("solve.step_size", -0.1),
    ("solve.max_steps", 0),
    ("solve.checkpoint_seconds", -1.0),
    ("measure.exit", 0.0),
    ("measure.exit", 1.0),
    ("measure.degrees", 0),
    ("measure.degrees", 513),
    ("measure.cluster_mass", 1.0),
    ("seed", -1),
    ("name", "a/b"),
    ("name", "../up"),
    ("experiment", "clusters"),
]


@pytest.mark.parametrize(("key", "value"), BAD, ids=lambda x: str(x))
def test_bad_values_name_key_and_value(key, value):
    with pytest.raises(InputError) as error:
        Study().with_settings({key: value})
    text = one_line(error)
    assert key in text
    assert repr(value) in text


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [0.0, 2.0, 1.0]])
def test_save_times_must_increase(times):
    with pytest.raises(
        InputError, match=r"solve\.times: times must be at least two increasing numbers, got \[0\.0"
    ) as error:
        Study().with_settings({"solve.times": times})
    assert str(times) in one_line(error)


def test_save_times_must_start_at_zero():
    with pytest.raises(InputError, match=r"solve\.times: times must start at 0, got 0\.1"):
        Study().with_settings({"solve.times": [0.1, 0.2]})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"flow.kind": "sa", "flow.shifted": True}, "shifted = true needs kind = 'usa'"),
        ({"tokens.law": "file"}, "law = 'file' needs path"),
        ({"tokens.law": "equispaced", "tokens.dim": 3}, "law = 'equispaced' needs dim = 2, got 3"),
        ({"solve.method": "rk4"}, "method = 'rk4' has no error control and needs step_size"),
    ],
)
def test_settings_that_contradict_each_other(settings, text):
    with pytest.raises(InputError) as error:
        Study().with_settings(settings)
    assert text in one_line(error)


def test_toml_that_does_not_parse(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[flow]\nbeta = = 3\n")
    with pytest.raises(InputError, match=r"broken\.toml is not valid TOML: .*line 2") as error:
        load_study(str(path))
    one_line(error)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"broken\.toml is not valid TOML"):
        load_study(str(path))


def test_a_study_can_be_read_from_the_json_of_a_run(tmp_path):
    study = Study().with_settings({"name": "old", "flow.beta": 1 / 3, "solve.times": [0, 1]})
    path = tmp_path / "study.json"
    path.write_text(json.dumps(study.model_dump(mode="json")))
    assert load_study(str(path)) == study
    path.write_text("[flow]")
    with pytest.raises(InputError, match=r"study\.json is not valid JSON"):
        load_study(str(path))
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"study\.json holds no study"):
        load_study(str(path))


def test_missing_files_and_names():
    with pytest.raises(InputError, match=r"no study file at nowhere\.toml"):
        load_study("nowhere.toml")
    with pytest.raises(InputError, match="no study named 'emergenec'; did you mean 'emergence'"):
        load_study("emergenec")


def test_studies_that_come_along():
    assert builtin_names() == ["alignment", "emergence", "emergence-beta7"]
    _, first, second = (load_study(name) for name in builtin_names())
    assert first == Study()
    assert (second.name, second.flow.beta, second.solve.t_end) == ("emergence-beta7", 7.0, 0.1)


def test_the_name_of_a_file_is_the_name_of_its_study(tmp_path):
    path = tmp_path / "cold start.toml"
    path.write_text("seed = 3\n")
    with pytest.raises(InputError, match="name = 'cold start'"):
        load_study(str(path))
    path = path.rename(tmp_path / "cold.toml")
    assert load_study(str(path)).name == "cold"
    path.write_text('name = "warm"\n')
    assert load_study(str(path)).name == "warm"


def test_types_of_settings():
    study = Study().with_settings(
        {
            "tokens.n": 1e6,
            "flow.kind": "sa",
            "flow.beta": 9,
            "solve.times": [0, 1, 2.5],
            "flow.value": -1,
            "solve.stop_within": 0.1,
        }
    )
    assert type(study.tokens.n) is int
    assert study.tokens.n == 1_000_000
    assert type(study.flow.beta) is float
    assert study.solve.times == (0.0, 1.0, 2.5)
    assert study.flow.value == -1.0
    again = study.with_settings({"solve.times": None, "solve.stop_within": None, "flow.value": None})
    assert again.solve.times is None
    assert again.solve.stop_within is None
    assert again.flow.value is None
    assert Study().tokens.n == 20_000


def test_a_study_survives_json():
    study = Study().with_settings({"flow.beta": 1 / 3, "solve.times": [0, 0.2, 0.30000000000000004]})
    again = parse_study(json.loads(study.to_json()))
    assert again == study
    assert again.hash == study.hash


CHANGES = {
    "flow.scheme": "peri",
    "seed": 1,
    "flow.kind": "sa",
    "flow.beta": 5.000000000000001,
    "flow.shifted": True,
    "flow.causal": True,
    "flow.value": -1.0,
    "flow.query_key": 2.0,
    "tokens.law": "cap",
    "tokens.n": 20_001,
    "tokens.dim": 3,
    "tokens.ensemble": 2,
    "tokens.concentration": 11.0,
    "tokens.centers": 2,
    "tokens.angle": 1.1,
    "tokens.inner_product": 0.1,
    "tokens.degree": 2,
    "tokens.amplitude": 1e-5,
    "tokens.phase": 0.5,
    "tokens.path": "x.npy",
    "tokens.key": "a",
    "tokens.normalize": False,
    "solve.t_end": 0.7,
    "solve.frames": 62,
    "solve.times": [0.0, 1.0],
    "solve.method": "tsit5",
    "solve.rtol": 1e-7,
    "solve.error_norm": "rms",
    "solve.step_size": 0.1,
    "solve.stop_within": 0.1,
    "solve.stop_slope": 0.1,
    "measure.degrees": 9,
    "measure.exit": 0.2,
    "measure.cluster_angle": 0.2,
    "measure.cluster_mass": 0.1,
    "measure.layer_step": 0.2,
    "measure.threshold": 0.99,
}
NEUTRAL = {"name": "other", "flow.attention": "dense", "solve.checkpoint_seconds": 60.0, "solve.max_steps": 7}


def test_the_hash_changes_with_every_setting_that_the_numbers_depend_on():
    study, hashes = Study(), {Study().hash}
    for key, value in CHANGES.items():
        hashes.add(study.with_settings({key: value}).hash)
    assert len(hashes) == len(CHANGES) + 1
    for key, value in NEUTRAL.items():
        assert study.with_settings({key: value}).hash == study.hash, key


def test_noise_is_in_the_hash_where_there_is_any():
    """And runs that were begun before studies had noise keep theirs."""
    study = Study().with_settings({"solve.method": "strang", "solve.step_size": 0.1})
    hashes = {study.with_settings({"flow.noise": noise}).hash for noise in (0.0, 1.0, 2.0)}
    assert len(hashes) == 3
    assert study.hash in hashes
    assert Study().hash == "d270ee6f0b92a2b118ef33fe7158392de21f2ba7560bdf8c18ff90cdea20208c"


def test_explain_lists_every_key():
    rows = explain(Study().with_settings({"flow.beta": 9.0}))
    listed = [key for key, *_ in rows]
    known = {"name", "experiment", "seed"}
    for section, model in {
        "flow": FlowStudy,
        "tokens": TokensStudy,
        "solve": SolveStudy,
        "measure": MeasureStudy,
    }.items():
        known |= {f"{section}.{name}" for name in model.model_fields}
    assert len(listed) == len(set(listed))
    options = {"flow.switch", "flow.alpha", "flow.original_form", "flow.scale_logits", "tokens.radii"}  # of schemes
    assert set(listed) == known == set(CHANGES) | set(NEUTRAL) | options | {"experiment", "flow.noise"}
    by_key = {key: rest for key, *rest in rows}
    assert by_key["flow.beta"][:2] == ["9.0", "5.0"]
    assert "tsit5, dopri8" in by_key["solve.method"][2]
    assert all(meaning for _, _, _, meaning in rows)
