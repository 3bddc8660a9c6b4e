"""The direct sum on the host: blocks, threads, masks, heads, single precision, rows out of range."""

import itertools

import jax
import numpy as np
import pytest
from conformance.direct import attended, random_tokens

from tokensphere.attention import Dense, host
from tokensphere.errors import InputError

SIZES = (1, 2, 5, 63, 64, 65, 255, 256, 257, 511, 513, 700, 1300)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def random_masses(rng, n):
    masses = rng.random(n) ** 4
    masses[rng.random(n) < 0.2] = 0.0
    masses[0] = 1.0
    return masses / masses.sum()


@pytest.fixture(params=["loops", "products"])
def way(request, monkeypatch):
    """Both ways for any number of coordinates."""
    least = 0 if request.param == "products" else 10**9
    monkeypatch.setattr(host, "_PRODUCTS_FROM", dict.fromkeys(host._PRODUCTS_FROM, least))
    return request.param


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dim", [2, 3, 5, 9])
def test_every_size_of_self_attention(way, rng, n, dim):
    tokens, masses = random_tokens(rng, n, dim), random_masses(rng, n)
    want = attended(tokens, tokens, None, masses, 7.0)
    got = Dense()(tokens, tokens, None, masses, beta=7.0)
    np.testing.assert_allclose(got.log_z, want[0], atol=2e-14)
    np.testing.assert_allclose(got.mean, want[1], atol=2e-14)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 600), (600, 3), (257, 255), (70, 1025)])
def test_every_size_of_cross_attention(way, rng, m, n):
    queries, keys, values = random_tokens(rng, m, 3), random_tokens(rng, n, 3), rng.standard_normal((n, 2))
    masses = random_masses(rng, n)
    want = attended(queries, keys, values, masses, -4.0)
    got = Dense()(queries, keys, values, masses, beta=-4.0)
    np.testing.assert_allclose(got.log_z, want[0], atol=2e-14)
    np.testing.assert_allclose(got.mean, want[1], atol=4e-14)


def by_hand(queries, keys, values, masses, beta, seen):
    """The sum with a matrix of what each query sees, in extended precision."""
    logits = np.longdouble(beta) * (queries.astype(np.longdouble) @ keys.astype(np.longdouble).T)
    terms = np.where(seen, masses * np.exp(logits - beta), 0)
    z = terms.sum(axis=1)
    return (np.log(z) + beta).astype(float), (terms @ values / z[:, None]).astype(float)


@pytest.mark.parametrize("n", [1, 3, 64, 300, 777])
def test_causal_order(way, rng, n):
    tokens, masses = random_tokens(rng, n, 4), rng.random(n) + 0.1
    want = by_hand(tokens, tokens, tokens, masses, 3.0, np.tri(n, dtype=bool))
    got = Dense(causal=True)(tokens, tokens, None, masses, beta=3.0)
    np.testing.assert_allclose(got.log_z, want[0], atol=1e-13)
    np.testing.assert_allclose(got.mean, want[1], atol=1e-14)
    np.testing.assert_allclose(got.mean[0], tokens[0], atol=1e-15)  # the first sees itself only
    traced = jax.jit(Dense(causal=True, block=500))(tokens, tokens, None, masses, beta=3.0)
    np.testing.assert_allclose(traced.log_z, want[0], atol=1e-13)
    np.testing.assert_allclose(traced.mean, want[1], atol=1e-14)


def test_mask(way, rng):
    queries, keys, values = random_tokens(rng, 300, 3), random_tokens(rng, 400, 3), rng.standard_normal((400, 2))
    mask = rng.random((300, 400)) < 0.1
    mask[:, 7] = True
    mask[11] = False
    masses = np.full(400, 1 / 400)
    got = Dense(mask=mask)(queries, keys, values, beta=5.0)
    traced = jax.jit(lambda q, k, v: Dense(mask=mask, block=1000)(q, k, v, beta=5.0))(queries, keys, values)
    sees = np.arange(300) != 11
    want = by_hand(queries[sees], keys, values, masses, 5.0, mask[sees])
    for result in (got, traced):
        np.testing.assert_allclose(np.asarray(result.log_z)[sees], want[0], atol=1e-13)
        np.testing.assert_allclose(np.asarray(result.mean)[sees], want[1], atol=1e-13)
        assert result.log_z[11] == -np.inf
        assert not np.asarray(result.mean[11]).any()


def test_heads(rng):
    queries, keys = rng.standard_normal((3, 20, 4)), rng.standard_normal((3, 30, 4))
    values = rng.standard_normal((3, 30, 2))
    for masses in (None, random_masses(rng, 30), np.stack([random_masses(rng, 30) for _ in range(3)])):
        got = Dense()(queries, keys, values, masses, beta=0.7)
        traced = jax.jit(lambda *a: Dense()(*a, beta=0.7))(queries, keys, values, masses)
        assert got.mean.shape == (3, 20, 2)
        for h in range(3):
            mine = masses if masses is None or masses.ndim == 1 else masses[h]
            want = attended(queries[h], keys[h], values[h], mine, 0.7)
            for result in (got, traced):
                np.testing.assert_allclose(result.log_z[h], want[0], atol=1e-13)
                np.testing.assert_allclose(result.mean[h], want[1], atol=1e-13)


def test_symmetric_matrix_uses_every_exponential_twice(way, rng, monkeypatch):
    half = rng.standard_normal((3, 3))
    b = half + half.T
    tokens = random_tokens(rng, 600, 3)
    called = []
    monkeypatch.setattr(host, "_FEW_TILES", 0)
    original = host.tournament
    monkeypatch.setattr(host, "tournament", lambda *a: (called.append(1), original(*a)))
    want = attended(tokens @ b, tokens, beta=2.0)
    for symmetric in (True, False):
        got = Dense(symmetric=symmetric)(tokens @ b, tokens, beta=2.0)
        np.testing.assert_allclose(got.log_z, want[0], atol=1e-13)
        np.testing.assert_allclose(got.mean, want[1], atol=1e-13)
        assert len(called) == 1  # only where it was promised


@pytest.mark.parametrize("beta", [1e3, 1e6])
@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_out_of_range_are_summed_again(way, rng, beta, symmetric):
    """A symmetric matrix of both signs at large β: the common bound is far above most rows."""
    b = np.diag([1.0, -0.5, 0.1])
    tokens = random_tokens(rng, 300, 3)
    masses = random_masses(rng, 300)
    want = attended(tokens @ b, tokens, None, masses, beta)
    got = Dense(symmetric=symmetric)(tokens @ b, tokens, None, masses, beta=beta)
    np.testing.assert_allclose(got.log_z, want[0], rtol=1e-14, atol=1e-15 * beta)
    np.testing.assert_allclose(got.mean, want[1], atol=3e-15 * beta)


@pytest.mark.parametrize(("n", "dim"), [(1500, 3), (3000, 3), (1500, 8), (1500, 64)])
def test_single_precision_at_beta_50(rng, n, dim):
    """Relative error of log Z and of the mean below 2e-6, also where tokens cluster."""
    for spread in (10.0, 0.3, 0.02):
        tokens = np.eye(dim)[0] + spread * rng.standard_normal((n, dim))
        tokens = (tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float32)
        want = Dense()(tokens.astype(float), tokens.astype(float), beta=50.0)
        got = Dense()(tokens, tokens, beta=50.0)
        assert got.mean.dtype == got.log_z.dtype == np.float32
        assert np.abs(got.log_z / want.log_z - 1).max() < 2e-6
        lengths = np.linalg.norm(want.mean, axis=1)
        assert (np.linalg.norm(got.mean - want.mean, axis=1) / lengths).max() < 2e-6


@pytest.mark.parametrize("beta", [88.0, 200.0, 1e4, 1e6, 1e9, -1e6])
def test_single_precision_never_overflows(rng, beta):
    tokens = random_tokens(rng, 400, 3).astype(np.float32)
    queries = random_tokens(rng, 50, 3).astype(np.float32)
    for asked in (tokens, queries):
        got = Dense()(asked, tokens, beta=beta)
        assert np.isfinite(got.log_z).all()
        want = attended(asked.astype(float), tokens.astype(float), beta=beta)
        np.testing.assert_allclose(got.log_z, want[0], rtol=1e-6)
        assert np.abs(np.linalg.norm(got.mean, axis=1)).max() < 1 + 1e-5


def test_single_precision_of_the_normaliser_in_a_cluster(rng):
    """Z itself to 2e-6 (after the rounding of log Z ≈ 50 to single precision), by matrix products too."""
    tokens = np.eye(64)[0] + 0.02 * rng.standard_normal((2000, 64))
    tokens = (tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float32)
    want = Dense()(tokens.astype(float), tokens.astype(float), beta=50.0).log_z
    got = Dense()(tokens, tokens, beta=50.0).log_z
    assert np.abs(got - want).max() < 2e-6 + np.spacing(np.float32(50.0)) / 2


def test_a_bound_for_all_rows_is_not_used_where_rows_differ_much(rng, monkeypatch):
    """B = diag(1, 0.1, 0.1) at large β: rows keep their own bounds, and none has to be summed again."""
    tokens = random_tokens(rng, 300, 3)
    b = np.diag([1.0, 0.1, 0.1])
    monkeypatch.setattr(host, "exact_rows", lambda *_: pytest.fail("a row was lost"))
    monkeypatch.setattr(host, "tournament", lambda *_: pytest.fail("one bound for all"))
    got = Dense(symmetric=True)(tokens @ b, tokens, beta=300.0)
    np.testing.assert_allclose(got.log_z, attended(tokens @ b, tokens, beta=300.0)[0], atol=1e-12)


def test_a_limit_on_blas_threads_is_lifted_whoever_leaves_last():
    from threadpoolctl import threadpool_info

    from tokensphere.threads import one_blas_thread

    def counts():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = counts()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(counts()) == {1}
    second.__exit__(None, None, None)
    assert counts() == before


def test_bits_do_not_depend_on_the_number_of_threads(way, rng, monkeypatch):
    # few tokens are dealt out in shares, many in rounds
    tokens, queries = random_tokens(rng, 2500, 3), random_tokens(rng, 1100, 3)
    many = random_tokens(rng, 4500, 3)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(host, "available_threads", lambda threads=threads: threads)
        results.append(
            (*Dense()(tokens, tokens, beta=9.0), *Dense()(queries, tokens, beta=9.0), *Dense()(many, many, beta=9.0))
        )
    for one, other in itertools.pairwise(results):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((4, 3)), np.ones((5, 2))), "do not fit"),
        ((np.ones((4, 3)), np.ones((5, 3)), np.ones((4, 3))), "do not fit"),
        ((np.ones((4, 3)), np.ones((5, 3)), None, np.ones(4)), "weights have shape"),
        ((np.ones((2, 4, 3)), np.ones((3, 5, 3))), "heads"),
        ((np.array([[1.0, np.nan]]), np.ones((5, 2))), "queries: token 0"),
        ((np.ones((1, 2)), np.array([[1.0, 0.0], [np.inf, 1.0]])), "keys: token 1"),
    ],
)
def test_refusals(arrays, message):
    with pytest.raises(InputError, match=message):
        Dense()(*arrays, beta=1.0)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="mask has shape"):
        Dense(mask=np.ones((2, 2), bool))(np.ones((4, 3)), np.ones((5, 3)), beta=1.0)
