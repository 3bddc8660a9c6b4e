"""Small runs, made once: dims 2, 3 and 5, one without a prediction, one that repels, one of three tokens, one short."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokensphere import studies
from tokensphere.experiments import emergence
from tokensphere.figures import emergence_figures

CASES: dict[str, dict[str, Any]] = {
    "circle": {"tokens.n": 2000},
    "sphere": {"tokens.dim": 3},
    "dim5": {"tokens.dim": 5},
    "no prediction": {"flow.value": 2.0},
    "repelling": {"flow.value": -1.0},
    "three tokens": {"tokens.n": 3},
    "noise": {"tokens.n": 2000, "flow.noise": 1.0, "solve.method": "strang", "solve.step_size": 0.02},
    "two frames": {"tokens.n": 2000, "solve.t_end": 0.01, "solve.frames": 2},
}


@dataclass(frozen=True)
class Case:
    folder: Path
    study: Any
    setting: Any
    prediction: Any
    seen: Any
    verdicts: list[Any]
    run: Any

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.run, self.setting, self.prediction, self.seen

    @functools.cached_property
    def figures(self) -> dict[str, Any]:
        return emergence_figures(*self.arguments)


_MADE: dict[str, Case] = {}


def get_case(name: str, new_folder: Callable[[], Path]) -> Case:
    """The run of this name, made when it is first asked for."""
    if name not in _MADE:
        _MADE[name] = _make(new_folder() / "run", CASES[name])
    return _MADE[name]


def _make(folder: Path, settings: dict[str, Any]) -> Case:
    # Nothing here needs accuracy: the cheapest method, on the host where there is one.
    small = {"tokens.n": 300, "solve.frames": 31}
    if settings.get("tokens.dim", 2) == 2:
        cheap = {"flow.attention": "circle", "solve.method": "tsit5", "solve.rtol": 1e-5}
    else:
        cheap = {"tokens.n": 150, "solve.method": "euler", "solve.step_size": 0.01, "solve.frames": 16}
    study = studies.load_study("emergence").with_settings(small | cheap | settings)
    prepared = studies.prepare(study)
    prepared.run(folder, resume=False)
    run, prediction = studies.open_run(folder), None
    if prepared.setting.obstacle is None:
        prediction = emergence.predict(prepared.setting, prepared.tokens, prepared.weights, prepared.order)
    seen = emergence.measure(prepared.setting, run)
    verdicts = emergence.judge(prepared.setting, prediction, seen, float(run.time[-1]))
    return Case(folder, study, prepared.setting, prediction, seen, verdicts, run)
