"""The race of one run and its law over runs."""

import numpy as np
import pytest

from tokensphere.errors import InputError
from tokensphere.theory import (
    degree_switches,
    exit_law,
    growth_rates,
    leading_exit_time,
    race,
    tokens_needed,
    white_noise_tokens,
)


def test_one_run():
    result = race([0.01, 0.02, 0.001], [1, 2, 3], [1.0, 2.0, -1.0], 0.1)
    assert result.winner == 2
    assert result.exit_time == pytest.approx(np.log(5) / 2)
    assert result.times[2] == np.inf
    assert result.to_dict()["times"][2] is None


def test_limits_of_one_run():
    assert race([0.2, 0.5], [1, 2], [1, 1], 0.1).winner == 2
    assert race([0.2, 0.5], [1, 2], [1, 1], 0.1).exit_time == 0
    none = race([0.0, 0.05], [1, 2], [1.0, 0.0], 0.1)
    assert none.winner is None
    assert none.exit_time == np.inf
    with pytest.raises(InputError, match="shape"):
        race([0.1], [1, 2], [1, 1], 0.1)
    with pytest.raises(InputError, match="threshold"):
        race([0.1], [1], [1], 1.5)


@pytest.mark.parametrize(
    ("dim", "beta", "chances", "median", "mean"),
    [
        (2, 5, {2: 0.0407, 3: 0.7097, 4: 0.2493}, 0.20613, 0.20783),
        (2, 7, {3: 0.3429, 4: 0.5737, 5: 0.0830}, 0.032060, None),
        (3, 5, {2: 0.2394, 3: 0.7600}, 0.37551, None),
    ],
)
def test_table(dim, beta, chances, median, mean):
    law = exit_law(beta, dim, 20_000, 0.3)
    for k, p in chances.items():
        assert law.probability(k) == pytest.approx(p, abs=5.1e-5)
    assert law.median == pytest.approx(median, abs=5.1e-6)
    if mean:
        assert law.mean == pytest.approx(mean, abs=5.1e-6)
    assert law.probabilities.sum() + law.atom == pytest.approx(1, abs=1e-9)
    assert law.survival(law.median) == pytest.approx(0.5, abs=1e-9)
    assert law.survival(law.quantile(0.9)) == pytest.approx(0.1, abs=1e-9)


def test_tokens_needed():
    assert np.log10(tokens_needed(2, 2, 0.9, 0.3)) == pytest.approx(3.51, abs=5e-3)
    n = tokens_needed(5, 3, 0.9, 0.3)
    assert exit_law(5, 3, n, 0.3).probability(3) == pytest.approx(0.9, abs=1e-5)
    assert tokens_needed(degree_switches(2, 1)[0], 2) == np.inf


def test_white_noise_equivalence():
    n = white_noise_tokens(0.01, 9999)
    assert n == pytest.approx(2.5328e6, rel=1e-5)
    law = exit_law(5, 2, n, 0.3)
    assert law.probability(3) == pytest.approx(0.837, abs=5e-4)
    assert law.median == pytest.approx(0.34019, abs=5.1e-6)


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_the_law_is_the_ensemble_of_races(dim):
    rng = np.random.default_rng(1)
    beta, n, delta = 5.0, 5000, 0.2
    law = exit_law(beta, dim, n, delta)
    from tokensphere.special import multiplicity

    counts = np.array([multiplicity(int(k), dim) for k in law.degrees])
    rates = growth_rates(beta, dim, law.degrees, "usa")
    a = np.sqrt(rng.chisquare(counts, size=(40_000, counts.size)) / counts / n)
    times = np.maximum(np.log(delta / a), 0) / rates
    first, winner = times.min(axis=1), law.degrees[times.argmin(axis=1)]
    assert first.mean() == pytest.approx(law.mean, abs=5 * first.std() / 200)
    for k in law.degrees:
        p = law.probability(int(k))
        assert (winner == k).mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 40_000) + 2e-5)
    one = race(a[0], law.degrees, rates, delta)
    assert one.winner == winner[0]
    assert one.exit_time == pytest.approx(first[0])


def test_runner_up_asymptotics_and_tie():
    from scipy.special import gamma

    from tokensphere.theory import runner_up

    second = runner_up(2, 2)
    n, delta, r = 1e8, 0.3, second.ratio
    approximate = gamma(1 + 1 / r) * (n * delta**2) ** (-(1 - r) / r)
    assert exit_law(2, 2, n, delta).probability(second.degree) == pytest.approx(approximate, rel=0.02)
    tie = exit_law(degree_switches(2, 1)[0], 2, 1e12, 0.3)
    np.testing.assert_allclose(tie.probabilities[:2], 0.5, atol=1e-3)


def test_slope_of_the_leading_law():
    one, two = leading_exit_time(5, 2, 1e6), leading_exit_time(5, 2, 1e8)
    assert (two - one) / np.log(100) == pytest.approx(0.02689, abs=5e-6)


def test_many_components_are_sharp():
    law = exit_law(2, 64, 500, 0.3, "sa")
    assert law.winner == 1
    assert leading_exit_time(2, 64, 500, 0.3, "sa") == pytest.approx(1.935, abs=5e-4)
    spread = (law.quantile(0.8413) - law.quantile(0.1587)) / 2
    assert spread == pytest.approx(1 / (law.rate * np.sqrt(2 * 64)), rel=0.05)


def test_extremes():
    for beta, dim in [(0, 2), (1e4, 2), (512, 768), (1e4, 4096)]:
        law = exit_law(beta, dim, 20_000)
        assert law.probabilities.sum() + law.atom == pytest.approx(1, abs=1e-9)
        assert law.mean_folds == pytest.approx(law.median_folds, rel=0.1)
    assert exit_law(5, 2, 10, 0.1).atom > 0.9
    assert exit_law(5, 2, 10, 0.1).median == 0
    with pytest.raises(InputError, match="n must"):
        exit_law(5, 2, 1)


@pytest.mark.parametrize(("beta", "n", "k"), [(1e6, 1000, 441), (7031.67, 1e5, 4), (1e4, 1000, 5)])
def test_in_high_dimension_the_rates_alone_decide(beta, n, k):
    law = exit_law(beta, 4096, n)
    assert law.winner == k
    assert law.probability(k) == pytest.approx(1, abs=1e-9)
    assert law.median_folds == pytest.approx(np.log(0.1 * np.sqrt(n)), rel=1e-9)
    assert tokens_needed(7031.67, 4096) < 1e3


def test_an_exact_tie_of_sharp_arrivals():
    law = exit_law(degree_switches(4096, 5)[4], 4096, 1e5)
    assert law.probability(5) + law.probability(6) == pytest.approx(1, abs=1e-9)


def test_many_components_continue_the_incomplete_gamma_function():
    from scipy.special import gammainc

    from tokensphere.theory.exit_law import _log_cdf, _log_cdf_many, _log_density

    a = np.array([5e5])
    for z in (-5.0, -1.0, 0.0, 0.5, 4.0):
        y = np.array([z / np.sqrt(a[0])])
        want = np.log(gammainc(a[0], a[0] * np.exp(y[0])))
        assert _log_cdf_many(y, a)[0] == pytest.approx(want, rel=1e-8)
        many, h = np.array([1e12]), 1e-8
        y = np.array([z / 1e6])
        slope = (np.exp(_log_cdf(y + h, many)) - np.exp(_log_cdf(y - h, many))) / (2 * h)
        assert np.exp(_log_density(y, many)) == pytest.approx(slope, rel=1e-3)
