"""C2 to C5: the items agree, and the formulas in circulation that they stand against do not."""

import numpy as np
import pytest
from experiments.reproduce.judged import none_disagrees, run

import tokensphere as ts
from tokensphere.experiments.reproduce import ITEMS, random_layers, scheme_speeds, schemes
from tokensphere.flows import NGPT, PreNorm
from tokensphere.theory import equiangular_path, ngpt_scheme


@pytest.mark.slow
@pytest.mark.parametrize("name", ["C2", "C3", "C5"])
def test_slow_items(name):
    none_disagrees(run(ITEMS[name].load().run))


def test_time_changes():
    outcome = run(ITEMS["C4"].load().run)
    none_disagrees(outcome)
    assert [v.name for v in outcome.verdicts if v.outcome == "not applicable"] == [
        "LN-Scaling with scaled logits against Pre-LN"
    ]


def test_the_gap_of_pre_ln_does_not_fall_like_the_cube():
    """The cube of 1/t in a table is the velocity of the gap; the gap falls like the square."""
    times = [0.0, 300.0, 1000.0]
    run = ts.simulate(ts.Normalized(ts.SelfAttention(2.0), "pre"), np.eye(8), times, rtol=1e-10)
    gaps = schemes.gram_gaps(run.tokens.values)[0]
    power = np.log(gaps[2] / gaps[1]) / np.log(times[2] / times[1])
    assert power == pytest.approx(-2, abs=0.02)
    assert {v.outcome for v in scheme_speeds._quoted()} == {"agrees"}


def test_the_rate_of_ngpt_is_proportional_to_alpha():
    """Not to 1/alpha: doubling the step doubles the slope of log(1 - rho)."""
    slopes = []
    for alpha in (0.5, 1.0, 2.0):
        times = np.array([0.0, 8.0, 9.0]) / alpha
        run = ts.simulate(ts.Normalized(ts.SelfAttention(1.0), NGPT(alpha)), np.eye(6), times, rtol=1e-10)
        gaps = schemes.gram_gaps(run.tokens.values)[0]
        slopes.append(np.log(gaps[2] / gaps[1]) / (times[2] - times[1]))
        assert slopes[-1] == pytest.approx(ngpt_scheme(alpha).law.rate, rel=0.01)
    assert slopes[2] / slopes[0] == pytest.approx(4.0, rel=0.01)


def test_chords_keep_the_digits_of_the_gap():
    x = ts.sphere.equiangular(5, 6, 1 - 1e-20, 1)
    path = equiangular_path([0.0, 12.0], 1.0, 5)
    run = ts.simulate(ts.SelfAttention(1.0), np.eye(5), [0, 12.0], rtol=1e-12, method="dopri8")
    gaps, spread = schemes.gram_gaps(run.tokens.values)
    assert np.log(gaps[-1]) == pytest.approx(path.log_gap[-1], abs=1e-4)
    assert spread.max() < 1e-14
    assert schemes.gram_gaps(x[None])[0][0] < 1e-15


def test_infinite_dimension_by_many_dimensions():
    """One layer of Pre-LN with weights in dim 800: the mean cosine and radius of the limit."""
    cosines, squares = random_layers._in_the_limit(PreNorm(), 1)
    rng, dim = np.random.default_rng(0), 800
    found = []
    for seed in range(12):
        x = ts.sphere.uniform(32, dim, seed)
        q, k, v = rng.standard_normal((3, dim, dim)) * np.sqrt(2 / dim)
        logits = np.sqrt(dim) * (x @ q.T) @ (x @ k.T).T
        weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        y = x + weights @ x @ v.T
        r = np.linalg.norm(y, axis=1)
        found.append((random_layers._cosine(y / r[:, None]), np.mean(r**2)))
    for seen, limit in zip(np.array(found).T, (cosines[:, 1], squares[:, 1]), strict=True):
        error = np.hypot(np.std(seen, ddof=1) / np.sqrt(len(seen)), np.std(limit) / np.sqrt(len(limit)))
        assert abs(seen.mean() - limit.mean()) < 4 * error
        assert error < 0.02 * (1 + limit.mean())
