"""Merging: tokens closer than δ become one, at the mass-weighted mean N(m_i x_i + m_j x_j), of mass m_i + m_j.

Coincident tokens are exactly one token of the summed mass. Inside a cluster tokens contract at a rate of order 1 while
clusters move exponentially slowly: a run that kept them apart could not take longer steps than that, by stability.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

__all__ = ["Clustered", "Merge", "merge_near"]

_CHUNK = 16  # neighbours looked at for each token


@dataclass(frozen=True)
class Merge:
    """Two become one: their `nodes` in the tree, `masses`, chordal `distance`, and the `position` of the new one."""

    nodes: tuple[int, int]
    masses: tuple[float, float]
    distance: float
    position: np.ndarray


@dataclass(frozen=True)
class Clustered:
    """Clusters that stand for tokens.

    **Fields:** `positions` (k, dim), `masses` (k,), `nodes` (k,), their numbers in the tree (tokens are 0 .. n−1, the
    m-th merge makes node n + m), `labels` (n,), the cluster of every token, and `made`, how many merges there were.
    """

    positions: np.ndarray
    masses: np.ndarray
    nodes: np.ndarray
    labels: np.ndarray
    made: int = 0

    @classmethod
    def of(cls, tokens: np.ndarray, masses: np.ndarray) -> Clustered:
        """Every token for itself."""
        each = np.arange(len(tokens))
        return cls(np.array(tokens), np.array(masses), each, each)

    @property
    def count(self) -> int:
        return len(self.masses)


def merge_near(clusters: Clustered, delta: float) -> tuple[Clustered, list[Merge]]:
    """Merge the closest pairs until no two clusters are closer than `delta`; the merges in order.

    A chain of many close tokens becomes several clusters at least `delta` apart, not one: each merge replaces two
    points by their mean, so that no cluster collects tokens from farther than about `delta`.
    """
    merges: list[Merge] = []
    while clusters.count > 1:
        pairs = _disjoint_pairs(clusters.positions, delta)
        if not len(pairs):
            break
        clusters = _join(clusters, pairs, merges)
    return clusters, merges


def _disjoint_pairs(positions: np.ndarray, delta: float) -> np.ndarray:
    """Pairs closer than δ, the closest first, no cluster in two of them: (pairs, 2)."""
    from scipy.spatial import cKDTree

    n = len(positions)
    k = min(_CHUNK, n)
    distances, others = cKDTree(positions).query(positions, k=k, distance_upper_bound=float(np.nextafter(delta, 4.0)))
    rows, columns = np.nonzero((others < n) & (others != np.arange(n)[:, None]) & (distances <= delta))
    near = np.sort(np.stack([rows, others[rows, columns]], axis=1), axis=1)
    lengths = distances[rows, columns]
    taken = np.zeros(n, dtype=bool)
    chosen = []
    for i, j in near[np.argsort(lengths, kind="stable")]:
        if not (taken[i] or taken[j]):
            taken[i] = taken[j] = True
            chosen.append((i, j))
    return np.array(chosen, dtype=np.int64).reshape(-1, 2)


def _join(clusters: Clustered, pairs: np.ndarray, merges: list[Merge]) -> Clustered:
    """The clusters after these disjoint merges, which are added to `merges`."""
    positions, masses, nodes = clusters.positions.copy(), clusters.masses.copy(), clusters.nodes.copy()
    next_node = len(clusters.labels) + clusters.made
    into = np.arange(clusters.count)
    for i, j in pairs:
        share = masses[[i, j]]
        mean = share[0] * positions[i] + share[1] * positions[j]
        mean /= np.linalg.norm(mean)
        distance = float(np.linalg.norm(positions[i] - positions[j]))
        pair_masses = float(masses[i]), float(masses[j])
        merges.append(Merge((int(nodes[i]), int(nodes[j])), pair_masses, distance, mean))
        positions[i], masses[i], nodes[i] = mean, masses[i] + masses[j], next_node
        next_node += 1
        into[j] = i
    kept = into == np.arange(clusters.count)
    place = np.cumsum(kept) - 1
    return dataclasses.replace(
        clusters,
        positions=positions[kept],
        masses=masses[kept],
        nodes=nodes[kept],
        labels=place[into[clusters.labels]],
        made=clusters.made + len(pairs),
    )
