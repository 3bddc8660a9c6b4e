"""The direct sum on the host: how tokens are cut into blocks and spread over threads.

With t_ij = log₂e (β⟨q_i, y_j⟩ − c_i) and the bound c_i = |β| |q_i| max_j |y_j|, every 2^{t_ij} lies in [0, 1] and no
running maximum is needed:

    Z_i = e^{c_i} Σ_j w_j 2^{t_ij},     mean_i = Σ_j w_j 2^{t_ij} v_j / Σ_j w_j 2^{t_ij}.

Where ⟨q_i, y_j⟩ = ⟨q_j, y_i⟩ (self-attention with a symmetric B), one bound serves all rows, t is symmetric, and each
pair of blocks is exponentiated once for its rows and its columns. Rows whose sum falls out of the floating-point
range (a query far from every key at large β) are found and done again, exactly.

Few coordinates: loops of :mod:`.kernels`. Many: matrix products over blocks, with BLAS on one thread each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tokensphere.threads import available_threads, one_blas_thread, run_all

from .kernels import LANES, TILE, exact_rows, exponentiate, exponentiate_pairs, one_sided, two_sided
from .passes import accumulate, dots, finish, shifted
from .tournament import MOST_BLOCKS, cut, tournament

__all__ = ["attend"]

_LOG2E = float(np.log2(np.e))
# Coordinates of keys and values from which matrix products win.
_PRODUCTS_FROM = {np.dtype(np.float64): 40, np.dtype(np.float32): 28}
_ALL_THREADS_FROM = 500_000  # pairs times coordinates
_FEW_TILES = 16  # tiles up to which pairs are dealt out in shares
_SHARES = 8
_SQUARE = 512  # side of a block of matrix products
_SMALLEST = {np.dtype(np.float64): 1e-280, np.dtype(np.float32): 1e-28}
_PASSES_FROM = 200_000  # coordinates from which a pass over rows is cut in pieces
_NO_MASK = np.empty((0, 0), dtype=bool)
_NOTHING = np.empty(0)


def attend(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray | None,
    beta: float,
    *,
    symmetric: bool = False,
    causal: bool = False,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """log Z (m,) and the mean (m, c), in single precision if all points are, else in double.

    **Arguments:** as of :class:`tokensphere.attention.AbstractAttention`. `symmetric` promises
    ⟨q_i, y_j⟩ = ⟨q_j, y_i⟩ for all i, j.
    """
    work = np.dtype(np.float32 if np.result_type(queries, keys, values) == np.float32 else np.float64)
    m, n = len(queries), len(keys)
    masses = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=np.float64)
    threads = available_threads() if m * n * (keys.shape[1] + values.shape[1] + 1) > _ALL_THREADS_FROM else 1
    rows = _Rows(threads)
    lengths = np.sqrt(rows.dots(queries, queries))
    radius = float(lengths.max() if keys is queries else np.sqrt(rows.dots(keys, keys).max()))
    bounds = (abs(beta) * radius) * lengths
    symmetric = symmetric and m == n and not causal and mask is None
    if symmetric and bounds.max() - bounds.min() > -0.2 * np.log(_SMALLEST[work]):
        symmetric = False  # one bound for all would push too many rows out of range
    if symmetric:
        bounds[:] = bounds.max()
    hidden = _NO_MASK if mask is None else mask
    given = _Problem(
        queries, keys, values, masses, beta, lengths, radius, bounds, symmetric, causal, hidden, work, threads, rows
    )
    z, sums = (_products if keys.shape[1] + values.shape[1] >= _PRODUCTS_FROM[work] else _loops)(given)
    own = _NOTHING
    if symmetric:  # pairs were taken with i < j
        own = masses * np.exp(beta * rows.dots(queries, keys) - bounds)
        z += own
    lost = np.flatnonzero(~(z >= _SMALLEST[work]))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_z = np.log(z) + bounds
    mean = np.empty(sums.shape, work)
    rows(finish, sums, values, own, z, mean)
    if lost.size:
        full = np.concatenate([masses[:, None], values], axis=1)
        points, against = queries.astype(np.float64, copy=False), keys.astype(np.float64, copy=False)
        run_all(
            lambda some: exact_rows(some, points, beta, against, full, hidden, causal, log_z, mean),
            np.array_split(lost, 4 * threads),
            threads,
        )
    return log_z.astype(work, copy=False), mean


class _Rows:
    """Passes over rows, in a few pieces on the threads of one evaluation."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __call__(self, compiled_pass: Any, *arrays: np.ndarray) -> None:
        """Call the pass on slices of all arrays; those of one row or none go along whole."""
        m = len(arrays[-1])
        if self.threads == 1 or m * arrays[0].shape[1] < _PASSES_FROM:
            compiled_pass(*arrays)
            return

        def part(span: tuple[int, int]) -> None:
            compiled_pass(*(array[span[0] : span[1]] if len(array) == m else array for array in arrays))

        run_all(part, cut(m, 1, 4 * self.threads), self.threads)

    def dots(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """⟨x_i, y_i⟩ in double precision."""
        out = np.empty(len(x))
        self(dots, x, y, out)
        return out


class _Problem(NamedTuple):
    """Queries (m, d), keys (n, d), values (n, c), masses w_j, lengths |q_i|, `radius` max|y_j|, bounds c_i."""

    queries: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    masses: np.ndarray
    beta: float
    lengths: np.ndarray
    radius: float
    bounds: np.ndarray
    symmetric: bool
    causal: bool
    mask: np.ndarray
    work: np.dtype[Any]
    threads: int
    rows: _Rows


def _spans(m: int, tile: int) -> list[tuple[int, int]]:
    """Queries in pieces of whole tiles; more of them than threads, since causal rows differ in length."""
    return cut(m, tile, min(MOST_BLOCKS, -(-m // tile)))


def _loops(given: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """Σ_j w_j 2^{t_ij} (m,) and Σ_j w_j 2^{t_ij} v_j (m, c), by the compiled loops."""
    beta, work, threads = given.beta, given.work, given.threads
    queries, keys = given.queries.astype(np.float64, copy=False), given.keys.astype(np.float64, copy=False)
    (m, dim), n = queries.shape, len(keys)
    width = -(-dim // LANES) * LANES
    a, p, y = np.zeros((m, width), work), np.zeros((m, width), work), np.zeros((width, n), work)
    a[:, :dim] = (beta * _LOG2E) * queries
    p[:, :dim] = queries * (np.copysign(given.radius, beta) / np.where(given.lengths > 0, given.lengths, 1.0))[:, None]
    y[:dim] = keys.T
    r = (_LOG2E * (beta * np.einsum("ij,ij->i", queries, p[:, :dim].astype(np.float64)) - given.bounds)).astype(work)
    values = np.empty((1 + given.values.shape[1], n), work)
    values[0] = given.masses
    np.multiply(given.values.T, given.masses, out=values[1:], casting="same_kind")
    sums = np.zeros((len(values), m))
    if given.symmetric and n <= _FEW_TILES * TILE:
        # One call of the threads instead of many rounds: each share of the pairs has sums of its own.
        spans = cut(n, TILE, -(-n // TILE))
        pairs = [(i, j) for i in range(len(spans)) for j in range(i, len(spans))]
        parts = np.zeros((min(_SHARES, len(pairs)), *sums.shape))

        def share(k: int) -> None:
            for i, j in pairs[k :: len(parts)]:
                two_sided(a, p, r, y, values, parts[k], spans[i], spans[j])

        run_all(share, range(len(parts)), threads)
        parts.sum(axis=0, out=sums)
    elif given.symmetric:
        tournament(lambda rows, cols: two_sided(a, p, r, y, values, sums, rows, cols), n, TILE, threads)
    else:
        run_all(
            lambda span: one_sided(a, p, r, y, values, given.mask, given.causal, sums, *span),
            _spans(m, TILE // 4),
            threads,
        )
    return sums[0], np.ascontiguousarray(sums[1:].T)


def _products(given: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """The same by matrix products over square blocks."""
    queries, keys, beta, work = given.queries, given.keys, given.beta, given.work
    causal, mask, threads = given.causal, given.mask, given.threads
    m, n, width = len(queries), len(keys), given.values.shape[1]
    # Logits against the centre of the keys: small where tokens have gathered, so that they keep their digits.
    center, rows = keys.mean(axis=0, dtype=np.float64)[None], given.rows
    a, y, values = np.empty(queries.shape, work), np.empty(keys.shape, work), np.empty((n, width), work)
    rows(shifted, queries, np.zeros_like(center), np.full(m, beta * _LOG2E), a)
    rows(shifted, keys, center, np.ones(n), y)
    rows(shifted, given.values, np.zeros((1, width)), given.masses, values)
    shift = (_LOG2E * (given.bounds - beta * rows.dots(queries, center))).astype(work)
    masses = given.masses.astype(work)
    z, sums = np.zeros(m), np.zeros((m, width))
    rooms: list[tuple[np.ndarray, np.ndarray]] = []  # a square block and a product with the values, for each thread

    def borrow() -> tuple[np.ndarray, np.ndarray]:
        return rooms.pop() if rooms else (np.empty(_SQUARE**2, work), np.empty((_SQUARE, width), work))

    def pair(rows: tuple[int, int], cols: tuple[int, int]) -> None:
        logits, product = room = borrow()
        for i in range(rows[0], rows[1], _SQUARE):
            k = min(i + _SQUARE, rows[1])
            for j in range(max(i, cols[0]) if rows == cols else cols[0], cols[1], _SQUARE):
                end = min(j + _SQUARE, cols[1])
                block = np.matmul(a[i:k], y[j:end].T, out=_shaped(logits, k - i, end - j))
                exponentiate_pairs(block, shift[i:k], i == j, masses[i:k], masses[j:end], z[i:k], z[j:end])
                accumulate(sums[i:k], np.matmul(block, values[j:end], out=product[: k - i]))
                accumulate(sums[j:end], np.matmul(block.T, values[i:k], out=product[: end - j]))
        rooms.append(room)

    def band(span: tuple[int, int]) -> None:
        logits, product = room = borrow()
        for i in range(span[0], span[1], _SQUARE):
            k = min(i + _SQUARE, span[1])
            for j in range(0, min(n, k) if causal else n, _SQUARE):
                end = min(j + _SQUARE, n)
                block = np.matmul(a[i:k], y[j:end].T, out=_shaped(logits, k - i, end - j))
                if causal:
                    block[np.arange(j, end) > np.arange(i, k)[:, None]] = -np.inf
                if mask.size:
                    block[~mask[i:k, j:end]] = -np.inf
                exponentiate(block, shift[i:k], masses[j:end], z[i:k])
                accumulate(sums[i:k], np.matmul(block, values[j:end], out=product[: k - i]))
        rooms.append(room)

    with one_blas_thread():
        if given.symmetric:
            tournament(pair, n, _SQUARE, threads)
        else:
            run_all(band, _spans(m, _SQUARE // 4), threads)
    return z, sums


def _shaped(room: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The beginning of `room` as a contiguous matrix: compiled loops over anything else are slow."""
    return room[: rows * columns].reshape(rows, columns)
