"""The plan of a sweep: all its points, checked before any work, and how they are grouped into tasks.

The plan depends on nothing but the description of the sweep, so a sweep that was killed and started again makes the
same tasks with the same lanes, and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokensphere.errors import InputError

from ..schema import Study, builtin_names, find_file, parse_study, read_table
from .grid import Axis, axis, grid_points, parse_over, read_list

__all__ = ["BATCH_WORK", "LANES", "Plan", "Point", "Task", "plan_sweep"]

BATCH_WORK = 2**16  # n·n·dim up to which runs share a compiled call: above, the sum itself takes longer than the call
LANES = 16
_SWEEP_KEYS = ("over", "list", "figure")
SWEEP_FIGURES = ("phase-diagram",)  # the faces make them


@dataclass(frozen=True)
class Point:
    """One run of the sweep: its `parameters` by dotted key, folder name, and the study or why there is none.

    `group`: runs of equal group (not `None`) can share compiled calls.
    """

    index: int
    parameters: dict[str, Any]
    folder: str
    study: Study | None
    error: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Task:
    """Points to be carried out by one process one after another, or at once in `lanes` if that is not 0.

    `places` are the lanes of the points.
    """

    points: tuple[Point, ...]
    lanes: int = 0
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A sweep: `study` as the base, the `axes` of its grid (empty for a list) and its points."""

    name: str
    study: dict[str, Any]
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    figure: str | None = None

    @property
    def key(self) -> str:
        """A hash of everything that the runs are made from."""
        described = {"study": self.study, "points": [(point.folder, point.parameters) for point in self.points]}
        return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()

    def tasks(self, todo: set[int], per_task: int = 1) -> list[Task]:
        """The runs `todo` as tasks: small ones of a group in lanes, others `per_task` to a task."""
        groups: dict[str, list[Point]] = {}
        alone: list[Point] = []
        for point in self.points:
            if point.study is None:
                continue
            if point.group is None:
                alone.append(point)
            else:
                groups.setdefault(point.group, []).append(point)
        tasks = []
        for members in groups.values():
            if len(members) == 1:
                alone += members
                continue
            for first in range(0, len(members), LANES):
                chunk = members[first : first + LANES]
                # Lanes follow from the plan, not from what is left to do.
                lanes = 1 << (len(chunk) - 1).bit_length()
                left = [(lane, point) for lane, point in enumerate(chunk) if point.index in todo]
                if left:
                    tasks.append(Task(tuple(p for _, p in left), lanes, tuple(lane for lane, _ in left)))
        left_alone = sorted((p for p in alone if p.index in todo), key=lambda p: p.index)
        chunks = (left_alone[i : i + per_task] for i in range(0, len(left_alone), per_task))
        tasks += [Task(tuple(chunk)) for chunk in chunks]
        return sorted(tasks, key=lambda task: task.points[0].index)


def plan_sweep(
    name_or_path: str,
    *,
    over: Sequence[str] = (),
    listed: Path | None = None,
    settings: dict[str, Any] | None = None,
) -> Plan:
    """The plan of a sweep of a study, or of a file that describes a sweep itself.

    **Arguments:** `over`, texts such as `beta=1:10:19` (they replace those of a file key by key); `listed`, a file
    with a list of settings instead; `settings` by dotted key for all runs.

    **Raises:** `InputError` if the sweep cannot be understood, or every one of its points is wrong.
    """
    path = find_file(name_or_path, builtin_names() + builtin_names(sweeps=True))
    data = read_table(path)
    table = data.pop("sweep", {})
    data.setdefault("name", path.stem)
    base = parse_study(data, path.name).with_settings(settings or {})
    if not isinstance(table, dict) or not set(table) <= set(_SWEEP_KEYS):
        raise InputError(f"{path.name}: [sweep] may hold {', '.join(_SWEEP_KEYS)} only")
    if not isinstance(table.get("over", {}), dict):
        raise InputError(f"{path.name}: [sweep.over] must be a table of keys, got {table['over']!r}")
    figure = table.get("figure")
    if figure is not None and figure not in SWEEP_FIGURES:
        raise InputError(f"{path.name}: unknown figure {figure!r}; known: {', '.join(SWEEP_FIGURES)}")
    given, axes, rows = parse_over(over), list[Axis](), list[dict[str, Any]]()
    written = table.get("list")
    if listed is not None or (written is not None and not given):
        if given:
            raise InputError("give --over or --list, not both")
        rows = read_list(listed if listed is not None else path.parent / str(written))
    else:
        replaced = {found.key for found in given}
        own = [axis(str(name), values) for name, values in table.get("over", {}).items()]
        axes, rows = grid_points([found for found in own if found.key not in replaced] + given)
        if not axes:
            raise InputError("nothing to sweep over; give --over key=values, for example --over beta=1:10:19")
    fixed = [key for key in (settings or {}) if any(key in row for row in rows)]
    if fixed:
        raise InputError(f"--set {fixed[0]} and a sweep over {fixed[0]} contradict each other")
    points = [_point(index, row, base, len(rows)) for index, row in enumerate(rows)]
    if all(point.error is not None for point in points):
        raise InputError(f"every point of the sweep is wrong; the first: {points[0].error}")
    return Plan(base.name, base.model_dump(mode="json"), tuple(axes), tuple(points), figure)


def _point(index: int, settings: dict[str, Any], base: Study, total: int) -> Point:
    from ..run import check_study

    width = len(str(total - 1))
    folder = f"run-{index:0{width}d}"
    try:
        study = check_study(base.with_settings(settings | {"name": folder}))
    except InputError as error:
        return Point(index, settings, folder, None, str(error))
    return Point(index, settings, folder, study, group=_group(study))


def _group(study: Study) -> str | None:
    """What runs must share to be evaluated together, or `None` for one that had better run alone."""
    from tokensphere.attention import Dense
    from tokensphere.experiments import experiment
    from tokensphere.solve import tableau

    from ..build import build_flow

    tokens, solve = study.tokens, study.solve
    if tokens.law == "file" or experiment(study.experiment).ensembles or tokens.n**2 * tokens.dim > BATCH_WORK:
        return None
    if tableau(solve.method).kicks:  # steps that may take noise are not taken in lanes
        return None
    flow = build_flow(study).resolve(tokens.n, tokens.dim)
    if not isinstance(flow.attention, Dense):
        return None
    parts = (type(flow).__name__, flow.value, flow.query_key)
    kinds = [part if isinstance(part, str) else getattr(part, "shape", type(part).__name__) for part in parts]
    scheme = [study.flow.scheme, study.flow.original_form, study.flow.scale_logits]
    shared = [study.experiment, tokens.n, tokens.dim, solve.method, flow.causal, study.flow.shifted, *scheme]
    return json.dumps([*shared, *map(str, kinds)])
