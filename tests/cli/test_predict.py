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
