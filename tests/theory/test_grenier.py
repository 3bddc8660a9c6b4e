"""Grenier's expansion against closed forms and against the full equation, solved here in another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import iv

from tokensphere.errors import InputError
from tokensphere.theory import RateOverflowError, grenier_expansion, growth_rates, quasi_linear_amplitude

TWO_MODES = {3: 0.5, 2: 0.15 * np.exp(1j)}  # cos 3θ + .3 cos(2θ + 1), relative to the uniform density
Z0 = iv(0, 5.0)


def full_solution(beta, perturbation, time, flow, value=1.0, noise=0.0, modes=24, epsilon=1.0):
    """c_m for |m| ≤ `modes` of the full equation, (..., 2 modes + 1) for `epsilon` of any shape, real or complex.

    USA by the convolution dc_m/dt = v m Σ q (I_q/β) c_q c_{m−q}; SA by χ = (v/β) Z'/Z on a grid, without logarithms.
    """
    m = np.arange(-modes, modes + 1)
    kernel = iv(np.abs(m), beta)
    sizes = np.atleast_1d(epsilon)
    start = np.zeros((sizes.size, m.size), dtype=complex)
    start[:, modes] = 1.0
    for k, f in perturbation.items():
        start[:, modes + k], start[:, modes - k] = sizes * f, sizes * np.conj(f)
    grid = 4 * modes

    def on_grid(c):
        padded = np.zeros((len(c), grid), dtype=complex)
        padded[:, m] = c  # negative modes from the end
        return np.fft.ifft(padded, norm="forward")

    def usa(c):
        return value * m * np.array([np.convolve(m * kernel / beta * x, x)[modes : 3 * modes + 1] for x in c])

    def sa(c):
        chi = (value / beta) * on_grid(1j * m * kernel * c) / on_grid(kernel * c)
        return -1j * m * np.fft.fft(chi * on_grid(c), norm="forward")[:, m]

    def rate(_, flat):
        c = flat.reshape(start.shape)
        return ((sa if flow == "sa" else usa)(c) - noise * m**2 * c).ravel()

    run = solve_ivp(rate, (0.0, time), start.ravel(), "DOP853", rtol=1e-12, atol=1e-15)
    return run.y[:, -1].reshape(*np.shape(epsilon), m.size)


def error(expansion, full, epsilon, order):
    """L² distance (with respect to dθ) of the density of this order at the last time."""
    centre = full.size // 2
    c = np.zeros(centre + 1, dtype=complex)
    found = expansion.density(epsilon, order)[-1][: c.size]
    c[: found.size] = found
    return np.sqrt(2 * np.sum(np.abs(full[centre:] - c)[1:] ** 2) / (2 * np.pi))


@pytest.mark.parametrize(
    ("flow", "value", "noise"),
    [("usa", 1.0, 0.0), ("sa", 1.0, 0.0), ("usa", 1.0, 2.0), ("sa", 1.3, 0.05), ("usa", -0.7, 0.3), ("sa", -1.0, 0.0)],
)
def test_every_term_is_the_derivative_of_the_full_solution(flow, value, noise):
    """g_j by Cauchy's formula over a circle of complex ε."""
    time, order, count = (0.1 if flow == "usa" else 0.1 * Z0), 6, 24
    expansion = grenier_expansion(5, TWO_MODES, order, [time], flow, value=value, noise=noise)
    radius = 0.4 * np.exp(-max(expansion.setting.rate, 0.0) * time)
    angles = 2 * np.pi * np.arange(count) / count
    runs = full_solution(5, TWO_MODES, time, flow, value, noise, epsilon=radius * np.exp(1j * angles))
    for j in range(1, order + 1):
        derivative = (runs * np.exp(-1j * j * angles)[:, None]).mean(axis=0)[24:] / radius**j
        term = expansion.terms[j, 0]
        # Dividing by radius^j enlarges the error 1e-12 of the runs.
        allowed = 1e-11 * np.abs(term).max() / 0.4**j
        np.testing.assert_allclose(term[:19], derivative[:19], rtol=0, atol=allowed)
        assert np.abs(term[3 * j + 1 :]).max(initial=0.0) == 0


@pytest.mark.parametrize("flow", ["usa", "sa"])
def test_observed_orders(flow):
    time = 0.05 * (Z0 if flow == "sa" else 1.0)
    expansion = grenier_expansion(5, TWO_MODES, 5, [time], flow)
    sizes = (0.01, 0.02)
    runs = [full_solution(5, {k: e * f for k, f in TWO_MODES.items()}, time, flow) for e in sizes]
    for p in (1, 2, 3, 4):
        small, large = (error(expansion, run, e, p) for run, e in zip(runs, sizes, strict=True))
        assert np.log2(large / small) == pytest.approx(p + 1, abs=0.01)
        assert small == pytest.approx(expansion.leading_error(0.01, p)[-1], rel=5e-3)


def test_reference_errors():
    expansion = grenier_expansion(5, TWO_MODES, 2, [0.05])
    full = full_solution(5, {k: 0.04 * f for k, f in TWO_MODES.items()}, 0.05, "usa")
    assert error(expansion, full, 0.04, 1) == pytest.approx(1.52595e-3, abs=5e-9)
    assert error(expansion, full, 0.04, 2) == pytest.approx(8.1693e-5, abs=5e-10)


@pytest.mark.parametrize("flow", ["usa", "usa-shifted", "sa"])
@pytest.mark.parametrize(("beta", "k"), [(5.0, 3), (2.0, 2), (0.0, 1), (50.0, 9)])
def test_closed_form_of_the_second_term(flow, beta, k):
    rate = float(growth_rates(beta, 2, k, flow))
    times = np.array([0.0, 0.1, 1.0, 2.5, 6.0]) / rate
    expansion = grenier_expansion(beta, {k: 0.5}, 2, times, flow)
    np.testing.assert_allclose(2 * expansion.terms[1, :, k], np.exp(rate * times), rtol=1e-12)
    second = 2 * expansion.terms[2, :, 2 * k] / (2 * np.pi)
    np.testing.assert_allclose(second, quasi_linear_amplitude(times, beta, k, 0.5 / np.pi, flow), rtol=1e-11)
    assert np.abs(expansion.terms[2][:, np.arange(2 * k + 1) != 2 * k]).max() == 0


def test_reference_terms():
    expansion = grenier_expansion(5, {3: 0.5}, 2, [0.2, 0.3])
    assert expansion.terms[2, 0, 6] / np.pi == pytest.approx(159.5029362, rel=1e-9)
    assert expansion.growth_constants()[1:, 1] == pytest.approx([0.2820948, 0.1665870], abs=5e-8)


def test_a_resonance_is_no_obstacle():
    """v = −1 and the noise at which the rates of degrees 3 and 6 are as 1 to 2: g_2 is t e^{2rt}, not a quotient."""
    three, six = growth_rates(5, 2, [3, 6], "usa")
    noise = (2 * three - six) / 18
    rate = -three - 9 * noise
    assert 2 * rate == pytest.approx(-six - 36 * noise, rel=1e-14)
    expansion = grenier_expansion(5, {3: 0.5}, 2, [0.05, 0.1], value=-1.0, noise=noise)
    exact = -three * expansion.times * np.exp(2 * rate * expansion.times)
    np.testing.assert_allclose(2 * expansion.terms[2, :, 6], exact, rtol=1e-10)


@pytest.mark.parametrize("flow", ["usa", "sa"])
def test_periodic_start_gives_periodic_terms(flow):
    time = 0.2 * (Z0 if flow == "sa" else 1.0)
    expansion = grenier_expansion(5, {3: 0.5, 6: 0.2j}, 5, [time], flow)
    off = np.arange(31) % 3 != 0
    assert np.abs(expansion.terms[1:, :, off]).max() == 0
    assert all(np.abs(expansion.terms[j, 0, ~off]).max() > 0 for j in range(1, 6))
    # The full solution says the same.
    full = full_solution(5, {3: 1e-3, 6: 4e-4j}, time, flow)[24:]
    assert np.abs(full[np.arange(25) % 3 != 0]).max() < 1e-14 < np.abs(full[12])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.complex_numbers(max_magnitude=1.0), min_size=1, max_size=4).filter(lambda f: any(f)),
    st.sampled_from(["usa", "usa-shifted", "sa"]),
    st.floats(0.05, 3.0),
    st.floats(-np.pi, np.pi),
)
def test_symmetries(f, flow, size, angle):
    """Scaling f by s scales g_j by s^j; turning f turns g_j; mirroring f mirrors g_j; mass stays 1."""
    f = np.concatenate([[0.0], f])
    if not np.abs(f).max() > 1e-3:
        return
    times = [0.5] if flow != "usa" else [0.02]
    given_ = grenier_expansion(4.0, f, 4, times, flow)
    top = given_.terms.shape[-1]
    turn = np.exp(-1j * angle * np.arange(f.size))
    scaled = grenier_expansion(4.0, size * turn * f, 4, times, flow)
    mirrored = grenier_expansion(4.0, f.conj(), 4, times, flow)
    for j in range(5):
        scale = np.abs(given_.terms[j]).max()
        turned = size**j * given_.terms[j] * np.exp(-1j * angle * np.arange(top))
        np.testing.assert_allclose(scaled.terms[j], turned, rtol=0, atol=1e-12 * scale * size**j)
        np.testing.assert_allclose(mirrored.terms[j], given_.terms[j].conj(), rtol=0, atol=1e-12 * scale)
        assert (given_.terms[j, :, 0] == (j == 0)).all()


@pytest.mark.parametrize("flow", ["usa", "sa"])
def test_many_windows_and_times(flow):
    """Terms at a time do not depend on the other times asked for, nor on the order of the expansion."""
    scale = Z0 if flow == "sa" else 1.0
    times = scale * np.linspace(0.0, 0.6, 13)
    long = grenier_expansion(5, TWO_MODES, 6, times, flow, noise=2.0 / scale)
    for i in (0, 1, 7, 12):
        short = grenier_expansion(5, TWO_MODES, 4, [times[i]], flow, noise=2.0 / scale)
        for j in range(5):
            limit = 1e-12 * np.abs(short.terms[j]).max()
            np.testing.assert_allclose(long.terms[j, i, : 3 * 4 + 1], short.terms[j, 0], rtol=0, atol=limit)


def test_strong_noise_on_many_degrees():
    """Damping τm² up to 500 a unit of time: high degrees follow the low ones, and long windows resolve them."""
    f = np.concatenate([[0.0], 0.3 / np.arange(1, 33) ** 2])
    many, few = (grenier_expansion(2.0, f[:size], 3, [4.0], "sa", noise=0.06) for size in (33, 13))
    assert many.terms[1, 0, 1:13] == pytest.approx(few.terms[1, 0, 1:13], rel=1e-12)
    full = full_solution(2.0, dict(enumerate(f[1:13], 1)), 4.0, "sa", noise=0.06, epsilon=1e-3)[24:]
    # The next term is smaller than the last one by about epsilon.
    allowed = 0.02 * few.leading_error(1e-3)[0]
    np.testing.assert_allclose(few.density(1e-3)[0, :25], full, rtol=0, atol=allowed)
    assert np.abs(few.density(1e-3, 2)[0, :25] - full).max() > 2 * allowed


def test_density_and_estimates():
    expansion = grenier_expansion(5, TWO_MODES, 3, [0.0, 0.05], epsilon=0.01)
    start = np.zeros(10, dtype=complex)
    start[[0, 2, 3]] = 1.0, 0.01 * TWO_MODES[2], 0.01 * TWO_MODES[3]
    np.testing.assert_array_equal(expansion.density()[0], start)
    g = expansion.terms
    np.testing.assert_allclose(expansion.density(0.1, 2), g[0] + 0.1 * g[1] + 0.01 * g[2], rtol=1e-14)
    theta = 2 * np.pi * np.arange(64) / 64
    wave = 2 * np.real(np.exp(1j * np.outer(theta, np.arange(10))) @ g[2, 1]) / (2 * np.pi)
    assert expansion.norms()[2, 1] == pytest.approx(np.sqrt(np.mean(wave**2) * 2 * np.pi), rel=1e-12)
    assert expansion.leading_error()[1] == pytest.approx(0.01**3 * expansion.norms()[3, 1], rel=1e-14)
    records = {r.name: r for r in expansion.predictions()}
    assert records["order needed"].value == 7
    assert records["remainder"].value is None
    assert records["end of the quasi-linear phase"].value == pytest.approx(np.log(0.1 / 0.005) / 18.59607030447205)


def test_estimates_need_epsilon():
    expansion = grenier_expansion(5, TWO_MODES, 3, [0.05])
    for ask in (expansion.density, expansion.leading_error, expansion.predictions):
        with pytest.raises(InputError, match="epsilon is not known"):
            ask()
    with pytest.raises(InputError, match="at most 3"):
        expansion.density(0.1, 4)
    with pytest.raises(InputError, match="at most 2"):
        expansion.leading_error(0.1, 3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"perturbation": [0.1, 0.2]}, r"perturbation\[0\] must be 0"),
        ({"perturbation": [0.0, 0.0]}, "perturbation is zero"),
        ({"perturbation": {}}, "perturbation is zero"),
        ({"perturbation": {0: 0.1}}, "degree of perturbation"),
        ({"perturbation": {-3: 0.1}}, "degree of perturbation"),
        ({"perturbation": {3: np.nan}}, "finite"),
        ({"perturbation": [[0.0, 1.0]]}, "shape"),
        ({"perturbation": "cos"}, "coefficients"),
        ({"perturbation": {3: 1e80}}, "scale the perturbation down"),
        ({"order": 0}, "order"),
        ({"order": 2.5}, "order"),
        ({"times": [-0.1, 0.2]}, "times must be >= 0"),
        ({"times": [0.2, 0.1]}, "times must increase"),
        ({"times": [100.0]}, "times must end where"),
        ({"flow": "softmax"}, "flow"),
        ({"epsilon": 0.0}, "epsilon must be > 0"),
        ({"threshold": 2.0}, "threshold"),
        ({"noise": -1.0}, "noise"),
        ({"value": np.inf}, "value"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_what_is_refused(change, match):
    good = {"beta": 5.0, "perturbation": {3: 0.5}, "order": 4, "times": [0.1]}
    with pytest.raises(InputError, match=match):
        grenier_expansion(**{**good, **change})


def test_rates_beyond_the_float_range():
    with pytest.raises(RateOverflowError, match="usa-shifted"):
        grenier_expansion(800.0, {3: 0.5}, 2, [1.0])
    assert np.isfinite(grenier_expansion(800.0, {40: 0.5}, 2, [1.0], "usa-shifted").terms).all()
