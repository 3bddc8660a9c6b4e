"""The catalogue's item about noise: whole (slow), and in its parts with few seeds, right and altered."""

import numpy as np
import pytest

from tokensphere.experiments.reproduce import ITEMS, noise
from tokensphere.theory import critical_noise

CRITICAL = critical_noise(5.0, 2, "usa")


@pytest.mark.slow
def test_the_whole_item(monkeypatch):
    """With fewer seeds: their means then are known to four standard errors only."""
    monkeypatch.setattr(noise, "_SEEDS", 60)
    fractions = []
    found = ITEMS["M17"].load().run(lambda fraction, text: fractions.append(fraction))
    sampled = [verdict for verdict in found.verdicts if verdict.name.startswith("n E A")]
    assert len(sampled) == 9
    assert all(abs(verdict.measured / verdict.predicted - 1) < 4 / np.sqrt(60) for verdict in sampled)
    others = [verdict for verdict in found.verdicts if verdict not in sampled]
    assert [verdict.name for verdict in others if verdict.outcome != "agrees"] == []
    assert len(others) == 7
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert fractions == sorted(fractions)
    assert [len(panel.curves) for panel in found.panels] == [8, 8, 8, 2]
    assert found.data["powers_8"].shape == (5, 4)


@pytest.mark.parametrize("tau", [3.0, 8.0])
def test_order_parameters_of_few_seeds(tau):
    """Within four standard errors of the law (of exponential variables), and far from the law without noise."""
    times, powers = noise._powers(tau, 12, lambda fraction, text: None, 0.0)
    mean, law = powers.mean(axis=0), noise._law(tau, times)
    assert (np.abs(mean - law) < 4 * law / np.sqrt(12)).all()
    assert (mean[-1, 2:] < 0.2 * noise._law(0.0, times)[-1, 2:]).all()


def test_verdicts_follow_what_is_measured():
    times = np.linspace(0, 0.5, 5)
    right = np.repeat(noise._law(8.0, times)[None], 3, axis=0)
    outcomes = [verdict.outcome for verdict in noise._judge_powers(8.0, times, right)]
    assert outcomes == ["agrees"] * 5
    assert [verdict.outcome for verdict in noise._judge_powers(8.0, times, 1.3 * right)] == ["disagrees"] * 5

    rates = noise.growth_rates
    law = np.array([rates(5.0, 2, noise._DEGREES, "usa", noise=f * CRITICAL) for f in noise._FRACTIONS])
    assert [verdict.outcome for verdict in noise._judge_rates(CRITICAL, law)] == ["agrees"] * 2
    swapped = law[:, [1, 0, 2, 3]]
    assert [verdict.outcome for verdict in noise._judge_rates(CRITICAL, swapped)] == ["disagrees"] * 2

    places = np.array([0.9, 1.1])
    assert [v.outcome for v in noise._judge_order(places, np.array([0.8, 0.06]))] == ["agrees"] * 2
    assert [v.outcome for v in noise._judge_order(places, np.array([0.06, 0.8]))] == ["disagrees"] * 2
    assert [noise._judge_jump(order).outcome for order in (0.6, 0.05)] == ["agrees", "disagrees"]


def test_order_ends_at_the_critical_noise():
    """One run on each side."""
    from tokensphere.sphere import uniform

    below, above = (noise._order(f * CRITICAL, uniform(1000, 2, 0), 0, 8.0) for f in (0.8, 1.2))
    assert below > 0.5
    assert above < 0.25


def test_the_jump_at_the_critical_noise_by_the_modes_themselves():
    """c of |û_1|³ against modes 1 to 6 of the density, integrated in time at the critical noise."""
    from scipy.integrate import solve_ivp

    verdict = noise._judge_jump(0.6)
    strength = np.array([0.0, *(float(noise.growth_rates(5.0, 2, k, "usa")) / k**2 for k in range(1, 7))])
    top = 6

    def slope(_, half):
        u = np.concatenate([half[::-1], [1.0], half])  # real: û(−m) = û(m)
        mode = np.arange(-top, top + 1)
        force = mode * strength[np.abs(mode)] * u
        product = np.convolve(u, force)[2 * top : 4 * top + 1]
        m = np.arange(1, top + 1)
        return m * product[m] - CRITICAL * m**2 * half

    start = np.zeros(top)
    start[0] = 0.02
    run = solve_ivp(slope, (0, 30), start, rtol=1e-10, atol=1e-14, dense_output=True)
    a, b = run.sol(10.0)[0], run.sol(20.0)[0]
    # d(1/a²)/dt = −2c
    assert (1 / a**2 - 1 / b**2) / 20.0 == pytest.approx(verdict.predicted, rel=0.02)
