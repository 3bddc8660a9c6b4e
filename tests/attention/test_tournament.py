"""Who plays whom, in which order, and what happens when a game fails."""

import threading
import time

import pytest

from tokensphere.attention.tournament import MOST_BLOCKS, rounds, tournament


@pytest.mark.parametrize("blocks", [2, 4, 8, 32])
def test_everyone_is_paired_once_and_nobody_twice_in_a_round(blocks):
    found = list(rounds(blocks))
    pairs = [pair for one in found for pair in one]
    assert sorted(pairs) == [(i, j) for i in range(blocks) for j in range(i + 1, blocks)]
    for one in found:
        assert len({block for pair in one for block in pair}) == 2 * len(one)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 70, 1000])
def test_a_block_plays_one_game_at_a_time_and_always_in_the_same_order(n, threads, monkeypatch):
    monkeypatch.setattr("tokensphere.threads.available_threads", lambda: threads)
    lock, busy, played = threading.Lock(), set(), {}

    def task(rows, columns):
        with lock:
            for block in {rows, columns}:
                assert block not in busy
                busy.add(block)
                played.setdefault(block, []).append((rows, columns))
        time.sleep(1e-4 * (rows[0] % 3))
        with lock:
            busy.difference_update({rows, columns})

    tournament(task, n, 16, threads)
    again = {block: list(games) for block, games in played.items()}
    played.clear()
    tournament(task, n, 16, 1)
    assert again == played
    pairs = {game for games in played.values() for game in games}
    blocks = sum(b > a for a, b in played)
    assert blocks == min(MOST_BLOCKS, -(-n // 16))
    assert sum(a[1] > a[0] and b[1] > b[0] for a, b in pairs) == blocks * (blocks + 1) // 2


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failure_ends_it(threads):
    def task(rows, columns):
        if rows[0] > 400:
            raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError, match="no"):
        tournament(task, 1000, 16, threads)
