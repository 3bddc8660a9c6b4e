"""Open hemispheres: certain cases, Wendel's probability, and collapse where there is one."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.observe import in_hemisphere


@pytest.mark.parametrize("dim", [2, 3, 7])
def test_certain_cases(dim):
    frame = np.eye(dim)
    inside = in_hemisphere(frame)
    assert inside
    assert inside.margin == pytest.approx(1 / np.sqrt(dim))
    np.testing.assert_allclose(inside.pole, 1 / np.sqrt(dim), atol=1e-8)
    assert not in_hemisphere(np.concatenate([frame, -frame]))
    assert not in_hemisphere(np.concatenate([frame, -np.full((1, dim), 1 / np.sqrt(dim))]))
    assert not in_hemisphere(np.stack([frame[0], -frame[0]]))  # closed, not open
    tilted = np.stack([frame[0], ts.sphere.normalize(-frame[:1] + 1e-6 * frame[1:2])[0]])
    assert in_hemisphere(tilted)
    assert in_hemisphere(frame[:1]).margin == pytest.approx(1.0)


def test_a_mean_that_points_nowhere():
    """Many tokens on one side outweigh a few near the border, which the mean misses."""
    rng = np.random.default_rng(0)
    for dim in (2, 3, 5):
        pole = np.eye(dim)[0]
        edge = ts.sphere.normalize([0.01 * pole + np.eye(dim)[1]]).repeat(200, axis=0)
        other = ts.sphere.normalize([0.01 * pole - np.eye(dim)[1]])
        tokens = np.concatenate([edge, other])
        found = in_hemisphere(tokens[rng.permutation(201)])
        assert tokens.mean(axis=0) @ other[0] < 0
        assert found
        assert (tokens @ found.pole).min() >= found.margin - 1e-12 > 0


@pytest.mark.parametrize(("n", "dim"), [(4, 2), (5, 3), (9, 5)])
def test_wendel(n, dim):
    draws = 600
    share = np.mean([in_hemisphere(ts.sphere.uniform(n, dim, seed=s)).inside for s in range(draws)])
    chance = ts.theory.hemisphere_probability(n, dim)
    assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / draws)


def test_as_few_tokens_as_dimensions_are_always_inside():
    assert all(in_hemisphere(ts.sphere.uniform(6, 6, seed=s)) for s in range(50))


def test_tokens_inside_collapse_exponentially():
    tokens = next(x for s in range(99) if in_hemisphere(x := ts.sphere.uniform(6, 3, seed=s)))
    run = ts.simulate(ts.SelfAttention(1.0), tokens, np.linspace(0, 14, 8), rtol=1e-11)
    spread = [np.linalg.norm(x - x.mean(axis=0), axis=1).max() for x in run.tokens.values]
    slopes = -np.diff(np.log(spread)) / 2
    assert slopes[-1] == pytest.approx(ts.theory.terminal_rate(1.0, "sa", quantity="distance").value, abs=0.01)
