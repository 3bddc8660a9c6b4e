"""Caps: reference values, the sign of the logarithm, hypotheses that fail, and bad input."""

import json
import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError

POLES = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
THREE = np.array([[math.cos(a), math.sin(a), 0.0] for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)])


def test_reference_values():
    found = ts.theory.caps(POLES, 10, 0.01, 20.0)
    assert found.alpha == pytest.approx(-0.9208, abs=5e-5)
    assert found.gamma == pytest.approx(1.3456, abs=5e-5)
    assert found.trapped_until == pytest.approx(4.83e13, rel=1e-3)
    assert found.holds


def test_alpha_is_the_largest_product_over_two_caps():
    """By sampling the rims of the 2ε caps; centres and rims are not enough alone."""
    found = ts.theory.caps(THREE, 6, 0.01, 12.0)
    turn = np.linspace(0, 2 * math.pi, 721)
    rims = []
    for w in THREE[:2]:
        u = np.cross(w, [0, 0, 1.0])
        rims.append(0.98 * w + math.sqrt(1 - 0.98**2) * (np.cos(turn)[:, None] * u + np.sin(turn)[:, None] * [0, 0, 1]))
    assert found.alpha == pytest.approx(float((rims[0] @ rims[1].T).max()), abs=1e-12)
    assert float((rims[0] @ THREE[1]).max()) < found.alpha - 0.1


def test_the_logarithm_in_the_rate_is_subtracted():
    """With the sign as printed λ could exceed 1 − α, and the bound 2e^{−λβ} would be below e^{−(1−α)β}."""
    n, eps, beta = 10, 0.01, 20.0
    found = ts.theory.caps(POLES, n, eps, beta)
    log = math.log(2 * n**2 / (1 - 8 * eps)) / beta
    assert found.largest_rate == pytest.approx(1 - found.alpha - 8 * eps - log, rel=1e-14)
    printed = 1 - found.alpha - 8 * eps + log
    assert printed > 1 - found.alpha
    with pytest.raises(InputError, match="rate must lie in"):
        found.squared_diameter(printed)


def test_the_first_bound_counts_where_gamma_is_small():
    n, eps, beta = 6, 0.01, 8.6
    found = ts.theory.caps(THREE, n, eps, beta)
    assert found.holds
    assert 0 < found.gamma < 0.02
    first = (beta - 1) * eps / (math.e * beta**2 * n**2) * math.exp((1 - found.alpha) * beta)
    assert found.largest_rate == pytest.approx(first * (1 - math.exp(-found.gamma * beta)), rel=1e-12)


def test_times_of_a_rate():
    found = ts.theory.caps(THREE, 6, 0.01, 12.0)
    assert found.holds
    rate = 0.5 * found.largest_rate
    assert found.collapsed_after(rate) == pytest.approx(12 * math.exp(0.96) + math.e * 6 * rate * 144 / 11, rel=1e-14)
    assert found.collapsed_after(rate) < found.trapped_until
    assert found.squared_diameter(rate) == pytest.approx(2 * math.exp(-12 * rate), rel=1e-14)
    assert found.speed_between() == pytest.approx(math.exp(-12 * (1 - found.alpha)), rel=1e-14)


def test_large_beta_is_no_overflow():
    found = ts.theory.caps(POLES, 10, 0.01, 2000.0)
    assert found.trapped_until == math.inf
    assert found.log_trapped_until == pytest.approx(2000 * (1 - found.alpha) + math.log(0.001), rel=1e-14)
    assert 0 < found.largest_rate < 2
    assert json.loads(json.dumps(found.to_dict()))["trapped_until"] is None


@pytest.mark.parametrize(
    ("centres", "eps", "beta", "failing"),
    [
        (POLES, 0.01, 0.9, "beta > 1"),
        (POLES, 0.07, 60.0, "epsilon < 1/16"),
        (POLES, 0.01, 5.0, "gamma > 0"),
        ([[1.0, 0.0], [math.cos(0.3), math.sin(0.3)]], 0.01, 500.0, "the caps of 2 epsilon are disjoint"),
    ],
)
def test_a_hypothesis_that_fails_is_named(centres, eps, beta, failing):
    found = ts.theory.caps(centres, 10, eps, beta)
    assert found.holds is False
    assert failing in [h.statement for h in found.hypotheses if not h.holds]


def test_the_start_is_checked():
    inside = np.repeat(POLES, 5, axis=0)
    assert ts.theory.caps(POLES, 10, 0.01, 20.0, tokens=inside).holds
    outside = inside.copy()
    outside[3] = [math.cos(0.2), math.sin(0.2), 0]  # 1 − cos 0.2 = 0.0199
    found = ts.theory.caps(POLES, 10, 0.01, 20.0, tokens=outside)
    assert found.holds is False
    assert "token 3" in found.hypotheses[-1].detail
    with pytest.raises(InputError, match="tokens must have shape"):
        ts.theory.caps(POLES, 9, 0.01, 20.0, tokens=inside)


@pytest.mark.parametrize(
    "change", [{"epsilon": 0.0}, {"epsilon": 1.5}, {"beta": 0.0}, {"n": 0}, {"centres": POLES[:1]}]
)
def test_bad_input(change):
    with pytest.raises(InputError):
        ts.theory.caps(**({"centres": POLES, "n": 10, "epsilon": 0.01, "beta": 20.0} | change))


def within(centres, per, height, seed):
    """`per` tokens in each cap {1 − ⟨x, w⟩ ≤ height}, and the cap of each; some on the rim."""
    angle = 2.0 * math.asin(math.sqrt(height / 2.0))
    groups = [ts.sphere.cap(per, w, angle, seed=seed + 100 * q) for q, w in enumerate(centres)]
    for w, group in zip(centres, groups, strict=True):
        side = group[0] - (group[0] @ w) * w
        group[0] = math.cos(angle) * w + math.sin(angle) * side / np.linalg.norm(side)
    return np.vstack(groups), np.repeat(np.arange(len(centres)), per)


@pytest.mark.parametrize("name", ["sa", "usa-shifted"])
@pytest.mark.parametrize(("centres", "eps", "beta"), [(POLES, 0.01, 6.0), (THREE, 0.03, 4.0), (THREE, 0.005, 15.0)])
def test_no_cap_of_equal_mass_leaks_faster(name, centres, eps, beta):
    """The lowest token of a cap of 2ε sinks at most at ε/T2, whatever the number of tokens."""
    shifted = name == "usa-shifted"
    flow = ts.UnnormalizedSelfAttention(beta, shifted=True) if shifted else ts.SelfAttention(beta)
    slowest = eps * math.exp(-ts.theory.log_mean_field_caps_time(centres, eps, beta, name).value)
    worst = 0.0
    for per in (1, 3, 60):
        for seed in range(15):
            tokens, cap = within(centres, per, 2 * eps, seed)
            height = np.sum(tokens * centres[cap], axis=1)
            sinks = -np.sum(flow.velocity(tokens) * centres[cap], axis=1)
            for q in range(len(centres)):
                lowest = int(np.argmin(np.where(cap == q, height, np.inf)))
                assert sinks[lowest] <= slowest
                worst = max(worst, sinks[lowest] / slowest)
    assert worst > 0.1  # the bound is not far from what is seen


def test_the_mean_field_holds_for_any_number_of_tokens():
    """60 tokens at β = 10: nothing follows from their number, and all from γ > 8ε. A run to T2 stays inside."""
    eps, beta = 0.01, 10.0
    tokens, cap = within(THREE, 20, eps * (1 - 1e-9), 3)
    assert ts.theory.caps(THREE, 60, eps, beta).holds is False
    found = ts.theory.log_mean_field_caps_time(THREE, eps, beta, tokens=tokens)
    assert found.holds
    until = math.exp(found.value)
    assert until > 100
    run = ts.simulate(ts.SelfAttention(beta), tokens, [0.0, 1.0, 10.0, until], rtol=1e-6)
    for points in run.tokens.values:
        assert (np.sum(points * THREE[cap], axis=1) >= 1 - 2 * eps).all()


def test_hypotheses_of_the_mean_field():
    assert ts.theory.log_mean_field_caps_time(POLES, 0.01, 20.0).holds is None
    uneven = np.repeat(POLES, [2, 3], axis=0)
    found = ts.theory.log_mean_field_caps_time(POLES, 0.01, 20.0, tokens=uneven)
    assert {h.statement: h.holds for h in found.hypotheses}["each of the 2 caps has mass 1/2"] is False
    near = np.array([[1.0, 0.0], [math.cos(0.9), math.sin(0.9)]])  # α = 0.860, 8ε = 0.16
    found = ts.theory.log_mean_field_caps_time(near, 0.02, 20.0)
    assert {h.statement: h.holds for h in found.hypotheses}["gamma > 8 epsilon"] is False
    with pytest.raises(InputError, match="usa-shifted"):
        ts.theory.log_mean_field_caps_time(POLES, 0.01, 20.0, "usa")
    with pytest.raises(InputError, match="epsilon"):
        ts.theory.log_mean_field_caps_time(POLES, 0.0, 20.0)
