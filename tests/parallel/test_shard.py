"""Equal slices that cover all tokens once."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Shard, shard_block


@dataclasses.dataclass(frozen=True)
class Place:
    """A member of a team that is not there."""

    rank: int
    size: int
    local_devices: int = 1


@given(st.integers(1, 400), st.integers(1, 9), st.integers(1, 4), st.integers(1, 60))
def test_slices(n, processes, devices, largest):
    try:
        block, chunk = shard_block(n, processes, devices, largest)
    except InputError as error:
        most = int(str(error).split()[-1])
        assert most < processes
        shard_block(n, most, devices, largest)
        return
    assert block % devices == 0
    assert block % chunk == 0
    rows = np.arange(3.0 * n).reshape(n, 3)
    weights = np.linspace(1, 2, n) / np.linspace(1, 2, n).sum()
    shards = [Shard(Place(r, processes, devices), n, block, chunk) for r in range(processes)]
    assert all(shard.count > 0 and len(shard.take(rows)) == block for shard in shards)
    real = np.concatenate([shard.take(rows)[: shard.count] for shard in shards])
    np.testing.assert_array_equal(real, rows)
    assert sum(shard.masses(weights).sum() for shard in shards) == pytest.approx(1.0, abs=1e-14)
    assert sum(np.count_nonzero(shard.masses(None)) for shard in shards) == n


def test_no_process_is_left_without_tokens():
    assert shard_block(5, 3) == (2, 2)
    with pytest.raises(InputError, match="5 tokens cannot be divided over 4 processes; use at most 3"):
        shard_block(5, 4)


def test_large_slices_are_stored_in_equal_pieces():
    block, chunk = shard_block(10_000_001, 2)
    assert chunk <= 2**20 + 8
    assert block % chunk == 0
    assert block - 5_000_001 < 8


def test_what_fills_up_is_a_copy_of_the_last_token():
    shard = Shard(Place(1, 2), 5, 3, 3)
    rows = np.arange(5.0)[:, None]
    np.testing.assert_array_equal(shard.take(rows)[:, 0], [3.0, 4.0, 4.0])
    drifted = np.array([[3.5], [4.5], [7.0]])
    np.testing.assert_array_equal(shard.refill(drifted)[:, 0], [3.5, 4.5, 4.5])
    np.testing.assert_array_equal(shard.masses(None), [0.2, 0.2, 0.0])


def test_the_team_of_one():
    array = np.array([1.0, -2.0])
    assert SERIAL.sum(array) is array
    np.testing.assert_array_equal(SERIAL.max([3, 4]), [3.0, 4.0])
    assert SERIAL.gather(array).shape == (1, 2)
    assert SERIAL.agree(True)
    assert not SERIAL.agree(False)
