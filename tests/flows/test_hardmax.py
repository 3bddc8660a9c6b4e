"""The hardmax flow: what applies of the conformance suite, its limits, its layers, and how runs meet its jumps."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance import direct
from conformance.direct import random_tokens
from conformance.flow_suite import FlowSuite, matrices

import tokensphere as ts
from tokensphere.errors import InputError


@dataclass(frozen=True)
class HardmaxCase:
    """A dimension and a kind of matrices; without self-attention where V = B = I, so that something moves."""

    dim: int
    kind: str
    flow = "hardmax"

    @property
    def fields(self):
        value, query_key = matrices(self.kind, self.dim)
        return {"value": value, "query_key": query_key}

    def make(self, **changed):
        return ts.Hardmax(**(self.fields | {"self_attention": self.kind != "identity"} | changed))

    def direct(self, tokens, weights=None, **_):
        n = len(tokens)
        v, b = (np.eye(self.dim) * (1.0 if m is None else m) if np.ndim(m) == 0 else m for m in self.fields.values())
        weights = np.full(n, 1 / n) if weights is None else weights
        out = np.zeros_like(tokens)
        for i, x in enumerate(tokens):
            apart = np.linalg.norm(tokens - x, axis=1) > 1e-9
            seen = np.flatnonzero((weights > 0) & (apart | (self.kind != "identity")))
            scores = np.array([x @ b @ y for y in tokens[seen]])
            best = seen[scores >= scores.max() - 1e-13]
            out[i] = v @ (weights[best] @ tokens[best]) / weights[best].sum()
        return direct.project(tokens, out)


KINDS = ("identity", "scalars", "matrices", "ascent", "symmetric B")


@pytest.mark.parametrize(
    "case",
    [HardmaxCase(dim, kind) for dim in (2, 3, 8) for kind in KINDS if dim == 3 or kind in ("identity", "matrices")],
    ids=lambda c: f"{c.dim}-{c.kind}",
)
class TestHardmaxFlow(FlowSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(100 + case.dim)
        masses = rng.random(12)
        masses[4] = 0.0
        return random_tokens(rng, 12, case.dim), masses / masses.sum()

    # There is no energy, and the self-term decides everything; the rest of the suite is used as it is.

    def test_energy_rate_by_centred_differences(self, case, cloud):
        with pytest.raises(InputError, match="no energy"):
            case.make().energy(cloud[0])

    def test_gradient_sign(self, case):
        assert not hasattr(case.make(), "gradient_sign")

    def test_self_term(self, case, cloud):
        with_self = case.make(self_attention=True).velocity(cloud[0])
        without = case.make(self_attention=False).velocity(cloud[0])
        if case.kind == "identity":
            assert np.abs(with_self).max() < 1e-15  # everyone looks at himself
        assert np.abs(without - with_self).max() > 0.01


V = np.array([[0.4, -1.1, 0.2], [0.9, 0.3, 0.0], [-0.3, 0.2, -0.8]])
B = np.array([[1.0, 0.3, -0.2], [0.1, 0.8, 0.4], [-0.3, 0.0, 1.1]])


def test_softmax_tends_to_it():
    tokens = ts.sphere.uniform(40, 3, seed=1)
    limit = ts.Hardmax(V, B).velocity(tokens)
    errors = [np.abs(ts.SelfAttention(b, V, B).velocity(tokens) - limit).max() for b in (10.0, 100.0, 1e3, 1e4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1
    assert errors[-1] < 0.01
    assert np.abs(ts.SelfAttention(1e6, V, B).velocity(tokens) - limit).max() < 1e-12


def test_an_attention_flow_takes_the_backend():
    """SA with hardmax attention is the hardmax flow, at any β."""
    tokens = ts.sphere.uniform(40, 3, seed=1)
    hard = ts.SelfAttention(3.0, V, B, attention=ts.attention.Hardmax())
    np.testing.assert_allclose(hard.velocity(tokens), ts.Hardmax(V, B).velocity(tokens), atol=1e-15)
    ordered = ts.SelfAttention(3.0, V, B, attention=ts.attention.Hardmax(), causal=True)
    np.testing.assert_allclose(ordered.velocity(tokens), ts.Hardmax(V, B, causal=True).velocity(tokens), atol=1e-15)
    assert ts.SelfAttention(3.0, attention=ts.attention.Hardmax(causal=True)).causal
    claims = ts.SelfAttention(3.0, attention=ts.attention.Hardmax())
    assert claims.gradient_sign is None
    with pytest.raises(InputError, match="its attention is a hardmax"):
        claims.energy(tokens)


def test_it_is_a_head():
    tokens, soft = ts.sphere.uniform(40, 3, seed=1), ts.SelfAttention(2.0)
    both = ts.MultiHead((ts.Hardmax(V, B), soft)).velocity(tokens)
    np.testing.assert_allclose(both, ts.Hardmax(V, B).velocity(tokens) + soft.velocity(tokens), atol=1e-14)


def test_the_transposed_score_is_another_flow():
    """E18."""
    tokens = ts.sphere.uniform(40, 3, seed=1)
    right, wrong = ts.Hardmax(query_key=B).velocity(tokens), ts.Hardmax(query_key=B.T).velocity(tokens)
    sharp = ts.SelfAttention(1e6, query_key=B).velocity(tokens)
    assert np.abs(right - sharp).max() < 1e-12
    assert np.abs(wrong - sharp).max() > 0.1
    ends = [ts.simulate(ts.Hardmax(query_key=b), tokens, [0.0, 0.4], rtol=1e-6).tokens[-1].values for b in (B, B.T)]
    soft = ts.simulate(ts.SelfAttention(3e3, query_key=B), tokens, [0.0, 0.4], rtol=1e-6).tokens[-1].values
    assert np.median(np.abs(ends[0] - soft)) < 1e-3
    assert np.median(np.abs(ends[1] - soft)) > 1e-3


def test_mutual_neighbours_meet():
    """Two tokens alone: φ' = −2 sin φ, tan(φ/2) = tan(φ_0/2)e^{−2t}; they stop within the tolerance of one place."""
    start = ts.sphere.from_angles([0.0, 1.0])
    flow = ts.Hardmax(self_attention=False)
    run = ts.simulate(flow, start, [0.0, 1.0, 30.0], rtol=1e-10)
    gap = np.diff(ts.sphere.angles(run.tokens.values[1]))[0]
    assert np.tan(gap / 2) == pytest.approx(np.tan(0.5) * np.exp(-2.0), rel=1e-7)
    assert 0 < np.linalg.norm(np.diff(run.tokens.values[2], axis=0)) < 1e-6
    assert np.abs(flow.velocity(run.tokens.values[2])).max() == 0


def test_an_adaptive_run_crosses_a_switch():
    """One token changes its target on the way: a few rejected steps, and the accuracy stays."""
    tokens, targets = ts.sphere.uniform(6, 3, seed=1), []

    def look(state):
        targets.append(tuple(np.argmax(state.tokens @ B @ state.tokens.T, axis=1)))

    flow = ts.Hardmax(V, B)
    run = ts.simulate(flow, tokens, [0.0, 0.5], rtol=1e-8, observe=look)
    assert len(set(targets)) == 2
    assert run.attrs["rejected"] < 40
    sharp = ts.simulate(flow, tokens, [0.0, 0.5], method="dopri8", rtol=1e-11)
    np.testing.assert_allclose(run.tokens[-1], sharp.tokens[-1], atol=1e-7)
    fixed = [ts.simulate(flow, tokens, [0.0, 0.5], method="rk4", step_size=h).tokens[-1] for h in (0.1, 0.01)]
    errors = [np.abs(x - sharp.tokens[-1]).max() for x in fixed]
    assert 1e-6 < errors[1] < errors[0]  # the order of the method is lost


def test_layers():
    tokens = ts.sphere.uniform(30, 3, seed=0)
    run = ts.simulate(ts.Hardmax(V, B), tokens, [0.0, 0.5], method="layer", step_size=0.5)
    best = np.array([np.argmax([x @ B @ y for y in tokens]) for x in tokens])
    moved = tokens + 0.5 * tokens[best] @ V.T
    np.testing.assert_allclose(run.tokens.values[1], moved / np.linalg.norm(moved, axis=1)[:, None], atol=1e-14)


def test_causal():
    tokens = ts.sphere.uniform(30, 3, seed=0)
    flow = ts.Hardmax(query_key=B, causal=True)
    whole = flow.velocity(tokens)
    for k in (1, 7):
        np.testing.assert_allclose(flow.velocity(tokens[:k]), whole[:k], atol=1e-15)
    assert np.abs(whole - ts.Hardmax(query_key=B).velocity(tokens)).max() > 0.1


def test_under_a_scheme():
    """It composes with normalisation; scaled logits change nothing."""
    tokens = ts.sphere.uniform(10, 3, seed=0)
    flow = ts.Hardmax(V, B)
    assert flow.scaled(0.1) == flow or flow.scaled(0.1) is flow
    run = ts.simulate(ts.Normalized(flow, "pre"), tokens, [0.0, 0.1], radii=2.0, method="layer", step_size=0.1)
    best = np.array([np.argmax([x @ B @ y for y in tokens]) for x in tokens])
    moved = 2.0 * tokens + 0.1 * tokens[best] @ V.T
    np.testing.assert_allclose(run.radii.values[1], np.linalg.norm(moved, axis=1), rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ts.Hardmax(query_key=0.0), "query_key is zero"),
        (lambda: ts.Hardmax(value=[[1.0, 2.0]]), "square"),
        (lambda: ts.Hardmax(tolerance=2.0), "tolerance"),
        (lambda: ts.Hardmax(V).velocity(np.eye(2)), "dim 2"),
        (lambda: ts.Hardmax(V).velocity(2 * np.eye(3)), "token 0 has length 2"),
        (lambda: ts.Hardmax().energy(np.eye(2)), "no energy"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
