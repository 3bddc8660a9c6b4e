"""`tokensphere run`: predict, integrate, measure, compare, write a run folder."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tokensphere.errors import InputError

from .parse import parse_settings
from .team import asked_for_team, follow, join_team, note_folder

if TYPE_CHECKING:
    from rich.console import Console

    from tokensphere.studies import Prepared, Study

__all__ = ["run"]


def run(
    study: Annotated[str | None, Parameter(help="a study file (.toml) or the name of one that comes along")] = None,
    *,
    set: Annotated[list[str] | None, Parameter(help="key=value, as flow.beta=9; null unsets; may be repeated")] = None,
    out: Annotated[
        Path | None, Parameter(help="run folder (default runs/NAME, or runs/NAME-2, ... if it exists)")
    ] = None,
    resume: Annotated[Path | None, Parameter(help="continue the interrupted run in this folder")] = None,
    explain: Annotated[bool, Parameter(help="print every setting with its meaning and stop", negative="")] = False,
    figures: Annotated[bool, Parameter(help="make figures and the report")] = True,
    strict: Annotated[bool, Parameter(help="exit with 1 if a verdict disagrees", negative="")] = False,
    json: Annotated[bool, Parameter(help="print the outcome as JSON for machines", negative="")] = False,
    processes: Annotated[int | None, Parameter(help="divide the tokens over this many processes here")] = None,
    distributed: Annotated[
        bool, Parameter(help="this is one of many processes started by srun or mpirun", negative="")
    ] = False,
    coordinator: Annotated[
        str | None, Parameter(help="host:port where process 0 of --distributed listens, if it is not known")
    ] = None,
) -> None:
    """Carry out a study: predictions first, then the run, then a table of verdicts and a report.

    Studies that come along: emergence, emergence-beta7, alignment.
    """
    from rich.console import Console

    chosen = _choose(study, parse_settings(set or []), resume, out)
    with_team = asked_for_team(processes, distributed, coordinator)
    console = Console(quiet=json)
    if explain:
        _explain(console, chosen)
        return
    mesh = join_team(processes, coordinator) if with_team else None

    from tokensphere import studies

    prepared = studies.prepare(chosen, mesh, resume)
    folder = resume or out or studies.free_folder(Path("runs"), chosen.name)
    folder = Path(prepared.crew.tell(str(folder)))
    prepared.check_folder(folder, resume=resume is not None)
    if mesh is not None:
        note_folder(folder)
        if not prepared.crew.leader:
            follow(prepared, folder, mesh, resume=resume is not None)
            return
    prediction = studies.predict_study(prepared)
    _announce(console, prepared, folder)

    from .faces import show_predicted, write_faces

    show_predicted(console, prepared, prediction)

    from .progress import ProgressLine

    started = time.perf_counter()
    with ProgressLine(enabled=not json) as line:
        try:
            outcome = studies.carry_out(
                prepared, folder, prediction=prediction, resume=resume is not None, report=line, mesh=mesh
            )
        except KeyboardInterrupt:
            raise studies.RunError(f"interrupted; go on with: tokensphere run --resume {folder}") from None
    seconds = time.perf_counter() - started
    attrs = outcome.run.attrs
    console.print(
        f"Integrated to t = {float(outcome.run.time[-1]):g} in {seconds:.1f} s: {attrs['steps']} steps, "
        f"{attrs['rejected']} rejected, {attrs['n_frames']} frames.\n"
    )

    from .show import show_verdicts

    show_verdicts(console, outcome.verdicts)
    if figures:
        write_faces(console, prepared, outcome)
    console.print(f"Everything is in {folder}", soft_wrap=True)
    if json:
        print(json_module.dumps(outcome.to_dict(), indent=2))
    if strict and any(verdict.outcome == "disagrees" for verdict in outcome.verdicts):
        raise studies.RunError("a verdict disagrees")


def _choose(study: str | None, settings: dict[str, object], resume: Path | None, out: Path | None) -> Study:
    """The study asked for, checked."""
    from tokensphere.studies import builtin_names, load_study, read_study

    if resume is None and study is None:
        raise InputError(f"give a study: a .toml file, or one of {', '.join(builtin_names())}")
    if resume is not None and out is not None:
        raise InputError("--resume continues in its own folder; leave out --out")
    if study is not None:
        return load_study(study).with_settings(settings)
    assert resume is not None
    return read_study(resume).with_settings(settings)


def _explain(console: Console, study: Study) -> None:
    from tokensphere.studies import explain

    from .show import show_table

    rows = [list(row) for row in explain(study)]
    show_table(console, f"Study {study.name}", ["key", "value", "default", "meaning"], rows, justify="left")


def _announce(console: Console, prepared: Prepared, folder: Path) -> None:
    from tokensphere.attention import choose

    study, flow, spec, shard = prepared.study, prepared.flow, prepared.study.solve, prepared.crew.shard
    n, dim = prepared.tokens.shape[-2:]
    dim = study.tokens.dim if prepared.experiment.ensembles else dim
    scale = flow.query_key if flow.isotropic and flow.query_key is not None else 1.0
    reason = choose(n, dim, beta=flow.beta * abs(scale), isotropic=flow.isotropic, shared=shard is not None).explain()
    if flow.causal:
        reason = "dense: causal, every token sees those before it and itself"
    elif prepared.attention_asked != "auto":
        reason = f"{prepared.attention_asked}: asked for by name"
    if prepared.experiment.ensembles:
        reason = f"dense: {study.tokens.ensemble} members at once"
    step = f"rtol {spec.rtol:g}" if spec.step_size is None else f"step {spec.step_size:g}"
    console.print(
        f"[bold]{study.name}[/bold]: {study.flow.kind.upper()}"
        f"{'' if prepared.scheme is None else f' under scheme {study.flow.scheme}'}, "
        f"beta = {flow.beta:g}, n = {n:,}, dim = {dim}, {study.tokens.law} start, "
        f"seed {study.seed}, to t = {prepared.times[-1]:g} with {spec.method}, "
        f"{step}\nattention {reason}\nrun folder {folder}\n"
        + ("" if shard is None else f"{shard.mesh.size} processes, {shard.block:,} tokens each\n"),
        soft_wrap=True,
    )
