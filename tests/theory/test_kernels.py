"""Rates of any odd drift on the circle, and the failure signatures of kernels that are not smooth."""

import math

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import circle_kernel, growth_rates, kernel_rates


def attention(beta):
    return lambda t: -np.sin(t) * np.exp(beta * np.cos(t))


def cutoff(radius):
    return lambda t: np.where(np.abs(t) < radius, -np.sin(t), 0.0)


def codes(kernel):
    return {d.code for d in kernel.diagnoses}


@pytest.mark.parametrize("beta", [1.0, 5.0, 30.0])
def test_attention_has_the_rates_of_its_bessel_functions(beta):
    exact = growth_rates(beta, 2, np.arange(30), "usa")
    np.testing.assert_allclose(kernel_rates(attention(beta), np.arange(30)), exact, rtol=0, atol=1e-12 * exact.max())


def test_attention_is_smooth_with_the_known_constant():
    kernel = circle_kernel(attention(5.0))
    assert (kernel.k_max, kernel.second, kernel.smooth) == (3, 4, True)
    assert kernel.rate == pytest.approx(18.596070304, rel=1e-10)
    assert kernel.ratio == pytest.approx(0.879022, abs=1e-6)
    # sup |h''| = e^beta exactly
    assert kernel.curvature == pytest.approx(math.exp(5.0), rel=1e-5)
    assert kernel.curvature_growth == pytest.approx(1.0, abs=1e-5)
    assert codes(circle_kernel(attention(600.0))) <= {"TIE"}  # narrow, not rough


@pytest.mark.parametrize("radius", [0.7, math.pi / 2, 2.5])
def test_cutoff_kernel(radius):
    k = np.arange(1, 40)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(
            k == 1,
            (radius / 2 - math.sin(2 * radius) / 4) / math.pi,
            k / (2 * math.pi) * (np.sin((k - 1) * radius) / (k - 1) - np.sin((k + 1) * radius) / (k + 1)),
        )
    np.testing.assert_allclose(kernel_rates(cutoff(radius), k, breaks=[radius]), exact, atol=1e-12)
    far = kernel_rates(cutoff(radius), [3000, 3001], breaks=[radius])
    tail = -math.sin(radius) * np.cos(np.array([3000, 3001]) * radius) / math.pi
    np.testing.assert_allclose(far, tail, atol=2e-4)
    kernel = circle_kernel(cutoff(radius), [radius])
    assert not kernel.smooth
    assert kernel.curvature_growth == pytest.approx(2.0, abs=0.01)


def test_cutoff_at_a_right_angle():
    rates = kernel_rates(cutoff(math.pi / 2), np.arange(1, 11), breaks=[math.pi / 2])
    assert rates[0] == pytest.approx(1 / 4, abs=1e-13)
    assert rates[1] == pytest.approx(4 / (3 * math.pi), abs=1e-13)
    np.testing.assert_allclose(rates[2::2], 0.0, atol=1e-13)
    kernel = circle_kernel(cutoff(math.pi / 2), [math.pi / 2])
    assert kernel.k_max == 2
    assert kernel.tail == pytest.approx((1 / math.pi) / (4 / (3 * math.pi)), rel=0.01)
    assert codes(kernel) == {"NONSMOOTH"}


def test_the_distance_itself():
    degrees = np.arange(1, 12)
    rates = kernel_rates(lambda t: -np.sign(t), degrees)
    np.testing.assert_allclose(rates, np.where(degrees % 2 == 1, 2 / math.pi, 0.0), atol=1e-12)
    kernel = circle_kernel(lambda t: -np.sign(t))
    assert (kernel.k_max, kernel.second) == (1, 3)
    assert kernel.ratio == pytest.approx(1.0, abs=1e-9)
    assert codes(kernel) == {"TIE", "NONSMOOTH"}


def test_an_unbounded_curvature_without_a_jump():
    # h ~ |t|^{3/2} near 0: h'' ~ |t|^{-1/2} grows by sqrt(2) per doubling.
    kernel = circle_kernel(lambda t: -np.sign(t) * np.sqrt(np.abs(np.sin(t))) * np.cos(0.5 * t) ** 2)
    assert kernel.curvature_growth == pytest.approx(math.sqrt(2), abs=0.01)
    assert "NONSMOOTH" in codes(kernel)


def test_a_repelling_kernel_has_no_dominant_rate():
    kernel = circle_kernel(np.sin)
    assert kernel.rate <= 0.0
    assert math.isnan(kernel.ratio)
    assert kernel.smooth
    assert kernel.to_dict()["ratio"] is None


def test_bad_input_is_named():
    with pytest.raises(InputError, match="odd"):
        kernel_rates(np.cos, [1])
    with pytest.raises(InputError, match="breaks"):
        kernel_rates(np.sin, [1], breaks=[4.0])
    with pytest.raises(InputError, match="one number an angle"):
        kernel_rates(lambda t: 0.0, [1])
    with pytest.raises(InputError, match="not finite"):
        kernel_rates(lambda t: np.full_like(t, np.nan), [1])
    with pytest.raises(InputError, match="max_degree"):
        circle_kernel(np.sin, max_degree=10)
