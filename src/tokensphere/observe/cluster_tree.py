"""Who merged with whom, and when: the tree of a coarsened run, or of an ordinary saved one.

Tokens are the nodes 0 .. n−1 and the m-th merger makes node n + m, as in `scipy.cluster.hierarchy`. Times are
logarithms (base 10), so that they may be larger than any float; −inf is the start.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..errors import InputError, check_times, check_weights
from .clusters import clusters as find_clusters

__all__ = ["ClusterTree", "cluster_tree"]


@dataclasses.dataclass(frozen=True)
class ClusterTree:
    """A forest of mergers.

    **Fields:** `leaves` (n,) the masses of the tokens; `children` (m, 2), the two nodes that merger m joined;
    `log10_times` (m,), nondecreasing; `log10_end`, how far the run was followed; `splits`, in how many frames, added up
    over the clusters, tokens that had been together were seen apart (0 for a coarsened run).
    """

    leaves: np.ndarray
    children: np.ndarray
    log10_times: np.ndarray
    log10_end: float
    splits: int = 0

    @property
    def size(self) -> int:
        """The number of tokens."""
        return len(self.leaves)

    @functools.cached_property
    def masses(self) -> np.ndarray:
        """(n + m,) the mass of every node."""
        masses = np.concatenate([self.leaves, np.zeros(len(self.children))])
        for m, pair in enumerate(self.children):
            masses[self.size + m] = masses[pair].sum()
        return masses

    @functools.cached_property
    def parents(self) -> np.ndarray:
        """(n + m,) the node that every node merged into; −1 where it did not."""
        parents = np.full(self.size + len(self.children), -1)
        parents[self.children] = self.size + np.arange(len(self.children))[:, None]
        return parents

    @property
    def roots(self) -> np.ndarray:
        """The clusters left at the end, the heaviest first."""
        found = np.flatnonzero(self.parents < 0)
        return found[np.argsort(-self.masses[found], kind="stable")]

    def at(self, log10_time: float) -> np.ndarray:
        """The nodes that are there at this time: after the mergers up to and at it."""
        made = int(np.searchsorted(self.log10_times, log10_time, side="right"))
        nodes = np.arange(self.size + made)
        gone = np.zeros(nodes.size, dtype=bool)
        gone[self.children[:made].ravel()] = True
        return nodes[~gone]

    def labels(self, log10_time: float) -> np.ndarray:
        """(n,) the node that every token belongs to at this time."""
        made = int(np.searchsorted(self.log10_times, log10_time, side="right"))
        owner = np.arange(self.size + made)
        for m in range(made - 1, -1, -1):  # parents before children
            owner[self.children[m]] = owner[self.size + m]
        return owner[: self.size]

    def since(self, log10_time: float) -> ClusterTree:
        """The tree whose leaves are the clusters at this time: mergers up to it are left out."""
        kept = self.at(log10_time)
        made = int(np.searchsorted(self.log10_times, log10_time, side="right"))
        number = np.full(self.size + len(self.children), -1)
        number[kept] = np.arange(kept.size)
        later = np.arange(made, len(self.children))
        number[self.size + later] = kept.size + np.arange(later.size)
        return dataclasses.replace(
            self,
            leaves=self.masses[kept],
            children=number[self.children[made:]].reshape(-1, 2),
            log10_times=self.log10_times[made:],
        )

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """log10 times (k,) at which the number of clusters changes (first: the start), and the numbers from then on.

        Mergers at one time count as one change.
        """
        times, mergers = np.unique(self.log10_times, return_counts=True)
        numbers = self.size - np.cumsum(mergers)
        if times.size and times[0] == -math.inf:
            return times, numbers
        return np.concatenate([[-math.inf], times]), np.concatenate([[self.size], numbers])

    def levels(self) -> np.ndarray:
        """Σ_c m_c² from each time of `counts` on: the plateaus of the energy Σ_ij m_i m_j e^{β(c_ij−1)}.

        A merger of p and q adds 2 m_p m_q.
        """
        times, _ = self.counts()
        gains = 2.0 * np.prod(self.masses[self.children], axis=1)
        before = np.concatenate([[0.0], np.cumsum(gains)])
        return float(self.leaves @ self.leaves) + before[np.searchsorted(self.log10_times, times, side="right")]

    def linkage(self) -> np.ndarray:
        """(n−1, 4) float64, as `scipy.cluster.hierarchy` takes it: two nodes, log10 t of their merger, tokens below.

        Mergers at the start get the height of the first later one, less one decade; clusters left at the end are
        joined one decade after it.
        """
        size = np.concatenate([np.ones(self.size), np.zeros(len(self.children))])
        for m, pair in enumerate(self.children):
            size[self.size + m] = size[pair].sum()
        finite = self.log10_times[np.isfinite(self.log10_times)]
        least = (float(finite[0]) if finite.size else 0.0) - 1.0
        rows = [
            (float(a), float(b), max(float(time), least), size[self.size + m])
            for m, ((a, b), time) in enumerate(zip(self.children, self.log10_times, strict=True))
        ]
        left, top = self.roots.tolist(), max(self.log10_end, least) + 1.0
        joined, count = left[0], size[left[0]]
        for other in left[1:]:
            count += size[other]
            rows.append((float(joined), float(other), top, count))
            joined = self.size + len(rows) - 1
        return np.array(rows).reshape(-1, 4)

    def newick(self) -> str:
        """The tree in Newick's format: tokens by number, lengths in decades of time (mergers at the start: 0)."""
        finite = self.log10_times[np.isfinite(self.log10_times)]
        least = min(float(finite[0]) if finite.size else self.log10_end, self.log10_end)
        base = math.floor(least) - 1.0 if math.isfinite(least) else 0.0
        heights = np.concatenate([np.full(self.size, base), np.maximum(self.log10_times, base)])
        texts: dict[int, str] = {}
        for node in range(self.size + len(self.children)):
            inner = str(node)
            if node >= self.size:
                a, b = self.children[node - self.size].tolist()
                inner = f"({texts.pop(a)},{texts.pop(b)})"
            parent = self.parents[node]
            upper = heights[parent] if parent >= 0 else max(self.log10_end, heights[node])
            texts[node] = f"{inner}:{upper - heights[node]:.10g}"
        rest = [texts[int(root)] for root in self.roots]
        return (rest[0] if len(rest) == 1 else f"({','.join(rest)})") + ";"

    def order(self) -> np.ndarray:
        """(n,) the tokens in an order in which no two branches cross, those of the heaviest cluster first."""
        out: list[int] = []
        waiting = self.roots[::-1].tolist()
        while waiting:
            node = waiting.pop()
            if node < self.size:
                out.append(node)
            else:
                pair = self.children[node - self.size]
                waiting += pair[np.argsort(self.masses[pair], kind="stable")].tolist()
        return np.array(out)


def cluster_tree(
    run: Any = None, *, times: Any = None, tokens: Any = None, angle: float | None = None, weights: Any = None
) -> ClusterTree:
    """The tree of a run.

    **Arguments:** `run`, a dataset of :func:`tokensphere.solve.coarsen`, or with `angle` one of
    :func:`tokensphere.solve.simulate`; or else `times` (m,) ≥ 0, increasing, `tokens` (m, n, dim), `angle` and
    `weights`. Tokens of a saved run have merged from the first saved time on at which a chain of steps of at most
    `angle` (radians) joins them; what is seen apart again is counted in `splits` and stays merged in the tree.

    **Returns:** :class:`ClusterTree`.

    **Raises:** `InputError` for bad input.
    """
    if run is not None:
        if "merge_nodes" in run:
            return ClusterTree(
                np.asarray(run.weights.values),
                np.asarray(run.merge_nodes.values),
                np.asarray(run.merge_log10_time.values),
                float(run.attrs["log10_end"]),
            )
        times, tokens, weights = run.time.values, run.tokens.values, run.weights.values
    if angle is None:
        raise InputError("a saved run needs the angle (radians) at which tokens count as one cluster")
    t, frames = check_times(times), np.asarray(tokens, dtype=np.float64)
    if frames.ndim != 3 or len(frames) != t.size:
        raise InputError(f"tokens must have shape ({t.size}, n, dim), one cloud a time, got {frames.shape}")
    if t[0] < 0:
        raise InputError(f"times must be >= 0 for their logarithms, got {t[0]:g}")
    masses = check_weights(weights, frames.shape[1])
    return _of_frames(t, frames, float(angle), masses)


def _of_frames(times: np.ndarray, frames: np.ndarray, angle: float, masses: np.ndarray) -> ClusterTree:
    n = len(masses)
    owner = np.arange(n)
    children: list[tuple[int, int]] = []
    when: list[float] = []
    splits = 0
    for i, (time, frame) in enumerate(zip(times, frames, strict=True)):
        now = find_clusters(frame, angle, masses).labels
        for label in range(int(now.max()) + 1):
            joined, *others = np.unique(owner[now == label]).tolist()
            for other in others:
                children.append((joined, other))
                when.append(-math.inf if i == 0 or time == 0 else math.log10(time))
                owner[(owner == joined) | (owner == other)] = joined = n + len(children) - 1
        splits += sum(len(np.unique(now[owner == node])) > 1 for node in np.unique(owner).tolist())
    end = math.log10(times[-1]) if times[-1] > 0 else -math.inf
    return ClusterTree(masses, np.array(children, dtype=np.int64).reshape(-1, 2), np.array(when), end, splits)
