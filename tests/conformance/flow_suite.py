"""What every attention flow must satisfy. Use it by subclassing :class:`FlowSuite` with a `case`."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance import direct

from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention

__all__ = ["FLOWS", "FlowCase", "FlowSuite", "matrices"]

BETA = 2.5
FLOWS = {
    "sa": lambda beta, **fields: SelfAttention(beta, **fields),
    "usa": lambda beta, **fields: UnnormalizedSelfAttention(beta, **fields),
    "usa-shifted": lambda beta, **fields: UnnormalizedSelfAttention(beta, shifted=True, **fields),
}


def matrices(kind, dim):
    """(V, B) of one kind, of norm about one: identity, scalars, general, or symmetric with V = ±B."""
    rng = np.random.default_rng(dim)
    general = rng.standard_normal((2, dim, dim)) / np.sqrt(dim)
    symmetric = (general[0] + general[0].T) / 2
    return {
        "identity": (None, None),
        "scalars": (-0.7, 0.6),
        "matrices": (general[0], general[1]),
        "ascent": (symmetric, symmetric),
        "descent": (-symmetric, symmetric),
        "symmetric B": (general[1], symmetric),
    }[kind]


@dataclass(frozen=True)
class FlowCase:
    """A kind of flow, a dimension and a kind of matrices."""

    flow: str
    dim: int
    kind: str

    @property
    def fields(self):
        value, query_key = matrices(self.kind, self.dim)
        return {"value": value, "query_key": query_key}

    def make(self, **changed):
        return FLOWS[self.flow](BETA, **(self.fields | changed))

    def direct(self, tokens, weights=None, **options):
        return direct.velocity(tokens, weights, BETA, *matrices(self.kind, self.dim), self.flow, **options)


class FlowSuite:
    """Subclass with fixtures `case`, and `cloud` that returns (tokens, masses), one of them zero."""

    def test_velocity_is_the_formula(self, case, cloud):
        tokens, masses = cloud
        for weights in (None, masses) if case.kind == "identity" else (masses,):
            want = case.direct(tokens, weights)
            np.testing.assert_allclose(case.make().velocity(tokens, weights=weights), want, atol=1e-14 * size(want))

    def test_tangency(self, case, cloud):
        tokens, masses = cloud
        velocity = case.make().velocity(tokens, weights=masses)
        assert np.abs(np.sum(tokens * velocity, axis=1)).max() < 1e-14 * size(velocity)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_equivariance(self, case, cloud, sign):
        tokens, masses = cloud
        turn = direct.rotation(np.random.default_rng(5), case.dim, sign)
        turned = {k: turn @ m @ turn.T if np.ndim(m) == 2 else m for k, m in case.fields.items()}
        want = case.make().velocity(tokens, weights=masses) @ turn.T
        got = case.make(**turned).velocity(tokens @ turn.T, weights=masses)
        np.testing.assert_allclose(got, want, atol=1e-13 * size(want))

    def test_permutation(self, case, cloud):
        tokens, masses = cloud
        order = np.random.default_rng(6).permutation(len(tokens))
        want = case.make().velocity(tokens, weights=masses)
        got = case.make().velocity(tokens[order], weights=masses[order])
        np.testing.assert_allclose(got, want[order], atol=1e-13 * size(want))

    def test_a_clone_is_a_mass(self, case, cloud):
        tokens = cloud[0].copy()
        n = len(tokens)
        tokens[-2:] = tokens[0]
        cloned = case.make().velocity(tokens, weights=np.full(n, 1 / n))
        np.testing.assert_allclose(cloned[0], cloned[-1], atol=1e-14 * size(cloned))
        want = case.make().velocity(cloud[0], weights=np.r_[3.0, np.ones(n - 3), 0.0, 0.0] / n)
        np.testing.assert_allclose(cloned[:-2], want[:-2], atol=1e-13 * size(want))

    def test_equal_tokens_stay_equal(self, case, cloud):
        tokens = np.repeat(cloud[0][:1], len(cloud[0]), axis=0)
        velocity = case.make().velocity(tokens, weights=cloud[1])
        assert np.ptp(velocity, axis=0).max() < 1e-14 * size(velocity)
        if np.ndim(case.fields["value"]) == 0:
            assert np.abs(velocity).max() < 1e-14 * np.exp(BETA)

    def test_energy_rate_by_centred_differences(self, case, cloud):
        tokens, masses = cloud
        flow = case.make()
        if not flow.symmetric:
            with pytest.raises(ValueError, match="symmetric"):
                flow.energy(tokens)
            with pytest.raises(ValueError, match="symmetric"):
                flow.energy_rate(tokens)
            return
        shifted = case.flow == "usa-shifted"
        query_key = case.fields["query_key"]
        want = direct.energy(tokens, masses, BETA, query_key, shifted)
        assert flow.energy(tokens, masses) == pytest.approx(float(want), rel=1e-14)
        velocity = case.direct(tokens, masses).astype(np.longdouble)

        def along(h):
            moved = tokens + h * velocity  # tangent to the flow at h = 0
            moved /= np.sqrt(np.sum(moved**2, axis=1, keepdims=True))
            return direct.energy(moved, masses, BETA, query_key, shifted)

        h = np.longdouble(1e-3) / size(velocity)
        slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        rate = flow.energy_rate(tokens, masses)
        assert rate == pytest.approx(float(slope), rel=1e-8)
        if case.kind in ("identity", "ascent", "descent"):
            sign = -1 if case.kind == "descent" else 1
            z = np.exp(direct.attended(*keys(tokens, query_key), tokens, masses, BETA)[0]) if case.flow == "sa" else 1.0
            squares = np.sum(np.asarray(velocity, dtype=float) ** 2, axis=1)
            assert rate == pytest.approx(sign * np.sum(masses * z * squares), rel=1e-12)

    def test_gradient_sign(self, case, cloud):
        tokens, masses = cloud
        flow = case.make()
        expected = {"identity": 1, "scalars": -1, "ascent": 1, "descent": -1}
        assert flow.gradient_sign == expected.get(case.kind)
        if case.kind in expected:
            assert np.sign(flow.energy_rate(tokens, masses)) == flow.gradient_sign

    def test_self_term(self, case, cloud):
        """It cannot move a token where V is a multiple of the identity, but counts in the softmax denominator."""
        tokens, masses = cloud
        if np.ndim(case.fields["value"]) == 2:
            pytest.skip("P_x V x is not zero")
        got = case.make().velocity(tokens, weights=masses)
        without = case.direct(tokens, masses, skip_self=True)
        if case.flow == "sa":
            assert np.abs(got - without).max() > 0.05 * size(without)
        else:
            np.testing.assert_allclose(got, without, atol=1e-14 * size(without))

    def test_inside_transformed_code(self, case, cloud):
        import jax

        if case.dim != 3 or case.kind not in ("scalars", "matrices"):
            pytest.skip("one dimension and two kinds of matrices are enough")
        tokens, masses = cloud
        flow = case.make()
        want = flow.velocity(tokens, weights=masses)
        got = jax.jit(lambda x, w: flow.velocity(x, weights=w))(tokens, masses)
        np.testing.assert_allclose(got, want, atol=1e-13 * size(want))


def size(velocity):
    return max(1.0, float(np.abs(velocity).max()))


def keys(tokens, query_key):
    """Queries Bᵀx and keys."""
    return (tokens if query_key is None else tokens @ query_key), tokens
