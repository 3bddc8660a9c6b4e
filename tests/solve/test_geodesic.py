"""Weak and strong orders of steps with noise, measured; closed forms of Brownian motion on the sphere.

Weak errors have no statistical error: the expectation over the Gaussians of a step is a Gauss–Hermite sum over kicks
that are given to the step itself, and the function it is of is carried backwards in time on a grid.
"""

import itertools

import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy.linalg import expm

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.flows import AbstractFlow, project
from tokensphere.jaxsetup import jnp, namespace
from tokensphere.solve import deviation, exponential, step_with_noise, tableau

TAU, PULL = 0.4, 1.5
METHODS = ("geodesic", "strang")


class Pull(AbstractFlow):
    """Every token on its own is drawn towards a pole: dx/dt = κ P_x e."""

    strength: float = PULL
    host: bool = True

    @property
    def on_host(self):
        return self.host

    def field(self, tokens, weights=None, t=0.0):
        xp = namespace(tokens)
        pole = xp.asarray(np.eye(tokens.shape[1])[0])
        return self.strength * project(tokens, xp.broadcast_to(pole, tokens.shape))

    def velocity(self, tokens, weights=None, *, radii=None, t=0.0):
        return np.asarray(self.field(tokens))

    def energy(self, tokens, weights=None, *, shifted=None):
        return 0.0

    def resolve(self, n, dim):
        return self


def gaussians(parts, count=None):
    """Nodes (m, parts) and weights (m,) of the expectation over `parts` normal numbers."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count or (40 if parts <= 2 else 14))
    weights = weights / weights.sum()
    grid = np.array(list(itertools.product(nodes, repeat=parts)))
    return grid, np.prod(np.array(list(itertools.product(weights, repeat=parts))), axis=1)


def step(flow, name, size, tokens, kicks):
    """New tokens, for kicks (method.kicks, n, width) in units of their standard deviation."""
    method = tableau(name)
    drawn = kicks * deviation(TAU, size / method.kicks, tokens.shape[1])
    return np.asarray(
        step_with_noise(flow, method, 0.0, size, tokens, flow.field(tokens, None, 0.0), None, drawn).points
    )


def orders(counts, errors):
    return -np.diff(np.log(np.abs(errors))) / np.diff(np.log(counts))


# -- weak order ---------------------------------------------------------------------------------------------------


def decay(name, dim, count, degree=1, time=0.5):
    """E P_k(⟨x(t), x_0⟩) of Brownian motion by `count` equal steps: every step multiplies it by the same number."""
    method = tableau(name)
    nodes, weights = gaussians(dim - 1)
    # the parts of a step are alike: one of them, as often as there are parts
    kicks = np.stack([nodes] + [np.zeros_like(nodes)] * (method.kicks - 1))
    if dim > 2:
        kicks = np.concatenate([np.zeros((*kicks.shape[:2], 1)), kicks], axis=2)
    start = np.tile(np.eye(dim)[0], (len(weights), 1))
    cosines = step(Pull(strength=0.0), name, time / count, start, kicks)[:, 0]
    harmonic = cosines if degree == 1 else (dim * cosines**2 - 1) / (dim - 1)
    return (weights @ harmonic) ** (method.kicks * count)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("degree", [1, 2])
def test_brownian_motion_is_exact_on_the_circle(name, degree):
    exact = np.exp(-TAU * degree**2 * 0.5)
    assert decay(name, 2, 1, degree) == pytest.approx(exact, rel=1e-12)
    assert decay(name, 2, 7, degree) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("dim", [3, 4, 5])
def test_brownian_motion_has_weak_order_two_on_every_sphere(name, dim, degree):
    """E P_k(⟨x(t), x_0⟩) = e^{−τ k(k+d−2) t}."""
    exact = np.exp(-TAU * degree * (degree + dim - 2) * 0.5)
    counts = np.array([4, 8, 16])
    errors = np.array([decay(name, dim, count, degree) for count in counts]) / exact - 1
    assert orders(counts, errors)[-1] == pytest.approx(2, abs=0.1)
    assert abs(errors[-1]) < 2e-3


def test_without_its_curvature_correction_a_step_would_have_order_one():
    """Error (d−1)(d−2)(τh)²/3 of a step, that of degree 1, by closed form."""
    h, dim = 0.01, 4
    plain = deviation(TAU, h, 2)  # no correction
    nodes, weights = gaussians(dim - 1)
    tangent = np.concatenate([np.zeros((len(nodes), 1)), plain * nodes], axis=1)
    cosine = weights @ exponential(np.tile(np.eye(dim)[0], (len(nodes), 1)), tangent)[:, 0]
    wrong = cosine - np.exp(-TAU * (dim - 1) * h)
    assert wrong == pytest.approx(-(dim - 1) * (dim - 2) * (TAU * h) ** 2 / 3, rel=0.05)
    right = np.exp(-0.5 * deviation(TAU, h, dim) ** 2 * (dim - 1))
    assert abs(right - np.exp(-TAU * (dim - 1) * h)) < abs(wrong)


def circle_reference(time, size=64):
    """E cos θ(t) and E cos 2θ(t) from angles θ_0 on a grid: u_t = −κ sin θ u' + τ u'', by Fourier series."""
    grid = 2 * np.pi * np.arange(size) / size
    modes = np.fft.fftfreq(size, 1 / size)
    derivative = np.fft.ifft(1j * modes[:, None] * np.fft.fft(np.eye(size), axis=0), axis=0).real
    second = np.fft.ifft(-(modes[:, None] ** 2) * np.fft.fft(np.eye(size), axis=0), axis=0).real
    generator = -PULL * np.sin(grid)[:, None] * derivative + TAU * second
    return grid, expm(time * generator) @ np.stack([np.cos(grid), np.cos(2 * grid)], axis=1)


@pytest.mark.parametrize(("name", "order"), [("geodesic", 1), ("strang", 2)])
def test_weak_order_with_drift_on_the_circle(name, order):
    """Against an independent Fokker–Planck solution."""
    time, counts = 0.8, np.array([8, 16, 32])
    grid, exact = circle_reference(time)
    parts = tableau(name).kicks
    nodes, weights = gaussians(parts, 24)
    start = np.repeat(np.stack([np.cos(grid), np.sin(grid)], axis=1), len(nodes), axis=0)
    kicks = np.tile(nodes, (len(grid), 1)).T[..., None]
    errors = []
    for count in counts:
        new = step(Pull(), name, time / count, start, kicks)
        angles = np.arctan2(new[:, 1], new[:, 0])
        modes = np.fft.fftfreq(len(grid), 1 / len(grid))
        values = np.stack([np.cos(grid), np.cos(2 * grid)], axis=1)
        carry = (np.exp(1j * angles[:, None] * modes) @ np.fft.fft(np.eye(len(grid)), axis=0) / len(grid)).real
        carry = (carry.reshape(len(grid), len(nodes), -1) * weights[:, None]).sum(axis=1)
        errors.append(np.abs(np.linalg.matrix_power(carry, count) @ values - exact).max())
    assert orders(counts, errors)[-1] == pytest.approx(order, abs=0.1)
    assert errors[-1] < (0.05 if order == 1 else 1e-3)


def sphere_reference(time, nodes):
    """E q(t), q = ⟨x, e⟩ on S², from q_0 = nodes: u_t = κ(1−q²)u' + τ((1−q²)u')', by Legendre series."""
    top = 40
    values, weights = legendre.leggauss(2 * top)
    basis = legendre.legvander(values, top)
    slopes = np.stack([legendre.legval(values, legendre.legder(unit)) for unit in np.eye(top + 1)], axis=1)
    norms = (2 * np.arange(top + 1) + 1) / 2
    drift = norms[:, None] * (basis.T @ (weights[:, None] * PULL * (1 - values**2)[:, None] * slopes))
    generator = drift - TAU * np.diag(np.arange(top + 1.0) * np.arange(1.0, top + 2))
    return legendre.legval(nodes, (expm(time * generator) @ np.eye(top + 1)[1]))


@pytest.mark.parametrize(("name", "order"), [("geodesic", 1), ("strang", 2)])
def test_weak_order_with_drift_on_the_sphere(name, order):
    time, counts, top = 0.8, np.array([4, 8, 16]), 20
    heights, _ = legendre.leggauss(top + 1)
    parts = tableau(name).kicks
    nodes, weights = gaussians(2 * parts, 24 if parts == 1 else 9)
    points = np.stack([heights, np.sqrt(1 - heights**2), 0 * heights], axis=1)
    start = np.repeat(points, len(nodes), axis=0)
    # Ambient normal numbers whose tangent parts at the start are the nodes; the second kick is isotropic.
    frame = np.stack([np.stack([-points[:, 1], points[:, 0], points[:, 2]], axis=1), np.tile([0, 0, 1.0], (21, 1))], 1)
    errors = []
    exact = sphere_reference(time, heights)
    fit = np.linalg.inv(legendre.legvander(heights, top))
    for count in counts:
        size = time / count
        first = np.einsum("mk,gkj->gmj", nodes[:, :2], frame).reshape(-1, 3)
        kicks = first[None]
        if parts == 2:
            # the tangent frame where the second kick acts: the step without it tells
            middle = step(Pull(), name, size, start, np.stack([first, np.zeros_like(first)]))
            one = np.cross(middle, np.tile([0, 0, 1.0], (len(middle), 1)))
            one /= np.linalg.norm(one, axis=1)[:, None]
            other = np.cross(middle, one)
            given = np.tile(nodes[:, 2:], (len(heights), 1))
            kicks = np.stack([first, given[:, :1] * one + given[:, 1:] * other])
        new = step(Pull(), name, size, start, kicks)[:, 0]
        carry = legendre.legvander(new, top) @ fit
        carry = (carry.reshape(len(heights), len(nodes), -1) * weights[:, None]).sum(axis=1)
        errors.append(np.abs(np.linalg.matrix_power(carry, count) @ heights - exact).max())
    assert orders(counts, errors)[-1] == pytest.approx(order, abs=0.15)
    assert errors[-1] < (0.05 if order == 1 else 2e-3)


# -- strong order -------------------------------------------------------------------------------------------------


def strong_errors(name, dim, counts, n=1000, finest=256, time=0.5):
    """Root mean square distance at the end from the path with `finest` steps, driven by the same Brownian motion."""
    flow, method = Pull(), tableau(name)
    start = ts.sphere.uniform(n, dim, 0)
    rng = np.random.default_rng(0)
    halves = rng.normal(size=(finest * method.kicks, n, 1 if dim == 2 else dim))

    def end(count):
        per = finest // count
        kicks = halves.reshape(count, method.kicks, per, *halves.shape[1:]).sum(axis=2) / np.sqrt(per)
        tokens = start
        for kick in kicks:
            tokens = step(flow, name, time / count, tokens, kick)
        return tokens

    fine = end(finest)
    return [np.sqrt(((end(count) - fine) ** 2).sum(axis=1).mean()) for count in counts]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("dim", "order"), [(2, 1.0), (3, 0.5), (6, 0.5)])
def test_strong_order(name, dim, order):
    counts = np.array([4, 8, 16, 32])
    errors = strong_errors(name, dim, counts)
    measured = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert measured == pytest.approx(order, abs=0.1)


# -- the loop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dim", [2, 3, 16])
def test_simulated_brownian_motion(name, dim):
    """E⟨x(t), x_0⟩ = e^{−τ(d−1)t} for tokens that do not move by themselves, within four standard errors."""
    n, tau = 20_000, 0.3 / (dim - 1)
    tokens = ts.sphere.uniform(n, dim, 1)
    flow = ts.UnnormalizedSelfAttention(1.0, value=0.0, attention=Circle() if dim == 2 else Dense())
    times = np.linspace(0, 2, 5)
    run = ts.simulate(Pull(strength=0.0), tokens, times, method=name, step_size=0.25, noise=tau, seed=5)
    products = np.einsum("tij,ij->ti", run.tokens.values, tokens)
    exact = np.exp(-tau * (dim - 1) * times)
    assert (np.abs(products.mean(axis=1) - exact) < 4 * products.std(axis=1) / np.sqrt(n) + 2e-3).all()
    assert np.abs(np.linalg.norm(run.tokens.values, axis=2) - 1).max() < 1e-15 * 4
    few = ts.simulate(flow, tokens[:50], times, method=name, step_size=0.25, noise=tau, seed=5)
    np.testing.assert_allclose(few.tokens.values, run.tokens.values[:, :50], atol=1e-13)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_every_backend_takes_the_same_steps(name, noise):
    """In angles, on the host and compiled."""
    tokens = ts.sphere.uniform(40, 2, 0)
    runs = [
        ts.simulate(
            ts.SelfAttention(3.0, attention=attention), tokens, [0, 1], method=name, step_size=0.1, noise=noise, seed=2
        ).tokens.values[-1]
        for attention in (Circle(), Dense())
    ]
    # stages are added along the chord in one and along the circle in the other: the order of RK4, not rounding
    bound = 1e-12 if name == "geodesic" else 2e-5
    assert np.abs(runs[0] - runs[1]).max() < bound
    own, compiled = (
        ts.simulate(Pull(host=host), tokens, [0, 1], method=name, step_size=0.1, noise=noise, seed=2).tokens.values[-1]
        for host in (True, False)
    )
    assert np.abs(own - compiled).max() < 1e-13


@pytest.mark.parametrize(("name", "order"), [("geodesic", 1), ("strang", 4)])
@pytest.mark.parametrize("dim", [2, 3])
def test_order_without_noise(name, order, dim):
    flow = ts.SelfAttention(4.0, attention=Circle() if dim == 2 else Dense())
    tokens = ts.sphere.uniform(6, dim, seed=5)
    exact = ts.simulate(flow, tokens, [0, 1], method="dopri8", rtol=1e-12).tokens.values[-1]
    counts = np.array([20, 40])
    errors = [
        np.abs(ts.simulate(flow, tokens, [0, 1], method=name, step_size=1 / count).tokens.values[-1] - exact).max()
        for count in counts
    ]
    assert orders(counts, errors)[-1] == pytest.approx(order, abs=0.35)


def test_the_exponential_map_follows_great_circles():
    tokens, vectors = ts.sphere.uniform(9, 4, 0), np.random.default_rng(1).normal(size=(9, 4))
    tangent = project(tokens, vectors)
    length = np.linalg.norm(tangent, axis=1)
    new = exponential(tokens, tangent)
    away = 2 * np.arctan2(np.linalg.norm(new - tokens, axis=1), np.linalg.norm(new + tokens, axis=1))
    np.testing.assert_allclose(away, np.arccos(np.cos(length)), atol=1e-12)
    np.testing.assert_allclose(exponential(new, 0 * new), new, atol=1e-16)
    # a whole turn leads back, and any two steps of it to the same place
    around = tangent * (2 * np.pi / length)[:, None]
    np.testing.assert_allclose(exponential(tokens, around), tokens, atol=1e-14)
    np.testing.assert_allclose(np.asarray(exponential(jnp.asarray(tokens), jnp.asarray(tangent))), new, atol=1e-15)
