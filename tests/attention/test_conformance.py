import numpy as np
import pytest
from conformance.attention_suite import AttentionSuite, Backend

from tokensphere.attention import BACKENDS, Circle, Collapsed, Dense, Harmonic, Polynomial

# Rows far from every key keep `row_tolerance` = 1e-7, all others 1e-12; tests/attention/test_circle.py is sharper.
PROMISES = {
    "dense": [Backend(Dense()), Backend(Dense(block=64), dims=(3,))],
    "circle": [Backend(Circle(), dims=(2,), tolerance=1e-7)],
    "polynomial": [Backend(Polynomial(), dims=(2, 4), tolerance=2e-12, max_beta=4.0)],
    "collapsed": [Backend(Collapsed(), tolerance=2e-12)],
    "harmonic": [Backend(Harmonic(), dims=(3,), tolerance=1e-7, max_beta=3e3)],
}


def test_every_backend_has_a_promise():
    assert set(PROMISES) == set(BACKENDS)


@pytest.mark.parametrize("backend", [b for name in BACKENDS for b in PROMISES[name]], ids=lambda b: repr(b.attention))
class TestBackends(AttentionSuite):
    @pytest.fixture
    def rng(self):
        return np.random.default_rng(20)
