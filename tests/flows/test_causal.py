"""Causal attention: the conformance suite, two tokens in closed form, the limit of long runs, and bad input."""

import jax
import numpy as np
import pytest
from conformance.causal_suite import CausalCase, CausalSuite
from conformance.direct import random_tokens
from conformance.flow_suite import FLOWS

import tokensphere as ts
from tokensphere.attention import Circle, Collapsed, Dense, Harmonic
from tokensphere.errors import InputError

CASES = [CausalCase(flow, 3, kind) for flow in FLOWS for kind in ("identity", "scalars", "matrices", "symmetric B")]
CASES += [CausalCase("sa", dim, kind) for dim in (2, 8) for kind in ("identity", "matrices")]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.flow}-{c.dim}-{c.kind}")
class TestCausalFlows(CausalSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(100 + case.dim)
        masses = rng.random(12)
        masses[4] = 0.0
        return random_tokens(rng, 12, case.dim), masses / masses.sum()


def test_two_tokens_move_at_half_the_speed():
    """u' = (1 − u²)/(1 + e^{β(1−u)}), so that causal(2t) = SA(t); reference values for β = 2 and u(0) = 0."""
    tokens = ts.sphere.from_angles([0.0, np.pi / 2])
    causal = ts.simulate(ts.SelfAttention(2.0, causal=True), tokens, [0.0, 1.0, 2.0], rtol=1e-12)
    both = ts.simulate(ts.SelfAttention(2.0), tokens, [0.0, 1.0], rtol=1e-12)
    inner = np.sum(causal.tokens.values[:, 0] * causal.tokens.values[:, 1], axis=1)
    assert inner[1] == pytest.approx(0.132780, abs=6e-7)
    assert inner[2] == pytest.approx(0.296140, abs=6e-7)
    assert inner[2] == pytest.approx(both.tokens.values[-1, 0] @ both.tokens.values[-1, 1], abs=1e-10)
    np.testing.assert_allclose(ts.theory.causal_pair_product(2.0, 0.0, [0.0, 1.0, 2.0]), inner, atol=1e-10)
    np.testing.assert_array_equal(causal.tokens.values[:, 0], np.tile([1.0, 0.0], (3, 1)))


def test_beta_zero_and_large_beta_are_finite():
    tokens = ts.sphere.uniform(5, 3, seed=1)
    flow = ts.SelfAttention(0.0, causal=True)
    want = np.cumsum(tokens, axis=0) / np.arange(1, 6)[:, None]
    want -= np.sum(tokens * want, axis=1, keepdims=True) * tokens
    np.testing.assert_allclose(flow.velocity(tokens), want, atol=1e-15)
    assert np.isfinite(ts.SelfAttention(1e6, causal=True).velocity(tokens)).all()
    for make in (ts.SelfAttention, ts.UnnormalizedSelfAttention):  # the first token has no mass and sees nothing
        got = make(2.0, causal=True).velocity(tokens, weights=[0.0, 0.25, 0.25, 0.25, 0.25])
        np.testing.assert_array_equal(got[0], 0.0)
        assert np.isfinite(got).all()


def test_all_end_at_the_first_token_for_any_query_key():
    query_key = np.random.default_rng(0).standard_normal((3, 3))
    tokens = ts.sphere.uniform(6, 3, seed=2)
    run = ts.simulate(ts.SelfAttention(1.0, None, query_key, causal=True), tokens, [0.0, 400.0], rtol=1e-8)
    np.testing.assert_allclose(run.tokens.values[-1], np.tile(tokens[0], (6, 1)), atol=1e-4)


def test_layers_ensembles_and_derivatives():
    tokens = ts.sphere.uniform(6, 3, seed=3)
    flow = ts.SelfAttention(3.0, causal=True)
    layers = ts.simulate(flow, tokens, [0.0, 0.1], method="layer", step_size=0.1).tokens.values[-1]
    resolved = flow.resolve(6, 3)
    np.testing.assert_allclose(layers, ts.sphere.normalize(tokens + 0.1 * resolved.attended(tokens)), atol=1e-15)
    pair = np.concatenate([tokens, tokens[::-1]])
    together = np.asarray(ts.flows.EnsembleFlow(resolved, 2).field(pair))
    alone = np.concatenate([flow.velocity(tokens), flow.velocity(tokens[::-1])])
    np.testing.assert_allclose(together, alone, atol=1e-14)
    jacobian = np.asarray(jax.jacfwd(lambda x: flow.velocity(x))(tokens))
    assert np.abs(jacobian[:3, :, 3:]).max() == 0.0  # no token moves with what comes after it
    assert np.abs(jacobian[3:, :, :3]).max() > 0.01


def test_a_causal_sum_makes_a_causal_flow():
    tokens = ts.sphere.uniform(5, 3, seed=4)
    flow = ts.SelfAttention(2.0, attention=Dense(causal=True))
    assert flow.causal
    assert flow.gradient_sign is None
    want = ts.SelfAttention(2.0, causal=True).velocity(tokens)
    np.testing.assert_array_equal(flow.velocity(tokens), want)
    np.testing.assert_array_equal(ts.SelfAttention(2.0, attention=Dense(), causal=True).velocity(tokens), want)


@pytest.mark.parametrize("backend", [Circle(), Harmonic(), Collapsed()])
def test_other_backends_are_refused(backend):
    with pytest.raises(InputError, match=f"{type(backend).__name__} attention cannot be causal; use Dense"):
        ts.SelfAttention(2.0, attention=backend, causal=True)


def test_many_tokens_on_the_circle_are_summed_in_order():
    """Where a Fourier sum would be chosen, a causal flow must not take it."""
    tokens = ts.sphere.uniform(3000, 2, seed=5)
    got = ts.SelfAttention(5.0, causal=True).velocity(tokens)
    few = ts.SelfAttention(5.0, causal=True).velocity(tokens[:40])
    np.testing.assert_allclose(got[:40], few, atol=1e-13)
    with pytest.raises(InputError, match="cannot be shared"):
        ts.SelfAttention(5.0, causal=True).resolve(3000, 2, shared=True)


@pytest.mark.parametrize("scheme", ["pre", "peri", "ngpt"])
def test_schemes_read_the_causal_output(scheme):
    tokens = ts.sphere.uniform(6, 3, seed=6)
    flow = ts.SelfAttention(2.0, causal=True)
    run = ts.simulate(ts.Normalized(flow, scheme), tokens, [0.0, 1.0])
    short = ts.simulate(ts.Normalized(flow, scheme), tokens[:4], [0.0, 1.0])
    np.testing.assert_allclose(run.tokens.values[-1, :4], short.tokens.values[-1], atol=1e-7)
    np.testing.assert_allclose(run.tokens.values[-1, 0], tokens[0], atol=1e-14)


def test_linearisation_takes_no_series():
    from tokensphere.solve.linearise import _DIRECT, _way

    way, flow = _way(ts.SelfAttention(2.0, causal=True), None, _DIRECT + 1, 2)
    assert way == "jvp"
    assert isinstance(flow.attention, Dense)
    assert flow.attention.causal
