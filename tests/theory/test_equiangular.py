"""Equiangular tokens: reference values of the flow and of layers, closed forms, and what is refused."""

import math

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    SCHEMES,
    equiangular_curve,
    equiangular_invariant,
    equiangular_layer_count,
    equiangular_layer_path,
    equiangular_layer_time,
    equiangular_layers,
    equiangular_path,
    equiangular_rate,
    equiangular_time,
    mix_scheme,
    ngpt_scheme,
)


def test_reference_values_of_the_flow():
    np.testing.assert_allclose(equiangular_curve([1, 5], 2, 32), [0.122098, 0.997503], atol=1e-6)
    assert equiangular_curve(1, 1, 8) == pytest.approx(0.3625869, abs=1e-7)
    assert equiangular_curve(1, 1, 8, "usa") == pytest.approx(0.6005851, abs=1e-7)


def test_reference_values_of_layers():
    assert equiangular_layers(10, 0.1, 2, 32)[-1] == pytest.approx(0.109789, abs=1e-6)
    assert equiangular_layers(10, 0.1, 1, 8)[-1] == pytest.approx(0.333615, abs=1e-6)
    assert equiangular_layers(20, 0.05, 1, 8)[-1] == pytest.approx(0.347551, abs=1e-6)


@pytest.mark.parametrize(
    ("beta", "n", "time"), [(0, 32, 5.18626), (2, 32, 5.45839), (4, 32, 6.95350), (8, 32, 73.4457), (4, 128, 6.56955)]
)
def test_reference_times_to_alignment(beta, n, time):
    assert equiangular_time(0.999, beta, n) == pytest.approx(time, rel=2e-6)


def test_layers_to_alignment():
    assert equiangular_layer_count(0.999, 0.1, 1, 32) == 56
    time = equiangular_layer_time(0.999, 0.1, 1, 32)
    assert 5.5 < time <= 5.6
    assert equiangular_layer_count(0.999, 0.1, 9, 32, most=100) is None
    assert math.isinf(equiangular_layer_time(0.999, 0.1, 9, 32, most=100))


def test_rates_at_orthogonal_tokens():
    assert equiangular_rate(0, 5, 256) == pytest.approx(0.00495770, rel=1e-6)
    assert equiangular_rate(0, 5, 256, "usa") == pytest.approx(0.0078125, rel=1e-12)
    assert equiangular_rate(0, 5, 256, "usa-shifted") == pytest.approx(0.0078125 * math.exp(-5), rel=1e-12)


def test_closed_forms_without_interaction_strength():
    """β = 0: (1−ρ)/(1+(n−1)ρ) decays like e^{−2t}; two tokens from ρ = 0 follow tanh t."""
    times = np.linspace(0, 6, 13)
    np.testing.assert_allclose(equiangular_curve(times, 0, 2), np.tanh(times), atol=1e-11)
    n, start = 7, 0.2
    rho = equiangular_curve(times, 0, n, start=start)
    expected = (1 - start) / (1 + (n - 1) * start) * np.exp(-2 * times)
    np.testing.assert_allclose((1 - rho) / (1 + (n - 1) * rho), expected, rtol=1e-9)


def test_curve_time_and_rate_agree():
    times = np.array([0.0, 0.4, 1.0])
    rho = equiangular_curve(times, 3, 10, start=0.1)
    assert equiangular_time(rho[2], 3, 10, start=0.1) == pytest.approx(1.0, rel=1e-9)
    slope = (equiangular_curve(0.4 + 1e-5, 3, 10, start=0.1) - equiangular_curve(0.4 - 1e-5, 3, 10, start=0.1)) / 2e-5
    assert slope == pytest.approx(equiangular_rate(rho[1], 3, 10), rel=1e-6)


def test_layers_tend_to_the_flow_and_lag_behind_it():
    exact = float(equiangular_curve(1.0, 2, 32))
    lags = [exact - equiangular_layers(round(1 / step), step, 2, 32)[-1] for step in (0.1, 0.05, 0.025)]
    assert lags[0] > 0.01
    assert 1.8 < lags[0] / lags[1] < 2.2
    assert 1.8 < lags[1] / lags[2] < 2.2


def test_the_simplex_does_not_move():
    assert equiangular_rate(-1 / 3, 2, 4) == pytest.approx(0, abs=1e-15)
    assert math.isinf(equiangular_time(0.9, 2, 4, start=-1 / 3))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: equiangular_time(1.0, 1, 8), "level must lie in"),
        (lambda: equiangular_rate(-0.5, 1, 8), r"\[-0\.142857, 1\)"),
        (lambda: equiangular_rate(0, 1, 1), "n must be a whole number >= 2"),
        (lambda: equiangular_rate(0, -1, 4), "beta must be"),
        (lambda: equiangular_rate(0, 1, 4, "sofmax"), "unknown flow 'sofmax'"),
        (lambda: equiangular_rate(0, 1, 4, scheme="pots"), "did you mean 'post'"),
        (lambda: equiangular_rate(0, 800, 4, "usa"), "use 'usa-shifted'"),
        (lambda: equiangular_curve([1, 0.5], 1, 4), "increasing"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(InputError, match=text):
        call()


def test_any_number_of_tokens_and_equal_times():
    assert equiangular_rate(0.0, 1.0, 10**15) == pytest.approx(2 / (np.e + 1e15 - 1), rel=1e-12)
    once, again = equiangular_curve([1.0, 2.0], 1.0, 8), equiangular_curve([0.0, 1.0, 1.0, 2.0], 1.0, 8)
    np.testing.assert_allclose(again, [0.0, once[0], once[0], once[1]], atol=1e-11)


# rho at t = 1 and 5 along the flow, after 10 layers of 0.1, and the rate at the start for n = 256, beta = 5
TABLE = {
    "post": (0.122098, 0.997503, 0.109789, 0.00495770),
    "pre": (0.102653, 0.869257, 0.095090, 0.00495770),
    "mix": (0.122098, 0.918566, 0.109789, 0.00495770),
    "peri": (0.431443, 0.938517, 0.404211, 0.01339856),
    "ngpt": (0.590953, 0.999820, 0.546836, 0.01339856),
    "sqrt": (0.087045, 0.857301, 0.082487, 0.00495770),
    "ln-scaling": (0.076188, 0.584458, 0.073519, 0.00495770),
}


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_reference_values_of_every_scheme(scheme):
    one, five, layers, rate = TABLE[scheme]
    np.testing.assert_allclose(equiangular_curve([1, 5], 2, 32, scheme=scheme), [one, five], atol=6e-7)
    assert equiangular_layers(10, 0.1, 2, 32, scheme=scheme)[-1] == pytest.approx(layers, abs=6e-7)
    assert equiangular_rate(0, 5, 256, scheme=scheme) == pytest.approx(rate, abs=6e-9)


def test_reference_radii():
    assert equiangular_path(5, 2, 32, scheme="pre").radius == pytest.approx(3.61375, abs=6e-6)
    assert equiangular_path(5, 2, 32, scheme="peri").radius == pytest.approx(5.28365, abs=6e-6)
    assert equiangular_layer_path(10, 0.1, 2, 32, scheme="pre").radius[-1] == pytest.approx(1.212275, abs=6e-7)
    original = equiangular_layer_path(10, 0.1, 2, 32, scheme=ngpt_scheme(original=True))
    assert original.rho[-1] == pytest.approx(0.607788, abs=6e-7)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_layers_of_every_scheme_tend_to_its_flow_at_order_one(scheme):
    exact = float(equiangular_curve(2.0, 1.5, 16, scheme=scheme, start=0.1))
    errors = [exact - equiangular_layers(m, 2.0 / m, 1.5, 16, scheme=scheme, start=0.1)[-1] for m in (200, 400, 800)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.03)


@pytest.mark.parametrize(("scaled", "plain"), [("sqrt", "post"), ("ln-scaling", "pre")])
def test_decaying_steps_are_a_change_of_time(scaled, plain):
    times = np.array([0.5, 3.0, 20.0])
    a = equiangular_path(times, 3, 10, scheme=scaled, start=0.2)
    b = equiangular_path(2 * np.sqrt(times + 1) - 2, 3, 10, scheme=plain, start=0.2)
    np.testing.assert_allclose(a.log_gap, b.log_gap, atol=1e-9)
    np.testing.assert_allclose(a.radius, b.radius, rtol=1e-9)


def test_mix_is_post_then_pre():
    times = np.array([0.3, 0.7, 0.7001, 2.0, 9.0])
    mixed = equiangular_path(times, 2, 12, scheme=mix_scheme(0.7))
    np.testing.assert_allclose(mixed.rho[:2], equiangular_curve(times[:2], 2, 12), rtol=1e-10)
    assert (mixed.radius[:2] == 1).all()
    later = equiangular_path(times[3:] - 0.7, 2, 12, scheme="pre", start=float(mixed.rho[1]))
    np.testing.assert_allclose(mixed.rho[3:], later.rho, rtol=1e-9)
    np.testing.assert_allclose(mixed.radius[3:], later.radius, rtol=1e-9)
    for level in (0.05, 0.5, 0.9):
        time = equiangular_time(level, 2, 12, scheme=mix_scheme(0.7))
        assert equiangular_curve(time, 2, 12, scheme=mix_scheme(0.7)) == pytest.approx(level, rel=1e-9)
    np.testing.assert_allclose(
        equiangular_curve([1, 4], 2, 12, scheme=mix_scheme(0.0)), equiangular_curve([1, 4], 2, 12, scheme="pre")
    )


def test_terminal_slopes_are_those_of_the_laws():
    """Within 1 % of the law: per time, per sqrt(t + 1), per log t; LN-Scaling reaches -1 like t^{-1/2} only."""

    def slope(scheme, times, against):
        return np.diff(equiangular_path(times, 2, 32, scheme=scheme).log_gap)[0] / np.diff(against(np.array(times)))[0]

    assert slope("post", [6.0, 8.0], lambda t: t) == pytest.approx(SCHEMES["post"].law.rate, rel=0.01)
    assert slope(ngpt_scheme(0.5), [12.0, 16.0], lambda t: t) == pytest.approx(ngpt_scheme(0.5).law.rate, rel=0.01)
    roots = slope("sqrt", [30.0, 60.0], lambda t: np.sqrt(t + 1))
    assert roots == pytest.approx(SCHEMES["sqrt"].law.rate, rel=0.01)
    for name in ("pre", "peri", "mix"):
        assert slope(name, [1e4, 1e5], np.log) == pytest.approx(SCHEMES[name].law.rate, rel=0.01)
    assert slope("ln-scaling", [1e8, 1e9], np.log) == pytest.approx(SCHEMES["ln-scaling"].law.rate, rel=0.01)
    assert abs(slope("ln-scaling", [50.0, 100.0], np.log) + 1) > 0.02
    usa = np.diff(equiangular_path([4.0, 4.5], 1, 8, "usa").log_gap)[0] / 0.5
    assert usa == pytest.approx(-5.43656, abs=2e-4)


def test_the_invariant_of_schemes_with_a_radius():
    assert equiangular_invariant(2, 32) == pytest.approx(1.723450, abs=6e-7)
    for scheme in ("pre", "peri", "ln-scaling"):
        path = equiangular_path(1e4, 1.3, 9, scheme=scheme, start=0.2, radius=1.7)
        limit = equiangular_invariant(1.3, 9, start=0.2, radius=1.7)
        assert np.exp(path.log_gap) * path.radius**2 == pytest.approx(limit, rel=1e-4)
    # at beta = 0 it is (1 - rho) r^2 all along
    path = equiangular_path([0.5, 2.0], 0, 9, scheme="pre", start=0.2, radius=1.7)
    np.testing.assert_allclose(np.exp(path.log_gap) * path.radius**2, 0.8 * 1.7**2, rtol=1e-10)
    with pytest.raises(InputError, match="simplex"):
        equiangular_invariant(1.0, 5, start=-0.25)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: equiangular_curve(1, 1, 8, scheme="prel"), "unknown scheme 'prel'"),
        (lambda: equiangular_curve(1, 1, 8, radius=2.0), "radius must be 1, for this scheme normalises, got 2.0"),
        (lambda: equiangular_curve(1, 1, 8, scheme="pre", radius=0.0), "radius must be > 0"),
        (lambda: ngpt_scheme(0.0), "alpha must be > 0"),
        (lambda: mix_scheme(-1.0), "switch"),
    ],
)
def test_bad_schemes_are_named(call, text):
    with pytest.raises(InputError, match=text):
        call()
