"""What every process of `test_team` does: sums over the team beside the same sums made alone."""

import hashlib
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
from conformance.direct import attended

import tokensphere as ts
from tokensphere.attention import AbstractAttention, Circle, Dense, Harmonic, Polynomial, Sharded
from tokensphere.errors import InputError
from tokensphere.parallel import Placement, Shard, connect
from tokensphere.solve import all_within, energy_slope_below, linear_exit
from tokensphere.sphere import harmonic_power, shared_power

# (backend, dim, n, beta, clustered): the last of each backend has queries far from every key
SUMS = {
    "circle": (Circle(), 2, 601, 5.0, False),
    "circle, far": (Circle(), 2, 41, 20_000.0, True),
    "harmonic": (Harmonic(), 3, 301, 5.0, False),
    "harmonic, far": (Harmonic(), 3, 50, 3000.0, True),
    "polynomial": (Polynomial(), 4, 301, 2.0, False),
    "polynomial, far": (Polynomial(), 3, 61, 6.0, True),
    "dense": (Dense(), 5, 101, 3.0, False),
    "dense, blocks": (Dense(block=64), 2, 101, 3.0, False),
    "dense, far": (Dense(), 2, 41, 20_000.0, True),
}
POWERS = {"circle": (2, 12), "sphere": (3, 6), "low": (4, 2), "pairs": (4, 5)}


def communicator(mesh):
    rng = np.random.default_rng(mesh.rank)
    mine = rng.normal(size=1000) * 10.0 ** rng.integers(-8, 8, size=1000)
    total = mesh.sum(mine)
    everyone = mesh.gather(mine)
    complex_sum = mesh.sum(np.array([[1j * mesh.rank, 2.0]]))
    return {
        "bits": hashlib.sha256(total.tobytes()).hexdigest(),
        "sum": float(np.abs(total - everyone.sum(axis=0)).max() / np.abs(everyone).max()),
        "gathered": bool((everyone[mesh.rank] == mine).all()) and list(everyone.shape),
        "complex": [complex_sum.shape, complex_sum[0, 0].imag, complex_sum[0, 1].real],
        "max": float(mesh.max(-float(mesh.rank))),
        "infinite": float(mesh.max(-np.inf)),
        "agree": [mesh.agree(mesh.rank == 1), mesh.agree(False)],
    }


def sums(mesh):
    """Errors against the sum made alone (on process 0), and a digest of all results."""
    rng, worst, digests = np.random.default_rng(0), {}, hashlib.sha256()
    for name, (backend, dim, n, beta, clustered) in SUMS.items():
        tokens = ts.sphere.uniform(n, dim, 0)
        if clustered:
            tokens = ts.sphere.mixture(n, ts.sphere.uniform(3, dim, 0), np.full(3, 400.0), seed=1)
        weights = rng.random(n)
        weights /= weights.sum()
        queries, values = ts.sphere.uniform(n, dim, 5), rng.normal(size=(n, 3))
        shard, sharded = Shard.of(mesh, n), Sharded(backend, mesh)
        for case, asked, returned, tangent in (
            ("own", tokens, None, False),
            ("tangent", tokens, None, True),
            ("others", queries, None, False),
            ("values", queries, values, False),
        ):
            mine = shard.take(asked)
            keys = mine if asked is tokens else shard.take(tokens)
            own_values = None if returned is None else shard.take(returned)
            got = sharded(mine, keys, own_values, shard.masses(weights), beta=beta, tangent=tangent)
            log_z, share = shard.gather(got.log_z), shard.gather(got.mean)
            digests.update(log_z.tobytes() + share.tobytes())
            if mesh.rank > 0:
                continue
            if clustered or isinstance(backend, Dense):
                alone, mean = attended(asked, tokens, returned, weights, beta)
            else:
                alone, mean = backend(asked, tokens, returned, weights, beta=beta, tangent=tangent)
            if tangent:  # a backend may leave the radial part in or out
                mean = ts.sphere.project(asked, mean)
            share = ts.sphere.project(asked, share) if tangent else share
            worst[f"{name}, {case}"] = [
                float(np.abs(log_z - alone).max()),
                float(np.abs(share - mean).max()),
            ]
    return worst | {"digest": digests.hexdigest()}


def powers(mesh):
    worst = {}
    for name, (dim, highest) in POWERS.items():
        tokens = ts.sphere.cap(103, np.eye(dim)[0], 1.0, 0)
        weights = np.linspace(1, 2, 103) / np.linspace(1, 2, 103).sum()
        shard, degrees = Shard.of(mesh, 103), list(range(highest + 1))
        got = shared_power(mesh, shard.take(tokens), degrees, shard.masses(weights))
        worst[name] = float(np.abs(got - harmonic_power(tokens, degrees, weights)).max())
    return worst


def events(mesh):
    """A short run with three events, and one with matrices and masses of its own."""
    tokens = ts.sphere.cap(301, np.eye(2)[0], 1.0, 0)
    settings = {
        "times": [0.0, 0.01, 0.08],
        "method": "tsit5",
        "rtol": 1e-4,
        "events": [linear_exit(0.9), all_within(0.2, terminal=False), energy_slope_below(1.0)],
    }
    flow = ts.UnnormalizedSelfAttention(5.0, attention=Circle())
    shared, alone = ts.simulate(flow, tokens, mesh=mesh, **settings), ts.simulate(flow, tokens, **settings)
    fired, expected = shared.attrs["events"], alone.attrs["events"]
    out = {
        "names": [sorted(fired), sorted(expected)],
        "times": max(abs(fired[name] - expected[name]) for name in expected),
        "tokens": float(np.abs(shared.tokens.values - alone.tokens.values).max()),
        "steps": [shared.attrs["steps"], alone.attrs["steps"]],
    }
    fixed = {"method": "rk4", "step_size": 0.1}
    rng = np.random.default_rng(3)
    weights = rng.random(47)
    weights /= weights.sum()
    for name, backend, value in (
        ("matrix", Dense(), rng.normal(size=(2, 2))),
        ("circle", Circle(), np.diag([1, -1.0])),
    ):
        flow = ts.SelfAttention(2.0, value=value, attention=backend)
        start = ts.sphere.uniform(47, 2, 1)
        pair = [ts.simulate(flow, start, [0, 0.3], weights=weights, mesh=team, **fixed) for team in (mesh, None)]
        out[name] = float(np.abs(pair[0].tokens.values - pair[1].tokens.values).max())
    return out


class Hidden(AbstractAttention):
    """A backend that does not say how it can be shared."""

    def __call__(self, queries, keys, values=None, weights=None, *, beta, tangent=False):
        raise NotImplementedError


def refusals(mesh):
    said = []
    sharded, tokens = Sharded(Circle(), mesh), np.eye(2)
    for action in (
        lambda: Shard.of(mesh, 1),
        lambda: Sharded(Hidden(), mesh)(tokens, tokens, beta=1.0),
        lambda: jax.jit(lambda x: sharded(x, x, beta=1.0).mean)(tokens),
    ):
        try:
            action()
        except InputError as error:
            said.append(str(error))
    return said


def main():
    settings = json.loads(sys.argv[1])
    rank, size = settings["rank"], settings["size"]
    mesh = connect(Placement(rank, size, settings["coordinator"], rank, size))
    parts = (communicator, sums, powers, events, refusals)
    report = {}
    for part in parts:
        started = time.monotonic()
        report[part.__name__] = part(mesh)
        print(part.__name__, time.monotonic() - started, flush=True)
    Path(settings["output"]).write_text(json.dumps(report))
    mesh.close()
