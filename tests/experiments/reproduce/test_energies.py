"""C1: energy identities, and that a wrong identity disagrees."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

import tokensphere as ts
from tokensphere.experiments.reproduce import energies as item


@pytest.mark.slow
def test_energy_identities():
    outcome = run(item.energy_identities)
    none_disagrees(outcome)
    without = [v for v in outcome.verdicts if "without Z" in v.name]
    assert len(without) == 2


def test_identities_of_one_state():
    """By hand, and without Z for SA, which fails."""
    tokens, masses = ts.sphere.uniform(12, 4, 3), np.full(12, 1 / 12)
    b = item._symmetric(1)
    sa = ts.SelfAttention(3.0, b, b)
    squares = masses * np.sum(sa.velocity(tokens) ** 2, axis=1)
    z = np.exp(3.0 * tokens @ b @ tokens.T).mean(axis=1)
    slope = item._slope(sa, (b,), tokens, masses)
    assert slope == pytest.approx(float(squares @ z), rel=1e-8)
    assert abs(slope / float(squares.sum()) - 1) > 0.05


def test_the_energy_of_an_orthonormal_frame():
    assert ts.UnnormalizedSelfAttention(2.0).energy(np.eye(4)) == pytest.approx(0.6493160, abs=5e-8)
    assert ts.observe.energy(np.eye(4), 2.0) == pytest.approx(0.6493160, abs=5e-8)
    heads = ts.MultiHead([ts.UnnormalizedSelfAttention(2.0), ts.UnnormalizedSelfAttention(2.0)])
    assert heads.energy(np.eye(4)) == pytest.approx(2 * 0.6493160, abs=1e-7)


def test_energies_at_large_beta_are_finite():
    tokens = ts.sphere.uniform(5, 4, 0)
    flow = ts.UnnormalizedSelfAttention(2000.0, shifted=True)
    assert ts.observe.staircase_energy(tokens, 2000.0) == pytest.approx(0.2, rel=1e-9)
    assert 2 * 2000.0 * flow.energy(tokens) == pytest.approx(0.2, rel=1e-9)
    assert ts.MultiHead([flow, flow]).energy(tokens) == pytest.approx(2 * 0.2 / 4000, rel=1e-9)
