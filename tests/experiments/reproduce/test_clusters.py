"""k-periodic data and k-cluster states: the reduced flow, the spectrum, and the items with fewer repeats."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.experiments.reproduce import ITEMS, clusters
from tokensphere.sphere import angles, from_angles


def silent(fraction, text):
    assert 0.0 <= fraction <= 1.0
    assert text


@pytest.mark.parametrize(("beta", "k"), [(2.0, 2), (5.0, 3), (9.0, 4)])
def test_the_reduced_flow_is_the_flow_of_periodic_tokens(beta, k):
    phi = np.random.default_rng(0).uniform(0, 2 * np.pi, 17)
    theta = (phi[None, :] / k + 2 * np.pi * np.arange(k)[:, None] / k).ravel()
    tokens = from_angles(theta)
    velocity = ts.UnnormalizedSelfAttention(beta).velocity(tokens)
    turning = tokens[:, 0] * velocity[:, 1] - tokens[:, 1] * velocity[:, 0]
    reduced = clusters.PeriodicFlow(beta, k).turning(phi[None, :])[0]
    np.testing.assert_allclose(k * turning, np.tile(reduced, k), atol=1e-12 * np.exp(beta))


def test_members_of_the_reduced_flow_do_not_see_each_other():
    phi = np.random.default_rng(1).uniform(0, 2 * np.pi, (3, 11))
    together = clusters.PeriodicFlow(5.0, 3, 3).velocity(from_angles(phi.ravel()))
    alone = [clusters.PeriodicFlow(5.0, 3).velocity(from_angles(row)) for row in phi]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-12)
    with pytest.raises(InputError, match="energy"):
        clusters.PeriodicFlow(5.0, 3).energy(from_angles(phi[0]))


def test_a_start_that_cannot_arrive_is_reported(monkeypatch):
    """Two equal clumps opposite each other in one period rest there: a counterexample by symmetry, exactly placed."""
    phi = np.tile(np.repeat([0.0, np.pi], clusters._TOKENS // 2), (2, 1))
    monkeypatch.setattr(clusters, "_SETTINGS", ((5.0, 3),))
    monkeypatch.setattr(clusters, "_MOST", 1)
    monkeypatch.setattr(clusters, "_CHUNK", 2.0)
    monkeypatch.setattr(clusters, "_SHOWN", 2)
    monkeypatch.setattr(clusters, "_starts", lambda rng: (phi, ["iid", "2 clumps"]))
    outcome = clusters.periodic_data(silent)
    assert outcome.verdicts[0].outcome == "disagrees"
    assert "0 of 2" in outcome.verdicts[0].sentence
    assert outcome.data["counterexample_start_0"].shape == (2, clusters._TOKENS)


def test_periodic_data(monkeypatch):
    monkeypatch.setattr(clusters, "_STARTS", 6)
    monkeypatch.setattr(clusters, "_SHOWN", 6)
    monkeypatch.setattr(clusters, "_SETTINGS", ((5.0, 3), (5.0, 2)))
    outcome = ITEMS["M10"].load().run(silent)
    assert [v.outcome for v in outcome.verdicts] == ["agrees"] * 2
    assert outcome.data["order_0"][-1].min() > 1 - 1e-6


def test_jacobian_of_clusters():
    theta = np.repeat(2 * np.pi * np.arange(3) / 3, clusters._COPIES)
    found = np.linalg.eigvalsh(clusters._jacobian(5.0, theta))
    np.testing.assert_allclose(found, clusters._expected_spectrum(5.0, 3), atol=1e-10)
    assert found[:9] == pytest.approx(-49.23847887, rel=1e-9)
    assert found[-2:] == pytest.approx(0.3488612442, rel=1e-9)


@pytest.mark.slow
def test_cluster_states(monkeypatch):
    monkeypatch.setattr(clusters, "_STATES", ((5.0, 3),))
    monkeypatch.setattr(clusters, "_ASYMMETRIES", np.array([1e-6, 1e-8]))
    outcome = ITEMS["M11"].load().run(silent)
    assert {v.outcome for v in outcome.verdicts} == {"agrees"}
    assert len(outcome.panels) == 3


def test_displaced_tokens():
    assert angles(clusters._displaced(4, 1e-3))[0] == pytest.approx(1e-3)
