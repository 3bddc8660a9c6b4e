"""Kuramoto's model and its reduction: closed forms, the ODE, Fourier series of the attention force."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import iv

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import distance_to_cluster, kuramoto_couplings, kuramoto_order, kuramoto_time


def test_order_at_one():
    assert kuramoto_order(1.0, 0.5) == pytest.approx(0.689469, abs=6e-7)


@pytest.mark.parametrize("coupling", [1.0, 2.5, -0.7])
def test_order_is_the_solution_of_the_reduced_equation(coupling):
    times = np.linspace(0, 4, 9)
    run = solve_ivp(lambda _, r: 0.5 * coupling * r * (1 - r * r), (0, 4), [0.3], t_eval=times, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(kuramoto_order(times, 0.3, coupling), run.y[0], rtol=1e-9)
    end = float(kuramoto_order(2.0, 0.3, coupling))
    assert kuramoto_time(0.3, end, coupling) == pytest.approx(2.0, rel=1e-12)


def test_order_at_the_ends():
    assert (kuramoto_order([0.0, 9.0], 0.0) == 0.0).all()
    assert (kuramoto_order([0.0, 9.0], 1.0) == 1.0).all()
    assert kuramoto_order(1e6, 0.1) == 1.0
    assert kuramoto_order(-3.0, float(kuramoto_order(3.0, 0.4))) == pytest.approx(0.4, rel=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, 20.0])
def test_couplings_sum_to_the_force(beta):
    phi = np.linspace(-3, 3, 13)
    k = np.arange(1, 60)
    series = np.sin(phi[:, None] * k) @ kuramoto_couplings(beta, k, "usa-shifted")
    np.testing.assert_allclose(series, np.sin(phi) * np.exp(beta * (np.cos(phi) - 1)), atol=1e-13)
    if beta:
        np.testing.assert_allclose(kuramoto_couplings(beta, k[:5]), 2 * k[:5] * iv(k[:5], beta) / beta, rtol=1e-12)


def test_distance_to_one_cluster_is_transport():
    for dim, tokens in ((2, ts.sphere.poisson_kernel(500, 0.6)), (4, ts.sphere.uniform(40, 4, 0))):
        mean = tokens.mean(axis=0)
        order = np.linalg.norm(mean)
        cost = ts.observe.wasserstein(tokens, (mean / order)[None], p=2, metric="chordal") if dim > 2 else None
        direct = np.sqrt(np.mean(np.sum((tokens - mean / order) ** 2, axis=1)))
        assert distance_to_cluster(order) == pytest.approx(direct, rel=1e-12)
        assert cost is None or cost == pytest.approx(direct, rel=1e-12)


def test_bad_input_is_named():
    for call, word in (
        (lambda: kuramoto_order(1.0, 1.5), "start"),
        (lambda: kuramoto_order(1.0, 0.5, np.nan), "coupling"),
        (lambda: kuramoto_time(0.5, 0.2), "does not go"),
        (lambda: kuramoto_time(0.0, 0.2), "strictly between"),
        (lambda: kuramoto_couplings(1.0, [0, 1]), "degrees"),
        (lambda: kuramoto_couplings(1.0, [1], "sa"), "softmax"),
        (lambda: distance_to_cluster(1.2), "order"),
    ):
        with pytest.raises(InputError, match=word):
            call()
