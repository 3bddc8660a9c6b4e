"""`tokensphere predict`."""

import json

import pytest

import tokensphere as ts


def test_the_story_of_one_set_of_parameters(call):
    code, out, err = call("predict", "--beta", "5", "--tokens", "20000")
    assert (code, err) == (0, "")
    for text in (
        "beta = 5, dim = 2, n = 20,000",
        "dominant degree k_max",
        "3 -> 4 at beta = 6.2112",
        "18.5960703",
        "TIE: ",
    ):
        assert text in out


def test_json(call):
    code, out, err = call("predict", "--beta", "5", "--tokens", "20000", "--step", "0.1", "--json")
    assert (code, err) == (0, "")
    data = json.loads(out, parse_constant=pytest.fail)
    assert data["k_max"] == 3
    assert data["times"]["rate"] == pytest.approx(18.5960703045, rel=1e-11)
    law = ts.theory.exit_law(5.0, 2, 20_000, 0.1, "usa")
    assert data["times"]["median"]["time"] == pytest.approx(law.median, rel=1e-9)
    assert data["law"]["probabilities"] == pytest.approx(law.probabilities.tolist(), abs=1e-9)
    assert data == ts.theory.predict_emergence(5.0, 2, 20_000, step=0.1).to_dict()


def test_ranges_give_tables_and_lists(call):
    code, out, _ = call("predict", "--beta", "1:10:19", "--dim", "2")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line[:1].isdigit()]
    assert [float(row[0]) for row in rows] == [1 + 0.5 * i for i in range(19)]
    assert [int(row[3]) for row in rows] == [ts.theory.dominant_degree(1 + 0.5 * i, 2) for i in range(19)]
    code, out, _ = call("predict", "--beta", "1:10:19", "--dim", "2,3", "--tokens", "1e3,1e4", "--json")
    data = json.loads(out, parse_constant=pytest.fail)
    assert len(data) == 19 * 2 * 2
    assert {(p["dim"], p["n"]) for p in data} == {(2, 1000), (2, 10_000), (3, 1000), (3, 10_000)}


@pytest.mark.parametrize(
    ("dim", "beta", "k_max"),
    [
        (2, "5", 3),
        (2, "7", 4),
        (2, "1", 1),
        (3, "7", 3),
        (8, "5", 1),
        (3, "50", None),
        (2, "1e4", None),
        (3, "1e4", None),
    ],
)
def test_dominant_degrees(call, dim, beta, k_max):
    """Where no value is given: the switches on both sides of beta, found on their own, decide."""
    code, out, err = call("predict", "--beta", beta, "--dim", dim, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=pytest.fail)["k_max"]
    if k_max is None:
        with_mp = dominant_by_mpmath(float(beta), dim)
        assert found == with_mp
    else:
        assert found == k_max


def dominant_by_mpmath(beta, dim):
    """argmax_k k(k+d-2) I_{k+d/2-1}(beta) with 50 digits, near its maximum at about sqrt(2 beta)."""
    import mpmath

    with mpmath.workdps(50):
        top = int((2 * beta) ** 0.5)
        degrees = range(max(1, top - 8), top + 9)
        return max(degrees, key=lambda k: k * (k + dim - 2) * mpmath.besseli(k + mpmath.mpf(dim) / 2 - 1, beta))


def test_extremes_do_not_overflow(call):
    for beta in ("0", "1e-300", "1e8"):
        code, out, err = call("predict", "--beta", beta, "--tokens", "1e6", "--json")
        assert (code, err) == (0, "")
        json.loads(out, parse_constant=pytest.fail)


def rows_of(out):
    return [line.split() for line in out.splitlines() if line[:1].isdigit()]


@pytest.mark.parametrize("columns", ["40", "80"])
def test_piped_tables_cut_nothing(call, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, _ = call("predict", "--beta", "50", "--dim", "3", "--tokens", "20000")
    assert code == 0
    assert "…" not in out
    (row,) = [row for row in rows_of(out) if row[:2] == ["10", "*"]]
    assert [float(x) for x in row[3:6]] == pytest.approx([0.72721027947, 3.7703711564e19, 0.0072721027947], rel=2e-7)
    _, out, _ = call("predict", "--beta", "1:10:19", "--dim", "2,3", "--tokens", "1000")
    assert "…" not in out
    assert "P(k_max)" in out
    assert len([row for row in rows_of(out) if "GUARANTEE_VOID" in row]) == 38


@pytest.mark.parametrize("width", [40, 60, 80])
def test_narrow_terminals_fold_and_never_cut(monkeypatch, width):
    import io

    from rich.console import Console

    from tokensphere.cli.show import show_prediction, show_table

    monkeypatch.delenv("COLUMNS", raising=False)
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    show_prediction(console, ts.theory.predict_emergence(50, 3, 20_000))
    out = file.getvalue()
    assert "…" not in out
    assert {"3.770371e+19", "0.7272103", "3.770371156e+19"} <= set(out.split())
    if width == 80:
        tables = out.split("TIE:")[0].splitlines()[1:]  # after the title
        assert max(map(len, tables)) <= width
    file.truncate(0)
    show_table(console, "t", ["a", "b", "long heading", "c"], [["1", "2" * 20, "3" * 20, "4"]], keys=2)
    assert {"2" * 20, "3" * 20} <= set(file.getvalue().replace("\0", "").split())


@pytest.mark.parametrize(("beta", "dim", "power"), [("1e4", "2", "10^4340.41"), ("1e6", "4096", "10^428515.1")])
def test_rates_beyond_floats_are_powers_of_ten(call, beta, dim, power):
    code, out, _ = call("predict", "--beta", beta, "--dim", dim, "--tokens", "1000", "--degrees", "3")
    assert code == 0
    assert f"largest rate (this flow)  {power}" in " ".join(out.split()).replace("(this flow) ", "(this flow)  ")
    assert "--flow usa-shifted" in out
    assert f"10^-{power[3:8]}"[:7] in out
    assert not {"inf", "nan"} & set(" ".join(line for line in out.splitlines() if "tokens for" not in line).split())
    assert any("*" in row for row in rows_of(out))
    _, out, _ = call("predict", "--beta", f"{beta},2", "--dim", dim, "--tokens", "1000")
    assert power in out
    assert "--flow usa-shifted" in out


def test_failing_hypotheses_are_named_once(call):
    _, out, _ = call("predict", "--beta", "5", "--tokens", "100")
    assert out.count("effective neighbours n Z0 e^{-beta} >= 100 (n Z0 e^-beta = 18.35)") == 1
    assert "FEW_NEIGHBOURS" not in out
    _, out, _ = call("predict", "--beta", "20", "--dim", "8", "--tokens", "800", "--flow", "usa-shifted")
    assert "FEW_NEIGHBOURS: effective neighbours n Z0 e^-beta = 0.342" in out


def test_noise_above_critical_reads_as_such(call):
    _, out, _ = call("predict", "--beta", "5", "--noise", "10", "--tokens", "1000")
    assert "NOISE_STABILISES" in out
    assert "nearest switch of k_max without noise" in out
    for absent in ("cluster state", "GUARANTEE_VOID", "runner-up", " nan"):
        assert absent not in out
    _, out, _ = call("predict", "--beta", "5,6", "--noise", "10", "--tokens", "1000")
    assert "switch without noise" in out
    assert "nan" not in out.split()


def test_an_exit_at_the_start_is_shown(call):
    _, out, _ = call("predict", "--beta", "5", "--tokens", "10")
    assert "P(exit at t = 0)" in out
    assert "1.0000" in next(line for line in out.splitlines() if "P(exit at t = 0)" in line)
    _, out, _ = call("predict", "--beta", "5", "--tokens", "20000")
    assert "P(exit at t = 0)" not in out


@pytest.mark.parametrize("option", ["--layers", "--degrees"])
def test_counts_are_whole_numbers(call, option):
    code, out, err = call("predict", "--beta", "5", "--step", "0.1", option, "2.5")
    assert code == 2
    assert out == ""
    assert "whole number" in err


def test_schemes(call):
    code, out, err = call("predict", "--beta", "2", "--tokens", "32", "--scheme", "all", "--step", "0.1")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.split() and "32" in line.split()}
    assert list(rows) == list(ts.theory.SCHEMES)
    assert rows["post"][-1] == str(ts.theory.equiangular_layer_count(0.999, 0.1, 2, 32))
    code, out, _ = call("predict", "--beta", "5", "--tokens", "256", "--scheme", "peri,pre", "--radius", "2", "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert [row["scheme"] for row in found] == ["peri", "pre"]
    assert found[1]["initial_rate"] == pytest.approx(0.00495770 / 2, rel=2e-6)
    assert found == [row.to_dict() for row in ts.theory.predict_schemes(5, 256, ["peri", "pre"], radius=2.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheme", "all"), "--scheme needs --tokens"),
        (("--tokens", "8", "--scheme", "prre"), "did you mean 'pre'"),
        (("--tokens", "8", "--scheme", "pre", "--noise", "1"), "--noise says nothing about"),
        (("--tokens", "8", "--radius", "2"), "--radius needs --scheme"),
        (("--tokens", "8", "--scheme", "pre", "--dim", "2,3"), "alike in every dimension"),
    ],
)
def test_schemes_refuse(call, options, message):
    code, out, err = call("predict", "--beta", "2", *options)
    assert code == 2
    assert message in err
    assert not out
