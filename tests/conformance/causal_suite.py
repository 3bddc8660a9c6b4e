"""What every causal attention flow must satisfy: the suite of flows, with order in the place of symmetry."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance.flow_suite import FlowCase, FlowSuite, size

from tokensphere.errors import InputError

__all__ = ["CausalCase", "CausalSuite"]


@dataclass(frozen=True)
class CausalCase(FlowCase):
    """A flow whose token i sees tokens j ≤ i only."""

    def make(self, **changed):
        return super().make(causal=True, **changed)

    def direct(self, tokens, weights=None, **options):
        return super().direct(tokens, weights, causal=True, **options)


class CausalSuite(FlowSuite):
    """Subclass with fixtures as for :class:`FlowSuite`. Tangency, rotations and compiled code as there."""

    def test_permutation(self, case, cloud):
        """Order matters: a permuted cloud has another velocity."""
        tokens, masses = cloud
        order = np.arange(len(tokens))[::-1]
        want = case.make().velocity(tokens, weights=masses)
        got = case.make().velocity(tokens[order], weights=masses[order])
        assert np.abs(got - want[order]).max() > 0.1 * np.abs(want).max()

    def test_what_comes_later_is_not_seen(self, case, cloud):
        tokens, masses = cloud
        want = case.make().velocity(tokens, weights=masses)[:7]
        changed = np.concatenate([tokens[:7], -tokens[:6:-1]])
        np.testing.assert_allclose(case.make().velocity(changed, weights=masses)[:7], want, atol=1e-14 * size(want))
        if case.flow == "sa":  # a common factor of the masses cancels
            short = case.make().velocity(tokens[:7], weights=masses[:7] / masses[:7].sum())
            np.testing.assert_allclose(short, want, atol=1e-13 * size(want))

    def test_a_clone_is_a_mass(self, case, cloud):
        """Two tokens in one place, one after the other, are one of mass 2 for those that follow and for the second."""
        n = len(cloud[0])
        tokens = np.concatenate([cloud[0][:5], cloud[0][4:]])
        cloned = case.make().velocity(tokens, weights=np.full(n + 1, 1 / (n + 1)))
        masses = np.ones(n)
        masses[4] = 2.0
        want = case.make().velocity(cloud[0], weights=masses / (n + 1))
        np.testing.assert_allclose(np.delete(cloned, 4, axis=0), want, atol=1e-13 * size(want))

    def test_equal_tokens_stay_equal(self, case, cloud):
        """Their outputs are P_x V x, times what each has seen where nothing is normalised."""
        tokens, masses = np.repeat(cloud[0][:1], len(cloud[0]), axis=0), cloud[1]
        velocity = case.make().velocity(tokens, weights=masses)
        seen = np.ones(len(tokens)) if case.flow == "sa" else np.cumsum(masses)
        np.testing.assert_allclose(velocity, seen[:, None] * velocity[-1], atol=1e-14 * size(velocity))

    def test_energy_rate_by_centred_differences(self, case, cloud):
        with pytest.raises(InputError, match="causal" if case.make().symmetric else "no energy"):
            case.make().energy(cloud[0])
        with pytest.raises(InputError, match="no energy"):
            case.make().energy_rate(cloud[0])

    def test_gradient_sign(self, case, cloud):
        assert case.make().gradient_sign is None

    def test_self_term(self, case, cloud):
        """The first token sees itself only: it rests where V is a multiple of the identity."""
        tokens, masses = cloud
        got = case.make().velocity(tokens, weights=masses)[0]
        alone = case.direct(tokens[:1], masses[:1])[0]
        np.testing.assert_allclose(got, alone, atol=1e-14 * size(alone))
        if np.ndim(case.fields["value"]) == 0:
            assert np.abs(got).max() < 1e-14 * np.exp(2.5)
