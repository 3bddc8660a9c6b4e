"""`tokensphere predict`: what theory says, before anything is run."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tokensphere.errors import InputError, check_positive_int

from .parse import parse_range

if TYPE_CHECKING:
    from tokensphere.theory import EmergencePrediction

__all__ = ["predict"]


def predict(
    *,
    beta: Annotated[str, Parameter(help="inverse temperature: a number, a list 1,2,5 or a range first:last:count")],
    dim: Annotated[str, Parameter(help="ambient dimension, likewise")] = "2",
    tokens: Annotated[
        str | None, Parameter(help="number of tokens, likewise; without it only what holds for all")
    ] = None,
    flow: Annotated[Literal["sa", "usa", "usa-shifted"], Parameter(help="flow that sets the unit of time")] = "usa",
    threshold: Annotated[float, Parameter(help="order parameter at which the linear phase ends")] = 0.1,
    step: Annotated[float | None, Parameter(help="step of one layer, to give times in layers")] = None,
    layers: Annotated[int | None, Parameter(help="depth available, to check that it suffices")] = None,
    noise: Annotated[float, Parameter(help="noise intensity tau in sqrt(2 tau) dW")] = 0.0,
    degrees: Annotated[int | None, Parameter(help="largest degree to show")] = None,
    json: Annotated[bool, Parameter(help="print JSON for machines", negative="")] = False,
) -> None:
    """Predict growth rates, dominant degree, the law of its race, exit times and clusters.

    One set of parameters gives the whole story; lists and ranges give a table, one row a combination.
    """
    from tokensphere.theory import predict_emergence

    betas, dims = parse_range(beta, "beta"), parse_range(dim, "dim")
    counts: list[float | None] = [None] if tokens is None else [*parse_range(tokens, "tokens")]
    for value in dims:
        check_positive_int(value, "dim", least=2)
    for count in counts:
        if count is not None:
            check_positive_int(count, "tokens", least=2)
    if layers is not None and step is None:
        raise InputError("--layers needs --step, the step of one layer")
    predictions = [
        predict_emergence(
            b,
            int(d),
            None if n is None else int(n),
            flow=flow,
            threshold=threshold,
            step=step,
            layers=layers,
            noise=noise,
            max_degree=degrees,
        )
        for d in dims
        for n in counts
        for b in betas
    ]
    if json:
        found = [p.to_dict() for p in predictions]
        print(json_module.dumps(found[0] if len(found) == 1 else found, indent=2))
        return
    from rich.console import Console

    from .show import show_prediction

    console = Console()
    if len(predictions) == 1:
        show_prediction(console, predictions[0])
    else:
        _show_rows(predictions)


def _show_rows(predictions: list[EmergencePrediction]) -> None:
    from rich.console import Console

    from .show import number, show_table

    header = [
        "beta",
        "dim",
        "n",
        "k_max",
        "rate",
        "2nd",
        "2nd/1st",
        "next switch",
        "median exit",
        "P(k_max)",
        "warnings",
    ]
    rows = [
        [
            number(p.beta),
            str(p.dim),
            number(p.n),
            str(p.k_max),
            number(p.times.rate),
            str(p.runner_up.degree),
            f"{p.runner_up.ratio:.4f}",
            f"{p.switch.lower}->{p.switch.upper} at {p.switch.beta:.5g}",
            number(None if p.times.median is None else p.times.median.time, 5),
            "–" if p.law is None else f"{p.law.probability(p.k_max):.3f}",
            " ".join(p.codes),
        ]
        for p in predictions
    ]
    show_table(Console(), f"Predictions, time of the {predictions[0].flow} flow", header, rows)
