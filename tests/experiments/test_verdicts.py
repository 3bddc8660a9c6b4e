"""Verdicts: a number against a number, and what cannot be compared."""

import json
import math

import numpy as np
import pytest

from tokensphere.experiments import Verdict, compare, not_applicable


def test_absolute_tolerance():
    verdict = compare("exit", 1.0, 1.05, 0.1, unit="t")
    assert (verdict.outcome, verdict.tolerance, verdict.unit) == ("agrees", 0.1, "t")
    assert verdict.sentence == "differ by 0.05 t, within 0.1"
    assert compare("exit", 1.0, 0.85, 0.1).outcome == "disagrees"
    assert compare("exit", 1.0, 0.85, 0.1).sentence == "differ by 0.15, beyond 0.1"


def test_relative_tolerance():
    verdict = compare("rate", -200.0, -209.0, 0.05, relative=True)
    assert (verdict.outcome, verdict.tolerance) == ("agrees", 10.0)
    assert verdict.sentence == "differ by 0.045 relative, within 0.05"
    assert compare("rate", 200.0, 211.0, 0.05, relative=True).outcome == "disagrees"
    assert compare("rate", 0.0, 0.01, 0.05, relative=True).outcome == "disagrees"
    assert compare("rate", 0.0, 0.0, 0.05, relative=True).outcome == "agrees"


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_agrees(measured):
    assert compare("exit", 1.0, measured, 1e300).outcome == "disagrees"
    assert compare("exit", measured, measured, 1.0).outcome == "disagrees"


def test_not_applicable():
    verdict = not_applicable("rate", "too few samples", predicted=3.0)
    assert (verdict.outcome, verdict.sentence) == ("not applicable", "too few samples")
    assert (verdict.predicted, verdict.measured, verdict.tolerance) == (3.0, None, None)


def test_plain_json():
    verdict = Verdict("angles", "agrees", [np.float64(0.5)], np.nan, None, "rad", "well")
    data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert data["predicted"] == [0.5]
    assert data["measured"] is None
    assert data["source"] == "derived"
