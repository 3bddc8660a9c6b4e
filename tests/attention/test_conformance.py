import numpy as np
import pytest
from conformance.attention_suite import AttentionSuite, Backend

from tokensphere.attention import (
    BACKENDS,
    Circle,
    CircleSeries,
    Collapsed,
    Dense,
    Harmonic,
    Polynomial,
    SphereSeries,
)

# Rows far from every key keep `row_tolerance` = 1e-7, all others 1e-12; tests/attention/test_circle.py is sharper.
PROMISES = {
    "dense": [Backend(Dense()), Backend(Dense(block=64), dims=(3,), compiled=True)],
    "circle": [Backend(Circle(), dims=(2,), tolerance=1e-7)],
    "polynomial": [Backend(Polynomial(), dims=(2, 4), tolerance=2e-12, max_beta=4.0)],
    "collapsed": [Backend(Collapsed(), tolerance=2e-12)],
    "harmonic": [Backend(Harmonic(), dims=(3,), tolerance=1e-7, max_beta=3e3)],
    "circle-series": [Backend(CircleSeries(max_beta=200.0), dims=(2,), tolerance=1e-7, max_beta=200.0)],
    "sphere-series": [Backend(SphereSeries(max_beta=20.0), dims=(3,), tolerance=1e-7, max_beta=20.0)],
}


def test_every_backend_has_a_promise():
    assert set(PROMISES) == set(BACKENDS)


# The harmonics in JAX take seconds to compile for every shape; tests/attention/test_series.py is quick.
_MARKS = {"sphere-series": [pytest.mark.slow]}


@pytest.mark.parametrize(
    "backend",
    [pytest.param(b, marks=_MARKS.get(name, []), id=repr(b.attention)) for name in BACKENDS for b in PROMISES[name]],
)
class TestBackends(AttentionSuite):
    @pytest.fixture
    def rng(self):
        return np.random.default_rng(20)
