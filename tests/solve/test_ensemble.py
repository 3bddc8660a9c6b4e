"""Ensembles: every member is the run it would be alone."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Dense, Whole
from tokensphere.flows import EnsembleFlow
from tokensphere.observe import AlignmentSeries, alignment
from tokensphere.solve import Ensemble, SolveError
from tokensphere.solve import ensemble as room

SERIES = AlignmentSeries(0.9)


def members(count, n=5, dim=4):
    return np.stack([ts.sphere.uniform(n, dim, seed) for seed in range(count)])


def follow(ensemble, tokens, state=None):
    """The end state, and the series with the start as first frame."""
    state = state or ensemble.start(tokens)
    found = [ensemble.measure(state.tokens)]
    for reached, rows in ensemble.run(state):
        state = reached
        found += [rows] if rows else []
    return state, {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}


def test_layers_of_an_ensemble_are_layers_of_its_members(monkeypatch):
    """More members than a block, more frames than a compiled call, two layers between some frames."""
    monkeypatch.setattr(room, "_BLOCK", 4)
    monkeypatch.setattr(room, "_FRAMES", 3)
    times = 0.1 * np.array([0, 1, 2, 4, 5, 7, 8, 9])
    tokens = members(6)
    ensemble = Ensemble(ts.SelfAttention(2.0, attention=Whole()), 6, times, SERIES, method="layer", step_size=0.1)
    state, found = follow(ensemble, tokens)
    assert (state.finished, state.steps, state.saved) == (True, 9, 8)
    for i in range(6):
        run = ts.simulate(ts.SelfAttention(2.0), tokens[i], times, method="layer", step_size=0.1)
        own = np.asarray(state.tokens).reshape(6, 5, 4)[i]
        np.testing.assert_allclose(own, run.tokens.values[-1], atol=1e-13)
        expected = [alignment(frame, 0.9) for frame in run.tokens.values]
        np.testing.assert_allclose(found["mean_inner"][:, i], [e["mean_inner"] for e in expected], atol=1e-13)
        np.testing.assert_array_equal(found["aligned"][:, i], [e["aligned"] for e in expected])


def test_adaptive_steps_of_an_ensemble():
    times = np.array([0.0, 0.5, 1.0])
    tokens = members(3)
    ensemble = Ensemble(ts.SelfAttention(2.0, attention=Dense()), 3, times, SERIES, method="tsit5", rtol=1e-9)
    state, found = follow(ensemble, tokens)
    assert found["aligned"].shape == (3, 3)
    for i in range(3):
        run = ts.simulate(ts.SelfAttention(2.0), tokens[i], times, rtol=1e-10)
        np.testing.assert_allclose(np.asarray(state.tokens).reshape(3, 5, 4)[i], run.tokens.values[-1], atol=1e-7)


def test_the_flow_of_an_ensemble_is_that_of_its_members():
    tokens = members(3)
    inner = ts.UnnormalizedSelfAttention(1.5, attention=Dense())
    field = EnsembleFlow(inner, 3).field(tokens.reshape(-1, 4))
    np.testing.assert_allclose(field, np.concatenate([inner.velocity(own) for own in tokens]), atol=1e-14)


def test_a_token_that_is_not_finite():
    tokens = members(2)
    tokens[1, 3] = np.nan
    ensemble = Ensemble(
        ts.SelfAttention(2.0, attention=Whole()), 2, np.array([0, 0.1]), SERIES, method="layer", step_size=0.1
    )
    with pytest.raises(SolveError, match="member 1 is not finite"):
        follow(ensemble, tokens)


@pytest.mark.parametrize("beta", [0.0, 2.0, 300.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_kernel_for_few_tokens_is_the_direct_sum(beta, weighted):
    x = ts.sphere.uniform(9, 3, 5)
    w = np.random.default_rng(0).dirichlet(np.ones(9)) if weighted else None
    a, b = (backend(x, x, None, w, beta=beta) for backend in (Whole(), Dense()))
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-13)
    np.testing.assert_allclose(a.log_z, b.log_z, rtol=1e-12, atol=1e-12)
