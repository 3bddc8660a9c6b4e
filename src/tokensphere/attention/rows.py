"""Rows that a spectral sum cannot give: queries far from every key.

A spectral sum knows each Z_i up to an error that is proportional to the *largest* Z. A row is far when that error
exceeds `row_tolerance` · Z_i. Two cures, by their cost:

* term by term, its own largest term taken out: exact, n operations a row;
* the h heaviest tokens term by term and all others spectrally: Z_i = H_i + R_i. H_i is exact, and the error of R_i is
  proportional to the largest R, at most the mass M_h of the other tokens. So row i is accurate as soon as
  H_i + R_i ≥ M_h · noise / row_tolerance, and h operations a row are enough.

The second is what makes a few heavy tokens among many light ones (merged tokens, a cluster that has swallowed
nearly all mass) as cheap as equal masses. A row that is still far afterwards is summed term by term.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tokensphere.parallel import SERIAL, Mesh

if TYPE_CHECKING:
    from .spectral import Receipt

__all__ = ["direct_rows", "far_rows", "far_sums"]

# masses -> what the far queries receive from them, times e^{−|β|}
Spectral = Callable[[np.ndarray], "Receipt"]

_CHUNK = 2**16  # logits held at once: they stay in the cache
_MOST = 1024  # heavy tokens considered
_SAMPLE = 256  # far rows on which a number of heavy tokens is tried
_TRANSFORM = 40.0  # cost of a token in a spectral sum, in terms of a direct sum


def far_rows(
    z: np.ndarray,
    size: float,
    threshold: float,
    mesh: Mesh = SERIAL,
    extremes: tuple[float, float] | None = None,
) -> np.ndarray:
    """Indices of the queries whose Z_i is below `threshold` times the largest Z.

    **Arguments:** `z` (m,); `size` the root mean square of Z over the sphere, for the case that no query is
    close to a key; `threshold` the noise of the sum divided by the row tolerance; `mesh`: the processes among
    whose queries the largest Z is looked for; `extremes`, the least and the largest of `z`, where they are known,
    save a look at every row.
    """
    least, largest = (None, float(z.max())) if extremes is None else extremes
    limit = max(float(mesh.max(largest)), size) * threshold
    if least is not None and least >= limit > 0:
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(~(z >= limit))


def far_sums(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    *,
    tangent: bool,
    own: np.ndarray | None,
    threshold: float,
    spectral: Spectral,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean for far queries, by the cheaper of the two cures.

    **Arguments:** `queries` (m, d) the far ones only; `own` (m,) the masses of the queries where they are keys;
    `threshold` as in :func:`far_rows`; `spectral` evaluates the spectral sum at these queries for any masses.

    **Returns:** `log_z` (m,) and `mean` (m, d_v), its tangential part only where `tangent`.
    """
    heavy = _heavy_tokens(queries, keys, masses, beta, own, threshold)
    if heavy.size == 0:
        return direct_rows(queries, keys, values, masses, beta, tangent)
    light = np.array(masses)
    light[heavy] = 0.0
    rest = spectral(light)
    few_values = None if values is None else values[heavy]
    few_z, few = direct_rows(queries, keys[heavy], few_values, masses[heavy], beta, tangent)
    few_z = np.exp(few_z - abs(beta))
    z = few_z + rest.z
    good = (z >= max(rest.size, rest.z.max()) * threshold) & (z > 1e-280)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_z = np.log(z) + abs(beta)
        mean = (few_z[:, None] * few + rest.sums) / z[:, None]
    still = np.flatnonzero(~good)
    if still.size:
        log_z[still], mean[still] = direct_rows(queries[still], keys, values, masses, beta, tangent)
    return log_z, mean


def _heavy_tokens(
    queries: np.ndarray,
    keys: np.ndarray,
    masses: np.ndarray,
    beta: float,
    own: np.ndarray | None,
    threshold: float,
) -> np.ndarray:
    """The tokens to be summed one by one: as many of the heaviest as make the whole cheapest, perhaps none.

    A row counts as cured by h heavy tokens if H_i + w_i ≥ threshold · M_h: a lower bound of Z_i against an upper
    bound of R. The share of such rows is taken from a sample.
    """
    m, n = len(queries), len(keys)
    most = min(n // 4, _MOST)
    if most == 0 or m * n <= _TRANSFORM * (m + n):
        return np.empty(0, dtype=np.intp)
    order = np.argpartition(masses, n - most)[n - most :]
    order = order[np.argsort(-masses[order], kind="stable")]
    others = np.ones(n, dtype=bool)
    others[order] = False
    # summed from the lightest up: a difference of near 1 and 1 would have no digits
    remaining = masses[others].sum() + np.append(np.cumsum(masses[order][::-1])[::-1][1:], 0.0)
    sample = np.unique(np.linspace(0, m - 1, min(m, _SAMPLE)).astype(np.intp))
    terms = masses[order] * np.exp(beta * (queries[sample] @ keys[order].T) - abs(beta))
    lower = np.cumsum(terms, axis=1) + (0.0 if own is None else own[sample, None])
    best, heavy = float(m) * n, 0
    for count in 2 ** np.arange(int(np.log2(most)) + 1):
        still_far = np.mean(lower[:, count - 1] < threshold * remaining[count - 1])
        cost = m * count + _TRANSFORM * (m + n) + still_far * m * n
        if cost < best:
            best, heavy = cost, int(count)
    return order[:heavy]


def direct_rows(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray | None,
    masses: np.ndarray,
    beta: float,
    tangent: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z and the mean, term by term for a few queries, with their own largest term taken out.

    Keys without mass do not count. Memory is O(m + n): keys go through in blocks, each with its largest term.
    """
    values = keys if values is None else values
    m, n = len(queries), len(keys)
    log_z, mean = np.full(m, -np.inf), np.zeros((m, values.shape[1]))
    with np.errstate(divide="ignore"):
        log_masses = np.log(masses)
    columns = min(n, _CHUNK)
    rows = max(1, _CHUNK // columns)
    for start in range(0, m, rows):
        part = slice(start, start + rows)
        scaled = beta * queries[part]
        top = np.full(len(scaled), -np.inf)
        total, sums = np.zeros(len(scaled)), np.zeros((len(scaled), values.shape[1]))
        for begin in range(0, n, columns):
            block = slice(begin, begin + columns)
            terms = scaled @ keys[block].T
            terms += log_masses[block]
            new = np.maximum(top, terms.max(axis=1))
            shift = np.where(np.isfinite(new), new, 0.0)
            terms -= shift[:, None]
            np.exp(terms, out=terms)
            kept = np.exp(top - shift)
            total = total * kept + terms.sum(axis=1)
            sums = sums * kept[:, None] + terms @ values[block]
            top = new
        with np.errstate(divide="ignore", invalid="ignore"):
            log_z[part] = top + np.log(total)
            mean[part] = np.where(total[:, None] > 0, sums / total[:, None], 0.0)
    if tangent:
        mean -= np.sum(mean * queries, axis=1, keepdims=True) * queries
    return log_z, mean
