"""`tokensphere sweep`: one study over a grid or a list of settings."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tokensphere.errors import InputError, check_positive_int

from .parse import parse_settings
from .progress import Line, clock

if TYPE_CHECKING:
    from rich.console import Console

    from tokensphere.studies.sweeps import Engine, Plan, Summary, SweepProgress

__all__ = ["sweep"]

_SHOWN = 10


def sweep(
    study: Annotated[str, Parameter(help="a study file (.toml) or the name of a study or sweep that comes along")],
    *,
    over: Annotated[
        list[str] | None,
        Parameter(help="key=1:10:19 (19 numbers, ends included), key=0:8 (0 to 7) or key=1,2,5; repeat for a grid"),
    ] = None,
    list: Annotated[Path | None, Parameter(help="a .json, .csv or .toml file with a list of settings instead")] = None,
    set: Annotated[list[str] | None, Parameter(help="key=value for all runs; may be repeated")] = None,
    out: Annotated[Path | None, Parameter(help="sweep folder (default sweeps/NAME)")] = None,
    workers: Annotated[float, Parameter(help="processes on this machine that share its cores")] = 1,
    dask: Annotated[str | None, Parameter(help="address of a Dask scheduler to run on (extra 'cluster')")] = None,
    slurm: Annotated[bool, Parameter(help="run as Slurm jobs: --submitit slurm", negative="")] = False,
    submitit: Annotated[
        Literal["local", "slurm", "debug"] | None, Parameter(help="run as jobs of submitit (extra 'cluster')")
    ] = None,
    job: Annotated[list[str] | None, Parameter(help="option of the jobs, as timeout_min=120; may be repeated")] = None,
    runs_per_job: Annotated[float, Parameter(help="runs in one job or task (small ones are batched anyway)")] = 1,
    retry_failed: Annotated[bool, Parameter(help="try runs again that failed before", negative="")] = False,
    figures: Annotated[bool, Parameter(help="make the figure of the sweep at its end")] = True,
    json: Annotated[bool, Parameter(help="print the outcome as JSON for machines", negative="")] = False,
) -> None:
    """Carry out one study for every point of a grid, each in a run folder of its own.

    The same command again goes on where the last one was stopped: nothing is computed twice, nothing is lost. A run
    that fails is recorded and does not stop the others; the exit code is then 1. Keys may be short where that is
    clear: beta for flow.beta, dim for tokens.dim. Sweeps that come along: phase-diagram.
    """
    from rich.console import Console

    from tokensphere.studies import RunError
    from tokensphere.studies.sweeps import plan_sweep, run_sweep

    engine = _engine(check_positive_int(workers, "workers"), dask, "slurm" if slurm else submitit, job or [])
    per_task = check_positive_int(runs_per_job, "runs-per-job")
    plan = plan_sweep(study, over=over or [], listed=list, settings=_dotted(set or []))
    folder = out or Path("sweeps") / plan.name
    console = Console(quiet=json)
    with _Line(enabled=not json) as line:
        try:
            summary = run_sweep(
                plan,
                folder,
                engine,
                retry_failed=retry_failed,
                per_task=per_task,
                begin=lambda: _announce(console, plan, folder),
                report=line,
            )
        except KeyboardInterrupt:
            raise RunError("interrupted; the same command again goes on") from None
    _conclude(console, summary)
    if figures and plan.figure is not None:
        _figure(console, plan.figure, folder)
    console.print(f"Everything is in {folder}", soft_wrap=True)
    if json:
        print(json_module.dumps(_to_dict(summary), indent=2))
    if summary.failures:
        count = len(summary.failures)
        raise RunError(f"{count} of {len(plan.points)} runs failed; try them again with --retry-failed")


def _dotted(settings: list[str]) -> dict[str, Any]:
    from tokensphere.studies.sweeps.grid import find_key

    return {find_key(key): value for key, value in parse_settings(settings).items()}


def _engine(workers: int, dask: str | None, submitit: str | None, job: list[str]) -> Engine:
    from tokensphere.studies.sweeps import Dask, InProcess, Processes, Submitit

    if (workers > 1) + (dask is not None) + (submitit is not None) > 1:
        raise InputError("give one of --workers, --dask, --slurm and --submitit")
    if job and submitit is None:
        raise InputError(f"--job {job[0]} needs --slurm or --submitit")
    if dask is not None:
        return Dask(dask)
    if submitit is not None:
        return Submitit(submitit, parse_settings(job))
    return Processes(workers) if workers > 1 else InProcess()


def _announce(console: Console, plan: Plan, folder: Path) -> None:
    over = " x ".join(f"{axis.name} ({len(axis.values)})" for axis in plan.axes) or "a list of settings"
    wrong = [point for point in plan.points if point.error is not None]
    console.print(f"[bold]{plan.name}[/bold]: {len(plan.points)} runs over {over}\nsweep folder {folder}\n")
    for point in wrong[:_SHOWN]:
        console.print(f"{point.folder} cannot be run: {point.error}", soft_wrap=True, markup=False)
    if len(wrong) > _SHOWN:
        console.print(f"... and {len(wrong) - _SHOWN} more")


def _conclude(console: Console, summary: Summary) -> None:
    manifest = summary.manifest
    console.print(
        f"{manifest.count('complete')} of {len(manifest.runs)} runs are complete, {summary.computed} computed now."
    )
    for entry in summary.failures[:_SHOWN]:
        what = ", ".join(f"{key} = {value}" for key, value in entry.parameters.items())
        console.print(f"{entry.folder} ({what}) {entry.state}: {entry.error}", soft_wrap=True, markup=False)
    if len(summary.failures) > _SHOWN:
        console.print(f"... and {len(summary.failures) - _SHOWN} more: see sweep.json")


def _figure(console: Console, name: str, folder: Path) -> None:
    from tokensphere.figures import phase_diagram, save_figures
    from tokensphere.studies.sweeps import open_sweep

    makers = {"phase-diagram": phase_diagram}  # a further one is a line here
    try:
        if name not in makers:
            raise InputError(f"unknown figure '{name}'; known: {', '.join(makers)}")
        path = save_figures({name: makers[name](open_sweep(folder))}, folder)[0]
    except InputError as error:
        console.print(f"No figure: {error}", soft_wrap=True, markup=False)
        return
    console.print(f"Figure: {path}", soft_wrap=True)


def _to_dict(summary: Summary) -> dict[str, Any]:
    import dataclasses

    manifest = summary.manifest
    states = ("complete", "failed", "pending")
    return {
        "folder": str(summary.folder),
        "name": manifest.name,
        "computed": summary.computed,
        "counts": {state: manifest.count(state) for state in states},  # type: ignore[arg-type]
        "runs": [dataclasses.asdict(entry) for entry in manifest.runs],
        "failed": [dataclasses.asdict(entry) for entry in summary.failures],
    }


class _Line(Line):
    """One line for the whole sweep."""

    def __call__(self, progress: SweepProgress) -> None:
        self.show(lambda: _text(progress))


def _text(p: SweepProgress) -> str:
    left = p.total - p.complete - p.failed
    remaining = f", {clock(p.seconds / p.computed * left)} left" if p.computed else ""
    return f"{p.complete} of {p.total} runs done, {p.running} running, {p.failed} failed{remaining}"
