"""The full prediction, its diagnoses and its JSON."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    DIAGNOSES,
    Diagnosis,
    Hypothesis,
    Prediction,
    critical_noise,
    degree_switches,
    growth_rates,
    predict_emergence,
    to_json,
)

CASES = [
    {"beta": 5, "dim": 2, "n": 20_000},
    {"beta": 5, "dim": 3, "n": 20_000, "flow": "sa", "step": 0.1, "layers": 12},
    {"beta": 1e4, "dim": 2, "n": 1000, "step": 0.1},
    {"beta": 1e4, "dim": 4096, "n": 1000, "flow": "usa-shifted"},
    {"beta": 0, "dim": 2, "n": 100},
    {"beta": 5, "dim": 2, "n": 1000, "noise": 8.0, "order_parameters": [0.01, 0.02]},
    {"beta": 3, "dim": 2},
]


@pytest.mark.parametrize("case", CASES)
def test_json_safe(case):
    prediction = predict_emergence(**case)
    text = json.dumps(prediction.to_dict(), allow_nan=False)
    assert json.loads(text)["k_max"] == prediction.k_max
    assert all(type(p) is Prediction for p in prediction.predictions)


def test_main_numbers():
    p = predict_emergence(5, 2, 20_000, threshold=0.3, moment_argument=0.3)
    assert (p.k_max, p.winner, p.runner_up.degree) == (3, 3, 4)
    assert p.rates[2].usa == pytest.approx(18.5960703045)
    assert p.rates[2].sa == pytest.approx(0.68267833362)
    assert p.rates[2].usa_log10 == pytest.approx(np.log10(18.5960703045))
    assert p.rates[2].net == pytest.approx(1)
    assert p.times.median.time == pytest.approx(0.20613, abs=5.1e-6)
    assert p.times.median.folds == pytest.approx(0.20613 * 18.596, rel=1e-4)
    assert p.switch.beta == pytest.approx(6.211298379432)
    assert p.cluster_state.k == 3
    assert len(p.cluster_angles) == 3
    assert p.tokens_for_90 > 1e8
    assert p.codes == ("TIE", "GUARANTEE_VOID")


def test_the_measured_start_decides_the_winner():
    a = [0.001, 0.02, 0.002, 0.001]
    p = predict_emergence(5, 2, 2000, order_parameters=a, moment_argument={2: 0.1, 3: 0.2})
    assert p.winner == p.measured.winner == 2
    assert p.times.measured.time == pytest.approx(np.log(5) / float(growth_rates(5, 2, 2, "usa")))
    assert len(p.cluster_angles) == 2
    same = predict_emergence(5, 2, 2000, order_parameters={1: 0.001, 2: 0.02, 3: 0.002, 4: 0.001})
    assert same.measured == p.measured


def test_overflow_keeps_the_logarithm():
    p = predict_emergence(1e4, 2, 1000)
    assert p.rates[0].usa is None
    assert 4000 < p.log10_rate < 4400
    assert p.to_dict()["times"]["rate"] is None
    measured = predict_emergence(1e4, 2, 1000, order_parameters=[0.01, 0.0]).measured
    assert measured.times == (0.0, np.inf)
    assert predict_emergence(1e4, 2, 1000, flow="usa-shifted", step=0.1, layers=5).times.leading.layers > 100
    assert predict_emergence(5, 2, 2000, noise=critical_noise(5, 2, "usa")).times.rate == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("factor", [1 - 0.01, 1 - 1e-9, 1 + 1e-9, 1 + 0.01])
def test_tie_codes(factor):
    beta = degree_switches(2, 2)[1] * factor
    p = predict_emergence(beta, 2, 20_000)
    assert p.k_max == (2 if factor < 1 else 3)
    assert "TIE" in p.codes
    assert "NEAR_TIE" not in p.codes
    assert p.law.probability(2) == pytest.approx(p.law.probability(3), abs=0.2)


@pytest.mark.parametrize(
    ("case", "present", "absent"),
    [
        ({"beta": 2, "dim": 2, "n": 100_000}, "GUARANTEE_VOID", "TIE"),
        ({"beta": 7, "dim": 2}, "NEAR_TIE", "TIE"),
        ({"beta": 5, "dim": 2, "n": 10}, "NO_LINEAR_PHASE", "NOT_NEAR_UNIFORM"),
        ({"beta": 5, "dim": 2, "n": 50}, "NO_LINEAR_PHASE", "SELF_DOMINATED"),
        ({"beta": 5, "dim": 2, "n": 100}, "NO_LINEAR_PHASE", "SELF_DOMINATED"),
        (
            {"beta": 5, "dim": 2, "n": 20_000, "flow": "sa", "step": 0.1, "layers": 20},
            "DEPTH_TOO_SMALL",
            "GUARANTEE_VOID",
        ),
        (
            {"beta": 5, "dim": 2, "n": 20_000, "flow": "sa", "step": 0.1, "layers": 200},
            "TIE",
            "DEPTH_TOO_SMALL",
        ),
        ({"beta": 20, "dim": 8, "n": 1000, "flow": "sa"}, "SELF_DOMINATED", "DEGREE_ONE"),
        ({"beta": 20, "dim": 8, "n": 1000, "flow": "usa"}, "GUARANTEE_VOID", "SELF_DOMINATED"),
        ({"beta": 2, "dim": 64, "n": 500, "flow": "sa"}, "DEGREE_ONE", "SELF_DOMINATED"),
        ({"beta": 5, "dim": 2, "n": 2000, "order_parameters": [0.5, 0.02]}, "NOT_NEAR_UNIFORM", "DEGREE_ONE"),
        ({"beta": 5, "dim": 2, "n": 2000, "order_parameters": [0.02, 0.02]}, "TIE", "NOT_NEAR_UNIFORM"),
        (
            {"beta": 2, "dim": 64, "n": 500, "order_parameters": [0.045, 0.045]},
            "DEGREE_ONE",
            "NOT_NEAR_UNIFORM",
        ),
    ],
)
def test_codes(case, present, absent):
    codes = predict_emergence(**case).codes
    assert present in codes
    assert absent not in codes


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"n": 1}, "n must"),
        ({"flow": "soft"}, "flow"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": "x"}, "threshold"),
        ({"noise": "x"}, "noise"),
        ({"step": -1}, "step"),
        ({"layers": 0}, "layers"),
        ({"noise": -1}, "noise"),
        ({"order_parameters": [2.0]}, "order_parameters"),
        ({"order_parameters": []}, "order_parameters"),
        ({"dim": 3, "moment_argument": 0.1}, "moment_argument"),
        ({"moment_argument": {7: 0.1}}, "moment_argument"),
        ({"max_degree": 0}, "max_degree"),
    ],
)
def test_bad_input_is_named(extra, name):
    with pytest.raises(InputError, match=name):
        predict_emergence(**{"beta": 5, "dim": 2, "n": 1000, **extra})


def test_fast_and_light():
    predict_emergence(5, 2, 20_000)
    start = time.perf_counter()
    predict_emergence(5, 2, 20_000)
    assert time.perf_counter() - start < 0.3
    code = (
        "import sys; from tokensphere.theory import predict_emergence as p; p(5, 2, 20000); "
        "print([m for m in ('jax', 'scipy.optimize', 'scipy.integrate', 'mpmath') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_records():
    states = (Hypothesis("a", True), Hypothesis("b", None, "unknown"))
    p = Prediction("x", np.float64(np.inf), "t", "f", "derived", states)
    assert p.holds is None
    assert p.to_dict()["value"] is None
    assert Prediction("x", 1, "", "", "", (Hypothesis("a", False), *states)).holds is False
    assert Prediction("x", 1, "", "", "").holds is True
    assert to_json({"a": np.arange(2), 1: (np.nan, 1j)}) == {"a": [0, 1], "1": [None, [0.0, 1.0]]}
    with pytest.raises(InputError, match="did you mean 'TIE'"):
        Diagnosis("TIES", "")
    with pytest.raises(InputError, match="JSON"):
        to_json(object())
    assert all(code.isupper() for code in DIAGNOSES)


@pytest.mark.parametrize("flow", ["usa", "usa-shifted"])
def test_few_neighbours(flow):
    p = predict_emergence(20, 8, 800, flow)
    (message,) = [d.message for d in p.diagnoses if d.code == "FEW_NEIGHBOURS"]
    assert "0.342" in message
    assert "FEW_NEIGHBOURS" not in predict_emergence(20, 8, 800, "sa").codes
    assert "FEW_NEIGHBOURS" not in predict_emergence(5, 2, 1000, flow).codes


@pytest.mark.parametrize("flow", ["usa", "sa"])
def test_noise_above_critical(flow):
    critical = critical_noise(5, 2, flow)
    for factor in (1.0, 2.0):
        p = predict_emergence(5, 2, 1000, flow, noise=factor * critical, step=0.1, layers=5, moment_argument=0.1)
        assert p.codes == ("NOISE_STABILISES",)
        assert p.cluster_state is None
        assert p.cluster_angles is None
        assert p.times.leading is None
        assert p.times.rate <= 0
        assert not {"chaos constant", "Grenier order"} & {q.name for q in p.predictions}
    below = predict_emergence(5, 2, 1000, flow, noise=0.99 * critical)
    assert "NOISE_STABILISES" not in below.codes
    assert below.cluster_state is not None


def test_with_noise_the_switch_is_called_noiseless_and_the_bound_takes_the_net_rate():
    p = predict_emergence(5, 2, 1000, noise=1.0)
    messages = {d.code: d.message for d in p.diagnoses}
    assert "nearest switch without noise" in messages["NEAR_TIE"]
    assert f"{p.times.rate / np.exp(5):.3g} C" in messages["GUARANTEE_VOID"]


def test_the_table_always_holds_the_dominant_degree():
    assert [r.degree for r in predict_emergence(1e4, 2, max_degree=3).rates] == [1, 2, 3, 141]
    assert [r.degree for r in predict_emergence(5, 2, max_degree=4).rates] == [1, 2, 3, 4]


def test_layers_where_the_factor_rounds_to_one():
    p = predict_emergence(50, 128, 1000, "usa-shifted", step=0.1, layers=10)
    assert 1e18 < p.times.leading.layers < 1e20
    assert "DEPTH_TOO_SMALL" in p.codes
    assert predict_emergence(1e6, 4096, 1000, "usa-shifted", step=0.1).times.leading.layers == np.inf


@pytest.mark.filterwarnings("error")
def test_the_smallest_beta_gives_no_warning():
    assert predict_emergence(1e-310, 2, 1000, step=0.1).k_max == 1
