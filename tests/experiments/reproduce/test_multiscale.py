"""M20 to M23: the items agree, and their comparisons can fail."""

import math

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, multiscale


def run(item):
    steps = []
    outcome = ITEMS[item].load().run(lambda fraction, text: steps.append(fraction))
    assert steps == sorted(steps)
    assert 0 <= steps[0] <= steps[-1] <= 1
    return outcome


def outcomes(outcome):
    return {v.name: v for v in outcome.verdicts}


def test_pairing():
    outcome = run("M23")
    assert {v.outcome for v in outcome.verdicts} == {"agrees"}
    assert outcomes(outcome)["reference value of the simulation"].measured == pytest.approx(0.652382, abs=5e-7)


def test_a_wrong_pair_law_disagrees(monkeypatch):
    """The leading order, without the denominator of softmax: 0.6543."""
    exact = multiscale.pair_product
    leading = lambda beta, c, times: exact(beta, c, times, "usa-shifted", n=1)  # noqa: E731
    with pytest.raises(ValueError, match="n must be"):
        leading(8.0, 0.5, [0, 1])  # one token has no partner
    # of two tokens at half the time, so that the pull is not halved
    monkeypatch.setattr(
        multiscale, "pair_product", lambda beta, c, times: exact(beta, c, 2 * np.asarray(times), "usa-shifted", n=2)
    )
    found = outcomes(run("M23"))["inner product of the pair at t = 0.5, two-body law"]
    assert found.outcome == "disagrees"
    assert found.predicted == pytest.approx(0.654297, abs=5e-7)


def test_forward_heat():
    outcome = run("M22")
    assert [v.outcome for v in outcome.verdicts] == ["agrees", "agrees"]
    # k = 3 and 4 fade more slowly than the kernel says: beta = 50 is not large against them
    ratio = outcome.data["coefficients"][-1] / outcome.data["kernel"][-1]
    assert ratio[3] > ratio[2] > ratio[1] > ratio[0] > 1


def test_backward_heat_with_the_wrong_sign_disagrees(monkeypatch):
    law = multiscale.heat_factors
    monkeypatch.setattr(multiscale, "heat_factors", lambda degrees, dim, clock: law(degrees, dim, clock, 1.0))
    monkeypatch.setattr(multiscale, "_FORWARD_TOKENS", 5000)
    assert {v.outcome for v in run("M22").verdicts} == {"disagrees"}


@pytest.mark.slow
def test_staircase():
    outcome = run("M21")
    assert {v.outcome for v in outcome.verdicts} == {"agrees"}
    assert len(outcome.data["mergers"]) == 4  # the collapse and three mergers
    assert outcome.data["energy"][-1] == pytest.approx(1 / 20, rel=1e-5)  # one point: 1/(2 beta)


@pytest.mark.slow
def test_alignment():
    outcome = run("M20")
    assert {v.outcome for v in outcome.verdicts} == {"agrees", "not applicable"}
    # Collapsed tokens end on the eigenvector of V, 0.0824 from that of V Bᵀ.
    silent = [v for v in outcome.verdicts if v.outcome == "not applicable"]
    assert len(silent) == 2
    assert "0.0824 apart" in silent[0].sentence
    assert silent[0].measured == pytest.approx(0.0824, abs=5e-4)


def test_mergers_keep_mass_and_place():
    tokens = np.array([[math.cos(a), math.sin(a)] for a in (3.0, 0.0, 0.1)])
    new, masses = multiscale._merge(tokens, np.array([0.2, 0.6, 0.2]))
    np.testing.assert_allclose(masses, [0.2, 0.8])
    np.testing.assert_allclose(np.arctan2(new[:, 1], new[:, 0]), [3.0, 0.025], atol=1e-4)
