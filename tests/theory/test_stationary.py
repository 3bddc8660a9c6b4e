"""Stationary states of the noisy transformer: reference values, fixed points by iteration, free energies."""

import numpy as np
import pytest
from scipy.integrate import quad

from tokensphere.errors import InputError
from tokensphere.theory import (
    critical_kappa,
    noisy_transition,
    order_at_rest,
    stationary_state,
    stationary_states,
    tricritical_beta,
)


def test_reference_values_on_the_circle():
    jump = noisy_transition(5.0, 2)
    assert not jump.continuous
    assert jump.kappa / jump.critical == pytest.approx(0.91490, abs=6e-6)
    assert jump.order == pytest.approx(0.7480, abs=6e-5)
    assert jump.fold_kappa / jump.critical == pytest.approx(0.8970, abs=6e-5)
    assert jump.fold_kappa < jump.kappa < jump.critical
    smooth = noisy_transition(2.0, 2)
    assert smooth.continuous
    assert smooth.kappa == critical_kappa(2.0, 2)


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_the_kind_changes_at_the_tricritical_beta(dim):
    edge = tricritical_beta(dim)
    assert noisy_transition(0.97 * edge, dim).continuous
    assert not noisy_transition(1.03 * edge, dim).continuous


def test_beta_zero_is_the_law_of_von_mises_and_fisher():
    for kappa, dim in ((3.0, 2), (4.5, 3), (20.0, 8)):
        (state,) = stationary_states(kappa, 0.0, dim)
        assert state.order == pytest.approx(order_at_rest(kappa, dim), rel=1e-9)
        assert state.stable
        assert len(state.means) == 2


@pytest.mark.parametrize(("beta", "dim", "order"), [(5.0, 2, 0.4), (5.0, 2, 0.9), (1.0, 2, 0.5), (4.0, 3, 0.7)])
def test_a_state_is_a_fixed_point(beta, dim, order):
    """μ ∝ exp((κ/β) ∫ e^{β⟨x,y⟩} dμ(y)), on a grid of angles, without harmonics."""
    state = stationary_state(order, beta, dim)
    n = 400
    theta = np.pi * (np.arange(n) + 0.5) / n
    area = np.sin(theta) ** (dim - 2)
    area /= area.sum()
    cosines = np.cos(theta)
    # ∫ over the angle between x and y around the axis
    if dim == 2:
        kernel = 0.5 * (np.exp(beta * np.cos(theta[:, None] - theta)) + np.exp(beta * np.cos(theta[:, None] + theta)))
    else:
        from scipy.special import i0

        kernel = np.exp(beta * np.outer(cosines, cosines)) * i0(beta * np.outer(np.sin(theta), np.sin(theta)))
    law = state.density(cosines) * area
    assert law.sum() == pytest.approx(1.0, abs=1e-4)
    again = np.exp(state.kappa / beta * (kernel @ law))
    again *= area / (again @ area)
    np.testing.assert_allclose(again, law, atol=1e-4 * law.max())
    assert law @ cosines == pytest.approx(order, abs=1e-4)


def test_free_energy_by_quadrature_and_its_slope():
    """dF/dκ = −κ^{−2} ∫ u log u along a branch of critical points."""
    state = stationary_state(0.8, 5.0, 2)
    entropy = quad(lambda t: state.density(np.cos(t)) * np.log(state.density(np.cos(t))) / np.pi, 0, np.pi)[0]
    h = 1e-4
    up, down = (stationary_state(0.8 + sign * h, 5.0, 2) for sign in (1, -1))
    slope = (up.free_energy - down.free_energy) / (up.kappa - down.kappa)
    assert slope == pytest.approx(-entropy / state.kappa**2, rel=1e-6)
    assert state.slope == pytest.approx((up.kappa - down.kappa) / (2 * h), rel=1e-6)


def test_states_between_the_fold_and_the_critical_point():
    critical = critical_kappa(5.0, 2)
    unstable, stable = stationary_states(0.95 * critical, 5.0, 2)
    assert not unstable.stable
    assert stable.stable
    assert stable.free_energy < 0 < unstable.free_energy
    assert stationary_states(0.88 * critical, 5.0, 2) == []
    assert len(stationary_states(1.1 * critical, 5.0, 2)) == 1


def test_bad_input_is_named():
    for order in (0.0, 1.0, -1):
        with pytest.raises(InputError, match="order"):
            stationary_state(order, 1.0, 2)
    with pytest.raises(InputError, match="kappa"):
        stationary_states(-1.0, 1.0, 2)
