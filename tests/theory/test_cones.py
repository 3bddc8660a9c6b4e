"""Tokens in a cone under every scheme: bounds on radii and on the decay of the variance, conditions, and bad input."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import NGPT, LayerNormScaling, MixNorm, PeriNorm, PostNorm, PreNorm, SqrtScaling
from tokensphere.theory import (
    SCHEMES,
    cone_opening,
    cone_radii,
    cone_variance_rate,
    mix_scheme,
    ngpt_scheme,
    uniform_attention_scale,
)

SCHEME_PAIRS = {
    "post": (PostNorm(), SCHEMES["post"]),
    "pre": (PreNorm(), SCHEMES["pre"]),
    "mix": (MixNorm(switch=0.5), mix_scheme(0.5)),
    "peri": (PeriNorm(), SCHEMES["peri"]),
    "ngpt": (NGPT(alpha=0.5), ngpt_scheme(0.5)),
    "sqrt": (SqrtScaling(), SCHEMES["sqrt"]),
    "ln-scaling": (LayerNormScaling(), SCHEMES["ln-scaling"]),
}


def opening(tokens):
    """The largest 1 − ⟨θ_i, θ_j⟩ = |θ_i − θ_j|²/2, without cancellation."""
    return 0.5 * float(np.max(np.sum((tokens[:, None] - tokens[None]) ** 2, axis=2)))


def in_cone(n, dim, delta, seed=0):
    """Tokens whose opening is just below `delta`."""
    tokens = ts.sphere.cap(n, np.eye(dim)[0], 1.0, seed=seed)
    side = tokens[:, 1:] / np.max(np.linalg.norm(tokens[:, 1:], axis=1))
    low, high = 0.0, 1.0
    for _ in range(60):
        size = 0.5 * (low + high)
        points = np.hstack([np.sqrt(1.0 - size**2 * np.sum(side**2, axis=1, keepdims=True)), size * side])
        low, high = (size, high) if opening(points) < delta else (low, size)
    return np.hstack([np.sqrt(1.0 - low**2 * np.sum(side**2, axis=1, keepdims=True)), low * side])


def decay(flow, tokens, radii, t):
    """−Var'/Var of these tokens."""
    points = tokens if radii is None else flow.space.join(tokens, radii)
    moved = np.asarray(flow.space.split(flow.resolve(*tokens.shape).field(points, None, t))[0])
    away = tokens - tokens.mean(axis=0)
    return -2.0 * np.sum(away * moved) / np.sum(away**2)


@pytest.mark.parametrize("name", SCHEME_PAIRS)
@pytest.mark.parametrize(("beta", "n", "delta"), [(2.0, 4, None), (0.3, 3, None), (1.0, 5, 0.1)])
def test_runs_in_a_cone_keep_to_the_bounds(name, beta, n, delta):
    """Radii and the decay of the variance, also in a cone wider than that of the theorem."""
    scheme, law = SCHEME_PAIRS[name]
    narrow = delta is None
    tokens = in_cone(n, 3, cone_opening(beta, n) if narrow else delta, seed=n)
    delta = opening(tokens)
    flow = ts.Normalized(ts.SelfAttention(beta), scheme)
    start = np.linspace(0.8, 1.2, n) if name in ("pre", "peri", "ln-scaling") else np.ones(n)
    times = np.array([0.0, 0.4, 2.0, 6.0])
    more = {"radii": start} if scheme.keeps_radii and name != "mix" else {}
    run = ts.simulate(flow, tokens, times, rtol=1e-10, method="dopri8", **more)
    for k, t in enumerate(times):
        points = run.tokens.values[k]
        assert opening(points) <= delta * (1 + 1e-9)  # the cone stays
        radii = run.radii.values[k] if scheme.keeps_radii else None
        rate = cone_variance_rate(t, beta, n, delta, law, radius=start)
        assert rate.value[0] * (1 - 1e-9) <= decay(flow, points, radii, t) <= rate.value[1] * (1 + 1e-9)
        assert rate.holds is narrow
        if scheme.keeps_radii:
            found = cone_radii(t, beta, n, delta, law, radius=start)
            assert found.value[0] * (1 - 1e-9) <= radii.min()
            assert radii.max() <= found.value[1] * (1 + 1e-9)
            assert found.holds is narrow
    if narrow and name == "pre":
        assert (run.radii.values >= (1 - delta) * times[:, None]).all()  # as printed


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("post", lambda t: 1.0),
        ("pre", lambda t: 1.0 + t),
        ("mix", lambda t: 0.5 + t),
        ("peri", lambda t: 1.0 + t),
        ("ngpt", lambda t: 1.0 / 0.5),
        ("sqrt", lambda t: np.sqrt(t + 1.0)),
        ("ln-scaling", lambda t: (2.0 * np.sqrt(t + 1.0) - 1.0) * np.sqrt(t + 1.0)),
    ],
)
def test_the_rate_is_two_over_the_scale(name, scale):
    """In a cone of the theorem both bounds are within 2 % of 2/s: they say more than Θ."""
    beta, n = 2.0, 4
    delta = 0.99 * cone_opening(beta, n)
    for t in (0.7, 3.0, 1e4):
        least, most = cone_variance_rate(t, beta, n, delta, SCHEME_PAIRS[name][1]).value
        assert least <= 2.0 / scale(t) <= most
        assert most / least - 1 < 0.02


def test_bounds_are_not_wider_than_they_must():
    """Two tokens with c = 1 − δ at β = 0 under Post: −Var'/Var = 2 − δ, between 2(1 − δ) and 2."""
    delta = 0.4
    half = 0.5 * np.arccos(1.0 - delta)
    tokens = ts.sphere.from_angles([-half, half])
    least, most = cone_variance_rate(0.0, 0.0, 2, delta).value
    rate = decay(ts.Normalized(ts.SelfAttention(0.0), "post"), tokens, None, 0.0)
    assert rate == pytest.approx(2.0 - delta, rel=1e-12)
    assert (least, most) == pytest.approx((2.0 - 2.0 * delta, 2.0), rel=1e-12)


def test_the_scale_of_ngpt_is_not_alpha():
    """As printed, −Θ(Var/α): at α = 0.25 the measured rate 2α = 0.5 is 16 times smaller than 2/α."""
    alpha, beta, n = 0.25, 1.0, 3
    tokens = in_cone(n, 3, cone_opening(beta, n))
    run = ts.simulate(ts.Normalized(ts.SelfAttention(beta), NGPT(alpha=alpha)), tokens, [0.0, 1.0], rtol=1e-11)
    var = [np.sum((x - x.mean(axis=0)) ** 2) for x in run.tokens.values]
    rate = np.log(var[0] / var[1])
    least, most = cone_variance_rate(0.0, beta, n, opening(tokens), ngpt_scheme(alpha)).value
    assert least <= rate <= most
    assert rate == pytest.approx(2.0 * alpha, rel=0.02)
    assert not least <= 2.0 / alpha <= most
    moving = ngpt_scheme(lambda t: 1.0 / (1.0 + t))
    assert cone_variance_rate(3.0, beta, n, opening(tokens), moving).value[0] == pytest.approx(0.5, rel=0.02)


def test_the_printed_condition_is_no_condition_at_small_beta():
    """δ < 1/(100 n²β²) alone: at β = 0.01 two opposite tokens (δ = 2) meet it, and their variance never falls."""
    beta, n = 0.01, 2
    tokens = ts.sphere.from_angles([0.0, np.pi])
    assert opening(tokens) == pytest.approx(2.0)
    assert opening(tokens) < 1.0 / (100 * n**2 * beta**2)
    assert decay(ts.Normalized(ts.SelfAttention(beta), "post"), tokens, None, 0.0) == pytest.approx(0.0, abs=1e-12)
    # and with positive products: a cone that the printed condition admits, and the theorem does not
    found = cone_variance_rate(0.0, beta, n, 0.9)
    states = {h.statement: h.holds for h in found.hypotheses}
    assert states["delta < 1/(100 n^2 beta^2)"]
    assert not states["delta < 1/(100 n^2)"]
    assert found.holds is False
    assert cone_opening(beta, n) == cone_opening(0.0, n) == 1 / 400


def test_the_opening():
    assert cone_opening(1.0, 10) == pytest.approx(1e-4)
    assert cone_opening(5.0, 10) == pytest.approx(4e-6)
    beta, n = 3.0, 6
    edge = cone_opening(beta, n)
    assert cone_variance_rate(0.0, beta, n, 0.999 * edge).holds
    assert cone_variance_rate(0.0, beta, n, 1.001 * edge).holds is False


def test_large_beta_is_no_overflow():
    least, most = cone_variance_rate(0.0, 1e5, 3, 0.5).value
    assert least < 0
    assert most == np.inf
    assert cone_variance_rate(0.0, 1e5, 3, 0.5).to_dict()["value"][1] is None


def test_the_largest_attention_output_of_uniform_tokens():
    """The ratio to the scale is bounded above over a range of n and d; √(log n/n) alone is not such a scale."""
    ratios, without = [], []
    for n, dim in [(16, 4), (16, 512), (128, 4), (128, 64), (1024, 4), (1024, 16), (512, 512)]:
        tokens = ts.sphere.uniform(n, dim, seed=n + dim)
        largest = np.linalg.norm(ts.SelfAttention(1.0).resolve(n, dim).attended(tokens), axis=1).max()
        found = uniform_attention_scale(n, dim)
        assert found.holds is None
        ratios.append(largest / found.value)
        without.append(largest / np.sqrt(np.log(n) / n))
    assert 0.1 < min(ratios) < max(ratios) < 0.7
    assert max(without) > 3.0
    assert uniform_attention_scale(16, 4, 2.0).holds is False
    assert uniform_attention_scale(16, 4, norms=(1.0, 1.5)).holds is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cone_opening(-1.0, 3), "beta"),
        (lambda: cone_opening(1.0, 1), "n must"),
        (lambda: cone_radii(1.0, 1.0, 3, 0.1, "post"), "keeps no radii"),
        (lambda: cone_radii(1.0, 1.0, 3, 0.1, "pree"), "unknown scheme"),
        (lambda: cone_radii(-1.0, 1.0, 3, 0.1), "t must"),
        (lambda: cone_radii(1.0, 1.0, 3, 1.0), "delta must be < 1"),
        (lambda: cone_radii(1.0, 1.0, 3, 0.1, radius=[1.0, 0.0]), "radius must"),
        (lambda: cone_variance_rate(1.0, 1.0, 3, -0.1), "delta"),
        (lambda: uniform_attention_scale(1, 4), "n must"),
        (lambda: uniform_attention_scale(8, 4, norms=(1.0,)), "norms"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
