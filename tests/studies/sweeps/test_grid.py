"""What to sweep over, as text and as lists."""

import pytest

from tokensphere.errors import InputError
from tokensphere.studies.sweeps import grid_points, parse_over, read_list
from tokensphere.studies.sweeps.grid import find_key


def values(text):
    (axis,) = parse_over([text])
    return axis.key, axis.name, list(axis.values)


def test_forms():
    assert values("beta=1:10:4") == ("flow.beta", "beta", [1, 4, 7, 10])
    assert values("beta=0.1:9:90")[2] == pytest.approx([0.1 * i for i in range(1, 91)])
    assert values("beta=0.1:9:90")[2][-1] == 9.0
    assert values("seed=0:3") == ("seed", "seed", [0, 1, 2])
    assert values("tokens.n=8,32") == ("tokens.n", "n", [8, 32])
    assert values("kind=sa,usa") == ("flow.kind", "kind", ["sa", "usa"])
    assert values("step_size=null,0.1")[2] == [None, 0.1]
    assert values("rtol=1e-6,1e-8")[2] == [1e-6, 1e-8]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("beta", "write it as key=values"),
        ("=1,2", "write it as key=values"),
        ("beta=", "write values as"),
        ("beta=1:2:3:4", "write values as"),
        ("beta=1:10:1", "write values as"),
        ("beta=a:b", "write values as"),
        ("seed=5:5", "is empty"),
        ("beta=1,1", "a value comes twice"),
        ("betta=1,2", "unknown study key 'betta'; did you mean 'beta'"),
        ("name=a,b", "folder of its own already"),
    ],
)
def test_refusals(text, said):
    with pytest.raises(InputError, match=said):
        parse_over([text])


def test_short_keys_must_be_clear(monkeypatch):
    assert find_key("dim") == "tokens.dim"
    monkeypatch.setattr("tokensphere.studies.sweeps.grid.study_keys", lambda: iter(["a.x", "b.x"]))
    with pytest.raises(InputError, match=r"'x' could be a\.x or b\.x"):
        find_key("x")


def test_the_grid_is_every_combination_last_axis_fastest():
    axes, rows = grid_points(parse_over(["beta=1,2", "seed=0:3"]))
    assert [axis.name for axis in axes] == ["beta", "seed"]
    assert [(row["flow.beta"], row["seed"]) for row in rows] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    with pytest.raises(InputError, match=r"flow\.beta is given twice"):
        grid_points(parse_over(["beta=1,2", "flow.beta=3,4"]))
    with pytest.raises(InputError, match="at most 1,000,000"):
        grid_points(parse_over(["beta=0:1:2000", "seed=0:2000"]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"beta": 1.5, "seed": 3}, {"flow.beta": 2, "kind": "sa"}]'),
        ("a.toml", '[[runs]]\nbeta = 1.5\nseed = 3\n[[runs]]\nbeta = 2\nkind = "sa"\n'),
    ],
)
def test_lists(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_list(tmp_path / name) == [{"flow.beta": 1.5, "seed": 3}, {"flow.beta": 2, "flow.kind": "sa"}]


def test_a_csv_list(tmp_path):
    (tmp_path / "a.csv").write_text("beta,kind,step_size\n1.5,sa,null\n2,usa,0.1\n")
    first, second = read_list(tmp_path / "a.csv")
    assert first == {"flow.beta": 1.5, "flow.kind": "sa", "solve.step_size": None}
    assert second == {"flow.beta": 2, "flow.kind": "usa", "solve.step_size": 0.1}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[", "not a valid JSON list"),
        ("a.json", "{}", "holds no settings"),
        ("a.json", "[{}]", "holds no settings"),
        ("a.json", '[{"beta": 1}, {"flow.beta": 1}]', "the same settings twice"),
        ("a.json", '[{"bta": 1}]', "unknown study key 'bta'"),
        ("a.toml", "beta = 1", "holds no settings"),
        ("a.txt", "beta", "is a .json, .csv or .toml file"),
    ],
)
def test_bad_lists(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_list(tmp_path / name)
    with pytest.raises(InputError, match="no list of settings at"):
        read_list(tmp_path / "missing.json")
    (tmp_path / "bytes.csv").write_bytes(b"beta\n\xff\n")
    with pytest.raises(InputError, match="not a valid CSV list"):
        read_list(tmp_path / "bytes.csv")
