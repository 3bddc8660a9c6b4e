"""Centres against the definition taken word for word, in every dimension and way of looking."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.observe import mass_near, renyi_centres


def by_definition(tokens, angle):
    distance = ts.sphere.geodesic(tokens[:, None], tokens[None])
    centres = []
    for i in range(len(tokens)):
        if all(distance[i, j] > angle for j in centres):
            centres.append(i)
    return centres, [i for i in range(len(tokens)) if all(distance[i, :i] > angle)]


@pytest.mark.parametrize("dim", [2, 3, 8, 9, 30])
@pytest.mark.parametrize("angle", [0.05, 0.5, 1.2, 2.0, 3.1])
def test_definition(dim, angle):
    tokens = ts.sphere.uniform(80, dim, seed=dim)
    tokens[20:25] = tokens[3]  # copies, and one opposite
    tokens[30] = -tokens[0]
    found = renyi_centres(tokens, angle)
    centres, strong = by_definition(tokens, angle)
    assert found.indices.tolist() == centres
    assert found.strong_indices.tolist() == strong
    assert found.count == len(centres)


def test_a_token_exactly_at_the_angle_is_no_centre():
    tokens = ts.sphere.from_angles([0.0, 0.5, 1.0])
    assert renyi_centres(tokens, 0.4999).indices.tolist() == [0, 1, 2]
    assert renyi_centres(tokens, 0.5001).indices.tolist() == [0, 2]


def test_a_centre_need_not_be_strong():
    found = renyi_centres(ts.sphere.from_angles([0.0, 0.9, 1.2]), 1.0)
    assert found.indices.tolist() == [0, 2]
    assert found.strong.tolist() == [True, False]


@pytest.mark.parametrize(("dim", "n"), [(2, 200_000), (3, 100_000)])
def test_many_tokens(dim, n):
    tokens = ts.sphere.uniform(n, dim, seed=0)
    found = renyi_centres(tokens, 0.05)
    assert mass_near(tokens, tokens[found.indices], 0.05) == pytest.approx(1.0)
    assert renyi_centres(np.repeat(tokens[:1], n, axis=0), 0.05).count == 1


def test_mass_near():
    tokens = ts.sphere.from_angles([0.0, 0.1, 1.0, 3.0])
    centres = ts.sphere.from_angles([0.0, 3.05])
    assert mass_near(tokens, centres, 0.11) == pytest.approx(0.75)
    assert mass_near(tokens, centres, 0.11, [0.1, 0.2, 0.3, 0.4]) == pytest.approx(0.7)


@pytest.mark.parametrize("angle", [0.0, -1.0, 3.2, np.nan])
def test_bad_angle(angle):
    with pytest.raises(InputError, match="angle"):
        renyi_centres(np.eye(2), angle)
    with pytest.raises(InputError, match="angle"):
        mass_near(np.eye(2), np.eye(2), angle)


def test_dimensions_must_agree():
    with pytest.raises(InputError, match="dim 3"):
        mass_near(np.eye(2), np.eye(3), 1.0)
