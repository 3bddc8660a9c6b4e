"""What every attention backend must satisfy. Use it by subclassing :class:`AttentionSuite` with a `backend`."""

from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
import pytest
from conformance.direct import attended, project, random_tokens, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

from tokensphere.errors import InputError

__all__ = ["AttentionSuite", "Backend"]

COUNTS = (1, 24)  # few sizes, so that few shapes are compiled
relaxed = settings(max_examples=20, deadline=None)


def evaluate(attention, queries, keys, values, weights, beta, tangent, same):
    return attention(keys if same else queries, keys, values, weights, beta=beta, tangent=tangent)


compiled = eqx.filter_jit(evaluate)


@dataclass(frozen=True)
class Backend:
    """A backend and what it promises: the dimensions it works in, its accuracy, and the largest |β| to try.

    Calls are compiled unless the backend works on the host, so that the suite is quick; with `compiled` they are in
    any case: for the JAX form of a backend that has both.
    """

    attention: object
    dims: tuple[int, ...] = (2, 5)
    tolerance: float = 1e-12
    max_beta: float = 1e6
    compiled: bool = False

    def __call__(self, queries, keys, values=None, weights=None, *, beta, tangent=False):
        on_host = self.attention.on_host and not self.compiled
        call = evaluate if on_host else compiled
        beta = float(beta) if on_host else np.asarray(float(beta))
        return call(self.attention, queries, keys, values, weights, beta, tangent, queries is keys)

    def allowed(self, beta):
        """The nearest β that the backend takes."""
        return float(np.clip(beta, -self.max_beta, self.max_beta))

    def limited(self, problem):
        """The same problem with |β| in the range of this backend."""
        rng, n, beta = problem
        return rng, n, self.allowed(beta)

    def error(self, beta):
        """Error allowed in log Z and in the mean (for values of size one): rounding of the logits included."""
        return self.tolerance + 4e-16 * abs(beta)


@st.composite
def problems(draw):
    """A NumPy generator, a number of tokens and beta."""
    seed = draw(st.integers(0, 2**32 - 1))
    n = draw(st.sampled_from(COUNTS))
    beta = draw(st.floats(-40, 40) | st.sampled_from([0.0, 1e-9, 700.0, -700.0]))
    return np.random.default_rng(seed), n, beta


def random_masses(rng, n):
    """Masses over many orders of magnitude, some of them zero (never all)."""
    masses = rng.random(n) ** 6
    masses[rng.random(n) < 0.3] = 0.0
    masses[rng.integers(n)] = 1.0
    return masses / masses.sum()


def compare(got, want, error, size=1.0):
    np.testing.assert_allclose(np.asarray(got[0]), want[0], rtol=0, atol=error)
    np.testing.assert_allclose(np.asarray(got[1]), want[1], rtol=0, atol=error * size)


class AttentionSuite:
    """Subclass with a fixture `backend` that returns a :class:`Backend`."""

    @given(problem=problems())
    @relaxed
    def test_agrees_with_the_direct_sum(self, backend, problem):
        rng, n, beta = backend.limited(problem)
        for dim in backend.dims:
            queries, keys = random_tokens(rng, 5, dim), random_tokens(rng, n, dim)
            values, masses = rng.standard_normal((n, 3)), random_masses(rng, n)
            got = backend(queries, keys, values, masses, beta=beta)
            assert got.log_z.shape == (5,)
            assert got.mean.shape == (5, 3)
            compare(got, attended(queries, keys, values, masses, beta), backend.error(beta), np.abs(values).max())

    @given(problem=problems())
    @relaxed
    def test_defaults_are_keys_and_equal_masses(self, backend, problem):
        rng, n, beta = backend.limited(problem)
        for dim in backend.dims:
            keys = random_tokens(rng, n, dim)
            want = attended(keys, keys, beta=beta)
            compare(backend(keys, keys, beta=beta), want, backend.error(beta))
            named = backend(keys, keys, keys, np.full(n, 1 / n), beta=beta)
            compare(named, want, backend.error(beta))

    @given(problem=problems())
    @relaxed
    def test_tangent_part(self, backend, problem):
        rng, n, beta = backend.limited(problem)
        for dim in backend.dims:
            keys, masses = random_tokens(rng, n, dim), random_masses(rng, n)
            log_z, mean = attended(keys, keys, None, masses, beta)
            got = backend(keys, keys, None, masses, beta=beta, tangent=True)
            error = backend.error(beta)
            compare((got.log_z, project(keys, np.asarray(got.mean))), (log_z, project(keys, mean)), error)

    @given(problem=problems())
    @relaxed
    def test_a_mass_is_a_number_of_copies(self, backend, problem):
        rng, n, beta = backend.limited(problem)
        copies = rng.multinomial(48, np.full(n, 1 / n))
        for dim in backend.dims:
            queries, keys = random_tokens(rng, 5, dim), random_tokens(rng, n, dim)
            one = backend(queries, keys, None, copies / copies.sum(), beta=beta)
            many = backend(queries, np.repeat(keys, copies, axis=0), beta=beta)
            compare(many, one, 2 * backend.error(beta))

    @given(problem=problems(), sign=st.sampled_from([1, -1]))
    @relaxed
    def test_rotations_and_reflections(self, backend, problem, sign):
        rng, n, beta = backend.limited(problem)
        for dim in backend.dims:
            turn = rotation(rng, dim, sign)
            queries, keys, masses = random_tokens(rng, 5, dim), random_tokens(rng, n, dim), random_masses(rng, n)
            log_z, mean = backend(queries, keys, None, masses, beta=beta)
            turned = backend(queries @ turn.T, keys @ turn.T, None, masses, beta=beta)
            compare(turned, (log_z, np.asarray(mean) @ turn.T), 2 * backend.error(beta))

    @given(problem=problems())
    @relaxed
    def test_permutations(self, backend, problem):
        rng, n, beta = backend.limited(problem)
        for dim in backend.dims:
            queries, keys, masses = random_tokens(rng, 5, dim), random_tokens(rng, n, dim), random_masses(rng, n)
            log_z, mean = backend(queries, keys, None, masses, beta=beta)
            order, shuffle = rng.permutation(n), rng.permutation(5)
            got = backend(queries[shuffle], keys[order], None, masses[order], beta=beta)
            compare(got, (np.asarray(log_z)[shuffle], np.asarray(mean)[shuffle]), 2 * backend.error(beta))

    @pytest.mark.parametrize("beta", [1e6, -1e6, 1e5, 3e3])
    @pytest.mark.parametrize("same", [True, False])
    def test_extreme_beta(self, backend, beta, same, rng):
        beta = backend.allowed(beta)
        for dim in backend.dims:
            keys, masses = random_tokens(rng, 30, dim), random_masses(rng, 30)
            queries = keys if same else random_tokens(rng, 30, dim)
            for tangent in (False, True):
                got = backend(queries, keys, None, masses, beta=beta, tangent=tangent)
                log_z, mean = attended(queries, keys, None, masses, beta)
                np.testing.assert_allclose(got.log_z, log_z, rtol=1e-14, atol=backend.error(beta))
                got_mean = np.asarray(got.mean)
                if tangent:
                    got_mean, mean = project(queries, got_mean), project(queries, mean)
                np.testing.assert_allclose(got_mean, mean, rtol=0, atol=3 * backend.error(beta))

    @pytest.mark.parametrize("beta", [10.0, 30.0, 200.0, 1e6])
    def test_queries_opposite_to_every_key(self, backend, beta):
        beta = backend.allowed(beta)
        for dim in backend.dims:
            keys = np.eye(dim)[:1]
            got = backend(-keys, keys, beta=beta)
            compare(got, ([-beta], keys), backend.error(beta))

    def test_beta_zero_is_the_plain_mean(self, backend, rng):
        for dim in backend.dims:
            keys, masses = random_tokens(rng, 30, dim), random_masses(rng, 30)
            got = backend(keys[:4], keys, None, masses, beta=0.0)
            compare(got, (np.zeros(4), np.tile(masses @ keys, (4, 1))), backend.error(0))

    @pytest.mark.parametrize("beta", [-3.0, 0.0, 5.0, 1e6])
    def test_one_key_and_equal_keys(self, backend, beta, rng):
        beta = backend.allowed(beta)
        for dim in backend.dims:
            queries, key = random_tokens(rng, 5, dim), random_tokens(rng, 1, dim)
            want = beta * (queries @ key[0]), np.repeat(key, 5, axis=0)
            for n in (1, 30):
                got = backend(queries, np.repeat(key, n, axis=0), beta=beta)
                np.testing.assert_allclose(got.log_z, want[0], rtol=1e-14, atol=backend.error(beta))
                np.testing.assert_allclose(got.mean, want[1], rtol=0, atol=backend.error(beta))
            token = np.repeat(key, 30, axis=0)
            got = backend(token, token, beta=beta, tangent=True)
            np.testing.assert_allclose(project(token, np.asarray(got.mean)), 0, atol=backend.error(0))

    @pytest.mark.parametrize("tangent", [False, True])
    def test_compiled_equals_eager(self, backend, tangent, rng):
        for dim in backend.dims:
            keys, masses = random_tokens(rng, 30, dim), random_masses(rng, 30)

            def call(points, weights, beta):
                return backend.attention(points, points, None, weights, beta=beta, tangent=tangent)

            compare(jax.jit(call)(keys, masses, 5.0), call(keys, masses, 5.0), 1e-13)

    def test_repeatable_bit_for_bit(self, backend, rng):
        for dim in backend.dims:
            keys = random_tokens(rng, 1000, dim)
            first, second = (backend(keys, keys, beta=7.0) for _ in range(2))
            assert np.array_equal(first.log_z, second.log_z)
            assert np.array_equal(first.mean, second.mean)

    def test_bad_numbers_are_refused(self, backend, rng):
        tokens = random_tokens(rng, 30, backend.dims[0])
        masses = np.full(30, 1 / 30)

        def spoilt(array, value):
            copy = array.copy()
            copy[7] = value
            return copy

        for arrays, message in (
            ((tokens, tokens, None, spoilt(masses, np.nan)), "token 7 has mass nan"),
            ((tokens, tokens, None, spoilt(masses, -0.1)), "token 7 has mass -0.1"),
            ((tokens, tokens, None, 0 * masses), "all masses are 0"),
            ((tokens, tokens, None, masses[1:]), "weights have shape"),
            ((tokens, spoilt(tokens, np.nan)), "keys: token 7"),
            ((spoilt(tokens, np.inf), tokens), "queries: token 7"),
            ((tokens, tokens, spoilt(tokens, np.nan)), "values: token 7"),
            ((tokens, tokens[:, 1:]), "do not fit"),
            ((tokens, tokens[:0]), "no keys"),
        ):
            with pytest.raises(InputError, match=message):
                backend.attention(*arrays, beta=2.0)
        for beta in (np.nan, np.inf):
            with pytest.raises(InputError, match="beta"):
                backend.attention(tokens, tokens, beta=beta)

    def test_input_arrays_are_left_alone(self, backend, rng):
        for dim in backend.dims:
            keys, masses = random_tokens(rng, 30, dim), random_masses(rng, 30)
            before = keys.copy(), masses.copy()
            backend(keys, keys, None, masses, beta=5.0)
            assert np.array_equal(before[0], keys)
            assert np.array_equal(before[1], masses)
