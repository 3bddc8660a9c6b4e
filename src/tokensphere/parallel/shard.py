"""How n tokens are divided: equal slices, the last one filled up with massless copies.

process r holds the tokens [r b, min((r+1) b, n)),   b = `block`,   (P−1) b < n ≤ P b
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokensphere.errors import InputError

from .mesh import Mesh

__all__ = ["Shard", "shard_block"]

_TOKENS_PER_CHUNK = 2**20


def shard_block(n: int, processes: int, devices: int = 1, largest_chunk: int = _TOKENS_PER_CHUNK) -> tuple[int, int]:
    """The length of a slice, and of the pieces in which it is stored: (block, chunk), chunk dividing block.

    `devices` is the number of devices of one process, which also must divide the block.

    **Raises:** `InputError` if a process would be left without any token.
    """
    block, pieces = _divide(n, processes, devices, largest_chunk)
    if (processes - 1) * block >= n:
        fewer = range(1, processes)
        most = max(p for p in fewer if (p - 1) * _divide(n, p, devices, largest_chunk)[0] < n)
        raise InputError(f"{n} tokens cannot be divided over {processes} processes; use at most {most}")
    return block, block // pieces


def _divide(n: int, processes: int, devices: int, largest_chunk: int) -> tuple[int, int]:
    """The least block that devices and pieces divide, and the number of pieces."""
    need = -(-n // processes)
    pieces = -(-need // largest_chunk)
    unit = int(np.lcm(pieces, devices))
    return unit * -(-need // unit), pieces


@dataclass(frozen=True)
class Shard:
    """The slice of one process: tokens `start` .. `start + count` of `n`, filled up to `block` rows.

    `chunk` is the length of the pieces in which slices are stored, so that no piece belongs to two processes.
    """

    mesh: Mesh
    n: int
    block: int
    chunk: int

    @classmethod
    def of(cls, mesh: Mesh, n: int) -> Shard:
        """The slice of this process of a team."""
        return cls(mesh, n, *shard_block(n, mesh.size, mesh.local_devices))

    @property
    def start(self) -> int:
        """The first token of the slice."""
        return self.mesh.rank * self.block

    @property
    def count(self) -> int:
        """How many rows of the slice are tokens; the others fill it up."""
        return min(self.block, self.n - self.start)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The slice of an array over all tokens, filled up with copies of its last row."""
        return self.fill(rows[self.start : self.start + self.count])

    def fill(self, rows: np.ndarray) -> np.ndarray:
        """`count` rows filled up to `block` with copies of the last one."""
        if len(rows) == self.block:
            return np.ascontiguousarray(rows)
        return np.concatenate([rows, np.repeat(rows[-1:], self.block - len(rows), axis=0)])

    def masses(self, weights: np.ndarray | None) -> np.ndarray:
        """The masses of the slice: of `weights` over all tokens (`None`: 1/n each), 0 for what fills it up."""
        own = np.zeros(self.block)
        own[: self.count] = 1.0 / self.n if weights is None else weights[self.start : self.start + self.count]
        return own

    def refill(self, rows: np.ndarray) -> np.ndarray:
        """The same rows with those that fill up made copies of the last token again, so that they never drift."""
        return rows if self.count == self.block else self.fill(np.asarray(rows)[: self.count])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """All tokens' rows on every process, from the slices."""
        parts = self.mesh.gather(np.ascontiguousarray(rows))
        return parts.reshape(-1, *parts.shape[2:])[: self.n]
