"""The quasi-linear phase: closed forms, the order that is needed, and what is said where nothing is proved."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import iv

from tokensphere.errors import InputError
from tokensphere.theory import (
    QuasiLinear,
    critical_noise,
    degree_switches,
    grenier_order,
    grenier_time,
    growth_rates,
    manifold_distance,
    quasi_linear_amplitude,
    runner_up,
)

NAMES = ("order needed", "end of the quasi-linear phase", "remainder", "distance to the periodic manifold")


def claims(setting, start, order=7, time=0.01):
    records = setting.predictions(np.asarray(start, dtype=complex), order, time)
    assert tuple(r.name for r in records) == NAMES
    # A number is given where all hypotheses are known to hold, and only there.
    assert all((r.value is None) == (r.holds is not True) for r in records)
    return {r.name: r for r in records}


def failed(record):
    return [h for h in record.hypotheses if not h.holds]


def test_orders():
    assert [grenier_order(beta, 2) for beta in (1, 5, 7, 10)] == [5, 8, 10, 12]
    for beta in (1, 5, 7, 10):
        for flow in ("usa", "usa-shifted"):
            setting = QuasiLinear(beta, flow)
            p = setting.order_needed
            assert p == grenier_order(beta, 2) - 1
            assert p * setting.rate <= setting.constant < (p + 1) * setting.rate


def test_quasi_linear_amplitude():
    assert quasi_linear_amplitude(0.2, 5, 3, 1 / (2 * np.pi)) == pytest.approx(159.5029362, rel=1e-9)
    assert quasi_linear_amplitude(0.0, 5, 3, 1.0) == 0
    one, two = 9 * iv(3, 5) / 5, 36 * iv(6, 5) / 5
    wrong = 2 * np.pi * iv(3, 5) / 5 / (2 * np.pi) ** 2 * (np.exp(0.4 * one) - np.exp(0.2 * two)) / (2 * one - two)
    assert quasi_linear_amplitude(0.2, 5, 3, 1 / (2 * np.pi)) == pytest.approx(9 * wrong, rel=1e-12)


def test_quasi_linear_amplitude_of_sa_from_the_velocity_field():
    """dg_2/dt at t = 0 by differences of the field (1/β) ∂ log Z, with Z by quadrature."""
    beta, k, size = 2.0, 2, 1e-3

    def push(amplitude):
        """The 2k-th cosine coefficient (density in dθ) of −∂(uχ) at u = (1 + 2 a cos kθ)/2π."""
        theta = 2 * np.pi * np.arange(256) / 256
        u = 1 + 2 * amplitude * np.cos(k * theta)
        gaps = theta[:, None] - theta[None, :]
        kernel = np.exp(beta * np.cos(gaps))
        chi = -(kernel * np.sin(gaps)) @ u / (kernel @ u)
        return -2 * 2 * k * np.mean(u * chi * np.sin(2 * k * theta)) / (2 * np.pi)

    second = (push(size) + push(-size)) / 2 / size**2
    step = 1e-6
    formula = quasi_linear_amplitude(step, beta, k, 2 / (2 * np.pi), "sa") / step
    assert formula == pytest.approx(second, rel=1e-4)


def test_time_and_distance():
    assert grenier_time(2.0, 0.01) == pytest.approx(np.log(10) / 2)
    assert grenier_time(2.0, 0.5) == 0
    with pytest.raises(InputError, match="rate"):
        grenier_time(0.0, 0.01)
    assert manifold_distance(2, 2, 1e-3, 0.1) == pytest.approx(0.24522, abs=5e-6)
    both = np.array([0, 0, 1e-3, 1e-3])
    assert QuasiLinear(2).periodic_distance(both) == pytest.approx(manifold_distance(2, 2, 1e-3, 0.1), rel=1e-12)
    # Degrees 4, 6 lie on the manifold of period 2; degree 1 is behind degree 3.
    spread = np.array([0, 1e-3, 1e-3, 2e-3, 5e-3, 0, 7e-3])
    assert QuasiLinear(2).periodic_distance(spread) == pytest.approx(2 * 0.24522, abs=1e-5)
    assert QuasiLinear(2).periodic_distance(np.array([0, 0, 1e-3, 0, 1e-3])) == 0


def test_value_and_noise():
    quiet = QuasiLinear(5)
    assert (quiet.degree, quiet.second.degree) == (3, 4)
    assert quiet.rate == pytest.approx(18.5960703045, rel=1e-11)
    scaled = QuasiLinear(5, value=2.0)
    assert scaled.rate == pytest.approx(2 * quiet.rate)
    assert scaled.constant == pytest.approx(2 * quiet.constant)
    noise = 0.5 * critical_noise(5, 2, "usa")
    noisy = QuasiLinear(5, noise=noise)
    degrees = np.arange(1, 12)
    rates = growth_rates(5, 2, degrees, "usa", noise=noise)
    assert (noisy.degree, noisy.rate) == (degrees[np.argmax(rates)], rates.max())
    assert QuasiLinear(5, value=2.0, noise=2 * noise).degree == noisy.degree
    assert noisy.order_needed > quiet.order_needed


def test_all_hypotheses_hold():
    found = claims(QuasiLinear(5), [0, 0, 1e-3, 5e-3], order=7, time=0.1)
    assert found["order needed"].value == 7
    end = np.log(0.1 / 5e-3) / 18.59607030447205
    assert found["end of the quasi-linear phase"].value == pytest.approx(end)
    assert found["remainder"].value == pytest.approx((5e-3 * np.exp(18.59607030447205 * 0.1)) ** 8)
    rates = growth_rates(5, 2, [2, 3], "usa")
    law = 0.2 * 0.05 ** (1 - rates[0] / rates[1])
    assert found["distance to the periodic manifold"].value == pytest.approx(law)


def test_order_too_small_says_so():
    found = claims(QuasiLinear(5), [0, 0, 0, 5e-3], order=4)["remainder"]
    (why,) = failed(found)
    assert why.holds is False
    assert why.statement.startswith("the order is high enough")
    assert "order 7 is needed" in why.detail
    assert found.to_dict()["value"] is None


def test_time_outside_the_proved_range_says_so():
    end = grenier_time(QuasiLinear(5).rate, 5e-3)
    assert claims(QuasiLinear(5), [0, 0, 0, 5e-3], time=0.999 * end)["remainder"].value is not None
    (why,) = failed(claims(QuasiLinear(5), [0, 0, 0, 5e-3], time=1.001 * end)["remainder"])
    assert why.statement == "t <= ln(delta/eps)/lambda_max"


def test_tie_says_so():
    beta = float(degree_switches(2, 2)[1])
    for off, told in ((1.0, False), (1 + 1e-9, False), (1 - 1e-9, False), (0.8, True)):
        assert (runner_up(off * beta, 2).ratio <= 0.98) == told
        record = claims(QuasiLinear(off * beta), [0, 0, 1e-3, 1e-3])["distance to the periodic manifold"]
        assert (record.value is not None) == told
        if not told:
            (why,) = failed(record)
            assert why.statement.startswith("no tie")


def test_softmax_has_no_known_constant():
    found = claims(QuasiLinear(5, "sa"), [0, 0, 0, 5e-3])
    for name in ("order needed", "remainder"):
        assert {h.holds for h in failed(found[name])} == {None}
        assert "not known" in failed(found[name])[0].detail
    assert found["end of the quasi-linear phase"].value > 0


@pytest.mark.parametrize("setting", [{"value": -1.0}, {"value": 0.0}, {"noise": 4.87}, {"noise": 20.0}])
def test_where_nothing_grows(setting):
    found = claims(QuasiLinear(5, **setting), [0, 0, 0, 5e-3])
    assert [r.value for r in found.values()] == [None] * 4
    assert all(failed(r)[0].statement.startswith("a degree grows") for r in found.values())


def test_start_beyond_the_threshold_or_without_the_dominant_degree():
    found = claims(QuasiLinear(5), [0, 0, 0, 0.2])
    assert found["end of the quasi-linear phase"].value is None
    assert found["order needed"].value == 7
    found = claims(QuasiLinear(5), [0, 0, 1e-3])["distance to the periodic manifold"]
    assert [h.statement for h in failed(found)] == ["the perturbation has the dominant degree"]


@pytest.mark.parametrize(
    ("field", "bad"), [("beta", -1), ("flow", "softmax"), ("threshold", 1.0), ("value", np.nan), ("noise", -0.1)]
)
def test_bad_fields(field, bad):
    with pytest.raises(InputError, match=field):
        QuasiLinear(**{"beta": 5.0, field: bad})


def test_the_constant_is_the_slope_of_the_force():
    curvature = lambda t: (5 * np.sin(t) ** 2 - np.cos(t)) * np.exp(5 * np.cos(t))  # noqa: E731
    t = np.linspace(0, 2 * np.pi, 100_001)
    assert np.abs(curvature(t)).max() == pytest.approx(QuasiLinear(5).constant)
    assert quad(curvature, 0, 2 * np.pi)[0] == pytest.approx(0, abs=1e-8)
