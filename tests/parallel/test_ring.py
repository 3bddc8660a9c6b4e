"""Many devices inside one process: blocks of keys pass round a ring of four."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conformance.direct import attended
from parallel.teams import environment

import tokensphere as ts

CODE = """
import json, sys
import numpy as np
import tokensphere as ts
from tokensphere.attention import Dense, Sharded
from tokensphere.parallel import TokenMesh

data = json.loads(sys.stdin.read())
mesh = TokenMesh()
out = {"devices": [mesh.size, mesh.local_devices], "sent": mesh.sent}
for name, case in data.items():
    arrays = [None if case[k] is None else np.array(case[k]) for k in ("queries", "keys", "values", "weights")]
    got = Sharded(Dense(block=case["block"]), mesh)(*arrays, beta=case["beta"])
    out[name] = [got.log_z.tolist(), got.mean.tolist()]
flow = ts.SelfAttention(4.0, attention=Dense())
start = ts.sphere.uniform(30, 3, 0)
runs = [ts.simulate(flow, start, [0.0, 0.5], mesh=team) for team in (mesh, None)]
out["run"] = float(np.abs(runs[0].tokens.values - runs[1].tokens.values).max())
print(json.dumps(out))
"""


def cases():
    rng = np.random.default_rng(0)
    found = {}
    # 10 and 9 rows on 4 devices do not come out even
    for name, beta, block in (("mild", 2.0, 2**18), ("blocks", 2.0, 4), ("steep", 1e6, 2**18), ("repelling", -3.0, 8)):
        weights = rng.random(9)
        weights[3] = 0.0
        found[name] = {
            "queries": ts.sphere.uniform(10, 3, 1),
            "keys": ts.sphere.uniform(9, 3, 2),
            "values": rng.normal(size=(9, 2)),
            "weights": weights / weights.sum(),
            "beta": beta,
            "block": block,
        }
    found["massless device"] = found["mild"] | {"weights": np.r_[np.zeros(6), np.full(3, 1 / 3)]}
    found["keys as values"] = found["mild"] | {"values": None}
    return found


@pytest.fixture(scope="module")
def ring():
    flags = "--xla_force_host_platform_device_count=4"
    plain = json.dumps(cases(), default=lambda array: array.tolist())
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=plain,
        env=environment(XLA_FLAGS=flags),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases())
def test_the_ring_gives_the_direct_sum(ring, name):
    case = cases()[name]
    log_z, mean = attended(*(case[k] for k in ("queries", "keys", "values", "weights", "beta")))
    np.testing.assert_allclose(ring[name][0], log_z, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(ring[name][1], mean, rtol=0, atol=1e-13 + 1e-16 * abs(case["beta"]))


@pytest.mark.slow
def test_a_run_on_four_devices(ring):
    assert ring["devices"] == [1, 4]
    assert ring["sent"] == 0
    assert ring["run"] < 1e-12
