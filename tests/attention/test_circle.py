"""Circle against sums over differences of angles, and its limits."""

import jax
import numpy as np
import pytest
from conformance.direct import attended, circle_sums
from scipy.special import ive

from tokensphere.attention import Circle, circle, circle_modes, fourier
from tokensphere.errors import InputError
from tokensphere.sphere import from_angles


def cloud(n, clustered, seed=0):
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-np.pi, np.pi, n)
    if clustered:
        centres = np.array([-2.0, 0.3, 1.9, 3.1])
        theta = centres[rng.integers(0, 4, n)] + 0.02 * rng.standard_normal(n)
        theta[:20] = rng.uniform(-np.pi, np.pi, 20)
    tokens = from_angles(theta)
    masses = rng.random(n)
    return tokens, np.arctan2(tokens[:, 1], tokens[:, 0]), masses / masses.sum()


def counter_clockwise(tokens, vectors):
    return tokens[:, 0] * vectors[:, 1] - tokens[:, 1] * vectors[:, 0]


@pytest.mark.parametrize("clustered", [False, True], ids=["uniform", "clustered"])
@pytest.mark.parametrize("n", [500, 20_000])
@pytest.mark.parametrize(
    ("beta", "error"), [(0.0, 1e-12), (1e-3, 1e-12), (1.0, 1e-12), (50.0, 1e-12), (1000.0, 1e-12), (1e5, 1e-10)]
)
def test_sums_over_angle_differences(beta, error, n, clustered):
    tokens, theta, masses = cloud(n, clustered)
    rows = np.arange(n) if n <= 500 else np.r_[0:20, np.random.default_rng(1).integers(0, n, 280)]
    z, force = circle_sums(theta, theta[rows], masses, beta)
    for tangent in (True, False):
        log_z, mean = Circle()(tokens, tokens, None, masses, beta=beta, tangent=tangent)
        got_z = np.exp(log_z - beta)[rows]
        got_mean = counter_clockwise(tokens, mean)[rows]
        assert np.abs(got_z - z).max() < error * z.max()
        # the force of the unnormalised sum, then the mean row by row
        assert np.abs(got_z * got_mean - force).max() < error * np.abs(force).max() * (1 if tangent else 10)
        assert np.abs(got_mean - force / z).max() < 1e-6
        if not clustered:
            assert np.abs(got_mean - force / z).max() < 100 * error * np.abs(force / z).max()
            assert np.abs(log_z[rows] - beta - np.log(z)).max() < 100 * error


@pytest.mark.parametrize("beta", [50.0, 200.0, 1000.0])
@pytest.mark.parametrize("gap", [0.6, 1.0, 2.0, np.pi])
@pytest.mark.parametrize("own_mass", [1e-3, 1e-9, 0.0])
def test_lonely_token_far_from_a_big_cluster(beta, gap, own_mass):
    rng = np.random.default_rng(2)
    theta = np.r_[gap, 0.05 * rng.standard_normal(2000)]
    tokens = from_angles(theta)
    theta = np.arctan2(tokens[:, 1], tokens[:, 0])
    masses = np.r_[own_mass, np.full(2000, (1 - own_mass) / 2000)]
    log_z, mean = attended(tokens[:1], tokens, None, masses, beta)
    for tangent in (False, True):
        got = Circle()(tokens, tokens, None, masses, beta=beta, tangent=tangent)
        assert got.log_z[0] == pytest.approx(log_z[0], abs=1e-6)
        want = mean[0] - tangent * (mean[0] @ tokens[0]) * tokens[0]
        np.testing.assert_allclose(got.mean[0], want, rtol=0, atol=1e-6)


def test_only_far_rows_are_summed_directly(monkeypatch):
    from tokensphere.attention import rows

    seen = []
    direct = rows.direct_rows
    monkeypatch.setattr(rows, "direct_rows", lambda *args: seen.append(len(args[0])) or direct(*args))
    tokens, _, masses = cloud(500, clustered=False)
    Circle()(tokens, tokens, None, masses, beta=1000.0)
    assert seen == []
    Circle()(from_angles([0.0, 1.5]), from_angles([0.0, 0.1]), beta=1000.0)
    assert seen == [1]


@pytest.mark.parametrize("beta", [0.5, 5.0, 50.0, 500.0, 1e4])
@pytest.mark.parametrize("tolerance", [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2])
def test_errors_stay_below_the_tolerance(tolerance, beta):
    for clustered in (False, True):
        tokens, theta, masses = cloud(3000, clustered)
        rows = np.arange(200)
        z, force = circle_sums(theta, theta[rows], masses, beta)
        circle = Circle(tolerance=tolerance)
        log_z, mean = circle(tokens, tokens, None, masses, beta=beta, tangent=True)
        got = np.exp(log_z - beta)[rows]
        rounding = 4e-16 * beta  # of log Z, which is of size β
        assert np.abs(got - z).max() <= (tolerance + rounding) * z.max()
        got = got * counter_clockwise(tokens, mean)[rows]
        assert np.abs(got - force).max() <= (tolerance + rounding) * np.abs(force).max()
        assert np.abs(circle.pull(theta, masses, beta)[rows] - force).max() <= tolerance * np.abs(force).max()


def test_a_coarser_tolerance_needs_fewer_modes():
    modes = [fourier.circle_kernel(500.0, tolerance).modes for tolerance in (1e-12, 1e-8, 1e-4, 1e-2)]
    assert modes == sorted(modes, reverse=True)
    assert modes[-1] < 0.6 * modes[0] < 0.6 * circle_modes(500.0)


def test_parts_of_a_cloud_add_up_and_blocks_do_not_matter(monkeypatch):
    _, theta, masses = cloud(1000, clustered=True)
    kernel = fourier.circle_kernel(30.0)
    whole = fourier.analyse(theta, masses, kernel)
    parts = sum(fourier.analyse(theta[k::3], masses[k::3], kernel) for k in range(3))
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-13)
    np.testing.assert_allclose(whole, np.exp(-1j * np.outer(np.arange(whole.size), theta)) @ masses, atol=1e-12)
    monkeypatch.setattr(fourier, "BLOCK", 300)
    np.testing.assert_allclose(fourier.analyse(theta, masses, kernel), whole, rtol=0, atol=1e-13)
    got = fourier.synthesise(whole, theta[:500], kernel)
    for field, want in zip(got, circle_sums(theta, theta[:500], masses, 30.0), strict=True):
        assert np.abs(field - want).max() < 1e-12 * np.abs(want).max()


@pytest.mark.parametrize("method", ["pull", "mean_pull"])
def test_angles_and_masses_that_are_not_finite_are_named(method):
    call = getattr(Circle(), method)
    angles, masses = np.linspace(0, 3, 5), np.full(5, 0.2)
    assert np.isfinite(call(angles, masses.astype(complex), 5.0)).all()
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="the angle of token 3 is not finite"):
            call(np.where(np.arange(5) == 3, bad, angles), masses, 5.0)
        with pytest.raises(InputError, match="the mass of token 2 is not finite"):
            call(angles, np.where(np.arange(5) == 2, bad, masses), 5.0)


@pytest.mark.parametrize("beta", [-1000.0, -5.0, -1e-3])
def test_negative_beta(beta):
    tokens, theta, masses = cloud(300, clustered=True)
    z, force = circle_sums(theta + np.pi, theta, masses, -beta)  # e^{−β cos φ} = e^{β cos(φ+π)}
    log_z, mean = Circle()(tokens, tokens, None, masses, beta=beta, tangent=True)
    np.testing.assert_allclose(log_z, np.log(z) - beta, atol=1e-6)
    got = np.exp(log_z + beta) * counter_clockwise(tokens, mean)
    assert np.abs(got + force).max() < 1e-12 * np.abs(force).max()


@pytest.mark.parametrize("beta", [0.0, 0.1, 5.0, 50.0, 1e4, 1e6])
def test_modes_reach_rounding_and_not_much_further(beta):
    modes = circle_modes(beta)
    tail = ive(np.arange(modes, modes + 5), beta)
    assert (tail <= 1e-16 * ive(0, beta)).all()
    assert modes == 1 or ive(modes - 1, beta) > 1e-16 * ive(0, beta)
    assert modes <= 8.6 * np.sqrt(beta) + 24


def test_the_reflected_convolution_is_another_field():
    """∫K(θ+φ)u(φ)dφ in place of ∫K(θ−φ)u(φ)dφ: alike on mirror-symmetric tokens, wrong on all others."""
    beta = 5.0
    symmetric = np.array([0.4, -0.4, 1.3, -1.3, 2.5, -2.5])
    general = np.array([0.4, 0.9, 1.3, 2.0, 2.5, -0.3])

    def fields(theta):
        tokens = from_angles(theta)
        log_z, mean = Circle()(tokens, tokens, beta=beta, tangent=True)
        ours = np.exp(log_z - beta) * counter_clockwise(tokens, mean)
        masses = np.full(theta.size, 1 / theta.size)
        right, reflected = circle_sums(theta, theta, masses, beta)[1], circle_sums(-theta, theta, masses, beta)[1]
        return ours, right, reflected

    ours, right, reflected = fields(symmetric)
    np.testing.assert_allclose(ours, right, atol=1e-13)
    np.testing.assert_allclose(ours, reflected, atol=1e-13)
    ours, right, reflected = fields(general)
    np.testing.assert_allclose(ours, right, atol=1e-13)
    assert np.abs(ours - reflected).max() > 0.5 * np.abs(right).max()


def test_values_of_any_width():
    tokens, _, masses = cloud(60, clustered=False)
    for width in (1, 2, 5):
        values = np.random.default_rng(width).standard_normal((60, width))
        want = attended(tokens, tokens, values, masses, 5.0)
        got = Circle()(tokens, tokens, values, masses, beta=5.0)
        np.testing.assert_allclose(got.mean, want[1], atol=1e-11)


def test_float32_input_is_summed_in_float64():
    tokens, _, masses = cloud(60, clustered=False)
    got = Circle()(tokens.astype(np.float32), tokens.astype(np.float32), None, masses, beta=5.0)
    np.testing.assert_allclose(got.mean, attended(tokens, tokens, None, masses, 5.0)[1], atol=1e-6)


def test_what_it_cannot_do_is_said():
    tokens = from_angles([0.0, 1.0])
    with pytest.raises(InputError, match="dim 2"):
        Circle()(np.eye(3), np.eye(3), beta=1.0)
    with pytest.raises(InputError, match=r"queries of unit length.*token 1"):
        Circle()(np.array([[1.0, 0.0], [0.0, 2.0]]), tokens, beta=1.0)
    with pytest.raises(InputError, match=r"keys: token 1 is not finite"):
        Circle()(tokens, np.array([[1.0, 0.0], [np.nan, 1.0]]), beta=1.0)
    for beta in (1e12, -1e12):
        with pytest.raises(InputError, match="beta"):
            Circle()(tokens, tokens, beta=beta)
    with pytest.raises(ValueError, match="gradients"):
        jax.grad(lambda x: Circle()(x, x, beta=1.0).mean.sum())(tokens)


@pytest.mark.parametrize("beta", [-30.0, 0.0, 50.0, 1e4])
@pytest.mark.parametrize("case", ["self", "cross", "whole mean", "far rows", "heavy", "strided"])
def test_many_tokens_are_compiled_and_give_the_same(case, beta, monkeypatch):
    tokens, _, masses = cloud(4000, clustered=case == "far rows")
    queries = tokens
    if case == "cross":
        queries = from_angles(np.random.default_rng(5).uniform(-np.pi, np.pi, 900))
    if case == "heavy":  # far rows by another spectral sum, without the heavy token
        masses = np.where(np.arange(4000) == 0, 1.0, 1e-12 * masses)
    if case == "strided":
        tokens = queries = np.asfortranarray(tokens)

    def sums():
        return Circle()(queries, tokens, None, masses, beta=beta, tangent=case != "whole mean")

    plain = sums()
    monkeypatch.setattr(circle, "_COMPILED_FROM", 1)
    fast = sums()
    # angles of another rounding move the sums by about rounding times the largest degree
    error = 1e-14 * max(1.0, np.sqrt(abs(beta)))
    near = plain.log_z > plain.log_z.max() - 3  # elsewhere both carry the noise of the transforms
    assert near.mean() > 0.5 or case in ("far rows", "heavy")
    np.testing.assert_allclose(fast.log_z[near], plain.log_z[near], rtol=4e-16, atol=10 * error)
    np.testing.assert_allclose(fast.mean[near], plain.mean[near], rtol=0, atol=10 * error)
    np.testing.assert_allclose(fast.log_z, plain.log_z, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fast.mean, plain.mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["keys", "queries"])
@pytest.mark.parametrize("bad", [[0.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0]])
def test_the_compiled_look_at_lengths_refuses_in_the_same_words(name, bad, monkeypatch):
    tokens, _, _ = cloud(300, clustered=False)
    wrong = tokens.copy()
    wrong[[7, 9]] = bad
    arguments = {"queries": tokens, "keys": tokens, name: wrong}
    said = []
    for least in (10**9, 1):
        monkeypatch.setattr(circle, "_COMPILED_FROM", least)
        with pytest.raises(InputError, match="token 7") as caught:
            Circle()(**arguments, beta=3.0)
        said.append(str(caught.value))
        with pytest.raises(InputError, match=f"Circle attention needs {name} of unit length, got .* for token 7"):
            circle._SPACE.place(wrong, fourier.circle_kernel(3.0), name)
    assert said[0] == said[1]
    assert name in said[0]
