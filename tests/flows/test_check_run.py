"""What a flow refuses before a run, alone and inside other flows: its times, its layers, its noise."""

import jax
import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Dense
from tokensphere.errors import InputError
from tokensphere.flows import (
    NGPT,
    AlignmentFlow,
    EnsembleFlow,
    FrankWolfe,
    Frozen,
    LayerNormScaling,
    MixNorm,
    RandomValues,
    SqrtScaling,
)
from tokensphere.solve import Integrator

X = ts.sphere.uniform(6, 3, seed=0)
MASK = np.array([True, False, False, True, False, False])
INNER = ts.SelfAttention(2.0, attention=Dense()).resolve(6, 3)
FRESH = RandomValues(INNER, seed=1, step_size=0.01)
AROUND = {
    "alone": lambda flow: flow,
    "normalised": lambda flow: ts.Normalized(flow, "pre"),
    "heads": lambda flow: ts.MultiHead([flow, AlignmentFlow()]),
    "frozen": lambda flow: Frozen(flow, MASK),
    "ensemble": lambda flow: EnsembleFlow(flow, 2),
    "values": lambda flow: RandomValues(flow, seed=2, tied=True),
    "heads of frozen, normalised": lambda flow: ts.Normalized(ts.MultiHead([Frozen(flow, MASK)]), "peri"),
}
around = pytest.mark.parametrize("wrap", list(AROUND.values()), ids=list(AROUND))


# -- layers of fresh value matrices ---------------------------------------------------------------------------------


@around
def test_layers_of_another_step_than_the_matrices(wrap):
    flow = wrap(FRESH)
    times = np.array([0.0, 0.04])
    for step in (0.02, 0.005, 0.0100001):
        with pytest.raises(InputError, match=f"layers have step {step:g}, but .* step_size = 0.01"):
            flow.check_run(0.0, step)
    with pytest.raises(InputError, match=r"layers have step 0\.02"):
        Integrator(flow, None, times, method="layer", step_size=0.02)
    points = flow.check(X)
    with pytest.raises(InputError, match=r"layers have step 0\.02"):
        flow.layer(points, np.ones((6, 3)), 0.02, 0.0)
    Integrator(flow, None, times, method="layer", step_size=0.01)
    flow.check_run(0.0, 0.03 / 3)
    with pytest.raises(InputError, match=r"t = 0.015 is not a whole number of layers of step 0.01"):
        flow.check_run(0.015, 0.01)


@around
def test_fresh_matrices_have_no_velocity(wrap):
    flow = wrap(FRESH)
    x = np.concatenate([X, X]) if isinstance(flow, EnsembleFlow) else X
    with pytest.raises(InputError, match="fresh value matrices have no velocity"):
        flow.velocity(x)
    with pytest.raises(InputError, match="fresh value matrices have no velocity"):
        Integrator(flow, None, np.array([0.0, 1.0]))
    with pytest.raises(InputError, match="fresh value matrices have no velocity"):
        ts.Normalized(FRESH, "pre").radial_velocity(X)


@around
def test_tied_matrices_take_any_step(wrap):
    flow = wrap(RandomValues(INNER, seed=1, step_size=0.01, tied=True))
    flow.check_run(0.3)
    flow.check_run(0.015, 0.02)


# -- frozen tokens and noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["geodesic", "strang"])
@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize(
    "wrap", [AROUND[name] for name in ("alone", "frozen", "ensemble", "values")], ids=lambda wrap: ""
)
def test_noise_is_refused_where_tokens_are_held(method, common, wrap):
    flow = wrap(Frozen(INNER, MASK))
    options = {"method": method, "step_size": 0.1, "common_noise": common, "noise": 0.1}
    with pytest.raises(InputError, match=f"noise would move the tokens that {type(flow).__name__} holds"):
        Integrator(flow, None, np.array([0.0, 1.0]), **options)
    quiet = Integrator(flow, None, np.array([0.0, 1.0]), method=method, step_size=0.1)
    assert quiet.noise is None


def test_noise_is_taken_where_every_token_is_free():
    held = Frozen(INNER, MASK)
    for flow, holds in (
        (INNER, False),
        (Frozen(INNER, [], 6), False),
        (held, True),
        (ts.Normalized(held, "post"), True),
        (ts.MultiHead([held, held]), True),
        (ts.MultiHead([held, INNER]), False),  # the second head moves them
    ):
        assert flow.holds is holds
    run = ts.simulate(Frozen(INNER, [], 6), X, [0, 0.2], method="geodesic", step_size=0.1, noise=0.1)
    assert (np.abs(run.tokens.values[-1] - X).max(axis=1) > 1e-3).all()


def test_common_noise_needs_noise():
    with pytest.raises(InputError, match="common_noise=True needs an intensity"):
        ts.simulate(INNER, X, [0, 1], method="strang", step_size=0.1, common_noise=True)


# -- times of the schemes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [SqrtScaling(), LayerNormScaling(), LayerNormScaling(scale_logits=True)])
@pytest.mark.parametrize("time", [-1.0, -2.5])
def test_times_before_the_first(rules, time):
    flow = ts.Normalized(INNER, rules)
    text = f"{type(rules).__name__} needs times > -1, got t = {time:g}"
    for call in (
        lambda: flow.velocity(X, t=time),
        lambda: ts.simulate(flow, X, [time, 1.0]),
        lambda: ts.simulate(flow, X, [time, time + 1], method="layer", step_size=0.5),
        lambda: ts.simulate(Frozen(flow, MASK), X, [time, 1.0]),
    ):
        with pytest.raises(InputError, match=text):
            call()
    assert np.isfinite(flow.velocity(X, t=-0.99)).all()
    assert np.isfinite(ts.simulate(flow, X, [-0.99, 0.0]).tokens.values).all()


def test_mix_after_the_switch_is_pre():
    """From a time after the switch radii are free, and the run is that of Pre-LN."""
    radii = np.linspace(0.8, 1.4, 6)
    mix, pre = (ts.Normalized(INNER, rules) for rules in (MixNorm(1.0), "pre"))
    np.testing.assert_array_equal(mix.velocity(X, radii=radii, t=3.0), pre.velocity(X, radii=radii, t=3.0))
    for options in ({}, {"method": "layer", "step_size": 0.25}):
        runs = [ts.simulate(flow, X, [2.0, 3.0], radii=radii, **options) for flow in (mix, pre)]
        np.testing.assert_allclose(runs[0].tokens, runs[1].tokens, atol=1e-14)
        np.testing.assert_allclose(runs[0].radii, runs[1].radii, rtol=1e-14)
    for time in (0.0, 1.0):
        with pytest.raises(InputError, match=f"Mix-LN starts as Post-LN, with radii 1, got 0.8 at t = {time:g}"):
            mix.velocity(X, radii=radii, t=time)
        with pytest.raises(InputError, match="start after the switch at t = 1"):
            ts.simulate(Frozen(mix, MASK), X, [time, 3.0], radii=radii)
    assert (ts.simulate(mix, X, [1.0, 1.5]).radii.values[0] == 1).all()


@pytest.mark.parametrize(("alpha", "time"), [(lambda t: -1.0, 0.0), (lambda t: 0.5 - t, 0.5), (lambda t: np.inf, 0.0)])
def test_alpha_is_positive_where_it_is_seen(alpha, time):
    flow = ts.Normalized(INNER, NGPT(alpha))
    with pytest.raises(InputError, match=f"alpha must be .* > 0, got .* at t = {time:g}"):
        flow.velocity(X, t=time)
    with pytest.raises(InputError, match="alpha must be a finite number > 0"):
        Integrator(ts.Normalized(INNER, NGPT(lambda t: 0.5 - t)), None, np.array([0.75, 1.0]))


def test_alpha_is_looked_at_along_a_run_on_the_host():
    flow = ts.Normalized(ts.Hardmax(self_attention=False), NGPT(lambda t: 0.5 - t))
    assert flow.on_host
    with pytest.raises(InputError, match=r"alpha must be a finite number > 0, got -0.* at t = 0\.6"):
        ts.simulate(flow, X, [0, 1], method="layer", step_size=0.2)
    traced = jax.jit(lambda t: ts.Normalized(INNER, NGPT(lambda t: 0.5 - t)).velocity(X, t=t))(0.25)
    want = ts.Normalized(INNER, NGPT(0.25)).velocity(X)
    np.testing.assert_allclose(traced, want, atol=1e-14)


# -- flows in R^d ---------------------------------------------------------------------------------------------------


def test_layers_of_frank_wolfe_stay_in_the_hull():
    points = np.random.default_rng(0).standard_normal((5, 2))
    with pytest.raises(InputError, match=r"step 1\.5 at t = 0 move tokens 1\.5 of the way"):
        ts.simulate(FrankWolfe(), points, [0, 3], method="layer", step_size=1.5)
    with pytest.raises(InputError, match="out of the hull"):
        ts.simulate(FrankWolfe(slowing=True), points, [-1, 1], method="layer", step_size=1.0)
    with pytest.raises(InputError, match="times > -2, got t = -2"):
        ts.simulate(FrankWolfe(slowing=True), points, [-2, 1])
    ts.simulate(FrankWolfe(), points, [0, 2], method="layer", step_size=1.0)
    ts.simulate(FrankWolfe(), points, [0, 2], method="rk4", step_size=2.0)  # no layers
