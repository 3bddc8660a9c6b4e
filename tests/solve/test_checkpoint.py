"""Checkpoints: every bit comes back, damage is noticed, and a resumed run is the run that never stopped."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tokensphere as ts
from tokensphere.attention import Circle, Dense
from tokensphere.parallel import Shard
from tokensphere.solve import (
    CheckpointError,
    Event,
    Fired,
    Integrator,
    State,
    all_within,
    linear_exit,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)

STATE = State(
    t=0.1 + 0.2,
    points=ts.sphere.uniform(7, 3, 0),
    velocity=np.full((7, 3), -0.0),
    size=1e-300,
    memory=1 / 3,
    steps=12,
    rejected=3,
    saved=2,
    error=float("nan"),
    taken=5e-324,
    values=(-0.1, float("-inf")),
    fired=(Fired("linear_exit", 2 / 3), Fired("näh", 0.1)),
    finished=False,
)


def same(a, b):
    """Equal bit for bit."""
    for field in dataclasses.fields(State):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("points", "velocity"):
            if np.asarray(one).tobytes() != np.asarray(two).tobytes() or np.shape(one) != np.shape(two):
                return False
        elif repr(one) != repr(two):
            return False
    return True


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.bin"
    save_checkpoint(path, STATE, "key")
    return path


def test_round_trip_keeps_every_bit(stored):
    state = load_checkpoint(stored, "key")
    assert same(state, STATE)
    assert not same(dataclasses.replace(state, t=np.nextafter(state.t, 1)), STATE)
    assert type(state.t) is float
    assert list(stored.parent.iterdir()) == [stored]


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_byte_is_noticed(stored, tmp_path, place, mask):
    data = bytearray(stored.read_bytes())
    data[int(place * len(data))] ^= mask
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(data)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load_checkpoint(damaged, "key")


@given(place=st.floats(0, 1, exclude_max=True))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_truncation_is_noticed(stored, tmp_path, place):
    data = stored.read_bytes()
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(data[: int(place * len(data))])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load_checkpoint(damaged, "key")


def test_added_bytes_another_file_another_key_and_nothing(stored, tmp_path):
    longer = tmp_path / "longer.bin"
    longer.write_bytes(stored.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(longer, "key")
    longer.write_text("[1, 2]\n")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(longer, "key")
    with pytest.raises(CheckpointError, match="another study"):
        load_checkpoint(stored, "other key")
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*missing\.bin"):
        load_checkpoint(tmp_path / "missing.bin", "key")


def test_a_failed_write_keeps_the_checkpoint_before_it(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.bin"
    save_checkpoint(path, STATE, "key")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, dataclasses.replace(STATE, steps=99), "key")
    assert same(load_checkpoint(path, "key"), STATE)
    assert list(tmp_path.iterdir()) == [path]


def integrator(attention, method, step_size):
    dim = 2 if isinstance(attention, Circle) else 3
    tokens = ts.sphere.uniform(40, dim, 3)
    events = [
        linear_exit(0.4),
        Event("late", lambda moment: np.float32(moment.t - 0.41)),
        all_within(1.0),
    ]
    flow = ts.UnnormalizedSelfAttention(4.0, attention=attention).resolve(40, dim)
    weights = np.arange(1, 41) / 820
    made = Integrator(
        flow, weights, np.linspace(0, 0.8, 4), method=method, rtol=1e-7, step_size=step_size, events=events
    )
    return made, tokens


@pytest.mark.parametrize(
    ("attention", "method", "step_size"),
    [
        (Circle(), "tsit5", None),
        (Circle(), "dopri8", None),
        (Circle(), "rk4", 0.03),
        (Circle(), "euler", np.float64(0.05)),
        (Dense(), "tsit5", None),
        pytest.param(Dense(), "dopri8", None, marks=pytest.mark.slow),
        pytest.param(Dense(), "rk4", 0.03, marks=pytest.mark.slow),
    ],
    ids=lambda value: repr(value),
)
def test_stopping_anywhere_changes_no_bit(attention, method, step_size, tmp_path):
    whole, tokens = integrator(attention, method, step_size)
    states = [whole.start(tokens)]
    while not states[-1].finished:
        states.append(whole.advance(states[-1]))
    assert len(states) > 8
    assert len(states[-1].fired) >= 2
    path = tmp_path / "checkpoint.bin"
    for stop in [0, 1, len(states) // 3, len(states) // 2, len(states) - 2]:
        save_checkpoint(path, states[stop], "key")
        again, _ = integrator(attention, method, step_size)
        state = load_checkpoint(path, "key")
        for expected in states[stop + 1 :][:6]:
            state = again.advance(state)
            assert same(state, expected)
    # stop after every single step, to the end
    state = states[0]
    while not state.finished:
        save_checkpoint(path, whole.advance(state), "key")
        state = load_checkpoint(path, "key")
    assert same(state, states[-1])


def test_whole_number_step_size_can_be_stored(tmp_path):
    made = Integrator(ts.SelfAttention(1.0).resolve(5, 3), None, np.array([0.0, 3.0]), method="rk4", step_size=1)
    state = made.advance(made.start(ts.sphere.uniform(5, 3, 0)))
    save_checkpoint(tmp_path / "c", state, "key")
    assert same(load_checkpoint(tmp_path / "c", "key"), state)


class Member:
    """A member of a team whose others have already done their part: it gathers what they left in `told`."""

    def __init__(self, rank, told, size=3):
        self.rank, self.size, self.local_devices, self.told = rank, size, 1, told

    def gather(self, array):
        self.told[self.rank] = array
        return np.stack([self.told.get(rank, array) for rank in range(self.size)]).astype(np.float64)


def team_state(shard, whole):
    return dataclasses.replace(whole, points=shard.take(whole.points), velocity=shard.take(whole.velocity))


def save_by_team(path, whole, key="key", size=3, leader=True):
    """All parts, the leader's last (or not at all: it was killed)."""
    told = {}
    for rank in reversed(range(0 if leader else 1, size)):
        shard = Shard(Member(rank, told, size), 7, -(-7 // size), -(-7 // size))
        save_checkpoint(path, team_state(shard, whole), key, shard)


def seven(steps):
    tokens = ts.sphere.uniform(7, 3, steps)
    return State(0.1 * steps, tokens, -tokens, 0.01, steps=steps, values=(0.5,))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_are_read_by_any_number_of_processes(tmp_path, size):
    path, whole = tmp_path / "checkpoint.bin", seven(4)
    save_by_team(path, whole)
    assert same(load_checkpoint(path, "key"), whole)
    for rank in range(size):
        shard = Shard(Member(rank, {}, size), 7, -(-7 // size), -(-7 // size))
        assert same(load_checkpoint(path, "key", shard), team_state(shard, whole))
    save_checkpoint(path, whole, "key")  # by one process: it alone remains
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.bin"]
    for rank in range(size):
        shard = Shard(Member(rank, {}, size), 7, -(-7 // size), -(-7 // size))
        assert same(load_checkpoint(path, "key", shard), team_state(shard, whole))


def test_the_set_before_stays_until_the_next_is_whole(tmp_path):
    path = tmp_path / "checkpoint.bin"
    save_by_team(path, seven(4))
    save_by_team(path, seven(5), leader=False)
    assert len(list(tmp_path.iterdir())) == 6
    assert same(load_checkpoint(path, "key"), seven(4))
    save_by_team(path, seven(6))
    assert same(load_checkpoint(path, "key"), seven(6))
    assert len(list(tmp_path.iterdir())) == 4


def test_parts_that_are_damaged_missing_or_of_another_set(tmp_path):
    path = tmp_path / "checkpoint.bin"
    save_by_team(path, seven(4))
    part = tmp_path / "checkpoint-4-1of3.bin"
    kept = part.read_bytes()
    part.write_bytes(kept[:-3])
    with pytest.raises(CheckpointError, match=r"4-1of3.bin is truncated or damaged"):
        load_checkpoint(path, "key")
    other = tmp_path / "other"
    other.mkdir()
    save_by_team(other / "checkpoint.bin", dataclasses.replace(seven(4), points=seven(9).points))
    part.write_bytes((other / part.name).read_bytes())
    with pytest.raises(CheckpointError, match=r"4-1of3.bin is truncated or damaged"):
        load_checkpoint(path, "key")
    part.unlink()
    with pytest.raises(CheckpointError, match=r"4-1of3.bin is missing"):
        load_checkpoint(path, "key")
    with pytest.raises(CheckpointError, match="another study"):
        load_checkpoint(path, "other key")
    remove_checkpoint(path)
    assert [file.name for file in tmp_path.iterdir()] == ["other"]
