"""Compiled loops of the direct sum on the host: a few queries against a tile of keys.

All logits are in powers of two, t_ij = Σ_k a_ik (y_jk − p_ik) + r_i with a_i = β log₂e · q_i. The reference p_i is
the point of the keys' ball where the logit is largest, so that the differences are small just where the exponential
is large: single precision then keeps its digits at any β. 2^t comes from a polynomial on [−½, ½] and the exponent.

Four queries are taken at once, so that what is loaded of a key serves four of them; a tile of keys, their values and
the sums of its columns stay in the first-level cache, and every loop has a length known to the compiler. Sums of a
tile are added up in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .compiled import compiled

__all__ = [
    "LANES",
    "TILE",
    "exact_rows",
    "exponentiate",
    "exponentiate_pairs",
    "monomials",
    "one_sided",
    "two_sided",
    "weighted_sums",
]

TILE = 256  # keys in a tile
LANES = 4  # coordinates are padded to a multiple of this
_GROUP = 4  # queries taken at once
_BAND = 64  # queries after which the sums of a tile's columns are added up

# 2^r on [−½, ½]: relative error 3e-18 (double) and 2e-9 (single), before rounding.
_P64 = tuple(
    np.float64(c)
    for c in (
        1.0,
        0.6931471805599453,
        0.24022650695910155,
        0.055504108664819925,
        0.009618129107588339,
        0.0013333558146789836,
        0.00015403530462509965,
        1.5252733490062371e-05,
        1.321543309185115e-06,
        1.0178197993382468e-07,
        7.0741052512368325e-09,
        4.4352866745874165e-10,
    )
)
_P32 = tuple(
    np.float32(c)
    for c in (
        1.0000000005541032,
        0.6931472057363331,
        0.24022646891194166,
        0.055503287785143435,
        0.009618488897953099,
        0.0013399930789647324,
        0.0001534582738150001,
    )
)
# Adding 1.5 · 2^52 (2^23) rounds to an integer that then stands in the last bits.
_ROUND64, _ROUND32 = np.float64(1.5 * 2**52), np.float32(1.5 * 2**23)
_LEAST64, _LEAST32 = np.float64(-1020), np.float32(-125)


@intrinsic
def _scaled(_context: Any, p: Any, z: Any) -> Any:
    """p · 2^k, where k stands in the last bits of z."""
    width, shift = (64, 52) if p == types.float64 else (32, 23)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(width)
        bits = builder.shl(builder.bitcast(arguments[1], integer), ir.Constant(integer, shift))
        total = builder.add(builder.bitcast(arguments[0], integer), bits)
        return builder.bitcast(total, ir.DoubleType() if width == 64 else ir.FloatType())

    return p(p, p), generate


def _exp2(t: Any) -> Any:
    """2^t for t ≤ 1000 (120 in single precision); what is below 2^−1020 (2^−125) becomes that."""
    raise NotImplementedError("compiled code only")


@overload(_exp2, jit_options={"fastmath": {"contract"}})  # any more freedom would cancel the rounding
def _exp2_for(t: Any) -> Any:
    if t == types.float32:

        def single(t: Any) -> Any:
            t = max(t, _LEAST32)
            z = t + _ROUND32
            r = t - (z - _ROUND32)
            p = _P32[6] * r + _P32[5]
            p = p * r + _P32[4]
            p = p * r + _P32[3]
            p = p * r + _P32[2]
            p = p * r + _P32[1]
            return _scaled(p * r + _P32[0], z)  # type: ignore[call-arg]

        return single

    def double(t: Any) -> Any:
        t = max(t, _LEAST64)
        z = t + _ROUND64
        r = t - (z - _ROUND64)
        p = _P64[11] * r + _P64[10]
        p = p * r + _P64[9]
        p = p * r + _P64[8]
        p = p * r + _P64[7]
        p = p * r + _P64[6]
        p = p * r + _P64[5]
        p = p * r + _P64[4]
        p = p * r + _P64[3]
        p = p * r + _P64[2]
        p = p * r + _P64[1]
        return _scaled(p * r + _P64[0], z)  # type: ignore[call-arg]

    return double


_fast = compiled({"contract", "reassoc", "nsz"})


@_fast
def _kernel_row(a: Any, p: Any, r: Any, keys: Any, out: Any) -> None:
    """out_j = 2^{Σ_k a_k (keys_kj − p_k) + r} over a whole tile."""
    y0, y1, y2, y3 = keys[0], keys[1], keys[2], keys[3]
    a0, a1, a2, a3, p0, p1, p2, p3 = a[0], a[1], a[2], a[3], p[0], p[1], p[2], p[3]
    if a.size == LANES:
        for j in range(TILE):
            out[j] = _exp2(a0 * (y0[j] - p0) + a1 * (y1[j] - p1) + (a2 * (y2[j] - p2) + a3 * (y3[j] - p3)) + r)
        return
    for j in range(TILE):
        out[j] = a0 * (y0[j] - p0) + a1 * (y1[j] - p1) + (a2 * (y2[j] - p2) + a3 * (y3[j] - p3)) + r
    for k in range(LANES, a.size, LANES):
        y0, y1, y2, y3 = keys[k], keys[k + 1], keys[k + 2], keys[k + 3]
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        p0, p1, p2, p3 = p[k], p[k + 1], p[k + 2], p[k + 3]
        for j in range(TILE):
            out[j] += a0 * (y0[j] - p0) + a1 * (y1[j] - p1) + (a2 * (y2[j] - p2) + a3 * (y3[j] - p3))
    for j in range(TILE):
        out[j] = _exp2(out[j])


@_fast
def _row_sums(e0: Any, e1: Any, e2: Any, e3: Any, values: Any) -> Any:
    """Σ_j e_j v_j for four rows."""
    zero = e0.dtype.type(0)
    s0, s1, s2, s3 = zero, zero, zero, zero
    for j in range(TILE):
        v = values[j]
        s0 += e0[j] * v
        s1 += e1[j] * v
        s2 += e2[j] * v
        s3 += e3[j] * v
    return s0, s1, s2, s3


@_fast
def _both_sums(e0: Any, e1: Any, e2: Any, e3: Any, values: Any, b0: Any, b1: Any, b2: Any, b3: Any, sums: Any) -> Any:
    """The same, and for every key sums_j += Σ_rows e_j b."""
    zero = e0.dtype.type(0)
    s0, s1, s2, s3 = zero, zero, zero, zero
    for j in range(sums.size):
        v = values[j]
        f0, f1, f2, f3 = e0[j], e1[j], e2[j], e3[j]
        s0 += f0 * v
        s1 += f1 * v
        s2 += f2 * v
        s3 += f3 * v
        sums[j] += (f0 * b0 + f1 * b1) + (f2 * b2 + f3 * b3)
    return s0, s1, s2, s3


@_fast
def _load(rows: Any, start: int, stop: int, out: Any) -> None:
    """Columns start..stop of `rows`, followed by zeros."""
    count = stop - start
    for k in range(rows.shape[0]):
        source, target = rows[k][start:stop], out[k]
        target[count:] = 0
        for j in range(count):
            target[j] = source[j]


@_fast
def two_sided(a: Any, p: Any, r: Any, keys: Any, values: Any, sums: Any, rows: Any, columns: Any) -> None:
    """Add to `sums` what queries `rows` = (i0, i1) and `columns` = (j0, j1) of one set of tokens give each other.

    t_ij = t_ji, so every exponential serves two tokens. `a`, `p` (n, D), `r` (n,); `keys` (D, n), `values` (c, n)
    with the masses in; `sums` (c, n) in double precision. Where `rows` = `columns`, pairs i < j are taken once.
    """
    i0, i1, j0, j1 = rows[0], rows[1], columns[0], columns[1]
    same = i0 == j0
    width, kind = values.shape[0], keys.dtype
    e = np.zeros((_GROUP, TILE), kind)
    y, v, column = np.empty((keys.shape[0], TILE), kind), np.empty((width, TILE), kind), np.empty((width, TILE), kind)
    for start in range(j0, j1, TILE):
        stop = min(start + TILE, j1)
        _load(keys, start, stop, y)
        _load(values, start, stop, v)
        for band in range(i0, i1, _BAND):
            if same and stop <= band + 1:
                break
            column[:] = 0
            for i in range(band, min(band + _BAND, i1), _GROUP):
                count = min(_GROUP, i1 - i)
                for g in range(_GROUP):
                    if g >= count:
                        e[g, :] = 0
                        continue
                    _kernel_row(a[i + g], p[i + g], r[i + g], y, e[g])
                    if same and i + g >= start:
                        e[g, : min(i + g + 1 - start, TILE)] = 0
                i_1, i_2, i_3 = min(i + 1, i1 - 1), min(i + 2, i1 - 1), min(i + 3, i1 - 1)  # their e are 0
                for k in range(width):
                    b, s = values[k], sums[k]
                    s0, s1, s2, s3 = _both_sums(e[0], e[1], e[2], e[3], v[k], b[i], b[i_1], b[i_2], b[i_3], column[k])
                    s[i] += s0
                    s[i_1] += s1
                    s[i_2] += s2
                    s[i_3] += s3
            for k in range(width):
                s, c = sums[k], column[k]
                for j in range(start, stop):
                    s[j] += c[j - start]


@_fast
def one_sided(
    a: Any, p: Any, r: Any, keys: Any, values: Any, mask: Any, causal: bool, sums: Any, i0: int, i1: int
) -> None:
    """Add to `sums` (c, m) what queries i0..i1 receive from all keys; `causal`: from keys j ≤ i only.

    `mask` (m, n) of booleans, or (0, 0) for none.
    """
    n, width, kind = keys.shape[1], values.shape[0], keys.dtype
    masked = mask.shape[0] > 0
    e = np.zeros((_GROUP, TILE), kind)
    y, v = np.empty((keys.shape[0], TILE), kind), np.empty((width, TILE), kind)
    last = min(n, i1) if causal else n
    for start in range(0, last, TILE):
        stop = min(start + TILE, n)
        _load(keys, start, stop, y)
        _load(values, start, stop, v)
        first = max(i0, start // _GROUP * _GROUP) if causal else i0
        for i in range(first, i1, _GROUP):
            count = min(_GROUP, i1 - i)
            for g in range(_GROUP):
                if g >= count:
                    e[g, :] = 0
                    continue
                _kernel_row(a[i + g], p[i + g], r[i + g], y, e[g])
                if causal and i + g + 1 < start + TILE:
                    e[g, max(i + g + 1 - start, 0) :] = 0
                if masked:
                    row = mask[i + g]
                    for j in range(start, stop):
                        if not row[j]:
                            e[g, j - start] = 0
            i_1, i_2, i_3 = min(i + 1, i1 - 1), min(i + 2, i1 - 1), min(i + 3, i1 - 1)
            for k in range(width):
                s0, s1, s2, s3 = _row_sums(e[0], e[1], e[2], e[3], v[k])
                s = sums[k]
                s[i] += s0
                s[i_1] += s1
                s[i_2] += s2
                s[i_3] += s3


@_fast
def exponentiate(logits: Any, shift: Any, weights: Any, sums: Any) -> None:
    """e_ij = 2^{t_ij − shift_i} in place, and sums_i += Σ_j e_ij w_j."""
    for i in range(logits.shape[0]):
        row, c = logits[i], shift[i]
        total = row.dtype.type(0)
        for j in range(row.size):
            e = _exp2(row[j] - c)
            row[j] = e
            total += e * weights[j]
        sums[i] += total


@_fast
def exponentiate_pairs(
    logits: Any, shift: Any, same: bool, row_weights: Any, weights: Any, row_sums: Any, sums: Any
) -> None:
    """e_ij = 2^{t_ij − shift_i} in place, row_sums_i += Σ_j e_ij w_j and sums_j += Σ_i e_ij w_i.

    `same`: rows and columns are the same tokens, of which pairs i < j are taken, once.
    """
    columns, last = np.zeros(logits.shape[1], logits.dtype), logits.shape[0] - 1
    for i in range(0, last + 1, _GROUP):
        for g in range(i, min(i + _GROUP, last + 1)):
            row, c = logits[g], shift[g]
            for j in range(row.size):
                row[j] = _exp2(row[j] - c)
            if same:
                row[: g + 1] = 0
        if i + _GROUP > last + 1:
            for g in range(i, last + 1):
                row, w = logits[g], row_weights[g]
                row_sums[g] += (row * weights).sum()
                columns += row * w
            break
        b = row_weights[i : i + _GROUP]
        s0, s1, s2, s3 = _both_sums(
            logits[i], logits[i + 1], logits[i + 2], logits[i + 3], weights, b[0], b[1], b[2], b[3], columns
        )
        row_sums[i] += s0
        row_sums[i + 1] += s1
        row_sums[i + 2] += s2
        row_sums[i + 3] += s3
    for j in range(columns.size):
        sums[j] += columns[j]


@_fast
def exact_rows(
    rows: Any, queries: Any, beta: float, keys: Any, values: Any, mask: Any, causal: bool, log_z: Any, mean: Any
) -> None:
    """log Z and the mean of a few queries, each with its own largest logit taken out: right at any β and mass.

    `queries` (m, d), `keys` (n, d), `values` (n, c) with the masses in column 0 and *without* them in the others.
    """
    masked = mask.shape[0] > 0
    for i in rows:
        last = min(i + 1, keys.shape[0]) if causal else keys.shape[0]
        top = -np.inf
        for j in range(last):
            if values[j, 0] > 0 and not (masked and not mask[i, j]):
                t = 0.0
                for k in range(keys.shape[1]):
                    t += queries[i, k] * keys[j, k]
                top = max(top, beta * t)
        total = 0.0
        mean[i] = 0.0
        if top == -np.inf:
            log_z[i] = top
            continue
        for j in range(last):
            if values[j, 0] > 0 and not (masked and not mask[i, j]):
                t = 0.0
                for k in range(keys.shape[1]):
                    t += queries[i, k] * keys[j, k]
                e = np.exp(beta * t - top) * values[j, 0]
                total += e
                for k in range(1, values.shape[1]):
                    mean[i, k - 1] += e * values[j, k]
        log_z[i] = top + np.log(total)
        for k in range(mean.shape[1]):
            mean[i, k] /= total


@_fast
def monomials(columns: Any, runs: Any, made: Any) -> None:
    """Features of some points: `made` (N, b) from their coordinates `columns` (d, b), run by run.

    A run (source, target, count, i) multiplies `count` rows by x_i; rows before it are done.
    """
    made[0, :] = 1
    for run in range(runs.shape[0]):
        source, target, count, i = runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3]
        x = columns[i]
        for row in range(count):
            old, new = made[source + row], made[target + row]
            for j in range(x.size):
                new[j] = old[j] * x[j]


@_fast
def weighted_sums(rows: Any, weights: Any, sums: Any) -> None:
    """sums_k += Σ_j rows_kj w_j."""
    for k in range(rows.shape[0]):
        row, total = rows[k], 0.0
        for j in range(weights.size):
            total += row[j] * weights[j]
        sums[k] += total
