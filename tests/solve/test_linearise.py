"""Linearisation of token states: closed forms, two derivatives, two solvers, measured growth, and what is said."""

import numpy as np
import pytest

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.errors import InputError
from tokensphere.flows import AlignmentFlow
from tokensphere.solve import linearise
from tokensphere.theory import growth_rates, k_cluster_state, rotation_rates

KINDS = {"sa": ts.SelfAttention, "usa": ts.UnnormalizedSelfAttention}


def expected(rates, copies, count):
    return np.sort(np.repeat(rates, copies))[::-1][:count]


@pytest.mark.parametrize("flow", list(KINDS))
@pytest.mark.parametrize("options", [{}, {"derivative": "differences"}, {"dense": 10}], ids=str)
def test_the_uniform_state_has_every_rate_twice(flow, options):
    found = linearise(KINDS[flow](5.0), ts.sphere.equispaced(120), count=12, **options)
    want = expected(growth_rates(5.0, 2, range(1, 16), flow), 2, 12)
    np.testing.assert_allclose(found.eigenvalues, want, rtol=1e-9 if "derivative" in options else 1e-12)
    assert found.residuals.max() < 1e-9 * want[0]
    assert found.stationary
    assert (found.derivative, found.solver) == (
        options.get("derivative", "jvp"),
        "arnoldi" if "dense" in options else "dense",
    )
    # tangent, of unit length
    assert np.abs(np.einsum("nd,mnd->mn", found.tokens, found.modes)).max() < 1e-14
    np.testing.assert_allclose(np.einsum("n,mnd->m", found.weights, np.abs(found.modes) ** 2), 1)


def test_all_harmonics_of_a_degree_on_the_2_sphere():
    """D_k copies of λ_k, from weighted tokens without noise; both solvers."""
    tokens, weights = ts.sphere.quiet(3, 1, 0.0, resolution=9)
    degrees = np.arange(1, 8)
    want = expected(growth_rates(2.0, 3, degrees), 2 * degrees + 1, 15)
    for dense in (2000, 10):
        found = linearise(ts.SelfAttention(2.0), tokens, weights, count=15, dense=dense)
        np.testing.assert_allclose(found.eigenvalues, want, rtol=1e-10)


@pytest.mark.parametrize("flow", list(KINDS))
@pytest.mark.parametrize(("beta", "k"), [(5.0, 3), (2.0, 2), (5.0, 4)])
def test_cluster_states(flow, beta, k):
    """Drift rates ω_m once, the internal rate s once for each further token, 0 for the rotation."""
    state = k_cluster_state(beta, k, flow)
    tokens = ts.sphere.from_angles(np.repeat(2 * np.pi * np.arange(k) / k, 2) + 0.3)
    found = linearise(KINDS[flow](beta), tokens, count=2 * k)
    want = np.sort(np.r_[state.drift_rates, 0.0, [state.internal_rate] * k])[::-1]
    np.testing.assert_allclose(found.eigenvalues, want, atol=1e-7 * abs(state.internal_rate), rtol=1e-7)
    assert found.stationary
    if (flow, beta, k) == ("usa", 5.0, 3):
        np.testing.assert_allclose(found.eigenvalues[[0, 1, -1]], [0.3488612442, 0.3488612442, -49.23847887], rtol=1e-9)


def test_a_clone_is_a_mass():
    """Two tokens at one place: the modes of the merged state, and one internal mode more."""
    angles = np.array([0.0, 1.0, 2.5, 4.0])
    merged = linearise(ts.SelfAttention(3.0), ts.sphere.from_angles(angles), [0.4, 0.2, 0.2, 0.2], count=4)
    cloned = linearise(ts.SelfAttention(3.0), ts.sphere.from_angles(np.r_[angles, 0.0]), count=5)
    for value in merged.eigenvalues:
        assert np.abs(cloned.eigenvalues - value).min() < 1e-10
    assert not merged.stationary
    assert "moves by" in merged.hypotheses[0].detail


def turned(angle, size):
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("flow", list(KINDS))
@pytest.mark.parametrize(("phi", "psi"), [(0.2, 0.2), (0.3, -0.5)])
def test_rotations(flow, phi, psi):
    """Complex rates; where φ ≠ ψ all tokens turn at Ω, and the rate at rest is λ_k + ikΩ in the turning frame."""
    made = KINDS[flow](5.0, value=turned(psi, 0.8), query_key=turned(phi, 0.9))
    found = linearise(made, ts.sphere.equispaced(96), count=10)
    omega = found.rotation[1, 0]
    assert (abs(omega) > 0.1) == (phi != psi)
    assert found.stationary
    k = np.arange(1, 12)
    rates = rotation_rates(5.0, k, phi, psi, flow, query_key=0.9, value=0.8) + 1j * k * omega
    both = np.concatenate([rates, rates.conj()])
    nearest = np.abs(found.eigenvalues[:, None] - both).min(axis=1)
    assert nearest.max() < 1e-10 * np.abs(both).max()
    if (flow, phi, psi) == ("usa", 0.2, 0.2):
        plain = linearise(ts.UnnormalizedSelfAttention(5.0, turned(0.2, 1.0), turned(0.2, 1.0)), found.tokens, count=2)
        assert np.abs(plain.eigenvalues - (15.3479991196 - 10.5001311321j)).min() < 1e-7


def test_a_turning_state_on_the_2_sphere():
    """A great circle turned by V: its rate out of the plane against a run."""
    spin = np.array([[0.0, -1.0, 0], [1.0, 0.0, 0], [0, 0, 0.3]])
    theta = 2 * np.pi * np.arange(12) / 12
    tokens = np.stack([np.cos(theta), np.sin(theta), 0 * theta], axis=1)
    flow = ts.SelfAttention(2.0, value=np.eye(3) + spin)
    found = linearise(flow, tokens, count=24)
    np.testing.assert_allclose(found.rotation[1, 0], -found.rotation[0, 1])
    assert abs(found.rotation[1, 0]) > 0.1
    assert found.stationary
    # The whole circle shifted along z is a mode: compare with its growth in a run.
    shift = np.argmax(np.abs(found.modes[..., 2].mean(axis=1)))
    rate = found.eigenvalues[shift]
    start = tokens + np.array([0, 0, 1e-6])
    run = ts.simulate(flow, start / np.linalg.norm(start, axis=1)[:, None], [0, 1.0], rtol=1e-12)
    height = run.tokens.values[..., 2].mean(axis=1)
    assert np.log(height[1] / height[0]) == pytest.approx(rate.real, rel=1e-6)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_general_matrices_against_measured_growth(kind, seed):
    """Tokens at ±v, v an eigenvector of a random V with random B, rest; a perturbation along the fastest mode grows."""
    rng = np.random.default_rng(seed)
    b, basis = rng.standard_normal((2, 4, 4))
    value = basis @ np.diag([1.0, 0.6, -0.3, -0.8]) @ np.linalg.inv(basis)
    v = basis[:, 1] / np.linalg.norm(basis[:, 1])
    tokens = np.stack([v, v, -v, v])
    weights = np.array([0.3, 0.2, 0.4, 0.1])
    flow = KINDS[kind](1.5, value, b)
    found = linearise(flow, tokens, weights, count=12)
    assert found.stationary
    assert (
        np.abs(
            found.eigenvalues - linearise(flow, tokens, weights, count=12, derivative="differences").eigenvalues
        ).max()
        < 1e-8 * np.abs(found.eigenvalues).max()
    )
    rate, mode = found.eigenvalues[0], found.modes[0]
    scale = max(abs(rate), 0.3)
    times = np.linspace(0, 2 / scale, 4)
    start = tokens + 1e-7 * mode.real / np.abs(mode).max()
    run = ts.simulate(flow, start / np.linalg.norm(start, axis=1)[:, None], times, weights=weights, rtol=1e-13)
    moved = run.tokens.values - tokens
    for t, u in zip(times, moved, strict=True):
        want = 1e-7 * np.real(np.exp(rate * t) * mode) / np.abs(mode).max()
        np.testing.assert_allclose(u, want, atol=2e-6 * np.abs(want).max())


def test_other_flows_and_backends():
    limit = AlignmentFlow(np.diag([2.0, 1.0, 0.5]), np.diag([3.0, 1.0, 1.0]))
    found = linearise(limit, np.array([[1.0, 0, 0], [0, 1, 0]]), count=4)
    assert found.derivative == "differences"
    # at e_1 the rates are (m_j − m_1)/|Bᵀe_1|, at e_2 (m_j − m_2)/|Bᵀe_2|, m = (6, 1, 0.5)
    np.testing.assert_allclose(np.sort(found.eigenvalues.real), np.sort([-5 / 3, -5.5 / 3, 5, -0.5]), atol=1e-9)
    by_series = linearise(ts.SelfAttention(5.0, attention=Circle()), ts.sphere.equispaced(64), count=4)
    direct = linearise(ts.SelfAttention(5.0, attention=Dense()), ts.sphere.equispaced(64), count=4)
    assert (by_series.derivative, direct.derivative) == ("differences", "jvp")
    np.testing.assert_allclose(by_series.eigenvalues, direct.eigenvalues, atol=1e-9)


def test_test_tokens_feel_but_are_not_felt():
    angles = np.r_[2 * np.pi * np.arange(3) / 3, 0.2]
    with_test = linearise(ts.SelfAttention(5.0), ts.sphere.from_angles(angles), [1 / 3] * 3 + [0.0], count=4)
    alone = linearise(ts.SelfAttention(5.0), ts.sphere.from_angles(angles[:3]), count=3)
    for value in alone.eigenvalues:
        assert np.abs(with_test.eigenvalues - value).min() < 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count"),
        ({"derivative": "symbolic"}, "derivative must be"),
        ({"weights": [0.5, 0.6]}, "sum to 1"),
        ({"flow": AlignmentFlow(np.diag([1.0, 2.0])), "derivative": "jvp"}, "attention flow"),
        ({"flow": ts.SelfAttention(2.0, attention=Circle()), "derivative": "jvp"}, "cannot be differentiated"),
        ({"flow": ts.Normalized(ts.SelfAttention(2.0), "pre")}, "does not live on the sphere"),
    ],
)
def test_bad_input(options, message):
    flow = options.pop("flow", ts.SelfAttention(2.0))
    with pytest.raises(InputError, match=message):
        linearise(flow, np.eye(2), **options)
