"""Rows far from every key: direct, or with the heaviest tokens taken out."""

import time

import numpy as np
import pytest
from conformance.direct import attended, project, random_tokens

from tokensphere.attention import Circle, Harmonic, rows
from tokensphere.sphere import from_angles

SPACES = [(Circle(), 2), (Harmonic(), 3)]


@pytest.fixture
def counted(monkeypatch):
    """Pairs that were summed one by one."""
    pairs = []
    direct = rows.direct_rows
    monkeypatch.setattr(rows, "direct_rows", lambda *a: pairs.append(len(a[0]) * len(a[1])) or direct(*a))
    return pairs


@pytest.mark.parametrize(("attention", "dim"), SPACES, ids=["circle", "sphere"])
@pytest.mark.parametrize("heavy", [1, 5])
@pytest.mark.parametrize("light", [1e-4, 1e-12, 1e-30])
@pytest.mark.parametrize("tangent", [True, False])
def test_nearly_all_mass_in_few_tokens(attention, dim, heavy, light, tangent, counted):
    """Every row far from the heavy tokens is far; all the same the cost stays that of a few tokens a row."""
    rng = np.random.default_rng(3)
    n, beta = 4000, 50.0
    tokens = random_tokens(rng, n, dim)
    masses = rng.random(n) * light / n
    masses[:heavy] = 1.0 / heavy
    masses /= masses.sum()
    got = attention(tokens, tokens, None, masses, beta=beta, tangent=tangent)
    log_z, mean = attended(tokens[::40], tokens, None, masses, beta)
    want = project(tokens[::40], mean) if tangent else mean
    np.testing.assert_allclose(got.log_z[::40], log_z, rtol=0, atol=1e-7)
    np.testing.assert_allclose(got.mean[::40], want, rtol=0, atol=1e-7)
    assert sum(counted) < 0.02 * n * n


def test_without_the_cure_every_row_is_direct(monkeypatch, counted):
    """The test above can fail: with no heavy token taken out, the same cloud costs all pairs."""
    monkeypatch.setattr(rows, "_MOST", 0)
    rng = np.random.default_rng(3)
    tokens, masses = random_tokens(rng, 2000, 2), rng.random(2000) * 1e-12 / 2000
    masses[0] = 1.0
    Circle()(tokens, tokens, None, masses / masses.sum(), beta=50.0)
    assert sum(counted) > 0.5 * 2000**2


def test_masses_over_thirty_orders_of_magnitude():
    rng = np.random.default_rng(4)
    for attention, dim in SPACES:
        tokens, masses = random_tokens(rng, 1500, dim), 10.0 ** rng.uniform(-30, 0, 1500)
        masses /= masses.sum()
        got = attention(tokens, tokens, None, masses, beta=200.0)
        log_z, mean = attended(tokens, tokens, None, masses, 200.0)
        np.testing.assert_allclose(got.log_z, log_z, rtol=0, atol=1e-7)
        np.testing.assert_allclose(got.mean, mean, rtol=0, atol=1e-7)


def test_other_values_and_other_queries(counted):
    rng = np.random.default_rng(5)
    for attention, dim in SPACES:
        keys, queries, values = random_tokens(rng, 3000, dim), random_tokens(rng, 2000, dim), rng.random((3000, 3))
        masses = rng.random(3000) * 1e-15
        masses[7] = 1.0
        masses /= masses.sum()
        got = attention(queries, keys, values, masses, beta=30.0)
        log_z, mean = attended(queries, keys, values, masses, 30.0)
        np.testing.assert_allclose(got.log_z, log_z, rtol=0, atol=1e-7)
        np.testing.assert_allclose(got.mean, mean, rtol=0, atol=1e-7)


def test_angle_path_takes_the_same_cure(counted):
    rng = np.random.default_rng(6)
    n, beta = 4000, 50.0
    angles, masses = rng.uniform(-np.pi, np.pi, n), rng.random(n) * 1e-9 / n
    masses[0] = 1.0
    masses /= masses.sum()
    tokens = from_angles(angles)
    got = Circle().mean_pull(angles, masses, beta)
    mean = attended(tokens, tokens, None, masses, beta)[1]
    np.testing.assert_allclose(got, tokens[:, 0] * mean[:, 1] - tokens[:, 1] * mean[:, 0], rtol=0, atol=1e-7)
    assert sum(counted) < 0.02 * n * n


@pytest.mark.slow
def test_one_heavy_token_among_many_in_seconds():
    rng = np.random.default_rng(7)
    n = 200_000
    tokens, masses = random_tokens(rng, n, 2), np.full(n, 1e-12 / n)
    masses[0] = 1.0
    started = time.perf_counter()
    Circle()(tokens, tokens, None, masses / masses.sum(), beta=50.0, tangent=True)
    assert time.perf_counter() - started < 5.0  # all pairs take minutes


def test_direct_rows_in_blocks_of_keys(monkeypatch):
    rng = np.random.default_rng(8)
    queries, keys, masses = random_tokens(rng, 7, 3), random_tokens(rng, 500, 3), rng.random(500) ** 9
    masses[:200] = 0.0
    want = attended(queries, keys, None, masses, 300.0)
    for chunk in (2**16, 600, 64):
        monkeypatch.setattr(rows, "_CHUNK", chunk)
        log_z, mean = rows.direct_rows(queries, keys, None, masses, 300.0, False)
        np.testing.assert_allclose(log_z, want[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(mean, want[1], rtol=0, atol=1e-12)
