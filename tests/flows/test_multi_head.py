"""Multi-head attention: the conformance suite, the sum of heads, the energy of USA heads and no other."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance import direct
from conformance.direct import random_tokens
from conformance.flow_suite import FLOWS, FlowSuite, matrices, size

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.errors import InputError
from tokensphere.flows import AlignmentFlow, EnsembleFlow, Frozen, evaluate_attended, project
from tokensphere.parallel import TokenMesh

BETAS = (2.5, 1.0)


@dataclass(frozen=True)
class HeadsCase:
    """Two heads of one family with different beta and different matrices of one kind."""

    flow: str
    dim: int
    kind: str

    @property
    def fields(self):
        value, query_key = matrices(self.kind, self.dim)
        if np.ndim(value) == 0:
            return {"value": value, "query_key": query_key, "value_1": 0.4, "query_key_1": 0.7}
        turn = direct.rotation(np.random.default_rng(9), self.dim)
        value_1, query_key_1 = (turn @ m @ turn.T for m in (value, query_key))
        return {"value": value, "query_key": query_key, "value_1": value_1, "query_key_1": query_key_1}

    @property
    def pairs(self):
        f = self.fields
        return ((f["value"], f["query_key"]), (f["value_1"], f["query_key_1"]))

    def make(self, **changed):
        v, b, v1, b1 = (self.fields | changed).values()
        make = FLOWS[self.flow]
        return ts.MultiHead([make(BETAS[0], value=v, query_key=b), make(BETAS[1], value=v1, query_key=b1)])

    def direct(self, tokens, weights=None, **options):
        return sum(
            direct.velocity(tokens, weights, beta, *pair, self.flow, **options)
            for beta, pair in zip(BETAS, self.pairs, strict=True)
        )

    def energy(self, tokens, masses):
        """Σ ± c_h E_h of 'identity' (c = 1, 0.4/0.7), 'ascent' (1, 1) and 'descent' (1, 1, the sign apart)."""
        factors = (1.0, 0.4 / 0.7) if self.kind == "identity" else (1.0, 1.0)
        shifted = self.flow == "usa-shifted"
        return sum(
            c * direct.energy(tokens, masses, beta, b, shifted)
            for c, beta, (_, b) in zip(factors, BETAS, self.pairs, strict=True)
        )


CASES = [HeadsCase(flow, 3, kind) for flow in ("sa", "usa-shifted") for kind in ("identity", "matrices", "ascent")]
CASES += [HeadsCase("usa-shifted", 3, "descent"), HeadsCase("sa", 2, "identity"), HeadsCase("usa", 8, "matrices")]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.flow}-{c.dim}-{c.kind}")
class TestMultiHead(FlowSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(100 + case.dim)
        masses = rng.random(12)
        masses[4] = 0.0
        return random_tokens(rng, 12, case.dim), masses / masses.sum()

    def test_energy_rate_by_centred_differences(self, case, cloud):
        tokens, masses = cloud
        flow = case.make()
        if case.flow == "sa" or case.kind == "matrices":
            for number in (flow.energy, flow.energy_rate):
                with pytest.raises(InputError, match="no energy is known for these heads"):
                    number(tokens)
            return
        assert flow.energy(tokens, masses) == pytest.approx(float(case.energy(tokens, masses)), rel=1e-14)
        velocity = case.direct(tokens, masses).astype(np.longdouble)

        def along(h):
            moved = tokens + h * velocity
            moved /= np.sqrt(np.sum(moved**2, axis=1, keepdims=True))
            return case.energy(moved, masses)

        h = np.longdouble(1e-3) / size(velocity)
        slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        rate = flow.energy_rate(tokens, masses)
        assert rate == pytest.approx(float(slope), rel=1e-8)
        sign = -1 if case.kind == "descent" else 1
        assert rate == pytest.approx(sign * float(masses @ np.sum(velocity**2, axis=1)), rel=1e-12)

    def test_gradient_sign(self, case, cloud):
        expected = {"identity": 1, "ascent": 1, "descent": -1}
        got = case.make().gradient_sign
        assert got == (None if case.flow == "sa" else expected.get(case.kind))

    def test_inside_transformed_code(self, case, cloud):
        import jax

        if case.kind != "matrices":
            pytest.skip("one kind of matrices is enough")
        tokens, masses = cloud
        flow = case.make()
        want = flow.velocity(tokens, weights=masses)
        got = jax.jit(lambda x, w: flow.velocity(x, weights=w))(tokens, masses)
        np.testing.assert_allclose(got, want, atol=1e-13 * size(want))

    def test_attended_is_the_sum(self, case, cloud):
        tokens, masses = cloud
        flow = case.make().resolve(*tokens.shape)
        total = evaluate_attended(flow, tokens, masses, 0.0)
        want = sum(np.asarray(evaluate_attended(head, tokens, masses, 0.0)) for head in flow.heads)
        np.testing.assert_allclose(total, want, atol=1e-14 * size(want))
        np.testing.assert_allclose(project(tokens, total), case.direct(tokens, masses), atol=1e-13 * size(want))


TOKENS = ts.sphere.uniform(10, 3, seed=4)


def test_one_head_is_that_head():
    head = ts.SelfAttention(3.0, value=[[1, 2, 0], [0, 1, -1], [0.5, 0, 1]])
    one = ts.MultiHead([head])
    np.testing.assert_array_equal(one.velocity(TOKENS), head.velocity(TOKENS))
    assert one.energy(TOKENS) == head.energy(TOKENS)
    assert one.energy_rate(TOKENS, shifted=True) == head.energy_rate(TOKENS, shifted=True)
    assert one.gradient_sign is None
    assert ts.MultiHead([ts.SelfAttention(3.0)]).gradient_sign == 1


def test_one_head_of_any_kind_has_its_own_energy():
    held = Frozen(ts.SelfAttention(3.0), [0, 4], 10)
    for head in (held, AlignmentFlow(np.diag([1.0, 2, 3])), ts.MultiHead([held])):
        one = ts.MultiHead([head])
        assert one.energy(TOKENS) == head.energy(TOKENS)
        assert one.energy_rate(TOKENS) == head.energy_rate(TOKENS)
        assert one.gradient_sign == head.gradient_sign
    for head in (ts.Hardmax(), ts.Hardmax(self_attention=False)):
        for number in ("energy", "energy_rate"):
            with pytest.raises(InputError, match="no energy"):
                getattr(ts.MultiHead([head]), number)(TOKENS)
    with pytest.raises(InputError, match="no energy is known"):
        ts.MultiHead([held, held]).energy_rate(TOKENS)


def test_two_equal_heads_are_twice_one():
    for head in (ts.SelfAttention(3.0), ts.UnnormalizedSelfAttention(3.0)):
        np.testing.assert_allclose(
            ts.MultiHead([head, head]).velocity(TOKENS), 2 * head.velocity(TOKENS), rtol=1e-13, atol=1e-14
        )


def test_it_is_not_one_softmax_over_all_heads():
    """Softmax per head: the sum of the means, not the mean over the union of the kernels."""
    heads = [ts.SelfAttention(1.0), ts.SelfAttention(6.0)]
    got = ts.MultiHead(heads).velocity(TOKENS)
    kernels = [np.exp(beta * (TOKENS @ TOKENS.T - 1.0)) for beta in (1.0, 6.0)]
    common = sum(k @ TOKENS for k in kernels) / sum(k.sum(axis=1) for k in kernels)[:, None]
    assert np.abs(got - 2 * project(TOKENS, common)).max() > 0.05


def test_energy_of_mixed_signs_and_scales():
    """V_h = c_h B_h with any c_h: the flow ascends Σ c_h E_h; shifting scales each part by its own e^{−β}."""
    flow = ts.MultiHead([ts.UnnormalizedSelfAttention(2.0), ts.UnnormalizedSelfAttention(1.0, value=-0.5)])
    assert flow.gradient_sign == 1
    parts = [head.energy(TOKENS) for head in flow.heads]
    assert flow.energy(TOKENS) == pytest.approx(parts[0] - 0.5 * parts[1], rel=1e-14)
    scaled = np.exp(-2) * parts[0] - 0.5 * np.exp(-1) * parts[1]
    assert flow.energy(TOKENS, shifted=True) == pytest.approx(scaled, rel=1e-14)
    velocity, h = flow.velocity(TOKENS), 1e-5

    def along(step):
        moved = TOKENS + step * velocity
        return flow.energy(moved / np.linalg.norm(moved, axis=1, keepdims=True), shifted=True)

    assert flow.energy_rate(TOKENS, shifted=True) == pytest.approx((along(h) - along(-h)) / (2 * h), rel=1e-7)


def test_a_simulation_uses_every_backend():
    """On the circle the heads turn angles; by pairs, and by a mixture of both, the result is the same."""
    tokens, runs = ts.sphere.uniform(40, 2, seed=1), []
    for first, second in ((Circle, Circle), (Dense, Dense), (Circle, Dense)):
        heads = [ts.SelfAttention(3.0, attention=first()), ts.SelfAttention(5.0, 0.5, attention=second())]
        flow = ts.MultiHead(heads)
        assert flow.resolve(40, 2).angular == (first is second is Circle)
        runs.append(ts.simulate(flow, tokens, [0, 1], rtol=1e-10).tokens.values[-1])
    np.testing.assert_allclose(runs[1], runs[0], atol=1e-9)
    np.testing.assert_allclose(runs[2], runs[0], atol=1e-9)


def test_a_shared_run_is_the_run():
    heads = [ts.UnnormalizedSelfAttention(3.0, attention=Dense()), ts.UnnormalizedSelfAttention(2.0, 0.5)]
    flow, mesh = ts.MultiHead(heads), TokenMesh()
    shared, alone = (ts.simulate(flow, TOKENS, [0, 0.2], rtol=1e-10, mesh=team) for team in (mesh, None))
    np.testing.assert_allclose(shared.tokens.values, alone.tokens.values, atol=1e-12)
    split = flow.resolve(*TOKENS.shape, shared=True).shard(mesh)
    masses = np.full(len(TOKENS), 1 / len(TOKENS))
    assert split.energy(TOKENS, masses) == pytest.approx(flow.energy(TOKENS), rel=1e-13)
    assert split.energy_rate(TOKENS, masses) == pytest.approx(flow.energy_rate(TOKENS), rel=1e-12)


def test_layers_add_the_heads():
    flow = ts.MultiHead([ts.SelfAttention(3.0), ts.SelfAttention(1.0, value=-0.3)])
    run = ts.simulate(flow, TOKENS, [0, 0.1], method="layer", step_size=0.1)
    moved = TOKENS + 0.1 * np.asarray(flow.resolve(10, 3).attended(TOKENS, None))
    want = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(run.tokens.values[-1], want, atol=1e-14)


@pytest.mark.parametrize("scheme", ["post", "pre", "peri", "ngpt"])
def test_a_scheme_normalises_the_sum(scheme):
    flow = ts.Normalized(ts.MultiHead([ts.SelfAttention(3.0), ts.SelfAttention(1.0, value=-0.3)]), scheme)
    output = sum(np.asarray(evaluate_attended(h.resolve(10, 3), TOKENS, None, 0.0)) for h in flow.flow.heads)
    length = np.linalg.norm(output, axis=1, keepdims=True)
    slow = {"post": 1.0, "pre": 2.0, "peri": 2.0 * length, "ngpt": length}[scheme]
    radii = np.full(10, 2.0) if scheme in ("pre", "peri") else None
    got = flow.velocity(TOKENS, radii=radii)
    np.testing.assert_allclose(got, project(TOKENS, output) / slow, atol=1e-14)
    run = ts.simulate(flow, TOKENS, [0, 0.3], radii=radii, rtol=1e-9)
    assert np.abs(np.linalg.norm(run.tokens.values[-1], axis=1) - 1).max() < 1e-14


def test_causal_heads():
    """A head may be causal and another not; the sum is causal if all are. Causal heads have no energy."""
    some = ts.MultiHead([ts.SelfAttention(3.0, causal=True), ts.SelfAttention(1.0)])
    want = sum(head.velocity(TOKENS) for head in some.heads)
    np.testing.assert_allclose(some.velocity(TOKENS), want, atol=1e-14)
    every = ts.MultiHead([ts.UnnormalizedSelfAttention(b, causal=True) for b in (3.0, 1.0)])
    np.testing.assert_allclose(every.velocity(TOKENS)[:4], every.velocity(TOKENS[:4]) * 4 / 10, atol=1e-14)
    assert every.gradient_sign is None
    with pytest.raises(InputError, match="no energy is known for these heads"):
        every.energy(TOKENS)


def test_clocks():
    usa, shifted = ts.UnnormalizedSelfAttention(1.0), ts.UnnormalizedSelfAttention(1.0, shifted=True)
    assert [ts.MultiHead(h).clock for h in ([shifted], [shifted, shifted], [usa, shifted])] == [
        "shifted",
        "shifted",
        "real",
    ]


def test_bad_heads():
    with pytest.raises(InputError, match="at least one head"):
        ts.MultiHead([])
    with pytest.raises(InputError, match="head 1 must be a flow"):
        ts.MultiHead([ts.SelfAttention(1.0), 2.0])
    with pytest.raises(InputError, match="query_key has shape"):
        ts.MultiHead([ts.SelfAttention(1.0, query_key=np.eye(4))]).velocity(TOKENS)
    with pytest.raises(InputError, match="token 0"):
        ts.MultiHead([ts.SelfAttention(1.0)]).velocity(2 * TOKENS)
    with pytest.raises(InputError, match="no energy is known for these heads"):
        ts.MultiHead([ts.UnnormalizedSelfAttention(1.0), ts.SelfAttention(1.0)]).energy(TOKENS)
    with pytest.raises(InputError, match="cannot be shared"):
        ts.MultiHead([EnsembleFlow(ts.SelfAttention(1.0), 2)]).shard(None)
