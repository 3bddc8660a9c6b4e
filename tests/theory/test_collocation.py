"""Collocation in time against the formula of variation of constants."""

import numpy as np
import pytest

from tokensphere.theory.collocation import Collocation


@pytest.mark.parametrize("rate", [2.0, 0.0, -3.0, -40.0, -1e6])
def test_linear_equations_with_a_source(rate):
    """y' = κy + e^{iωt}: y = y_0 e^{κt} + (e^{iωt} − e^{κt})/(iω − κ)."""
    method, length, omega, first = Collocation(), 0.7, 3.0, 1.0 + 0.5j
    # A fast decay is resolved only from its own attractor.
    first = 1.0 / (1j * omega - rate) if rate < -100 else first
    t = length * method.nodes
    values = method.solve(np.array([rate]), np.array([first]), np.exp(1j * omega * t)[:, None], length)

    def exact(at):
        decay = np.exp(rate * at)
        return first * decay + (np.exp(1j * omega * at) - decay) / (1j * omega - rate)

    scale = np.abs(exact(t)).max()
    np.testing.assert_allclose(values[:, 0], exact(t), rtol=0, atol=1e-13 * scale)
    between = np.array([0.0, 0.123, 0.5, 0.987, 1.0])
    np.testing.assert_allclose(
        method.evaluate(values, between)[:, 0], exact(length * between), rtol=0, atol=1e-13 * scale
    )


def test_rates_are_solved_one_by_one():
    method = Collocation(24)
    rates, first = np.array([-1.0, 0.5, 0.0]), np.array([1.0, 2j, 0.0])
    source = np.stack([np.zeros(24), np.zeros(24), np.ones(24)], axis=1)
    values = method.solve(rates, first, source, 2.0)
    np.testing.assert_allclose(values[-1], [np.exp(-2.0), 2j * np.exp(1.0), 2.0], rtol=1e-14)


def test_what_is_not_resolved_is_seen():
    method = Collocation()
    smooth, sharp = (np.exp(-s * method.nodes)[:, None] for s in (10.0, 400.0))
    assert method.unresolved(smooth) < 1e-14
    assert method.unresolved(sharp) > 1e-4
    assert method.unresolved(np.zeros((32, 2))) == 0.0
