"""C10, C11, C23: with fewer tokens and draws, and the comparisons can fail."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, long_context, long_gradient, near_keys
from tokensphere.theory import critical_gamma

from .judged import none_disagrees, outcomes, run


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(long_context, "_SIMPLEX", (20, 100))
    monkeypatch.setattr(long_context, "_SPARSE", 10_000)
    monkeypatch.setattr(long_context, "_GAUSSIAN", ((256, 2000, 40), (2, 5000, 20)))
    monkeypatch.setattr(near_keys, "_DRAWS", ((3, 10_000, 40), (5, 300, 100)))


def test_long_contexts(small):
    outcome = run(ITEMS["C10"].load().run)
    none_disagrees(outcome)
    assert len(outcome.panels) == 4
    assert outcome.data["mean_inner_256"] == pytest.approx(0.5, abs=0.1)


def test_other_limits_disagree(small, monkeypatch):
    """A critical γ of another inner product moves every limit."""
    monkeypatch.setattr(long_context, "critical_gamma", lambda rho: 1.2 * critical_gamma(rho))
    verdicts, _ = long_context._formula(lambda fraction, text: None)
    assert verdicts[0].outcome == "disagrees" or verdicts[2].outcome == "disagrees"


def test_another_scale_of_keys_disagrees(monkeypatch):
    """Weights e^{β c/2}, of half the temperature, are seen in the number of keys that count."""
    monkeypatch.setattr(near_keys, "_DRAWS", ((3, 10_000, 40),))
    exact = near_keys.effective_keys
    monkeypatch.setattr(near_keys, "effective_keys", lambda n, beta, dim: exact(n, beta / 2, dim))
    verdicts, _, _ = near_keys.near_keys(lambda fraction, text: None)
    assert verdicts[0].outcome == "disagrees"


def test_gradients(monkeypatch):
    monkeypatch.setattr(long_gradient, "_GRADIENT_N", (5, 12))
    monkeypatch.setattr(long_gradient, "_WHOLE_N", 8)
    monkeypatch.setattr(long_gradient, "_GRADIENT_RATIOS", np.array([0.5, 1.0, 2.0]))
    outcome = run(ITEMS["C11"].load().run)
    assert {verdict.outcome for verdict in outcome.verdicts} == {"agrees"}
    wrong = long_gradient.gradient_norm
    monkeypatch.setattr(long_gradient, "gradient_norm", lambda g, n, rho, d, q=1.0: wrong(g, n, rho, d, q) * 1.001)
    assert "disagrees" in outcomes(run(ITEMS["C11"].load().run)).values()


def test_the_trained_model_is_left_out():
    outcome = run(ITEMS["C23"].load().run)
    (verdict,) = outcome.verdicts
    assert verdict.outcome == "not applicable"
    assert "none are downloaded" in verdict.sentence
    assert outcome.data["cosine_1"][0] == 0


@pytest.mark.slow
def test_a_simplex_of_a_million_tokens():
    gram = long_context.sparse_simplex(10**6, 0.5, 2.0, 3)
    assert np.abs(gram - long_context.long_context(2.0, 1e6, 0.5).after).max() < 1e-12
