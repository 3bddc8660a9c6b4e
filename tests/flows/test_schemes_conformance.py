"""Every scheme over softmax attention, unnormalised attention and general matrices."""

import numpy as np
import pytest
from conformance.direct import random_tokens
from conformance.scheme_suite import SCHEMES, SchemeCase, SchemeSuite

from tokensphere.flows import NORMALIZATIONS

OVER = [("sa", 3, "identity"), ("sa", 2, "identity"), ("usa-shifted", 3, "identity"), ("sa", 6, "matrices")]
CASES = [SchemeCase(scheme, *over) for scheme in SCHEMES for over in OVER]
FAST = [c for c in CASES if (c.flow == "sa" and c.dim == 3) or c.scheme in ("pre", "peri")]


def marked(case):
    return case if case in FAST else pytest.param(case, marks=pytest.mark.slow)


def test_every_scheme_is_here():
    assert {type(rules) for rules, *_ in SCHEMES.values()} == set(NORMALIZATIONS.values())


@pytest.mark.parametrize("case", [marked(c) for c in CASES], ids=lambda c: f"{c.scheme}-{c.flow}-{c.dim}-{c.kind}")
class TestSchemes(SchemeSuite):
    @pytest.fixture
    def cloud(self, case):
        rng = np.random.default_rng(200 + case.dim)
        masses = rng.random(9)
        return random_tokens(rng, 9, case.dim), masses / masses.sum(), rng.uniform(0.6, 1.8, 9)
