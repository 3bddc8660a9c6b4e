"""Spaces of tokens: points and back, retraction, lengths of errors, and what is refused."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.flows import EUCLIDEAN, SPACES, SPHERE, STREAM

TOKENS = ts.sphere.uniform(5, 3, 0)
RADII = np.array([0.5, 1.0, 2.0, 3.0, 1e-3])


def test_points_and_back():
    points = STREAM.check(TOKENS, RADII)
    assert points.shape == (5, 4)
    tokens, radii = STREAM.split(points)
    assert (tokens == TOKENS).all()
    assert (radii == RADII).all()
    assert (STREAM.join(tokens, radii) == points).all()
    assert (STREAM.check(TOKENS)[:, -1] == 1).all()
    assert (STREAM.check(TOKENS, 2.5)[:, -1] == 2.5).all()
    for space in (SPHERE, EUCLIDEAN):
        assert (space.check(TOKENS) == TOKENS).all()
        assert space.split(TOKENS)[1] is None
        assert space.join(TOKENS, None) is TOKENS
    assert {name: space.name for name, space in SPACES.items()} == {name: name for name in SPACES}


def test_retraction_keeps_radii_and_directions():
    moved = STREAM.join(1.3 * TOKENS, RADII + 0.1)
    tokens, radii = STREAM.split(STREAM.retract(moved))
    np.testing.assert_allclose(tokens, TOKENS, atol=1e-15)
    assert (radii == RADII + 0.1).all()
    np.testing.assert_allclose(SPHERE.retract(0.2 * TOKENS), TOKENS, atol=1e-15)
    assert EUCLIDEAN.retract(moved) is moved


def test_errors_are_measured_where_tokens_live():
    """Along a token an error is none on the sphere; radii count relative to themselves."""
    across = np.zeros((5, 3))
    across[:, 0] = 1e-3
    tangential = np.linalg.norm(across - np.sum(across * TOKENS, axis=1, keepdims=True) * TOKENS, axis=1)
    np.testing.assert_allclose(SPHERE.error(TOKENS, across), tangential, rtol=1e-12)
    np.testing.assert_allclose(SPHERE.error(TOKENS, 0.1 * TOKENS), 0, atol=1e-16)
    points, errors = STREAM.join(TOKENS, RADII), STREAM.join(across, 1e-3 * np.ones(5))
    np.testing.assert_allclose(STREAM.error(points, errors), np.hypot(tangential, 1e-3 / RADII), rtol=1e-12)
    np.testing.assert_allclose(EUCLIDEAN.error(10 * TOKENS, across), 1e-4, rtol=1e-12)
    np.testing.assert_allclose(EUCLIDEAN.error(0.1 * TOKENS, across), 1e-3, rtol=1e-12)


def test_tangent_parts():
    vectors = np.random.default_rng(1).standard_normal((5, 3))
    for space in (SPHERE, STREAM):
        assert np.abs(np.sum(space.tangent(TOKENS, vectors) * TOKENS, axis=1)).max() < 1e-15
    assert EUCLIDEAN.tangent(TOKENS, vectors) is vectors


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: SPHERE.check(TOKENS, RADII), "keeps no radii"),
        (lambda: EUCLIDEAN.check(TOKENS, RADII), "leave radii out"),
        (lambda: STREAM.check(TOKENS, RADII[:4]), r"must be a number or have shape \(5,\), one a token, got \(4,\)"),
        (lambda: STREAM.check(TOKENS, -RADII), r"radius 0 must be a finite number > 0, got -0\.5"),
        (lambda: STREAM.check(TOKENS, [1, 1, np.nan, 1, 1]), "radius 2 must be a finite number > 0, got nan"),
        (lambda: STREAM.check(TOKENS, "wide"), "radii must be numbers, got 'wide'"),
        (lambda: STREAM.check(2 * TOKENS), "token 0"),
        (lambda: EUCLIDEAN.check([[1.0], [np.inf]]), "token 1 is not finite"),
        (lambda: EUCLIDEAN.check(np.zeros(3)), r"shape \(n, dim\)"),
        (lambda: EUCLIDEAN.check("x"), "array of numbers, got str"),
    ],
)
def test_what_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
