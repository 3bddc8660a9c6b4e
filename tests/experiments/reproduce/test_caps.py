"""C17: the caps theorem on whole runs, and a start that leaves its caps."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import caps as item
from tokensphere.theory import caps


def test_caps_theorem(monkeypatch):
    monkeypatch.setattr(item, "_CASES", (item._CASES[0], item._CASES[0]))
    monkeypatch.setattr(item, "_LONGEST", 400.0)
    outcome = run(item.caps_theorem)
    none_disagrees(outcome)


@pytest.mark.slow
def test_all_caps():
    outcome = run(item.caps_theorem)
    none_disagrees(outcome)
    assert any("on [0, T2]" in v.name for v in outcome.verdicts)


def test_tokens_start_in_their_caps():
    for case in item._CASES:
        tokens, home = item._start(case)
        height, width = item._spread(tokens[None], case.centres, home)
        assert 0 < height[0] <= case.epsilon
        assert width[0] <= 8 * case.epsilon


def test_a_token_outside_disagrees():
    case = item._CASES[0]
    tokens, home = item._start(case)
    theory = caps(case.centres, case.n, case.epsilon, case.beta, tokens=tokens)
    times = np.array([0.0, 400.0])
    stay, leave = np.full(2, 0.01), np.array([0.01, 0.021])
    assert [v.outcome for v in item._judge("", theory, times, stay, np.zeros(2))] == ["agrees", "agrees"]
    assert item._judge("", theory, times, leave, np.zeros(2))[0].outcome == "disagrees"
    assert item._judge("", theory, times, stay, np.array([0.0, 0.1]))[1].outcome == "disagrees"
    assert home.tolist() == [0, 1, 2, 0, 1, 2]
