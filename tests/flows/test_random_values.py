"""Random value matrices: their numbers, their layers, their limits."""

import numpy as np
import pytest
from scipy.stats import kstest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import EnsembleFlow, RandomValues
from tokensphere.solve import Integrator
from tokensphere.theory import random_value_drift

STEP = 0.05
INNER = ts.SelfAttention(2.0)
FRESH = RandomValues(INNER, seed=3, step_size=STEP)


def layers(flow, tokens, times, **options):
    return ts.simulate(flow, tokens, times, method="layer", step_size=STEP, **options).tokens.values


def test_layers_are_the_formula():
    tokens, masses = ts.sphere.uniform(7, 4, 0), np.arange(1.0, 8) / 28
    frames = layers(FRESH, tokens, STEP * np.arange(4), weights=masses)
    for layer in range(3):
        x = frames[layer]
        kernel = np.exp(2.0 * x @ x.T) * masses
        output = kernel @ x / kernel.sum(axis=1, keepdims=True)
        moved = x + np.sqrt(STEP) * output @ FRESH.matrices(layer, 4)[0].T
        np.testing.assert_allclose(frames[layer + 1], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-13)
    # √η, not η: with η the change of a layer would be smaller by √η
    change = np.linalg.norm(np.diff(frames, axis=0), axis=2).mean()
    assert change == pytest.approx(np.sqrt(STEP), rel=0.9)


def test_matrices_are_standard_normal_and_differ():
    drawn = np.stack([FRESH.matrices(layer, 30)[0] for layer in range(20)])
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert abs((drawn[1:] * drawn[:-1]).mean()) < 4 / np.sqrt(19 * 900)
    assert abs((drawn * drawn.swapaxes(1, 2)).mean() - 1 / 30) < 4 / np.sqrt(20 * 450)
    assert (RandomValues(INNER, 4, STEP).matrices(0, 30) != drawn[0]).all()
    small = RandomValues(INNER, 3, STEP, variance=0.25).matrices(5, 30)[0]
    np.testing.assert_allclose(small, 0.5 * drawn[5])
    tied = RandomValues(INNER, 3, tied=True)
    assert (tied.matrices(7, 30) == tied.matrices(0, 30)).all()


def test_a_run_goes_on_bit_for_bit():
    tokens, times = ts.sphere.uniform(6, 3, 0), STEP * np.array([0.0, 4, 9])

    def integrator():
        return Integrator(FRESH.resolve(6, 3), None, times, method="layer", step_size=STEP)

    log = []
    own = integrator()
    own.run(own.start(tokens), log.append)
    for state in log[:-1]:
        again = integrator().run(state, lambda state: None)
        assert (np.asarray(again.tokens) == np.asarray(log[-1].tokens)).all()
    # in two pieces, from a later time
    halfway = layers(FRESH, tokens, times)[1]
    assert np.abs(layers(FRESH, halfway, times[1:])[-1] - np.asarray(log[-1].tokens)).max() < 1e-14


def test_tied_matrices_are_a_value_matrix():
    tokens = ts.sphere.uniform(6, 3, 0)
    tied = RandomValues(INNER, 3, tied=True)
    plain = ts.SelfAttention(2.0, value=tied.matrices(0, 3)[0])
    np.testing.assert_allclose(tied.velocity(tokens), plain.velocity(tokens), atol=1e-14)
    np.testing.assert_allclose(layers(tied, tokens, [0, 1])[-1], layers(plain, tokens, [0, 1])[-1], atol=1e-12)
    runs = [ts.simulate(flow, tokens, [0, 1], rtol=1e-10).tokens.values[-1] for flow in (tied, plain)]
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-9)


def test_members_of_an_ensemble_have_matrices_of_their_own():
    pairs = 20_000
    u, beta, dim, step = 0.3, 1.0, 4, 1e-3
    x = np.array([[1.0, 0, 0, 0], [u, np.sqrt(1 - u * u), 0, 0]])
    inner = EnsembleFlow(ts.SelfAttention(beta, attention=ts.attention.Dense()).resolve(2, dim), pairs)
    flow = RandomValues(inner, seed=0, step_size=step)
    end = ts.simulate(flow, np.tile(x, (pairs, 1)), [0, step], method="layer", step_size=step).tokens.values[-1]
    change = np.sum(end[::2] * end[1::2], axis=1) - u
    drift, noise = random_value_drift(u, beta, dim)
    assert change.var() / step == pytest.approx(noise**2, rel=0.06)
    assert change.mean() / step == pytest.approx(drift, abs=4 * change.std() / np.sqrt(pairs) / step)
    drawn = flow.matrices(0, dim)
    assert abs((drawn[1:] * drawn[:-1]).mean()) < 4 / np.sqrt(pairs * 16)


def test_schemes_go_around_it():
    """Pre-LN: y ← y + √η V A."""
    tokens = ts.sphere.uniform(5, 3, 0)
    run = ts.simulate(ts.Normalized(FRESH, "pre"), tokens, [0, STEP], method="layer", step_size=STEP, radii=2.0)
    output = np.asarray(INNER.resolve(5, 3).attended(tokens))
    stream = 2.0 * tokens + np.sqrt(STEP) * output @ FRESH.matrices(0, 3)[0].T
    np.testing.assert_allclose(run.radii.values[-1], np.linalg.norm(stream, axis=1), rtol=1e-13)
    np.testing.assert_allclose(run.tokens.values[-1] * run.radii.values[-1][:, None], stream, atol=1e-13)
    with pytest.raises(InputError, match="around RandomValues"):
        RandomValues(ts.Normalized(INNER, "pre"), 0, STEP)


def test_equivariance_in_law_and_permutation():
    tokens = ts.sphere.uniform(8, 3, 0)
    order = np.random.default_rng(0).permutation(8)
    np.testing.assert_allclose(
        layers(FRESH, tokens[order], [0, 1])[-1], layers(FRESH, tokens, [0, 1])[-1][order], atol=1e-12
    )
    assert np.abs(np.linalg.norm(layers(FRESH, tokens, [0, 1])[-1], axis=1) - 1).max() < 1e-15 * 4


def test_bad_input_is_named():
    tokens = ts.sphere.uniform(4, 3, 0)
    for call, word in (
        (lambda: RandomValues(INNER, -1, 0.1), "seed"),
        (lambda: RandomValues(INNER, 0), "give the step_size"),
        (lambda: RandomValues(INNER, 0, 0.0), "step_size"),
        (lambda: RandomValues(INNER, 0, 0.1, variance=np.nan), "variance"),
        (lambda: ts.simulate(FRESH, tokens, [0, 1]), "no velocity"),
        (lambda: FRESH.velocity(tokens), "no velocity"),
        (lambda: FRESH.energy(tokens), "no energy"),
        (
            lambda: ts.simulate(FRESH, tokens, [0, 0.3], method="layer", step_size=0.03),
            "step 0.03, .* step_size = 0.05",
        ),
        (lambda: layers(FRESH, tokens, [0.02, 0.07]), "whole number of layers"),
    ):
        with pytest.raises(InputError, match=word):
            call()
