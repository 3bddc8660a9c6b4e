"""Random numbers of noise: a function of (seed, step, token), standard normal, independent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

import tokensphere as ts
from tokensphere.errors import InputError
from tokensphere.parallel import SERIAL, Shard
from tokensphere.solve import Integrator, Noise, deviation, linear_exit

NOISE = Noise(0.5, seed=7)


@given(first=st.integers(0, 9000), count=st.integers(1, 5000), step=st.integers(0, 2**40), width=st.integers(1, 3))
def test_a_slice_draws_what_the_whole_draws(first, count, step, width):
    """Whatever the blocks of 4096 that it begins and ends in."""
    whole = NOISE.normals(step, 0, first + count + 5, width)
    assert (NOISE.normals(step, first, count, width) == whole[first : first + count]).all()


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("dim", [2, 4])
def test_shards_draw_the_kicks_of_one_process(processes, dim):
    n = 10_001

    class Seat:
        size, local_devices = processes, 1

        def __init__(self, rank):
            self.rank = rank

    whole = NOISE.kicks(3, 0.1, 2, n, dim)
    assert whole.shape == (2, n, 1 if dim == 2 else dim)
    shards = [Shard.of(Seat(rank), n) for rank in range(processes)]
    parts = [NOISE.kicks(3, 0.1, 2, shard.block, dim, shard) for shard in shards]
    assert all(part.shape[1] == shard.block for part, shard in zip(parts, shards, strict=True))
    kept = [part[:, : shard.count] for part, shard in zip(parts, shards, strict=True)]
    assert (np.concatenate(kept, axis=1) == whole).all()


def test_numbers_are_standard_normal_and_independent():
    """Within a step, and between steps, tokens, components, seeds and parts of a step."""
    n = 40_000
    one = NOISE.normals(0, 0, n, 2)
    assert kstest(one.ravel(), "norm").pvalue > 1e-3
    others = (NOISE.normals(1, 0, n, 2), NOISE.normals(2**33, 0, n, 2), Noise(0.5, 8).normals(0, 0, n, 2), one[::-1])
    for other in (*others, one[:, ::-1], np.roll(one, 4096, axis=0)):
        assert abs((one * other).mean()) < 4 / np.sqrt(2 * n)
        assert abs((one**2 * other**2).mean() - 1) < 4 * np.sqrt(8 / (2 * n))
    first, second = NOISE.kicks(0, 0.1, 2, n, 3)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 4 / np.sqrt(3 * n)
    # the tokens themselves are drawn from the same seed, and know nothing of the noise
    assert abs((ts.sphere.uniform(n, 2, 7) * one).mean()) < 4 / np.sqrt(4 * n)


def test_deviation_on_the_circle_is_that_of_brownian_motion():
    assert deviation(0.5, 0.3, 2) == np.sqrt(0.3)
    assert deviation(0.5, 0.3, 5) == pytest.approx(np.sqrt(0.3) * np.exp(-0.3 * 3 / 12))


FLOW = ts.UnnormalizedSelfAttention(2.0)


@pytest.mark.parametrize("noise", [-1.0, np.nan, np.inf, "1", True, None])
def test_noise_must_be_a_number(noise):
    with pytest.raises(InputError, match="noise must be a finite number >= 0"):
        ts.simulate(FLOW, np.eye(2), [0, 1], noise=noise, method="geodesic", step_size=0.1)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_seed_must_be_whole(seed):
    with pytest.raises(InputError, match="seed must be a whole number"):
        ts.simulate(FLOW, np.eye(2), [0, 1], noise=1.0, seed=seed, method="geodesic", step_size=0.1)


@pytest.mark.parametrize("method", ["tsit5", "dopri8", "rk4", "euler", "layer"])
@pytest.mark.parametrize("step_size", [None, 0.1])
def test_methods_without_noise_refuse_it(method, step_size):
    with pytest.raises(InputError, match=r"method '\w+' takes no noise; use one of 'geodesic', 'strang'"):
        ts.simulate(FLOW, np.eye(2), [0, 1], noise=1.0, method=method, step_size=step_size)


@pytest.mark.parametrize("method", ["geodesic", "strang"])
def test_noise_needs_a_step_size(method):
    with pytest.raises(InputError, match="no error control; give it a step_size"):
        ts.simulate(FLOW, np.eye(2), [0, 1], noise=1.0, method=method)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("method", ["geodesic", "strang"])
def test_a_run_goes_on_bit_for_bit(method, dim):
    """From any of its states; another seed gives another run."""
    tokens = ts.sphere.uniform(30, dim, 0)

    def integrator(seed=3):
        times = np.array([0.0, 0.25, 0.4])
        return Integrator(FLOW.resolve(30, dim), None, times, method=method, step_size=0.06, noise=0.4, seed=seed)

    def last(seed, state=None):
        own, log = integrator(seed), []
        own.run(own.start(tokens) if state is None else state, log.append)
        return log

    whole = last(3)
    assert [state.t for state in whole if state.saved > 2 or state.finished] == [0.4]
    for state in whole[:-1]:
        again = last(3, state)[-1]
        assert (np.asarray(again.tokens) == np.asarray(whole[-1].tokens)).all()
    assert np.abs(np.asarray(last(4)[-1].tokens) - np.asarray(whole[-1].tokens)).max() > 0.1
    assert integrator().noise == Noise(0.4, 3)


def test_save_times_do_not_share_random_numbers():
    """Steps that are cut short by a save time go on with numbers of their own: displacements are uncorrelated."""
    n = 20_000
    flow = ts.UnnormalizedSelfAttention(1.0, value=0.0)
    tokens = np.tile([1.0, 0.0], (n, 1))
    run = ts.simulate(flow, tokens, [0, 0.05, 0.08], method="geodesic", step_size=0.04, noise=0.1)
    angles = np.arctan2(run.tokens.values[..., 1], run.tokens.values[..., 0])
    first, second = np.diff(angles, axis=0)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(n)
    for moved, time in ((first, 0.05), (second, 0.03)):
        assert moved.var() == pytest.approx(2 * 0.1 * time, rel=4 * np.sqrt(2 / n))


def test_events_are_found_at_the_ends_of_steps():
    run = ts.simulate(
        ts.UnnormalizedSelfAttention(5.0),
        ts.sphere.uniform(200, 2, 0),
        [0, 0.4],
        method="geodesic",
        step_size=0.01,
        noise=0.5,
        events=[linear_exit(0.5, terminal=True)],
    )
    exit_time = run.attrs["events"]["linear_exit"]
    assert exit_time in run.step_time.values
    assert exit_time == run.time.values[-1] < 0.4
    assert run.attrs["noise"] == 0.5


def test_serial_shard_is_the_whole():
    shard = Shard.of(SERIAL, 50)
    assert (NOISE.kicks(0, 0.1, 1, 50, 3, shard) == NOISE.kicks(0, 0.1, 1, 50, 3)).all()
