"""Alignment of an ensemble against the equiangular curve."""

import numpy as np
import pytest

from tokensphere import studies
from tokensphere.errors import InputError
from tokensphere.experiments import EXPERIMENTS, experiment
from tokensphere.experiments.alignment import crossing_times
from tokensphere.studies import Study

LAYERS = {
    "experiment": "alignment",
    "flow.kind": "sa",
    "flow.beta": 1.0,
    "tokens.n": 32,
    "tokens.dim": 128,
    "tokens.ensemble": 24,
    "solve.method": "layer",
    "solve.step_size": 0.1,
    "solve.t_end": 7.0,
    "solve.frames": 71,
}


def settle(folder, **settings):
    prepared = studies.prepare(Study().with_settings(LAYERS | {k.replace("__", "."): v for k, v in settings.items()}))
    return studies.carry_out(prepared, folder, prediction=studies.predict_study(prepared))


def test_crossing_times_are_interpolated():
    times = np.array([0.0, 1.0, 3.0])
    aligned = np.array([[0.0, 0.6, 0.0, 0.2], [0.25, 0.7, 0.0, 0.5], [0.75, 1.0, 0.4, 1.0]])
    np.testing.assert_allclose(crossing_times(times, aligned), [2.0, 0.0, np.inf, 1.0])


def test_layers_cross_when_the_discrete_map_does(tmp_path):
    """n = 32, dim 128, beta 1: half of the pairs at 5.6, the flow at 5.3."""
    outcome = settle(tmp_path / "r")
    (verdict,) = outcome.verdicts
    assert verdict.outcome == "agrees"
    assert verdict.predicted == pytest.approx(5.537, abs=1e-3)
    assert outcome.seen.median == pytest.approx(5.6, abs=0.1)
    assert outcome.prediction.flow_crossing.value == pytest.approx(5.2703, abs=1e-3)
    assert (outcome.seen.members, outcome.seen.crossed) == (24, 24)
    assert abs(outcome.seen.median - outcome.prediction.flow_crossing.value) > 0.15  # layers are not the flow
    assert outcome.run.sizes == {"time": 71, "member": 24}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tokens__dim": 8}, r"dim >= 128 \(here dim = 8\)"),
        ({"flow__beta": 4.5}, r"beta <= 4 \(here beta = 4.5\)"),
        ({"flow__kind": "usa"}, r"flow = sa \(here flow = usa\)"),
        ({"solve__t_end": 3.0}, r"only 0 of 2 members crossed by t = 3; raise solve.t_end"),
        ({"tokens__law": "cap"}, "tokens.law is 'cap'"),
        ({"flow__value": 0.5}, "V = B = I, and value is given"),
    ],
)
def test_where_nothing_is_known(tmp_path, settings, sentence):
    (verdict,) = settle(tmp_path / "r", tokens__ensemble=2, solve__frames=3, **settings).verdicts
    assert verdict.outcome == "not applicable"
    import re

    assert re.search(sentence, verdict.sentence)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"experiment": "emergence"}, "follows one set of tokens"),
        ({"tokens.law": "equispaced", "tokens.dim": 2}, "independent members"),
        ({"tokens.n": 1}, "needs tokens.n >= 2"),
        ({"flow.attention": "circle"}, "flow.attention = 'dense'"),
        ({"solve.stop_within": 0.1}, "an ensemble runs to t_end"),
        ({"solve.t_end": 0.04}, "less than one layer"),
        ({"solve.max_steps": 5}, "70 layers are more than solve.max_steps = 5"),
    ],
)
def test_refused_before_work(settings, text):
    with pytest.raises(InputError, match=text):
        studies.prepare(Study().with_settings(LAYERS | settings))


def test_members_differ_and_depend_on_the_seed():
    make = lambda seed: studies.prepare(Study().with_settings(LAYERS | {"seed": seed, "tokens.ensemble": 3})).tokens  # noqa: E731
    first, again, other = make(0), make(0), make(1)
    assert first.shape == (3, 32, 32)
    np.testing.assert_array_equal(first, again)
    inner = [x @ x.T for x in (*first, *other)]
    assert min(np.abs(a - b).max() for i, a in enumerate(inner) for b in inner[:i]) > 0.1


def test_every_experiment_of_the_registry_loads():
    for name in EXPERIMENTS:
        assert isinstance(experiment(name).ensembles, bool)
    with pytest.raises(InputError, match="did you mean 'alignment'"):
        experiment("alignement")
