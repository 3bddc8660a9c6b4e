"""The alignment flow: the conformance suite, its limit, and the β → ∞ limit of softmax attention."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance import direct
from conformance.direct import random_tokens
from conformance.flow_suite import FlowSuite, matrices, size

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import AlignmentFlow


@dataclass(frozen=True)
class AlignmentCase:
    """A dimension and a kind of matrices."""

    dim: int
    kind: str
    flow = "alignment"

    @property
    def fields(self):
        value, query_key = matrices(self.kind, self.dim)
        return {"value": value, "query_key": query_key}

    def make(self, **changed):
        return AlignmentFlow(**(self.fields | changed))

    def square(self):
        return (np.eye(self.dim) * (1.0 if m is None else m) if np.ndim(m) == 0 else m for m in self.fields.values())

    def direct(self, tokens, weights=None):
        v, b = self.square()
        out = [v @ b.T @ x / np.linalg.norm(b.T @ x) for x in tokens]
        return direct.project(tokens, np.array(out))


@pytest.mark.parametrize(
    "case",
    [
        AlignmentCase(dim, kind)
        for dim in (2, 3, 8)
        for kind in ("identity", "scalars", "matrices", "ascent", "descent", "symmetric B")
    ],
    ids=lambda c: f"{c.dim}-{c.kind}",
)
class TestAlignmentFlow(FlowSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(100 + case.dim)
        masses = rng.random(12)
        masses[4] = 0.0
        return random_tokens(rng, 12, case.dim), masses / masses.sum()

    # Energy and self-term differ from those of the attention flows; the rest of the suite is used as it is.

    def test_energy_rate_by_centred_differences(self, case, cloud):
        tokens, masses = cloud
        b = list(case.square())[1]

        def energy(points):
            return float(masses @ np.linalg.norm(points @ b, axis=1))

        flow, velocity = case.make(), case.direct(tokens)
        assert flow.energy(tokens, masses) == pytest.approx(energy(tokens), rel=1e-14)

        def along(h):
            moved = tokens + h * velocity
            return energy(moved / np.linalg.norm(moved, axis=1, keepdims=True))

        h = 1e-3 / size(velocity)
        slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        rate = flow.energy_rate(tokens, masses)
        assert rate == pytest.approx(slope, rel=1e-8, abs=1e-11)
        if case.kind in ("ascent", "descent"):
            sign = -1 if case.kind == "descent" else 1
            assert rate == pytest.approx(sign * masses @ np.sum(velocity**2, axis=1), rel=1e-12)

    def test_gradient_sign(self, case, cloud):
        expected = {"identity": 1, "scalars": -1, "ascent": 1, "descent": -1}
        assert case.make().gradient_sign == expected.get(case.kind)

    def test_self_term(self, case, cloud):
        """No token sees another."""
        tokens, _ = cloud
        one = np.concatenate([case.make().velocity(x[None]) for x in tokens])
        np.testing.assert_allclose(case.make().velocity(tokens), one, atol=1e-15 * size(one))


V = np.array([[0.4, -1.1, 0.2], [0.9, 0.3, 0.0], [-0.3, 0.2, -0.8]])
B = np.array([[1.0, 0.3, -0.2], [0.1, 0.8, 0.4], [-0.3, 0.0, 1.1]])


def test_runs_follow_the_exact_orbits():
    tokens = ts.sphere.uniform(1, 3, seed=3)
    orbit, times = ts.theory.alignment_orbit(tokens, [0.0, 1.0, 4.0], V, B)
    run = ts.simulate(AlignmentFlow(V, B), tokens, times[:, 0], rtol=1e-11)
    np.testing.assert_allclose(run.tokens.values[:, 0], orbit[:, 0], atol=1e-9)


def test_softmax_tends_to_it():
    """On tokens that are everywhere the velocity of SA tends to that of the limit like 1/β."""
    nodes, weights = ts.sphere.quiet(3, 1, 0.0, resolution=100)
    limit = AlignmentFlow(V, B).velocity(nodes)
    errors = [np.abs(ts.SelfAttention(b, V, B).velocity(nodes, weights) - limit).max() for b in (15.0, 30.0, 60.0)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.15)


def test_layers():
    tokens = ts.sphere.uniform(5, 3, seed=0)
    run = ts.simulate(AlignmentFlow(V, B), tokens, [0, 0.5], method="layer", step_size=0.5)
    moved = tokens + 0.5 * (tokens @ B @ V.T) / np.linalg.norm(tokens @ B, axis=1, keepdims=True)
    np.testing.assert_allclose(run.tokens.values[1], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AlignmentFlow(V, 0.0), "query_key is zero"),
        (lambda: AlignmentFlow([[1.0, 2.0]]), "square"),
        (lambda: AlignmentFlow(V).velocity(np.eye(2)), "dim 2"),
        (lambda: AlignmentFlow(V, np.diag([1.0, 1.0, 0.0])).velocity(np.eye(3)), "token 2 has Bᵀx = 0"),
        (lambda: AlignmentFlow(V).velocity(2 * np.eye(3)), "token 0 has length 2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
