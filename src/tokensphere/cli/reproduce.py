"""`tokensphere reproduce`: the statements of the papers as computations, with a verdict for each."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tokensphere.errors import InputError

from .progress import Line, clock

if TYPE_CHECKING:
    from rich.console import Console

    from tokensphere.experiments.reproduce import Entry
    from tokensphere.studies.reproduce import ItemProgress, Reproduced

__all__ = ["reproduce"]

_COLUMN = len("not applicable")


def reproduce(
    *names: Annotated[str, Parameter(help="ids, as M8, or a group of items, as emergence")],
    list: Annotated[bool, Parameter(help="list the items with source and cost, and stop", negative="")] = False,
    out: Annotated[Path, Parameter(help="folder, in which every item has one of its own")] = Path("reproduced"),
    again: Annotated[bool, Parameter(help="compute also what is complete for this version", negative="")] = False,
    figures: Annotated[bool, Parameter(help="draw a figure for every item")] = True,
    strict: Annotated[bool, Parameter(help="exit with 1 if a verdict disagrees", negative="")] = False,
    json: Annotated[bool, Parameter(help="print the outcome as JSON for machines", negative="")] = False,
) -> None:
    """Carry out items of the catalogue and say, one verdict a line, whether theory and computation agree.

    The same command again goes on where the last one was stopped: what is complete is not computed twice. An item
    that fails is recorded and does not stop the others; the exit code is then 1.
    """
    from tokensphere.experiments.reproduce import find_items, group_names

    if not names and not list:
        raise InputError(f"give items or a group ({', '.join(group_names())}); --list shows all items")
    entries = find_items(names or group_names())

    from rich.console import Console

    console = Console(quiet=json)
    if list:
        _show_list(console, entries)
        if json:
            fields = ("id", "title", "source", "seconds", "group")
            print(json_module.dumps([{key: getattr(entry, key) for key in fields} for entry in entries], indent=2))
        return

    from tokensphere.studies.folder import RunError
    from tokensphere.studies.reproduce import check_place
    from tokensphere.studies.reproduce import reproduce as run_items

    check_place(out)
    seconds = sum(entry.seconds for entry in entries)
    what = f"{len(entries)} item{'' if len(entries) == 1 else 's'}, about {seconds:.0f} s on two cores if none is done"
    console.print(f"{what}; folder {out}\n", soft_wrap=True, markup=False)
    draw = _painter(console) if figures else None
    with _Line(enabled=not json) as line:

        def done(result: Reproduced) -> None:
            line.clear()
            _show_item(console, result)

        try:
            results = run_items(
                entries,
                out,
                again=again,
                report=line,
                draw=draw,
                done=done,
            )
        except KeyboardInterrupt:
            raise RunError("interrupted; the same command again goes on") from None
    _conclude(console, results, out)
    if json:
        print(json_module.dumps([result.to_dict() for result in results], indent=2))
    failed = [result.entry.id for result in results if result.error is not None]
    if failed:
        raise RunError(f"{len(failed)} of {len(results)} items failed: {', '.join(failed)}")
    if strict and _count(results, "disagrees"):
        raise RunError(f"a verdict disagrees: {', '.join(dict.fromkeys(_count(results, 'disagrees')))}")


def _show_list(console: Console, entries: list[Entry]) -> None:
    from .show import number, show_table

    rows = [[entry.id, entry.title, entry.source, number(entry.seconds, 3)] for entry in entries]
    show_table(console, "Items", ["id", "title", "source", "seconds"], rows, justify="left")
    console.print(f"{len(entries)} items, {sum(entry.seconds for entry in entries):.0f} s on two cores")


def _painter(console: Console) -> Callable[[Reproduced], None] | None:
    """What draws the figure of an item; without matplotlib nothing, and a sentence."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        sentence = "No figures: they need matplotlib: pip install 'tokensphere[plots]'\n"
        console.print(sentence, soft_wrap=True, markup=False)
        return None

    def draw(result: Reproduced) -> None:
        from tokensphere.figures import panels, save_figures

        assert result.outcome is not None
        entry, verdicts = result.entry, result.outcome.verdicts
        judged = [verdict for verdict in verdicts if verdict.outcome != "not applicable"]
        agree = sum(verdict.outcome == "agrees" for verdict in judged)
        said = f"{agree} of {len(judged)} verdicts agree" if judged else "no verdict applies"
        finding = f"{entry.id}  {entry.title}: {said}"
        save_figures({entry.id: panels(result.outcome.panels, finding, f"source: {entry.source}")}, result.folder)

    return draw


def _show_item(console: Console, result: Reproduced) -> None:
    from rich.text import Text

    from .show import COLOURS, number

    entry = result.entry
    spent = f"{result.seconds:.1f} s" if result.computed else "complete before"
    console.print(Text(f"{entry.id}  {entry.title} ({spent})", style="bold"), soft_wrap=True)
    for verdict in () if result.outcome is None else result.outcome.verdicts:
        line = Text(f"{entry.id}  ").append(f"{verdict.outcome:{_COLUMN}}", style=COLOURS[verdict.outcome])
        line.append(f"  {verdict.name}: ")
        if verdict.predicted is not None or verdict.measured is not None:
            unit = f" {verdict.unit}" if verdict.unit else ""
            line.append(f"predicted {number(verdict.predicted)}, measured {number(verdict.measured)}{unit}; ")
        console.print(line.append(verdict.sentence, style="dim"), soft_wrap=True)
    if result.error is not None:
        console.print(Text(f"{entry.id}  failed          {result.error}", style="bold red"), soft_wrap=True)
    if result.figure.is_file():
        console.print(Text(f"{entry.id}  figure {result.figure}", style="dim"), soft_wrap=True)
    console.print()


def _count(results: list[Reproduced], outcome: str) -> list[str]:
    """The id of the item of every verdict with this outcome."""
    return [
        result.entry.id
        for result in results
        if result.outcome is not None
        for verdict in result.outcome.verdicts
        if verdict.outcome == outcome
    ]


def _conclude(console: Console, results: list[Reproduced], folder: Path) -> None:
    failed = sum(result.error is not None for result in results)
    before = sum(not result.computed and result.error is None for result in results)
    now = len(results) - before - failed
    console.print(f"{now + before} of {len(results)} items complete, {now} computed now; {failed} failed.")
    counts = {outcome: _count(results, outcome) for outcome in ("agrees", "disagrees", "not applicable")}
    total = sum(map(len, counts.values()))
    parts = f"{len(counts['agrees'])} agree, {len(counts['disagrees'])} disagree"
    console.print(f"{total} verdicts: {parts}, {len(counts['not applicable'])} not applicable.")
    if counts["disagrees"]:
        console.print(f"Disagreeing: {', '.join(dict.fromkeys(counts['disagrees']))}")
    console.print(f"Everything is in {folder}", soft_wrap=True, markup=False)


class _Line(Line):
    """One line for the item at work."""

    def __call__(self, progress: ItemProgress) -> None:
        p = progress
        self.show(lambda: f"{p.entry.id} ({p.number} of {p.total})  {p.fraction:4.0%}  {p.text}  {clock(p.left)} left")
