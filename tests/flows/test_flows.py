"""Velocity fields: tables, backends, clocks, wrong formulas, and input that cannot be used."""

import jax
import numpy as np
import pytest
from conformance.direct import circle_sums, velocity

import tokensphere as ts
from tokensphere.attention import Circle, Dense, Polynomial
from tokensphere.errors import InputError
from tokensphere.flows import SelfAttention, UnnormalizedSelfAttention

TOKENS = np.array([[1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])
V = np.array([[1, 2, 0], [0, 1, -1], [0.5, 0, 1]])
B = np.array([[1, 0.5, 0], [-0.5, 1, 0.25], [0, 0, 0.5]])
SA_TABLE = [[0, 0.197315, 0.431891], [1.659298, 0, 0.326229], [1.488636, -0.061527, 0.046146]]


def test_general_matrices_against_a_table():
    got = SelfAttention(2.0, value=V, query_key=B).velocity(TOKENS)
    np.testing.assert_allclose(got, SA_TABLE, atol=6e-7)
    got = UnnormalizedSelfAttention(2.0, value=V, query_key=B).velocity(TOKENS)
    np.testing.assert_allclose(got[0], [0, 0.784619, 1.717408], atol=6e-7)
    got = UnnormalizedSelfAttention(2.0, value=V, query_key=B, shifted=True).velocity(TOKENS)
    np.testing.assert_allclose(got[0], np.exp(-2) * np.array([0, 0.784619, 1.717408]), atol=1e-7)


@pytest.mark.parametrize(("value", "query_key"), [(V.T, B), (V, B.T), (V.T, B.T), (B, V)])
def test_wrong_transposes_disagree_with_the_table(value, query_key):
    got = SelfAttention(2.0, value=value, query_key=query_key).velocity(TOKENS)
    assert np.abs(got - SA_TABLE).max() > 0.05


@pytest.mark.parametrize("flow", [SelfAttention, UnnormalizedSelfAttention])
@pytest.mark.parametrize("query_key", [None, -1.5])
@pytest.mark.parametrize("value", [-2.0, [[0.5, 1.0], [-1.0, 0.2]]])
def test_backends_give_one_field(flow, query_key, value):
    tokens = ts.sphere.uniform(200, 2, seed=3)
    fields = [flow(6.0, value, query_key, attention=a()).velocity(tokens) for a in (Dense, Circle)]
    np.testing.assert_allclose(fields[0], fields[1], atol=1e-12 * np.abs(fields[0]).max())


@pytest.mark.parametrize("n", [300, 3000])
def test_the_field_on_the_circle_is_not_the_reflected_convolution(n):
    theta = np.random.default_rng(8).uniform(-1, 2, n)
    tokens, masses = ts.sphere.from_angles(theta), np.full(n, 1 / n)
    got = UnnormalizedSelfAttention(5.0, shifted=True).velocity(tokens)
    got = tokens[:, 0] * got[:, 1] - tokens[:, 1] * got[:, 0]
    right, reflected = circle_sums(theta, theta, masses, 5.0)[1], circle_sums(-theta, theta, masses, 5.0)[1]
    np.testing.assert_allclose(got, right, atol=1e-13)
    assert np.abs(got - reflected).max() > 0.5 * np.abs(right).max()


def test_clocks():
    tokens = ts.sphere.uniform(20, 3, seed=0)
    plain, shifted = UnnormalizedSelfAttention(4.0), UnnormalizedSelfAttention(4.0, shifted=True)
    assert (SelfAttention(4.0).clock, plain.clock, shifted.clock) == ("real", "real", "shifted")
    np.testing.assert_allclose(shifted.velocity(tokens), np.exp(-4) * plain.velocity(tokens), rtol=1e-12, atol=1e-14)
    assert shifted.energy(tokens) == pytest.approx(np.exp(-4) * plain.energy(tokens), rel=1e-13)
    assert plain.energy(tokens, shifted=True) == pytest.approx(shifted.energy(tokens), rel=1e-13)
    assert shifted.energy(tokens, shifted=False) == pytest.approx(plain.energy(tokens), rel=1e-13)
    assert plain.energy_rate(tokens, shifted=True) == pytest.approx(np.exp(-4) * plain.energy_rate(tokens), rel=1e-13)


@pytest.mark.parametrize(("dim", "beta"), [(2, 1e5), (3, 900.0)])
def test_large_beta_has_finite_velocity_and_energy(dim, beta):
    tokens = ts.sphere.uniform(40, dim, seed=1)
    for flow in (SelfAttention(beta), UnnormalizedSelfAttention(beta, shifted=True)):
        assert np.isfinite(flow.velocity(tokens)).all()
        assert 0 < flow.energy(tokens, shifted=True) < 1 / (2 * beta)
        assert np.isfinite(flow.energy_rate(tokens, shifted=True))
    for number in (SelfAttention(beta).energy, SelfAttention(beta).energy_rate):
        with pytest.raises(InputError, match="floating-point range"):
            number(tokens)


def test_beta_zero():
    tokens, masses = ts.sphere.uniform(20, 3, seed=0), np.full(20, 1 / 20)
    for flow, kind in ((SelfAttention(0.0), "sa"), (UnnormalizedSelfAttention(0.0), "usa")):
        np.testing.assert_allclose(flow.velocity(tokens), velocity(tokens, masses, 0, None, None, kind), atol=1e-15)
        mean = tokens.mean(axis=0)
        assert flow.energy(tokens) == pytest.approx(0.5 * mean @ mean, rel=1e-13)
        squares = np.sum(flow.velocity(tokens) ** 2, axis=1).mean()
        assert flow.energy_rate(tokens) == pytest.approx(squares, rel=1e-12)


def test_gradients_with_respect_to_tokens_beta_and_matrices():
    tokens = ts.sphere.uniform(5, 3, seed=0)

    def total(points, beta, value, query_key):
        return (SelfAttention(beta, value, query_key).velocity(points) ** 2).sum()

    point = (tokens, 2.0, V, B)
    compiled, gradient = jax.jit(total), jax.jit(jax.grad(total, argnums=(0, 1, 2, 3)))(*point)
    for part, direction in enumerate((TOKENS[[0, 1, 2, 0, 1]], 1.0, B, V)):
        quotients = []
        for h in (1e-3, 2e-3):
            ends = []
            for sign in (1, -1):
                x, beta, value, query_key = (p + sign * h * direction if k == part else p for k, p in enumerate(point))
                ends.append(float(compiled(x, beta, value, query_key)))
            quotients.append((ends[0] - ends[1]) / (2 * h))
        want = (4 * quotients[0] - quotients[1]) / 3
        assert float(np.sum(np.asarray(gradient[part]) * direction)) == pytest.approx(want, rel=1e-7, abs=1e-9)


NAN = [[1.0, 0.0], [0.0, 1.0], [np.nan, 1.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SelfAttention(-1.0), "beta must be a finite number >= 0"),
        (lambda: SelfAttention(np.nan), "beta must be a finite number >= 0"),
        (lambda: UnnormalizedSelfAttention(np.inf, shifted=True), "beta must be a finite number >= 0"),
        (lambda: SelfAttention("hot"), "beta must be a finite number >= 0"),
        (lambda: SelfAttention(1.0, value=[[1.0, 2.0]]), "value must be a number or a square matrix"),
        (lambda: SelfAttention(1.0, value=[1.0, 2.0]), "value must be a number or a square matrix"),
        (lambda: SelfAttention(1.0, value="identity"), "value must be a number or a square matrix"),
        (lambda: SelfAttention(1.0, query_key=[[1.0, 2.0], [3.0]]), "query_key must be a number or a square matrix"),
        (lambda: SelfAttention(1.0, query_key=[[1.0, np.nan], [0.0, 1.0]]), "query_key has an entry that is not fin"),
        (lambda: SelfAttention(1.0, value=V).velocity(np.eye(2)), r"value has shape \(3, 3\).*dim 2"),
        (lambda: SelfAttention(1.0, query_key=V).energy(np.eye(2)), "query_key"),
        (lambda: SelfAttention(1.0).velocity(NAN), "token 2 is not finite"),
        (lambda: SelfAttention(1.0).velocity([[1.0, 0.0], [0.0, 0.0]]), "token 1 has zero length"),
        (lambda: SelfAttention(1.0).velocity([[1.0, 0.0], [2.0, 0.0]]), "token 1 has length 2"),
        (lambda: SelfAttention(1.0).velocity([1.0, 0.0]), "shape"),
        (lambda: SelfAttention(1.0).velocity(np.eye(2), weights=[0.5, 0.6]), "weights must sum to 1"),
        (lambda: SelfAttention(1.0).velocity(np.eye(2), weights=[1.5, -0.5]), "weight 1 must be"),
        (lambda: SelfAttention(1.0).velocity(np.eye(2), weights=[1.0]), "weights must have shape"),
        (lambda: SelfAttention(1.0).energy(NAN), "token 2 is not finite"),
        (lambda: UnnormalizedSelfAttention(701.0), "shifted=True"),
        (lambda: UnnormalizedSelfAttention(400.0, query_key=-2.0), "shifted=True"),
        (lambda: UnnormalizedSelfAttention(300.0, query_key=3 * np.eye(3)), "shifted=True"),
        (lambda: UnnormalizedSelfAttention(1000.0, query_key=2.0, shifted=True), "scale query_key down"),
        (lambda: SelfAttention(1.0, query_key=2 * np.eye(2), attention=Circle()).velocity(np.eye(2)), "use Dense"),
        (lambda: SelfAttention(1.0, attention=Circle()).velocity(np.eye(3)), "dim 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_largest_beta_of_the_plain_clock():
    tokens = ts.sphere.uniform(10, 3, seed=0)
    assert np.isfinite(UnnormalizedSelfAttention(700.0).velocity(tokens)).all()


def test_choice_by_the_number_of_tokens():
    flow = SelfAttention(5.0)
    assert isinstance(flow.resolve(20_000, 2).attention, Circle)
    assert isinstance(flow.resolve(20, 2).attention, Dense)
    b = [[1.0, 0.5], [0.5, 1.0]]
    assert isinstance(SelfAttention(2.0, query_key=b).resolve(20_000, 2).attention, Polynomial)
    sharp = SelfAttention(200.0, query_key=b).resolve(20_000, 2).attention
    assert isinstance(sharp, Dense)
    assert sharp.symmetric  # the backend is told, so that every exponential serves two tokens
    lopsided = SelfAttention(200.0, query_key=[[1.0, 0.5], [0.0, 1.0]]).resolve(20_000, 2).attention
    assert not lopsided.symmetric
    assert isinstance(SelfAttention(5.0, attention=Dense()).resolve(20_000, 2).attention, Dense)
    assert flow.attention is None


def test_weights_may_be_the_second_argument():
    tokens, weights = ts.sphere.uniform(9, 3, seed=0), np.arange(1.0, 10.0) / 45.0
    flow = ts.SelfAttention(2.0)
    np.testing.assert_array_equal(flow.velocity(tokens, weights), flow.velocity(tokens, weights=weights))
    assert np.abs(flow.velocity(tokens, weights) - flow.velocity(tokens)).max() > 1e-3


@pytest.mark.parametrize(("factor", "sign"), [(1.0, 1), (2.5, 1), (-0.5, -1)])
def test_value_and_query_key_in_proportion_make_a_gradient_flow(factor, sign):
    b = np.diag([2.0, 0.5, -1.0])
    assert ts.SelfAttention(1.0, value=factor * b, query_key=b).gradient_sign == sign
    assert ts.SelfAttention(1.0, value=factor, query_key=3.0 * np.eye(3)).gradient_sign == sign
    assert ts.SelfAttention(1.0, value=factor * np.eye(3)).gradient_sign == sign
    assert ts.SelfAttention(1.0, value=np.eye(3), query_key=b).gradient_sign is None


def test_dense_names_the_token_that_is_not_finite():
    tokens = ts.sphere.uniform(5, 3, seed=0)
    tokens[3, 1] = np.nan
    with pytest.raises(ts.InputError, match="token 3 is not finite"):
        ts.attention.Dense()(tokens, tokens, beta=1.0)
