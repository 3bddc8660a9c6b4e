"""Frozen tokens stay (to rounding: a step scales them to unit length), the others move, in flows of all kinds."""

import jax
import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import AlignmentFlow, Frozen

TOKENS = ts.sphere.uniform(7, 3, seed=0)
MASK = np.array([True, False, False, True, False, False, False])


@pytest.mark.parametrize(
    "flow", [ts.SelfAttention(3.0), ts.SelfAttention(3.0, causal=True), AlignmentFlow([1, 2, 3] * np.eye(3))]
)
def test_velocity(flow):
    got = Frozen(flow, MASK).velocity(TOKENS)
    np.testing.assert_array_equal(got[MASK], 0.0)
    np.testing.assert_array_equal(got[~MASK], flow.velocity(TOKENS)[~MASK])
    np.testing.assert_array_equal(Frozen(flow, [0, 3], 7).velocity(TOKENS), got)


def test_runs_and_layers_hold_them():
    flow, masses = Frozen(ts.SelfAttention(3.0), MASK), np.array([3, 1, 1, 2, 1, 1, 1]) / 10
    run = ts.simulate(flow, TOKENS, [0.0, 1.0, 30.0], weights=masses)
    np.testing.assert_allclose(run.tokens.values[:, MASK], np.tile(TOKENS[MASK], (3, 1, 1)), atol=3e-16)
    assert np.abs(run.tokens.values[-1, ~MASK] - TOKENS[~MASK]).max() > 0.1
    energies = [flow.energy(x, masses) for x in run.tokens.values]
    assert flow.gradient_sign == 1
    assert energies == sorted(energies)
    layers = ts.simulate(flow, TOKENS, [0.0, 0.2], method="layer", step_size=0.1)
    np.testing.assert_allclose(layers.tokens.values[-1, MASK], TOKENS[MASK], atol=3e-16)
    # The circle, where the flow inside would turn angles
    ring = ts.sphere.uniform(3000, 2, seed=1)
    held = Frozen(ts.SelfAttention(5.0), np.arange(3000), 3000)
    np.testing.assert_allclose(ts.simulate(held, ring, [0.0, 1.0]).tokens.values[-1], ring, atol=3e-16)


def test_energy_rate_is_that_of_the_free_tokens():
    flow = Frozen(ts.SelfAttention(3.0), MASK)
    velocity, h = flow.velocity(TOKENS), 1e-5

    def along(step):
        return flow.energy(ts.sphere.normalize(TOKENS + step * velocity))

    assert flow.energy_rate(TOKENS) == pytest.approx((along(h) - along(-h)) / (2 * h), rel=1e-7)
    assert flow.energy_rate(TOKENS) < flow.flow.energy_rate(TOKENS)


@pytest.mark.parametrize("scheme", ["pre", "peri", "ngpt"])
def test_schemes_hold_tokens_and_radii(scheme):
    flow = Frozen(ts.Normalized(ts.SelfAttention(3.0), scheme), MASK)
    inner = flow.flow
    run = ts.simulate(flow, TOKENS, [0.0, 1.0])
    layers = ts.simulate(flow, TOKENS, [0.0, 0.1], method="layer", step_size=0.1)
    free = ts.simulate(inner, TOKENS, [0.0, 0.1], method="layer", step_size=0.1)
    for found in (run, layers):
        np.testing.assert_allclose(found.tokens.values[-1, MASK], TOKENS[MASK], atol=3e-16)
        if "radii" in found:
            np.testing.assert_array_equal(found.radii.values[-1, MASK], 1.0)
    np.testing.assert_allclose(layers.tokens.values[-1, ~MASK], free.tokens.values[-1, ~MASK], atol=1e-15)
    assert np.abs(run.tokens.values[-1, ~MASK] - TOKENS[~MASK]).max() > 0.1


def test_inside_compiled_code():
    flow = Frozen(ts.SelfAttention(3.0), MASK).resolve(7, 3)
    got = jax.jit(lambda x: flow.field(x, None, 0.0))(TOKENS)
    np.testing.assert_allclose(got, flow.velocity(TOKENS), atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frozen(ts.SelfAttention(1.0), [0, 3]), "mask must be"),
        (lambda: Frozen(ts.SelfAttention(1.0), [0, 7], 7), "0..6"),
        (lambda: Frozen(ts.SelfAttention(1.0), [0.5], 7), "0..6"),
        (lambda: Frozen(ts.SelfAttention(1.0), MASK, 8), "mask must be"),
        (lambda: Frozen(ts.SelfAttention(1.0), MASK).velocity(TOKENS[:3]), "there are 3 tokens"),
        (lambda: ts.simulate(Frozen(ts.SelfAttention(1.0), MASK), TOKENS[:3], [0, 1]), "there are 3 tokens"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
