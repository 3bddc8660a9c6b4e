"""Rates at last, bounds with their range and what they are worth, and their place among the predictions."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import (
    collapse_predictions,
    equiangular_curve,
    gap_bound,
    hemisphere_probability,
    high_dimension_bound,
    mean_field_collapse,
    mean_field_rate,
    predict_emergence,
    terminal_rate,
)


@pytest.mark.parametrize(
    ("name", "flow", "rate"),
    [
        ("sa", ts.SelfAttention(1.0), 2.0),
        ("usa", ts.UnnormalizedSelfAttention(1.0), 2.0 * np.e),
        ("usa-shifted", ts.UnnormalizedSelfAttention(1.0, shifted=True), 2.0),
    ],
)
def test_rates_of_runs(name, flow, rate):
    tokens = ts.sphere.cap(5, np.eye(3)[0], 0.01, seed=0)
    assert terminal_rate(1.0, name).value == pytest.approx(rate, rel=1e-12)
    assert terminal_rate(1.0, name, quantity="distance").value == pytest.approx(rate / 2, rel=1e-12)
    times = np.array([0.0, 1.0, 2.0]) / rate
    run = ts.simulate(flow, tokens, times, rtol=1e-12, method="dopri8")
    gaps = [1.0 - (x @ x.T).min() for x in run.tokens.values]
    assert -np.log(gaps[2] / gaps[1]) / (times[2] - times[1]) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("name", ["sa", "usa-shifted"])
def test_rate_with_matrices(name):
    value = np.diag([1.7, 0.4, -0.3])
    query_key = np.diag([0.8, 0.5, 0.2])
    kind = {"sa": ts.SelfAttention, "usa-shifted": ts.UnnormalizedSelfAttention}[name]
    more = {"shifted": True} if name == "usa-shifted" else {}
    tokens = ts.sphere.cap(4, np.eye(3)[0], 1e-3, seed=1)
    run = ts.simulate(kind(2.0, value, query_key, **more), tokens, [0.0, 1.0, 2.0], rtol=1e-12, method="dopri8")
    gaps = [np.linalg.norm(x - x.mean(axis=0)) for x in run.tokens.values]
    want = terminal_rate(2.0, name, value=1.7, logit=0.8, quantity="distance").value
    assert np.log(gaps[1] / gaps[2]) == pytest.approx(want, rel=1e-4)
    assert terminal_rate(2.0, name, value=-1.0).holds is False


@pytest.mark.parametrize(("beta", "n"), [(0.0, 2), (0.0, 30), (1.0, 8), (3.0, 5), (1.0, 200)])
def test_gap_bound_holds_in_its_range(beta, n):
    begin = 0.5 * n * np.exp(beta)
    for factor in (1.0, 1.5, 3.0):
        found = gap_bound(begin * factor, beta, n)
        assert found.holds
        assert 1 - equiangular_curve([0.0, begin * factor], beta, n)[-1] <= found.value
    assert gap_bound(begin, beta, n).value == pytest.approx(0.5)


def test_gap_bound_fails_where_it_is_printed():
    """t ≥ 0 is not enough: at n = 2, β = 0, t = 0 the curve has 1 − γ = 1, and the printed bound is 0.974."""
    found = gap_bound(0.0, 0.0, 2)
    assert found.value == pytest.approx(0.974, abs=5e-4)
    assert 1 - equiangular_curve([0.0, 1.0], 0.0, 2)[0] == 1.0 > found.value
    assert found.holds is False
    assert gap_bound(0.0, 1000.0, 2).value == np.inf


def test_the_high_dimension_bound_is_vacuous_where_runs_are_made():
    for dim in (128, 10**6, 10**100):
        found = high_dimension_bound(0.01, 1.0, 32, dim)
        assert found.holds is False
        assert found.hypotheses[0].holds is False
    enough = (2 * 4) ** 64  # n = 2: d must exceed (2n²)^64 = 6e57
    assert high_dimension_bound(1.0, 1.0, 2, enough // 2).hypotheses[0].holds is False
    assert high_dimension_bound(1.0, 1.0, 2, 2 * enough).holds
    assert high_dimension_bound(10.0, 1.0, 2, 2 * enough).hypotheses[1].holds is False


def test_mean_field_rate():
    """Data of Ott and Antonsen: R²/(1−R²) grows like e^t, so that W2 = √(2(1−R)) decays like e^{−t/2}."""
    times = np.array([20.0, 21.0])
    odds = np.exp(times) / 3.0
    gap = 1.0 - np.sqrt(odds / (1.0 + odds))
    rate = 0.5 * np.log(gap[0] / gap[1])
    assert mean_field_rate(0.0, 2).value == pytest.approx(rate, rel=1e-6) == 0.5
    assert [mean_field_rate(0.0, d).value for d in (3, 4, 100)] == [1.0, 1.0, 1.0]
    assert mean_field_rate(1.0, 2).holds is False


def test_the_mean_field_theorem_has_no_value():
    found = mean_field_collapse(0.0, 0.5)
    assert found.value is None
    assert found.to_dict()["value"] is None
    assert [h.holds for h in found.hypotheses] == [True, True, True, None]
    assert mean_field_collapse(0.0, 0.0).holds is False
    assert mean_field_collapse(-0.1).hypotheses[1].holds is None
    # the rate 1/100 is not sharp, and far from it in every dimension
    assert all(mean_field_rate(0.0, d).value >= 50 / 100 for d in (2, 3, 10))


def test_predictions():
    found = {p.name: p for p in collapse_predictions(3.0, 3, 5, "sa")}
    assert found["clusters at the end"].value == 1
    assert found["clusters at the end"].holds is None  # almost every start
    assert found["probability of an open hemisphere"].value == pytest.approx(0.6875)
    assert found["rate of 1 - rho at the end"].value == 2.0
    known = {p.name: p for p in collapse_predictions(3.0, 3, 5, "sa", inside=True)}
    assert known["probability of an open hemisphere"].value == 1.0
    assert known["probability of an open hemisphere"].holds is True
    assert "rate of 1 - rho at the end" not in {p.name for p in collapse_predictions(1000.0, 3, 5, "usa")}
    names = {p.name: p.value for p in predict_emergence(5.0, 3, 20).predictions}
    assert names["probability of an open hemisphere"] == hemisphere_probability(20, 3)
    assert "clusters at the end" not in {p.name for p in predict_emergence(5.0, 3, 20, noise=0.1).predictions}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: terminal_rate(1.0, "sa", quantity="gaps"), "quantity"),
        (lambda: terminal_rate(800.0, "usa"), "usa-shifted"),
        (lambda: mean_field_collapse(0.1, 1.5), "order"),
        (lambda: gap_bound(-1.0, 1.0, 2), "t must"),
        (lambda: gap_bound(1.0, 1.0, 1), "n must"),
        (lambda: high_dimension_bound(1.0, 1.0, 2, 1), "dim"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
