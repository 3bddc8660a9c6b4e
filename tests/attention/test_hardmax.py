"""Hardmax attention: what applies of the conformance suite, the limit of the direct sum, ties, the self-term, E18."""

import jax
import numpy as np
import pytest
from conformance.attention_suite import AttentionSuite, Backend, compare, problems, random_masses, relaxed
from conformance.direct import attended, project, random_tokens
from hypothesis import given

from tokensphere.attention import Dense, Hardmax
from tokensphere.errors import InputError


@pytest.mark.parametrize("beta", [5e-324, -5e-324, 1e-310, -1e-200])
def test_the_smallest_beta_still_has_its_sign(beta):
    """The compiled form too: XLA takes subnormal numbers for 0."""
    rng = np.random.default_rng(1)
    tokens = random_tokens(rng, 9, 3)
    want = Hardmax()(tokens, tokens, beta=np.sign(beta)).mean
    for found in (
        Hardmax()(tokens, tokens, beta=beta),
        jax.jit(lambda b: Hardmax()(tokens, tokens, beta=b))(beta),
    ):
        np.testing.assert_allclose(np.asarray(found.mean), want, rtol=0, atol=1e-15)
        np.testing.assert_allclose(np.asarray(found.log_z), np.log(1 / 9), atol=1e-15)


def hard(queries, keys, values=None, weights=None, beta=1.0, hidden=None):
    """Token by token, as the formula is written."""
    values = keys if values is None else values
    weights = np.full(len(keys), 1 / len(keys)) if weights is None else weights
    log_z, mean = np.full(len(queries), -np.inf), np.zeros((len(queries), values.shape[1]))
    for i, q in enumerate(queries):
        seen = [j for j in range(len(keys)) if weights[j] > 0 and (hidden is None or not hidden[i, j])]
        if seen:
            scores = np.array([np.sign(beta) * np.dot(q, keys[j]) for j in seen])
            best = [j for j, s in zip(seen, scores, strict=True) if s >= scores.max() - 1e-13]
            mass = weights[best].sum()
            log_z[i], mean[i] = abs(beta) * scores.max() + np.log(mass), weights[best] @ values[best] / mass
    return log_z, mean


@pytest.mark.parametrize(
    "backend", [Backend(Hardmax()), Backend(Hardmax(), dims=(3,), compiled=True)], ids=["host", "compiled"]
)
class TestHardmax(AttentionSuite):
    """The suite, with the hardmax in the place of the direct sum wherever β is finite."""

    @pytest.fixture
    def rng(self):
        return np.random.default_rng(20)

    @given(problem=problems())
    @relaxed
    def test_agrees_with_the_direct_sum(self, backend, problem):
        rng, n, beta = problem
        for dim in backend.dims:
            queries, keys = random_tokens(rng, 5, dim), random_tokens(rng, n, dim)
            values, masses = rng.standard_normal((n, 3)), random_masses(rng, n)
            got = backend(queries, keys, values, masses, beta=beta)
            compare(got, hard(queries, keys, values, masses, beta), backend.error(beta), np.abs(values).max())

    @given(problem=problems())
    @relaxed
    def test_defaults_are_keys_and_equal_masses(self, backend, problem):
        rng, n, beta = problem
        for dim in backend.dims:
            keys = random_tokens(rng, n, dim)
            want = hard(keys, keys, beta=beta)
            compare(backend(keys, keys, beta=beta), want, backend.error(beta))
            compare(backend(keys, keys, keys, np.full(n, 1 / n), beta=beta), want, backend.error(beta))

    @given(problem=problems())
    @relaxed
    def test_tangent_part(self, backend, problem):
        rng, n, beta = problem
        for dim in backend.dims:
            keys, masses = random_tokens(rng, n, dim), random_masses(rng, n)
            log_z, mean = hard(keys, keys, None, masses, beta)
            got = backend(keys, keys, None, masses, beta=beta, tangent=True)
            moved = got.log_z, project(keys, np.asarray(got.mean))
            compare(moved, (log_z, project(keys, mean)), backend.error(beta))

    @pytest.mark.parametrize("beta", [1e12, -1e12])
    @pytest.mark.parametrize("same", [True, False])
    def test_extreme_beta(self, backend, beta, same, rng):
        """Here the direct sum itself is a hardmax."""
        for dim in backend.dims:
            keys, masses = random_tokens(rng, 30, dim), random_masses(rng, 30)
            queries = keys if same else random_tokens(rng, 30, dim)
            got = backend(queries, keys, None, masses, beta=beta)
            log_z, mean = attended(queries, keys, None, masses, beta)
            np.testing.assert_allclose(got.log_z, log_z, rtol=1e-14)
            np.testing.assert_allclose(got.mean, mean, atol=1e-12)


def test_is_the_limit_of_dense():
    """Dense tends to it like e^{−β·gap}, in the mean and in log Z."""
    rng = np.random.default_rng(3)
    queries, keys, masses = rng.standard_normal((20, 4)), rng.standard_normal((50, 4)), random_masses(rng, 50)
    log_z, mean = Hardmax()(queries, keys, None, masses, beta=1.0)
    scores = np.where(masses > 0, queries @ keys.T, -np.inf)
    best, gap = scores.argmax(axis=1), np.diff(np.sort(scores, axis=1)[:, -2:], axis=1)[:, 0]
    errors = []
    for beta in (5.0, 20.0, 80.0, 320.0):
        dense = Dense()(queries, keys, None, masses, beta=beta)
        excess = dense.log_z - Hardmax()(queries, keys, None, masses, beta=beta).log_z
        assert excess.min() > -1e-12 * beta
        assert (excess <= np.exp(-beta * gap) / masses[best] + 1e-12 * beta).all()
        errors.append(np.abs(dense.mean - mean).max())
    assert errors[0] > 0.1
    assert errors[-1] < 1e-3 * errors[0]
    assert (log_z == scores.max(axis=1) + np.log(masses[best])).all()


def test_any_factor_gives_the_same_mean():
    rng = np.random.default_rng(4)
    points = rng.standard_normal((40, 3))
    means = [Hardmax()(points, points, beta=b).mean for b in (1e-6, 1.0, 1e9)]
    assert np.array_equal(means[0], means[1])
    assert np.array_equal(means[0], means[2])
    assert not np.allclose(means[0], Hardmax()(points, points, beta=-1.0).mean)


@pytest.mark.parametrize("turned", [False, True])
def test_ties_share_by_mass(turned):
    """The middle of a cross sees all its ends alike, also where rounding tells them apart."""
    keys = np.concatenate([np.eye(3), -np.eye(3)])
    query = np.array([[1.0, 1.0, 1.0]])
    if turned:
        turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
        keys, query = keys @ turn.T, query @ turn.T
    masses = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1])
    log_z, mean = Hardmax()(query, keys, None, masses, beta=7.0)
    np.testing.assert_allclose(mean[0], masses[:3] @ keys[:3] / 0.6, atol=1e-15)
    assert log_z[0] == pytest.approx(7.0 + np.log(0.6), abs=1e-13)


def test_tolerance_decides_a_tie():
    keys = np.array([[1.0, 0.0], [1.0 - 1e-9, 1.0]])
    query = np.array([[1.0, 0.0]])
    np.testing.assert_array_equal(Hardmax()(query, keys, beta=1.0).mean, [[1.0, 0.0]])
    np.testing.assert_allclose(Hardmax(tolerance=1e-8)(query, keys, beta=1.0).mean, keys.mean(axis=0)[None])


@pytest.mark.parametrize("compiled", [False, True])
def test_without_self_attention(compiled):
    rng = np.random.default_rng(5)
    points = random_tokens(rng, 30, 4)
    points[7] = points[3]  # one place: they do not see each other
    attention = Hardmax(self_attention=False)
    call = jax.jit(lambda q, y: attention(q, y, beta=1.0)) if compiled else lambda q, y: attention(q, y, beta=1.0)
    hidden = np.linalg.norm(points[:, None] - points[None], axis=2) < 1e-9
    log_z, mean = call(points, points)
    compare((log_z, mean), hard(points, points, hidden=hidden), 1e-13)
    assert not np.allclose(Hardmax()(points, points, beta=1.0).mean, mean)
    skewed = points @ rng.standard_normal((4, 4))  # a query is not where its token is
    compare(call(skewed, points), hard(skewed, points, hidden=hidden), 1e-12)
    alone = call(points[:1].repeat(3, axis=0), points[:1].repeat(3, axis=0))
    assert (np.asarray(alone[0]) == -np.inf).all()
    assert (np.asarray(alone[1]) == 0).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_causal(compiled):
    points = random_tokens(np.random.default_rng(6), 25, 3)
    hidden = np.arange(25) > np.arange(25)[:, None]
    call = Hardmax(causal=True)
    got = jax.jit(lambda q: call(q, q, beta=-2.0))(points) if compiled else call(points, points, beta=-2.0)
    compare(got, hard(points, points, beta=-2.0, hidden=hidden), 1e-13)


def test_blocks(monkeypatch):
    """Blocks change nothing, on the host and compiled."""
    import tokensphere.attention.hardmax as module

    rng = np.random.default_rng(7)
    points, masses = random_tokens(rng, 101, 5), random_masses(rng, 101)
    for attention in (Hardmax(), Hardmax(self_attention=False), Hardmax(causal=True)):
        want = attention(points, points, None, masses, beta=1.0)
        monkeypatch.setattr(module, "_BLOCK", 700)
        compare(attention(points, points, None, masses, beta=1.0), want, 1e-14)
        compare(jax.jit(lambda q, a=attention: a(q, q, None, masses, beta=1.0))(points), want, 1e-14)
        monkeypatch.undo()


def test_heads_are_a_leading_axis():
    rng = np.random.default_rng(8)
    queries, keys, masses = rng.standard_normal((2, 6, 3)), rng.standard_normal((2, 9, 3)), random_masses(rng, 9)
    got = Hardmax()(queries, keys, None, masses, beta=1.0)
    for h in range(2):
        compare([part[h] for part in got], hard(queries[h], keys[h], None, masses), 1e-13)
    compiled = jax.jit(lambda q: Hardmax()(q, keys, None, masses, beta=1.0))(queries)
    compare(compiled, got, 1e-13)


def test_single_precision_ties():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    keys, query = (np.eye(3) @ turn).astype(np.float32), (np.ones((1, 3)) @ turn).astype(np.float32)
    got = Hardmax()(query, keys, beta=1.0)
    assert got.mean.dtype == np.float32
    np.testing.assert_allclose(got.mean[0], keys.mean(axis=0), atol=1e-6)


def test_the_score_is_not_that_of_the_transpose():
    """E18: argmax_j x_iᵀB x_j = ⟨Bᵀx_i, x_j⟩; ⟨B x_i, x_j⟩ is another, except for symmetric B."""
    rng = np.random.default_rng(9)
    points, b = random_tokens(rng, 60, 3), rng.standard_normal((3, 3))
    right = np.array([np.argmax([x @ b @ y for y in points]) for x in points])
    assert np.array_equal(Hardmax()(points @ b, points, beta=1.0).mean, points[right])
    wrong = Hardmax()(points @ b.T, points, beta=1.0).mean
    assert (wrong != points[right]).any(axis=1).mean() > 0.5
    symmetric = b + b.T
    same = [Hardmax()(points @ m, points, beta=1.0).mean for m in (symmetric, symmetric.T)]
    assert np.array_equal(*same)


@pytest.mark.parametrize("tolerance", [-1e-9, 1.0, np.nan])
def test_bad_tolerance(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        Hardmax(tolerance=tolerance)


def test_without_self_attention_needs_as_many_queries():
    with pytest.raises(InputError, match="2 queries and 3 keys"):
        Hardmax(self_attention=False)(np.eye(3)[:2], np.eye(3), beta=1.0)
