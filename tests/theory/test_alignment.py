"""The alignment limit: kinds, rates and periods against the exact orbits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.theory import alignment_limit, alignment_orbit

RNG = np.random.default_rng(4)
SIMILAR, B = RNG.standard_normal((3, 3)), np.eye(3) + 0.4 * RNG.standard_normal((3, 3))


def value_with(m):
    """V such that V Bᵀ is similar to `m`."""
    return SIMILAR @ m @ np.linalg.inv(SIMILAR) @ np.linalg.inv(B.T)


PAIR = np.array([[0.3, -1.0, 0], [1.0, 0.3, 0], [0, 0, -0.4]])
CASES = {
    "antipodal points": value_with(np.diag([0.5, -0.2, -1.0])),
    "negative top": value_with(np.diag([-0.2, -0.7, -1.0])),
    "great circle": value_with(PAIR),
}


def test_the_orbit_is_the_flow():
    """Integrated token by token, in the flow's own time, with nothing of the package."""
    tokens = ts.sphere.uniform(3, 3, seed=1)
    v = CASES["great circle"]
    orbit, times = alignment_orbit(tokens, [0, 0.4, 3.0], v, B)

    def velocity(_, x):
        y = v @ B.T @ x / np.linalg.norm(B.T @ x)
        return y - (x @ y) * x

    for i, x in enumerate(tokens):
        run = solve_ivp(velocity, (0, times[2, i]), x, t_eval=times[:, i], method="DOP853", rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(run.y.T, orbit[:, i], atol=1e-10)


@pytest.mark.parametrize("name", list(CASES))
def test_kind_rate_and_period(name):
    limit = alignment_limit(CASES[name], B)
    assert limit.kind == name.replace("negative top", "antipodal points")
    tokens = ts.sphere.uniform(20, 3, seed=2)
    spans = np.array([0, 24.0, 24 + 2 * np.pi])  # the pair turns with period 2 pi in tau
    orbit, times = alignment_orbit(tokens, spans, CASES[name], B)
    away = np.stack([limit.distance(x) for x in orbit])
    assert away[2].max() < 1e-3 * away[0].max()
    # Over a whole turn (or at rest) ln of the distance falls by rate * time.
    np.testing.assert_allclose(np.log(away[1] / away[2]), limit.rate * (times[2] - times[1]), rtol=2e-3)
    if limit.period is None:
        assert name != "great circle"
        np.testing.assert_allclose(np.abs(orbit[2] @ limit.basis[0]), 1, atol=1e-3)
    else:
        np.testing.assert_allclose(times[2] - times[1], limit.period, rtol=1e-4)
    assert limit.prediction.value == limit.rate
    assert limit.prediction.hypotheses[1].holds is True


def test_rates_by_hand():
    limit = alignment_limit(np.diag([2.0, 1.0, 0.5]), np.diag([3.0, 1.0, 1.0]))  # M = diag(6, 1, .5)
    assert (limit.kind, limit.gap, limit.rate) == ("antipodal points", pytest.approx(5), pytest.approx(5 / 3))
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    limit = alignment_limit(turn)
    assert limit.kind == "great circle"
    assert limit.period == pytest.approx(2 * np.pi)
    assert limit.prediction.value is None  # there is nothing off the circle


def test_degenerate_states_say_so():
    for value, count in ((np.eye(3), 3), (np.diag([1.0, 1.0, -1.0]), 2)):
        limit = alignment_limit(value)
        assert (limit.kind, len(limit.basis)) == ("degenerate", count)
        assert limit.prediction.holds is False
    jordan = alignment_limit(np.array([[1.0, 1.0, 0], [0, 1.0, 0], [0, 0, -1.0]]))
    assert jordan.kind == "degenerate"
    assert jordan.hypotheses[2].holds is False
    singular = alignment_limit(np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 1.0, 0.0]))
    assert singular.hypotheses[0].holds is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: alignment_limit(), "one dimension"),
        (lambda: alignment_limit(np.eye(3), np.eye(2)), "do not fit"),
        (lambda: alignment_limit(np.eye(3), 0.0), "query_key is zero"),
        (lambda: alignment_limit(np.ones((2, 3))), "square"),
        (lambda: alignment_limit([[np.nan, 0], [0, 1]]), "not finite"),
        (lambda: alignment_limit(np.eye(3)).distance(np.eye(2)), "dim 2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
