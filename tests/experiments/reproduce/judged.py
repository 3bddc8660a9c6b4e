"""What every item must give."""

from tokensphere.experiments.catalogue import Outcome


def run(function):
    """The outcome of an item, and what it said on the way: fractions that never fall."""
    told = []
    outcome = function(lambda fraction, text: told.append((fraction, text)))
    assert isinstance(outcome, Outcome)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] < 1
    assert all(text for _, text in told)
    return outcome


def outcomes(outcome, start=""):
    """The outcome of every verdict whose name begins with `start`."""
    return {verdict.name: verdict.outcome for verdict in outcome.verdicts if verdict.name.startswith(start)}


def none_disagrees(outcome):
    """No verdict disagrees; the failing ones are shown."""
    assert [verdict for verdict in outcome.verdicts if verdict.outcome == "disagrees"] == []
    assert any(verdict.outcome == "agrees" for verdict in outcome.verdicts)
