"""What every normalisation scheme must satisfy over any flow. Use it by subclassing :class:`SchemeSuite`."""

from dataclasses import dataclass

import numpy as np
import pytest
from conformance import direct
from conformance.flow_suite import BETA, FLOWS, matrices

import tokensphere as ts
from tokensphere.flows import NGPT, LayerNormScaling, MixNorm, PeriNorm, PostNorm, PreNorm, SqrtScaling

__all__ = ["SCHEMES", "SchemeCase", "SchemeSuite", "run_both_ways"]

SWITCH = 0.4


def alpha(t):
    """A step of nGPT that decays."""
    return 0.8 / (1.0 + 0.5 * t)


# name: (scheme, s, dr/dt, (c, e) and whether the layer is normalised), with a = |A| and p = <theta, A>
SCHEMES = {
    "post": (PostNorm(), lambda r, a, t: 1.0 + 0 * r, lambda p, a, t: 0 * p, lambda r, a, h, t: (1, h, True)),
    "pre": (PreNorm(), lambda r, a, t: r, lambda p, a, t: p, lambda r, a, h, t: (r, h, False)),
    "mix": (
        MixNorm(SWITCH),
        lambda r, a, t: r if t > SWITCH else 1.0 + 0 * r,
        lambda p, a, t: p if t > SWITCH else 0 * p,
        lambda r, a, h, t: (r, h, t < SWITCH - 1e-12),
    ),
    "peri": (PeriNorm(), lambda r, a, t: r * a, lambda p, a, t: p / a, lambda r, a, h, t: (r, h / a, False)),
    "ngpt": (NGPT(0.7), lambda r, a, t: a / 0.7, lambda p, a, t: 0 * p, lambda r, a, h, t: (1, h * 0.7 / a, True)),
    "ngpt-original": (
        NGPT(alpha, original=True),
        lambda r, a, t: a / alpha(t),
        lambda p, a, t: 0 * p,
        lambda r, a, h, t: (1 - h * alpha(t), h * alpha(t) / a, True),
    ),
    "sqrt": (
        SqrtScaling(),
        lambda r, a, t: np.sqrt(t + 1) + 0 * r,
        lambda p, a, t: 0 * p,
        lambda r, a, h, t: (1, h / np.sqrt(t + 1), True),
    ),
    "ln-scaling": (
        LayerNormScaling(),
        lambda r, a, t: r * np.sqrt(t + 1),
        lambda p, a, t: p / np.sqrt(t + 1),
        lambda r, a, h, t: (r, h / np.sqrt(t + 1), False),
    ),
    "ln-scaling-logits": (
        LayerNormScaling(scale_logits=True),
        lambda r, a, t: r * np.sqrt(t + 1),
        lambda p, a, t: p / np.sqrt(t + 1),
        lambda r, a, h, t: (r, h / np.sqrt(t + 1), False),
    ),
}


@dataclass(frozen=True)
class SchemeCase:
    """A scheme over a kind of flow with a kind of matrices, in one dimension."""

    scheme: str
    flow: str
    dim: int
    kind: str

    @property
    def rules(self):
        return SCHEMES[self.scheme][0]

    def make(self, turn=None, **options):
        value, query_key = matrices(self.kind, self.dim)
        if turn is not None:
            value, query_key = (turn @ m @ turn.T if np.ndim(m) == 2 else m for m in (value, query_key))
        return ts.Normalized(FLOWS[self.flow](BETA, value=value, query_key=query_key, **options), self.rules)

    def attended(self, tokens, weights, t):
        """A_i, written with nothing of the package."""
        value, query_key = matrices(self.kind, self.dim)
        v, b = direct._matrix(value, self.dim), direct._matrix(query_key, self.dim)
        beta = BETA / (t + 1) if self.scheme == "ln-scaling-logits" else BETA
        log_z, mean = direct.attended(tokens @ b, tokens, tokens @ v.T, weights, beta)
        scale = 1.0 if self.flow == "sa" else np.exp(log_z - (beta if self.flow == "usa-shifted" else 0))[:, None]
        return mean * scale

    def radii(self, cloud_radii):
        """Radii to start from: those given where the scheme can have them."""
        return cloud_radii if self.rules.keeps_radii and self.scheme != "mix" else None


def run_both_ways(case, tokens, weights, radii, end=0.8, flow=None):
    """The flow by fixed steps and the layers, at 0, end/2 and end: two datasets."""
    flow = case.make() if flow is None else flow
    options = {"weights": weights, "radii": radii, "step_size": end / 8}
    times = [0.0, end / 2, end]
    return [ts.simulate(flow, tokens, times, method=method, **options) for method in ("rk4", "layer")]


def radii_of(run):
    return run.radii.values if "radii" in run else np.ones(run.tokens.shape[:2])


class SchemeSuite:
    """Subclass with fixtures `case`, and `cloud` that returns (tokens, masses, radii)."""

    @pytest.mark.parametrize("t", [0.0, 0.4, 1.7])
    def test_velocities_are_the_formula(self, case, cloud, t):
        tokens, masses, radii = cloud
        given = case.radii(radii)
        r = np.ones(len(tokens)) if given is None else given
        _, slowdown, growth, _ = SCHEMES[case.scheme]
        a = case.attended(tokens, masses, t)
        length, along = np.linalg.norm(a, axis=1), np.sum(a * tokens, axis=1)
        flow = case.make()
        got = flow.velocity(tokens, masses, radii=given, t=t)
        want = direct.project(tokens, a) / slowdown(r, length, t)[:, None]
        np.testing.assert_allclose(got, want, atol=2e-14 * (1 + np.abs(want).max()))
        assert np.abs(np.sum(got * tokens, axis=1)).max() < 1e-14
        if case.rules.keeps_radii:
            rates = flow.radial_velocity(tokens, masses, radii=given, t=t)
            np.testing.assert_allclose(rates, growth(along, length, t), atol=2e-14)
        else:
            assert (flow.radial_velocity(tokens, masses, t=t) == 0).all()

    def test_layers_are_the_formula(self, case, cloud):
        tokens, masses, radii = cloud
        step, count, given = 0.1, 6, case.radii(radii)
        x, r = tokens, np.ones(len(tokens)) if given is None else given
        run = ts.simulate(
            case.make(),
            tokens,
            step * np.arange(count + 1),
            weights=masses,
            radii=given,
            method="layer",
            step_size=step,
        )
        for layer in range(count):
            a = case.attended(x, masses, step * layer)
            c, e, normalised = SCHEMES[case.scheme][3](r, np.linalg.norm(a, axis=1), step, step * layer)
            y = np.atleast_1d(c)[:, None] * x + np.atleast_1d(e)[:, None] * a
            length = np.linalg.norm(y, axis=1)
            x, r = y / length[:, None], np.ones(len(y)) if normalised else length
            np.testing.assert_allclose(run.tokens.values[layer + 1], x, atol=1e-13)
            np.testing.assert_allclose(radii_of(run)[layer + 1], r, rtol=1e-13)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_rotation_rotates_the_run(self, case, cloud, sign):
        tokens, masses, radii = cloud
        turn = direct.rotation(np.random.default_rng(5), case.dim, sign)
        plain = run_both_ways(case, tokens, masses, case.radii(radii))
        turned = run_both_ways(case, tokens @ turn.T, masses, case.radii(radii), flow=case.make(turn))
        for a, b in zip(plain, turned, strict=True):
            np.testing.assert_allclose(b.tokens.values, a.tokens.values @ turn.T, atol=1e-12)
            np.testing.assert_allclose(radii_of(b), radii_of(a), rtol=1e-12)

    def test_order_does_not_matter(self, case, cloud):
        tokens, masses, radii = cloud
        order = np.random.default_rng(6).permutation(len(tokens))
        given = case.radii(radii)
        plain = run_both_ways(case, tokens, masses, given)
        mixed = run_both_ways(case, tokens[order], masses[order], None if given is None else given[order])
        for a, b in zip(plain, mixed, strict=True):
            np.testing.assert_allclose(b.tokens.values, a.tokens.values[:, order], atol=1e-12)
            np.testing.assert_allclose(radii_of(b), radii_of(a)[:, order], rtol=1e-12)

    def test_tokens_stay_on_the_sphere_and_velocities_tangent(self, case, cloud):
        tokens, masses, radii = cloud
        for run in run_both_ways(case, tokens, masses, case.radii(radii)):
            np.testing.assert_allclose(np.linalg.norm(run.tokens.values, axis=-1), 1.0, atol=1e-14)
            assert np.abs(np.sum(run.tokens.values * run.velocity.values, axis=-1)).max() < 1e-14
            assert np.abs(run.velocity.values).max() > 1e-3
            assert ("radii" in run) == case.rules.keeps_radii
            assert (radii_of(run) > 0).all()

    def test_a_clone_is_a_mass(self, case, cloud):
        tokens, _, radii = cloud
        n, given = len(tokens), case.radii(radii)
        copied = np.concatenate([tokens, tokens[:1], tokens[:1]])
        r = None if given is None else np.r_[given, given[0], given[0]]
        heavy = np.r_[3.0, np.ones(n - 1)] / (n + 2)
        cloned, weighted = run_both_ways(case, copied, None, r), run_both_ways(case, tokens, heavy, given)
        for a, b in zip(cloned, weighted, strict=True):
            np.testing.assert_allclose(a.tokens.values[:, :n], b.tokens.values, atol=1e-12)
            np.testing.assert_allclose(radii_of(a)[:, :n], radii_of(b), rtol=1e-12)
            np.testing.assert_allclose(a.tokens.values[:, -1], b.tokens.values[:, 0], atol=1e-12)

    def test_layers_tend_to_the_flow_at_order_one(self, case, cloud):
        tokens, masses, radii = cloud
        flow, options = case.make(), {"weights": masses, "radii": case.radii(radii)}
        exact = ts.simulate(flow, tokens, [0, 0.8], rtol=1e-11, **options)
        errors = []
        for count in (64, 128, 256):
            run = ts.simulate(flow, tokens, [0, 0.8], method="layer", step_size=0.8 / count, **options)
            apart = np.abs(run.tokens.values[-1] - exact.tokens.values[-1]).max()
            errors.append(max(apart, np.abs(radii_of(run)[-1] - radii_of(exact)[-1]).max()))
        orders = np.log2(np.divide(errors[:-1], errors[1:]))
        np.testing.assert_allclose(orders, 1.0, atol=0.1)

    def test_inside_transformed_code(self, case, cloud):
        import jax

        if (case.dim, case.flow) != (3, "sa"):
            pytest.skip("one dimension and one flow are enough")
        tokens, masses, radii = cloud
        flow = case.make()
        r = np.ones(len(tokens)) if case.radii(radii) is None else case.radii(radii)
        given = r if case.rules.keeps_radii else None

        @jax.jit
        def both(x, w, r, t):
            return flow.velocity(x, w, radii=r if case.rules.keeps_radii else None, t=t)

        for t in (0.3, 0.9):
            want = flow.velocity(tokens, masses, radii=given, t=t)
            np.testing.assert_allclose(both(tokens, masses, r, t), want, atol=1e-13)
