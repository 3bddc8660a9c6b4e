"""Schemes through runs of tokens: equiangular oracles, reference values, changes of time, the switch of Mix-LN."""

import dataclasses

import numpy as np
import pytest
from conformance import direct
from conformance.scheme_suite import SCHEMES as CASES
from conformance.scheme_suite import radii_of

import tokensphere as ts
from tokensphere import theory
from tokensphere.attention import Circle, Dense, Harmonic
from tokensphere.errors import InputError
from tokensphere.flows import (
    NGPT,
    NORMALIZATIONS,
    STREAM,
    LayerNormScaling,
    MixNorm,
    PreNorm,
)
from tokensphere.flows.normalization import normalization_named
from tokensphere.solve import (
    Ensemble,
    Integrator,
    SolveError,
    all_within,
    load_checkpoint,
    run_batch,
    save_checkpoint,
)
from tokensphere.sphere import equiangular
from tokensphere.theory import equiangular_layer_path, equiangular_path, equiangular_rate, mix_scheme, ngpt_scheme

RADIAL = [name for name, make in NORMALIZATIONS.items() if make().keeps_radii]


def under(scheme, beta=2.0, kind=ts.SelfAttention, **options):
    return ts.Normalized(kind(beta, **options), scheme)


def spread(run):
    """The common inner product (time,), and how far the off-diagonal entries of the Gram matrix are apart."""
    found = []
    for frame in run.tokens.values:
        inner = (frame @ frame.T)[~np.eye(len(frame), dtype=bool)]
        found.append((inner.mean(), np.ptp(inner)))
    return np.array(found).T


# -- equiangular tokens -------------------------------------------------------------------------------------------

FLOW = {  # n = 32, beta = 2, from rho = 0: rho at t = 1 and 5
    "post": (0.122098, 0.997503),
    "pre": (0.102653, 0.869257),
    "mix": (0.122098, 0.918566),
    "peri": (0.431443, 0.938517),
    "ngpt": (0.590953, 0.999820),
    "sqrt": (0.087045, 0.857301),
    "ln-scaling": (0.076188, 0.584458),
}
LAYERS = {  # after 10 layers with step 0.1
    "post": 0.109789,
    "pre": 0.095090,
    "mix": 0.109789,
    "peri": 0.404211,
    "ngpt": 0.546836,
    "sqrt": 0.082487,
    "ln-scaling": 0.073519,
}
RADII = {"pre": 3.61375, "peri": 5.28365}


@pytest.mark.parametrize("scheme", list(NORMALIZATIONS))
def test_reference_values(scheme):
    run = ts.simulate(under(scheme), np.eye(32), [0, 1, 5], rtol=1e-10)
    rho, apart = spread(run)
    np.testing.assert_allclose(rho[1:], FLOW[scheme], atol=6e-7)
    assert apart.max() < 1e-12
    if scheme in RADII:
        np.testing.assert_allclose(run.radii.values[-1], RADII[scheme], atol=6e-6)
    layers = ts.simulate(under(scheme), np.eye(32), [0, 1], method="layer", step_size=0.1)
    rho, apart = spread(layers)
    assert rho[-1] == pytest.approx(LAYERS[scheme], abs=6e-7)
    assert apart.max() < 1e-12


def test_reference_values_of_single_layers():
    pre = ts.simulate(under("pre"), np.eye(32), [0, 1], method="layer", step_size=0.1)
    np.testing.assert_allclose(pre.radii.values[-1], 1.212275, atol=6e-7)
    original = ts.simulate(under(NGPT(original=True)), np.eye(32), [0, 1], method="layer", step_size=0.1)
    assert spread(original)[0][-1] == pytest.approx(0.607788, abs=6e-7)
    for step, value in ((0.1, 0.333615), (0.05, 0.347551)):
        run = ts.simulate(under("post", 1.0), np.eye(8), [0, 1], method="layer", step_size=step)
        assert spread(run)[0][-1] == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize("scheme", list(NORMALIZATIONS))
def test_initial_velocities(scheme):
    """n = 256, beta = 5, orthogonal tokens: d<x_1, x_2>/dt at time zero."""
    x = np.eye(256)
    velocity = under(scheme, 5.0).velocity(x)
    rate = 2 * velocity[0, 1]
    assert rate == pytest.approx(0.01339856 if scheme in ("peri", "ngpt") else 0.00495770, abs=6e-9)
    assert rate == pytest.approx(equiangular_rate(0, 5, 256, scheme=scheme), rel=1e-12)


def test_simulation_and_theory_have_the_same_schemes():
    assert set(NORMALIZATIONS) == set(theory.SCHEMES)
    for name, make in NORMALIZATIONS.items():
        rules, law = make(), theory.SCHEMES[name]
        assert law.name == name
        assert set(law.breaks) == set(rules.breaks)


@pytest.mark.parametrize("switch", [0.0, 1e-3, 1.0, 7.3, 1e6])
def test_the_switch_is_one_time(switch):
    """Layers next to the switch, by rounding and beyond it, come on the same side of it in both."""
    rules, law = MixNorm(switch), mix_scheme(switch)
    near = [switch * (1 + e) + f for e in (-1e-8, -1.5e-9, -1e-9, -5e-10, 0, 1e-15) for f in (-3e-9, -1.2e-9, 0, 1e-9)]
    sides = [bool(rules.normalised(t)) for t in near]
    assert sides == [law.normalised(t) for t in near]
    assert switch == 0 or {True, False} == set(sides)


@pytest.mark.parametrize("scheme", [*sorted({*NORMALIZATIONS, *theory.SCHEMES}), "ngpt 0.5", "mix 0.3"])
@pytest.mark.parametrize("kind", ["sa", "usa-shifted"])
def test_tokens_follow_the_scalar_equations(scheme, kind):
    """From rho = 0.2 with common radius 1.7 where the scheme allows it, in another frame of coordinates."""
    rules = {"ngpt 0.5": NGPT(0.5), "mix 0.3": MixNorm(0.3)}.get(scheme, scheme)
    law = {"ngpt 0.5": ngpt_scheme(0.5), "mix 0.3": mix_scheme(0.3)}.get(scheme, scheme)
    radius = 1.7 if scheme in ("pre", "peri", "ln-scaling") else 1.0
    options = {"radii": radius} if radius != 1 else {}
    base = ts.SelfAttention(1.5) if kind == "sa" else ts.UnnormalizedSelfAttention(1.5, shifted=True)
    flow, tokens, times = ts.Normalized(base, rules), equiangular(6, 9, 0.2, 3), np.array([0, 0.2, 0.3, 0.7, 1.5, 3.0])
    run = ts.simulate(flow, tokens, times, rtol=1e-10, **options)
    want = equiangular_path(times, 1.5, 6, kind, law, start=0.2, radius=radius)
    rho, apart = spread(run)
    np.testing.assert_allclose(rho, want.rho, atol=1e-7)
    np.testing.assert_allclose(radii_of(run), want.radius[:, None] * np.ones(6), rtol=1e-7)
    assert apart.max() < 1e-12
    layers = ts.simulate(flow, tokens, 0.1 * np.arange(31), method="layer", step_size=0.1, **options)
    want = equiangular_layer_path(30, 0.1, 1.5, 6, kind, law, start=0.2, radius=radius)
    rho, apart = spread(layers)
    np.testing.assert_allclose(rho, want.rho, atol=1e-12)
    np.testing.assert_allclose(radii_of(layers), want.radius[:, None] * np.ones(6), rtol=1e-12)
    assert apart.max() < 1e-12


@pytest.mark.parametrize("n", [32])
def test_terminal_laws_by_tokens(n):
    """(1 - rho) r^2 tends to one constant for the three schemes with radii; slopes of the others."""
    for scheme, end in (("pre", 400.0), ("peri", 400.0), ("ln-scaling", 40000.0)):
        run = ts.simulate(under(scheme), np.eye(n), [0, end], rtol=1e-10)
        x, r = run.tokens.values[-1], run.radii.values[-1, 0]
        gap = 0.5 * np.sum((x[0] - x[1]) ** 2)
        assert gap * r**2 == pytest.approx(1.723450, rel=2e-4)


# -- time changes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scaled", "plain"), [("sqrt", "post"), ("ln-scaling", "pre")])
def test_exact_changes_of_time(scaled, plain):
    x, radii = ts.sphere.uniform(16, 5, 2), np.random.default_rng(2).uniform(0.5, 2, 16)
    times = np.array([0, 0.5, 2.0, 8.0])
    options = {"radii": radii} if scaled == "ln-scaling" else {}
    a = ts.simulate(under(scaled), x, times, rtol=1e-10, **options)
    b = ts.simulate(under(plain), x, 2 * np.sqrt(times + 1) - 2, rtol=1e-10, **options)
    np.testing.assert_allclose(a.tokens, b.tokens, atol=1e-7)
    np.testing.assert_allclose(radii_of(a), radii_of(b), rtol=1e-7)
    logits = ts.simulate(under(LayerNormScaling(scale_logits=True)), x, times, rtol=1e-10)
    assert np.abs(logits.tokens.values - b.tokens.values).max() > 0.05  # scaled logits are no change of time


def test_post_is_the_flow_itself():
    x = ts.sphere.uniform(12, 4, 0)
    a, b = (ts.simulate(flow, x, [0, 2.0], rtol=1e-10) for flow in (under("post"), ts.SelfAttention(2.0)))
    np.testing.assert_allclose(a.tokens, b.tokens, atol=1e-9)
    assert "radii" not in a


# -- traps -----------------------------------------------------------------------------------------------------------


class Published(PreNorm):
    """A simulator in circulation: the radius grows by the sum of the components of A."""

    def radial_velocity(self, tokens, radii, attended, t):
        return attended.sum(axis=1)


def test_the_radius_is_not_a_sum_of_components():
    """That sum depends on the axes; the inner product does not, and for equiangular tokens only it is right."""
    x, turn = ts.sphere.uniform(8, 4, 1), direct.rotation(np.random.default_rng(3), 4)
    apart = {}
    for rules in (PreNorm(), Published()):
        plain, turned = (ts.simulate(under(rules), y, [0, 1.0], rtol=1e-10) for y in (x, x @ turn.T))
        apart[type(rules)] = np.abs(turned.tokens.values - plain.tokens.values @ turn.T).max()
    assert apart[PreNorm] < 1e-8
    assert apart[Published] > 1e-2
    tokens = equiangular(8, 8, 0.2, 5)
    want = equiangular_path([0.0, 1.0], 2.0, 8, scheme="pre", start=0.2).radius[-1]
    right, wrong = (ts.simulate(under(r), tokens, [0, 1.0]).radii.values[-1] for r in (PreNorm(), Published()))
    np.testing.assert_allclose(right, want, rtol=1e-7)
    assert np.abs(wrong - want).max() > 0.1


def test_projected_euler_is_neither_the_flow_nor_the_layer():
    """N(x + hA) is a layer: of order 1, and 5 to 10 % late at h = 0.1, by the radial part of A."""
    n, level = 32, 0.5
    crossing = {}
    fine = 0.1 * np.arange(61)
    for name, method, step in (("flow", "tsit5", None), ("layer", "layer", 0.1), ("half", "layer", 0.05)):
        run = ts.simulate(under("post", 1.0), np.eye(n), fine, method=method, step_size=step)
        crossing[name] = float(np.interp(level, spread(run)[0], fine))
    late = crossing["layer"] / crossing["flow"] - 1
    assert 0.05 < late < 0.10
    assert late / (crossing["half"] / crossing["flow"] - 1) == pytest.approx(2.0, abs=0.15)


# -- Mix-LN --------------------------------------------------------------------------------------------------------


def test_the_switch_keeps_the_order_of_the_method():
    """The switch lies inside a step, which ends there: errors fall at order 4, and both sides see their own rules."""
    x, rules = ts.sphere.uniform(9, 3, 4), MixNorm(0.37)
    exact = ts.simulate(under(rules), x, [0, 1.2], rtol=1e-13, method="dopri8")
    half = ts.simulate(under("post"), x, [0, 0.37], rtol=1e-13, method="dopri8").tokens.values[-1]
    rest = ts.simulate(under("pre"), half, [0, 1.2 - 0.37], rtol=1e-13, method="dopri8")
    np.testing.assert_allclose(exact.tokens.values[-1], rest.tokens.values[-1], atol=1e-10)
    np.testing.assert_allclose(exact.radii.values[-1], rest.radii.values[-1], rtol=1e-10)
    errors = []
    for count in (10, 20, 40):
        run = ts.simulate(under(rules), x, [0, 1.2], method="rk4", step_size=1.2 / count)
        errors.append(np.abs(run.radii.values[-1] - exact.radii.values[-1]).max())
        assert 0.37 in run.step_time.values
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 3.5).all()


@pytest.mark.parametrize("switch", [0.0, 0.3, 0.7, 1.1, 0.1 + 0.2])
def test_no_stage_sees_the_rules_of_the_other_side(switch):
    """By rounding t + (stop - t) may lie past the switch; until then radii are 1 to the last bit."""
    x = ts.sphere.uniform(5, 3, 4)
    for method in ("rk4", "dopri8", "tsit5"):
        run = ts.simulate(
            under(MixNorm(switch)), x, [0, switch, switch + 0.3][switch == 0 :], method=method, step_size=0.1
        )
        before = run.time.values <= switch
        assert (run.radii.values[before] == 1).all()
        assert (run.radii.values[-1] > 1).any()
    if switch == 0:
        pre = ts.simulate(under("pre"), x, [0, 0.3], method="rk4", step_size=0.1)
        mix = ts.simulate(under(MixNorm(0.0)), x, [0, 0.3], method="rk4", step_size=0.1)
        np.testing.assert_allclose(mix.radii, pre.radii, rtol=1e-14)


@pytest.mark.parametrize("scheme", [MixNorm(0.5), "peri", LayerNormScaling(scale_logits=True)])
@pytest.mark.parametrize("method", ["tsit5", "layer"])
def test_a_resumed_run_is_the_run(scheme, method, tmp_path):
    """Bit for bit, from every state on, across the switch."""
    times = np.array([0.0, 0.4, 1.2])
    flow = under(scheme).resolve(6, 3)
    step = 0.1 if method == "layer" else None

    def made():
        return Integrator(flow, None, times, method=method, step_size=step, rtol=1e-7)

    states = []
    made().run(made().start(flow.check(ts.sphere.uniform(6, 3, 0))), states.append)
    assert (states[0].t < 0.5 < states[-1].t) or scheme != MixNorm(0.5)
    for state in states[:-1]:
        save_checkpoint(tmp_path / "c.bin", state, "key")
        back = load_checkpoint(tmp_path / "c.bin", "key")
        assert back.space == STREAM
        rest = []
        made().run(back, rest.append)
        assert np.asarray(rest[-1].points).tobytes() == np.asarray(states[-1].points).tobytes()
        assert rest[-1].t == states[-1].t


# -- backends, lanes, ensembles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["pre", "peri", "ngpt", "mix"])
@pytest.mark.parametrize(("dim", "backend"), [(2, Circle), (3, Harmonic)])
def test_backends_agree(scheme, dim, backend):
    x = ts.sphere.uniform(60, dim, 1)
    runs = [ts.simulate(under(scheme, attention=a), x, [0, 0.5, 1.5], rtol=1e-9) for a in (backend(), Dense())]
    np.testing.assert_allclose(runs[0].tokens, runs[1].tokens, atol=2e-8)
    np.testing.assert_allclose(radii_of(runs[0]), radii_of(runs[1]), rtol=2e-8)


@pytest.mark.parametrize("scheme", [*NORMALIZATIONS, NGPT(lambda t: 1 / (1 + t), original=True)])
@pytest.mark.parametrize("method", ["rk4", "layer"])
def test_lanes_are_the_runs(scheme, method):
    """Compiled and mapped over lanes of different beta: the run on the host, to rounding."""
    times = np.array([0.0, 0.5, 1.5])

    def made(beta):
        flow = under(scheme, beta, attention=Dense()).resolve(5, 3)
        return Integrator(flow, None, times, method=method, step_size=0.25)

    members = {0: made(1.0), 1: made(3.0)}
    start = members[0].flow.check(ts.sphere.uniform(5, 3, 0))
    ends = {}
    states = {lane: member.start(start) for lane, member in members.items()}
    assert not run_batch(members, states, 2, lambda lane, state: ends.update({lane: state}))
    for lane, member in members.items():
        alone = member.run(member.start(start), lambda state: None)
        assert ends[lane].t == alone.t == 1.5
        np.testing.assert_allclose(ends[lane].points, np.asarray(alone.points), atol=1e-13)


@pytest.mark.parametrize("scheme", ["pre", "mix", "ngpt"])
@pytest.mark.parametrize("method", ["layer", "rk4"])
def test_ensembles_are_the_runs(scheme, method):
    flow = under(scheme, attention=Dense()).resolve(5, 3)
    times = np.array([0.0, 0.5, 1.5])
    tokens = np.stack([ts.sphere.uniform(5, 3, seed) for seed in (0, 1)])
    many = Ensemble(flow, 2, times, lambda x: {"first": x[0, 0]}, method=method, step_size=0.1)
    start = np.stack([flow.check(member) for member in tokens])
    *_, (last, _) = many.run(many.start(start))
    for member, x in zip(np.asarray(last.points).reshape(start.shape), tokens, strict=True):
        alone = ts.simulate(under(scheme), x, times, method=method, step_size=0.1)
        np.testing.assert_allclose(
            STREAM.split(member)[0] if scheme != "ngpt" else member, alone.tokens[-1], atol=1e-12
        )


# -- what is refused -----------------------------------------------------------------------------------------------

X = ts.sphere.uniform(4, 3, 0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: under("pree"), "unknown scheme 'pree'.*'pre'"),
        (lambda: normalization_named("layernorm"), "unknown scheme"),
        (
            lambda: ts.Normalized(under("pre"), "peri"),
            "a scheme normalises a flow on the sphere, and Normalized is none",
        ),
        (lambda: MixNorm(-1.0), "switch must be a finite number >= 0, got -1"),
        (lambda: MixNorm(np.inf), "switch must be"),
        (lambda: NGPT(0.0), "alpha must be a finite number > 0, got 0"),
        (lambda: NGPT(np.nan), "alpha must be"),
        (lambda: ts.simulate(under("pre"), X, [0, 1], radii=0.0), "radius 0 must be a finite number > 0, got 0"),
        (lambda: ts.simulate(under("pre"), X, [0, 1], radii=[1, 2, 3]), r"shape \(4,\)"),
        (lambda: ts.simulate(under("ngpt"), X, [0, 1], radii=2.0), "keeps no radii"),
        (lambda: ts.simulate(ts.SelfAttention(1.0), X, [0, 1], radii=2.0), "keeps no radii"),
        (lambda: ts.simulate(under("mix"), X, [0, 1], radii=2.0), "Mix-LN starts as Post-LN, with radii 1, got 2"),
        (lambda: under("pre").velocity(X, radii=-1.0), "radius 0"),
        (lambda: under("pre").velocity(2 * X), "token 0"),
        (
            lambda: ts.simulate(under("pre"), X, [0, 1], noise=0.1, method="strang", step_size=0.1),
            "moves unit tokens, and the tokens of Normalized are not",
        ),
    ],
)
def test_what_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()


@pytest.mark.parametrize("scheme", ["peri", "ngpt"])
@pytest.mark.parametrize("method", ["tsit5", "layer"])
def test_no_attention_output_names_the_token(scheme, method):
    """Two antipodal tokens at beta = 0 attend to the origin, which has no direction."""
    x, step = np.array([[1.0, 0.0], [-1.0, 0.0]]), 0.1 if method == "layer" else None
    with pytest.raises(SolveError, match="token 0 is not finite"):
        ts.simulate(under(scheme, 0.0, attention=Dense()), x, [0, 1], method=method, step_size=step)
    with pytest.raises(InputError, match="token 0 has the attention output 0"):
        under(scheme, 0.0, attention=Dense()).velocity(x)
    assert np.isfinite(ts.simulate(under("pre", 0.0), x, [0, 1]).tokens).all()


def test_the_energy_grows_along_any_scheme_at_the_rate_it_says():
    for rules in ("pre", "peri", "ngpt"):
        flow, h = under(rules), 1e-5
        velocity = flow.velocity(X)
        ahead, behind = (flow.energy(ts.sphere.normalize(X + s * velocity)) for s in (h, -h))
        assert flow.energy_rate(X) == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)
        assert flow.energy_rate(X) > 0


def test_events_see_unit_tokens():
    run = ts.simulate(under("pre"), ts.sphere.cap(6, [0, 0, 1.0], 0.5, 0), [0, 60], events=[all_within(0.1)])
    x = run.tokens.values[-1]
    assert run.time.values[-1] == run.attrs["events"]["all_within"] < 60
    assert np.arccos(np.clip(x @ x.T, -1, 1)).max() < 0.21


def test_a_scheme_is_one_class():
    """A further scheme needs nothing but its rules."""

    class Half(PreNorm):
        def slowdown(self, tokens, radii, attended, t):
            return 2.0 * radii

    x = ts.sphere.uniform(6, 3, 2)
    np.testing.assert_allclose(2 * under(Half()).velocity(x), under("pre").velocity(x), rtol=1e-14)
    assert dataclasses.is_dataclass(Half)
    assert set(CASES) >= set(NORMALIZATIONS) - {"ngpt"}
