"""C22: whole (slow), one exponent, and a wrong one."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

from tokensphere.experiments.reproduce import ITEMS, random_weights
from tokensphere.theory import antipodal_exponent


@pytest.mark.slow
def test_the_whole_item(monkeypatch):
    monkeypatch.setattr(random_weights, "_LAYERS", 250)
    outcome = run(ITEMS["C22"].load().run)
    none_disagrees(outcome)
    assert len(outcome.verdicts) == 16
    assert outcome.data["share_aligned"].shape == (3, 2)


def test_one_exponent():
    slope, error = random_weights._slope(1.0, 1000, 60)
    assert error < 0.4
    assert slope == pytest.approx(antipodal_exponent(1.0, 8), abs=4 * error)
    # with η in place of √η the tokens would hardly move
    assert abs(slope) > 0.3


def test_verdicts_follow_what_is_measured():
    product = np.stack([np.full(900, 0.5), np.tanh(np.linspace(-2, 3, 900)), np.where(np.arange(900) < 600, 1.0, -1.0)])
    good = random_weights._judge(0.5, 1e6, 3, product, product)
    assert [verdict.outcome for verdict in good] == ["agrees"] * 3
    bad = random_weights._judge(0.5, 1e6, 3, -product, product)
    assert [verdict.outcome for verdict in bad] == ["disagrees", "agrees", "disagrees"]
