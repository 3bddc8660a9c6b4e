"""Hemispheres and the loss of rank: tables and direct experiments."""

import itertools
import math

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import hemisphere_probability, rank_collapse


def test_hemisphere_probability():
    assert hemisphere_probability(5, 3) == pytest.approx(0.6875, rel=1e-14)
    assert hemisphere_probability(4, 7) == 1.0
    for n, dim in ((9, 4), (30, 12)):
        direct = sum(math.comb(n - 1, k) for k in range(dim)) / 2 ** (n - 1)
        assert hemisphere_probability(n, dim) == pytest.approx(direct, rel=1e-12)


def test_hemisphere_probability_of_drawn_tokens():
    """On the circle tokens lie in a half circle if their largest gap is more than pi: n/2^{n−1}."""
    inside, draws = 0, 4000
    rng = np.random.default_rng(0)
    for _ in range(draws):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 5))
        inside += np.diff(angles, append=angles[0] + 2 * np.pi).max() > np.pi
    assert inside / draws == pytest.approx(hemisphere_probability(5, 2), abs=4 * 0.5 / np.sqrt(draws))


def test_the_cubic_map():
    logs = rank_collapse(3, 1.0, 8, gap=0.01)
    assert np.exp(logs[1]) == pytest.approx(1.58815e-8, rel=1e-5)
    for before, after in itertools.pairwise(logs[1:]):
        assert after == pytest.approx(3 * before + 2 * np.log(1 / 8), abs=1e-6)


def test_layers_of_tokens_lose_rank_like_this():
    tokens = ts.sphere.equiangular(8, 8, 0.2)
    logs = rank_collapse(2, 2.0, 8, gap=0.8)
    flow = ts.SelfAttention(2.0).resolve(8, 8)
    for step in (1, 2):
        tokens = np.asarray(flow.attended(tokens, None, 0.0))
        tokens /= np.linalg.norm(tokens, axis=1)[:, None]
        gap = 0.5 * ((tokens[0] - tokens[1]) ** 2).sum()
        assert np.log(gap) == pytest.approx(logs[step], abs=1e-7)


def test_without_interaction_all_rank_is_lost_at_once():
    assert rank_collapse(1, 0.0, 5, gap=0.5)[1] == -np.inf


@pytest.mark.parametrize("gap", [0.0, 2.0, -1.0])
def test_bad_gap_is_named(gap):
    with pytest.raises(InputError, match="gap"):
        rank_collapse(1, 1.0, 5, gap=gap)
