import jax
import numpy as np
import pytest
from conformance.direct import attended, random_tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere.attention import Collapsed, Dense
from tokensphere.attention.collapsed import _cells
from tokensphere.errors import InputError


def clustered(rng, n, dim, centres, spread):
    points = random_tokens(rng, centres, dim)[rng.integers(centres, size=n)] + spread * rng.standard_normal((n, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([2, 3, 7]),
    beta=st.floats(-50, 50),
    tolerance=st.sampled_from([1e-10, 1e-6, 1e-2]),
    shrink=st.floats(-3, 1),
)
@settings(max_examples=60, deadline=None)
def test_the_tolerance_is_kept(seed, dim, beta, tolerance, shrink):
    """Whatever the spread of the clusters: far below the size of a cell, about it, or above."""
    rng = np.random.default_rng(seed)
    tokens = clustered(rng, 200, dim, 6, 10**shrink * tolerance / (1 + abs(beta)))
    masses = rng.random(200)
    masses[rng.random(200) < 0.3] = 0.0
    masses /= masses.sum()
    values = rng.uniform(-1, 1, (200, 1))
    sum_of = Collapsed(tolerance=tolerance)
    queries = random_tokens(rng, 9, dim)
    error = tolerance + 1e-13
    for arrays in ((tokens, tokens, None), (queries, tokens, None), (queries, tokens, values)):
        want = attended(*arrays, masses, beta)
        got = sum_of(*arrays, masses, beta=beta)
        assert np.abs(got.log_z - want[0]).max() < error
        assert np.linalg.norm(got.mean - want[1], axis=1).max() < error


def test_only_one_token_a_group_reaches_the_inner_sum(monkeypatch):
    rng = np.random.default_rng(0)
    tokens = np.repeat(random_tokens(rng, 5, 3), 1000, axis=0)
    sizes = []
    original = Dense.__call__

    def counted(self, queries, keys, *rest, **options):
        sizes.append((len(queries), len(keys)))
        return original(self, queries, keys, *rest, **options)

    monkeypatch.setattr(Dense, "__call__", counted)
    got = Collapsed()(tokens, tokens, beta=9.0)
    assert sizes == [(5, 5)]
    np.testing.assert_allclose(
        got.mean, attended(tokens[::1000], tokens[::1000], beta=9.0)[1].repeat(1000, 0), atol=1e-15
    )


def test_spread_tokens_go_straight_to_the_inner_sum():
    tokens = random_tokens(np.random.default_rng(1), 300, 3)
    got, want = Collapsed()(tokens, tokens, beta=9.0), Dense()(tokens, tokens, beta=9.0)
    assert np.array_equal(got.mean, want.mean)


def test_signed_zeros_share_a_cell():
    points = np.array([[1.0, 0.0], [1.0, -0.0], [1.0, 1.0]])
    first, group = _cells(points, 1e-9)
    assert group[0] == group[1] != group[2]
    assert sorted(first) == [0, 2]


def test_inside_compiled_code():
    tokens = np.repeat(random_tokens(np.random.default_rng(2), 4, 3), 10, axis=0)
    got = jax.jit(lambda x: Collapsed()(x, x, beta=3.0).mean)(tokens)
    np.testing.assert_allclose(got, Collapsed()(tokens, tokens, beta=3.0).mean, atol=1e-15)


def test_causal_and_masked_inner_sums_are_refused():
    for inner in (Dense(causal=True), Dense(mask=np.ones((3, 3), dtype=bool))):
        with pytest.raises(InputError, match="neither causal nor masked"):
            Collapsed(inner)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1.0, np.nan])
def test_refused_tolerances(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        Collapsed(tolerance=tolerance)
