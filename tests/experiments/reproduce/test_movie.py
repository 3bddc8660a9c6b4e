"""C7: one cluster; a repelling flow must not agree."""

import numpy as np
from experiments.reproduce.judged import none_disagrees, run

import tokensphere as ts
from tokensphere.experiments.reproduce import movie as item


def test_one_cluster():
    outcome = run(item.one_cluster)
    none_disagrees(outcome)
    assert outcome.data["clusters"][0] > 50


def test_tokens_that_repel_disagree(monkeypatch):
    monkeypatch.setattr(item, "SelfAttention", lambda beta: ts.SelfAttention(beta, value=-1.0))
    wrong = {v.name: v.outcome for v in run(item.one_cluster).verdicts}
    assert wrong["clusters at t = 15, joined at 0.01 rad"] == "disagrees"
    assert wrong["rate of 1 - c near the end"] == "disagrees"
    assert wrong["largest fall of the energy, of its span"] == "disagrees"


def test_the_view_is_a_rotation():
    basis = item._view(np.array([0.3, -0.2, 0.5]))
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(basis) > 0
    assert (basis @ [0.3, -0.2, 0.5])[2] > 0.4
