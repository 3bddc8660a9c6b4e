import numpy as np
import pytest
from conformance.direct import random_tokens
from conformance.flow_suite import FLOWS, FlowCase, FlowSuite

KINDS = ["identity", "scalars", "matrices", "ascent", "descent", "symmetric B"]
CASES = [FlowCase(flow, dim, kind) for flow in FLOWS for dim in (2, 3, 8) for kind in KINDS]
CASES = [c for c in CASES if c.dim == 3 or c.kind in ("identity", "scalars", "matrices")]
SLOW = [c for c in CASES if c.flow == "usa" and c.dim != 3]  # the plain clock is the shifted one times e^β


def marked(case):
    return pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case


@pytest.mark.parametrize("case", [marked(c) for c in CASES], ids=lambda c: f"{c.flow}-{c.dim}-{c.kind}")
class TestFlows(FlowSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(100 + case.dim)
        masses = rng.random(12)
        masses[4] = 0.0
        return random_tokens(rng, 12, case.dim), masses / masses.sum()
