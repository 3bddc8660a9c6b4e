"""Every pair of blocks of tokens once, on several threads, with the same bits whatever their number.

Blocks are paired as in a round-robin tournament: within a round no block is used twice, and every block plays its
games in order. So threads never add to the same sums, the order of additions is always the same, and nobody waits
for the end of a round.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import numpy as np

from tokensphere.threads import run_all

__all__ = ["MOST_BLOCKS", "cut", "rounds", "tournament"]

MOST_BLOCKS = 32

Span = tuple[int, int]


def cut(n: int, tile: int, pieces: int) -> list[Span]:
    """n tokens in pieces of whole tiles, of nearly equal size; the last ones may be empty."""
    edges = np.minimum(np.arange(pieces + 1) * -(-n // tile) // pieces * tile, n).tolist()
    return list(itertools.pairwise(edges))


def rounds(blocks: int) -> Iterator[list[tuple[int, int]]]:
    """Every pair of an even number of blocks once, in rounds in which no block comes twice (circle method)."""
    order = list(range(blocks))
    for _ in range(blocks - 1):
        yield [(min(i, j), max(i, j)) for i, j in zip(order[: blocks // 2], order[::-1], strict=False)]
        order = [order[0], order[-1], *order[1:-1]]


def tournament(task: Callable[[Span, Span], object], n: int, tile: int, threads: int) -> None:
    """Call task((i0, i1), (j0, j1)) for every pair of blocks of n tokens, a block with itself included.

    Blocks consist of whole tiles; there are as many as there are tiles, at most `MOST_BLOCKS`. What a task raises
    ends the tournament.
    """
    tiles = -(-n // tile)
    blocks = min(MOST_BLOCKS, tiles + tiles % 2)
    spans = cut(n, tile, blocks)
    games = [(0, i, i) for i in range(blocks)]
    if blocks > 1:
        games += [(number, i, j) for number, pairs in enumerate(rounds(blocks), start=1) for i, j in pairs]
    table = _Table(games, blocks)

    def play(_: int) -> None:
        while (game := table.next_game()) is not None:
            done = False
            try:
                task(spans[game[1]], spans[game[2]])
                done = True
            finally:
                table.over(game, done)

    run_all(play, range(threads), threads)


class _Table:
    """Gives out games in order; a game starts when both its blocks have played their earlier ones."""

    def __init__(self, games: list[tuple[int, int, int]], blocks: int) -> None:
        self._games, self._played = iter(games), [0] * blocks
        self._changed, self._broken = threading.Condition(), False

    def next_game(self) -> tuple[int, int, int] | None:
        """Wait for the next game; `None` when there are no more, or another one has failed."""
        with self._changed:
            game = next(self._games, None)
            if game is None:
                return None
            number, i, j = game
            self._changed.wait_for(lambda: self._broken or self._played[i] == self._played[j] == number)
            return None if self._broken else game

    def over(self, game: tuple[int, int, int], done: bool) -> None:
        """Note the end of a game."""
        _, i, j = game
        with self._changed:
            self._broken = self._broken or not done
            self._played[i] += 1
            self._played[j] += i != j
            self._changed.notify_all()
