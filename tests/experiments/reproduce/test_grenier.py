"""M8 and M9: the items agree, and their comparisons can fail."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, grenier
from tokensphere.theory import grenier_expansion


def run(item):
    steps = []
    outcome = ITEMS[item].load().run(lambda fraction, text: steps.append((fraction, text)))
    fractions = [fraction for fraction, _ in steps]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] <= 1
    return outcome


def outcomes(outcome):
    return {v.name: v for v in outcome.verdicts}


def test_orders():
    outcome = run("M8")
    found = outcomes(outcome)
    assert {v.outcome for v in outcome.verdicts} == {"agrees", "not applicable"}
    for flow in ("USA", "SA"):
        for p in (1, 2, 3, 4):
            assert found[f"{flow}, error of order {p} in eps: exponent"].measured == pytest.approx(p + 1, abs=0.01)
    silent = {name: v.sentence for name, v in found.items() if v.outcome == "not applicable"}
    assert len(silent) == 3
    assert "order 7 is needed" in silent["USA, remainder of order 4 as proved"]
    assert "end 0.161" in silent["USA, remainder of order 7 as proved, t = 1"]
    assert "C is not known" in silent["SA, remainder of order 7 as proved"]
    assert outcome.data["error_sa"].shape == (6, 4)


def test_a_wrong_expansion_disagrees():
    """With the quadratic term of USA in place of that of SA the second order is lost."""
    full = np.array([grenier._solve("sa", e, [0.0, 1.36])[-1] for e in grenier._SIZES])
    wrong = grenier_expansion(5.0, grenier._MODES, 5, [1.36 / 27.239871823604442])
    errors = np.array([grenier._errors(wrong, c[None], e)[:, 0] for c, e in zip(full, grenier._SIZES, strict=True)])
    verdicts = grenier._order_verdicts("sa", errors)
    assert [v.outcome for v in verdicts] == ["agrees", "disagrees", "disagrees", "disagrees"]


def test_periodic_manifold():
    outcome = run("M9")
    found = outcomes(outcome)
    assert {v.outcome for v in outcome.verdicts} == {"agrees", "not applicable"}
    (silent,) = [v for v in outcome.verdicts if v.outcome == "not applicable"]
    assert "no tie" in silent.sentence
    assert found["β = 2, ε = 1e-3: the ratio itself"].measured == pytest.approx(0.24107, abs=1e-4)
    rounding = found["β = 5, 3-periodic start: largest other degree at exit, relative"].measured
    assert 0 < rounding < 1e-13
