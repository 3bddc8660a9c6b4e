"""Connected components of the graph geodesic(x_i, x_j) <= angle, three ways. Labels are 0..count-1.

* circle: cut where consecutive sorted angles are further apart than the angle; * trees (small dim): union
tokens that share a small cell and near neighbours, then Boruvka rounds: every token looks
  for its nearest token of another component, found with one tree for each binary digit of the component
  number;
* inner products (large dim): greedy stars first, then blocks of pairs between components that may still
touch.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["circle_components", "gram_components", "tree_components"]

_NEIGHBOURS = 8
_STARS = 64
_BLOCK = 1024


def circle_components(points: np.ndarray, angle: float) -> np.ndarray:
    """Components on the circle in O(n log n)."""
    theta = np.arctan2(points[:, 1], points[:, 0])
    order = np.argsort(theta)
    ordered = theta[order]
    cut = np.diff(ordered) > angle
    labels_sorted = np.concatenate([[0], np.cumsum(cut)])
    if cut.any() and ordered[0] + 2.0 * np.pi - ordered[-1] <= angle:
        labels_sorted[labels_sorted == labels_sorted[-1]] = 0
    labels = np.empty(theta.size, dtype=np.int64)
    labels[order] = labels_sorted
    return labels


def _merge(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return labels after uniting the components numbered a[i] and b[i]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(labels.max()) + 1
    graph = coo_array((np.ones(a.size, dtype=np.int8), (a, b)), shape=(count, count))
    return connected_components(graph, directed=False)[1][labels].astype(np.int64)


def tree_components(points: np.ndarray, angle: float) -> np.ndarray:
    """Components by k-d trees; exact repeats are dropped first, since a tree cannot split them."""
    from scipy.spatial import cKDTree

    chord = 2.0 * math.sin(angle / 2.0)
    reach = float(np.nextafter(chord, np.inf))  # the tree wants a strict bound
    distinct, back = _distinct(points)
    n, dim = distinct.shape
    # Tokens in one cell are within reach; the factor keeps the cell diagonal below the chord after rounding.
    labels = _distinct(np.floor(distinct * (math.sqrt(dim) / (chord * (1.0 - 1e-9)))))[1]
    if n == 1 or labels.max() == 0:
        return labels[back]
    tree = cKDTree(distinct)
    near = min(_NEIGHBOURS + 1, n)
    distance, index = tree.query(distinct, k=near, distance_upper_bound=reach, workers=-1)
    source, column = np.nonzero(np.isfinite(distance))
    labels = _merge(labels, labels[source], labels[index[source, column]])
    # An edge the lists miss has a full list at both of its ends.
    full = np.flatnonzero(np.isfinite(distance[:, -1]))
    while full.size:
        found = _foreign_edges(distinct[full], labels[full], reach)
        if found is None:
            break
        labels = _merge(labels, *found)
    return labels[back]


def _foreign_edges(points: np.ndarray, labels: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return pairs of component numbers that touch (at least one for each that touches another), or None.

    Two components differ in some binary digit, so the trees of tokens with that digit 0 and 1 separate
    them.
    """
    from scipy.spatial import cKDTree

    _, small = np.unique(labels, return_inverse=True)
    left: list[np.ndarray] = []
    right: list[np.ndarray] = []
    for digit in range(int(small.max()).bit_length()):
        side = (small >> digit) & 1 == 1
        halves = np.flatnonzero(side), np.flatnonzero(~side)
        for here, there in (halves, halves[::-1]):
            distance, index = cKDTree(points[there]).query(points[here], distance_upper_bound=reach, workers=-1)
            hit = np.isfinite(distance)
            left.append(labels[here[hit]])
            right.append(labels[there[index[hit]]])
    if not any(part.size for part in left):
        return None
    return np.concatenate(left), np.concatenate(right)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows and, for every row, the number of its distinct copy (-0 equals 0)."""
    clean = np.ascontiguousarray(rows + 0.0)
    order = np.lexsort(clean.T)
    ordered = clean[order]
    fresh = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    back = np.empty(rows.shape[0], dtype=np.int64)
    back[order] = np.cumsum(fresh) - 1
    return ordered[fresh], back


def gram_components(points: np.ndarray, angle: float) -> np.ndarray:
    """Components by blocked inner products. Products too near cos(angle) are decided by differences."""
    n, dim = points.shape
    level = math.cos(angle)
    doubt = 4.0 * np.finfo(float).eps * (dim + 8)
    chord = 2.0 * math.sin(angle / 2.0) * (1.0 + 4e-16)
    labels = _stars(points, level + doubt)
    order = np.argsort(labels, kind="stable")
    spans = [order[i : i + _BLOCK] for i in range(0, n, _BLOCK)]
    heads = np.stack([points[span[0]] for span in spans])
    radii = [_farthest(points[span], head) for span, head in zip(spans, heads, strict=True)]
    for i, rows in enumerate(spans):
        for j in range(i, len(spans)):
            columns = spans[j]
            a, b = labels[rows], labels[columns]
            if a.min() == a.max() == b.min() == b.max():
                continue
            if i != j and _farthest(heads[i : i + 1], heads[j]) > radii[i] + radii[j] + angle + 1e-6:
                continue
            edges = _block_edges(points[rows], points[columns], a, b, level, doubt, chord)
            if edges[0].size:
                labels = _merge(labels, *edges)
    return labels


def _farthest(points: np.ndarray, head: np.ndarray) -> float:
    apart, together = np.linalg.norm(points - head, axis=1), np.linalg.norm(points + head, axis=1)
    return float((2.0 * np.arctan2(apart, together)).max())


def _stars(points: np.ndarray, level: float) -> np.ndarray:
    """Give one label to all tokens near a centre, for up to 64 centres; the rest get a label each."""
    labels = np.full(points.shape[0], -1, dtype=np.int64)
    left = np.arange(points.shape[0])
    count = 0
    while left.size and count < _STARS:
        near = points[left] @ points[left[0]] >= level
        near[0] = True
        labels[left[near]] = count
        left = left[~near]
        count += 1
        if count == 16 and left.size > 0.9 * points.shape[0]:
            break  # scattered tokens: stars do not help
    labels[left] = count + np.arange(left.size)
    return labels


def _block_edges(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, level: float, doubt: float, chord: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the pairs of tokens within reach that are not yet in one component."""
    inner = x @ y.T
    inner[a[:, None] == b[None, :]] = -2.0
    rows, columns = np.nonzero(inner >= level + doubt)
    sure = np.unique(np.stack([a[rows], b[columns]], axis=1), axis=0)
    rows, columns = np.nonzero(np.abs(inner - level) < doubt)
    kept = [sure]
    for start in range(0, rows.size, 4096):
        i, j = rows[start : start + 4096], columns[start : start + 4096]
        close = np.linalg.norm(x[i] - y[j], axis=1) <= chord
        kept.append(np.stack([a[i[close]], b[j[close]]], axis=1))
    pairs = np.concatenate(kept)
    return pairs[:, 0], pairs[:, 1]
