"""Layers and the self-term: one factor, one initial rate, and the items with fewer repeats."""

import pytest

from tokensphere.experiments.reproduce import ITEMS, layers
from tokensphere.theory import growth_rates, self_term_factor


def silent(fraction, text):
    pass


def test_factors_of_one_layer():
    assert layers._circle_factor(1.0, 3, 1.0, False) == pytest.approx(1.36056006, rel=1e-8)
    assert layers._circle_factor(1.0, 3, 1.0, True) == pytest.approx(1.68267833, rel=1e-8)
    assert layers._circle_factor(-1.0, 3, 1.0, False) < -5.0
    assert layers._circle_factor(-1.0, 3, 1.0, True) == pytest.approx(1 - 0.68267833362, rel=1e-8)


def test_initial_rate_of_few_tokens():
    rate, error = layers._initial_rate(30, 5.0, 3, 5)
    unit = float(growth_rates(5.0, 2, 3))
    assert error / unit < 0.01
    assert rate / unit == pytest.approx(0.844, abs=0.006 + 3 * error / unit)
    assert self_term_factor(30, 5.0, 2) == pytest.approx(0.842, abs=1e-3)


@pytest.mark.slow
def test_finite_depth(monkeypatch):
    monkeypatch.setattr(layers, "_DEPTHS", ((0.5, False), (1.0, True)))
    monkeypatch.setattr(layers, "_SEEDS", 4)
    outcome = ITEMS["M16"].load().run(silent)
    assert {v.outcome for v in outcome.verdicts} == {"agrees"}


@pytest.mark.slow
def test_self_term(monkeypatch):
    monkeypatch.setattr(layers, "_HIGH", ((64, 2.0, 100, 0.3, 16), (64, 5.0, 200, 0.3, 2)))
    outcome = ITEMS["M18"].load().run(silent)
    made = {v.name: v.outcome for v in outcome.verdicts}
    outside = {name for name, found in made.items() if found == "not applicable"}
    assert outside == {
        "initial rate of degree 2 over lambda_2; beta = 2, n = 10",
        "initial rate of degree 3 over lambda_3; beta = 5, n = 10",
        "mean exit; dim 64, beta = 5, n = 200",
    }
    assert "disagrees" not in made.values()
