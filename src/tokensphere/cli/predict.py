"""`tokensphere predict`: what theory says, before anything is run."""

from __future__ import annotations

import json as json_module
import math
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
    dim: Annotated[str | None, Parameter(help="ambient dimension, likewise (default 2)")] = None,
    tokens: Annotated[
        str | None, Parameter(help="number of tokens, likewise; without it only what holds for all")
    ] = None,
    flow: Annotated[
        Literal["sa", "usa", "usa-shifted"] | None,
        Parameter(help="flow that sets the unit of time (default usa, with --scheme sa)"),
    ] = None,
    threshold: Annotated[float, Parameter(help="order parameter at which the linear phase ends")] = 0.1,
    step: Annotated[float | None, Parameter(help="step of one layer, to give times in layers")] = None,
    layers: Annotated[float | None, Parameter(help="depth available, to check that it suffices")] = None,
    noise: Annotated[float, Parameter(help="noise intensity tau in sqrt(2 tau) dW")] = 0.0,
    degrees: Annotated[float | None, Parameter(help="largest degree to show, besides k_max")] = None,
    scheme: Annotated[
        str | None,
        Parameter(help="all, or names such as pre,peri: how equiangular tokens collapse under normalisation schemes"),
    ] = None,
    start: Annotated[
        float | None, Parameter(help="inner product of all pairs at time zero, with --scheme (default 0)")
    ] = None,
    radius: Annotated[float | None, Parameter(help="norm of tokens at time zero, with --scheme (default 1)")] = None,
    level: Annotated[
        float | None, Parameter(help="inner product that counts as collapse, with --scheme (default 0.999)")
    ] = None,
    json: Annotated[bool, Parameter(help="print JSON for machines", negative="")] = False,
) -> None:
    """Predict growth rates, dominant degree, the law of its race, exit times and clusters.

    One set of parameters gives the whole story; lists and ranges give a table, one row a combination. With --scheme:
    the table of normalisation schemes instead.
    """
    from tokensphere.theory import predict_emergence

    only_schemes = {"start": start, "radius": radius, "level": level}
    if scheme is not None:
        _refuse(
            {"threshold": threshold != 0.1, "layers": layers, "noise": noise, "degrees": degrees},
            "says nothing about normalisation schemes; leave it out, or leave out --scheme",
        )
        from .schemes import predict_scheme_table

        chosen = {name: value for name, value in only_schemes.items() if value is not None}
        predict_scheme_table(scheme, beta, tokens, dim, flow=flow or "sa", step=step, json=json, **chosen)
        return
    _refuse({name: value is not None for name, value in only_schemes.items()}, "needs --scheme")
    flow = flow or "usa"
    betas, dims = parse_range(beta, "beta"), parse_range(dim or "2", "dim")
    counts: list[float | None] = [None] if tokens is None else [*parse_range(tokens, "tokens")]
    for value in dims:
        check_positive_int(value, "dim", least=2)
    for count in counts:
        if count is not None:
            check_positive_int(count, "tokens", least=2)
    # Read as floats: a converter to whole numbers would round 2.5 silently.
    depth = None if layers is None else check_positive_int(layers, "layers")
    top = None if degrees is None else check_positive_int(degrees, "degrees")
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
            layers=depth,
            noise=noise,
            max_degree=top,
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


def _refuse(options: dict[str, object], why: str) -> None:
    for name, given in options.items():
        if given:
            raise InputError(f"--{name} {why}")


def _show_rows(predictions: list[EmergencePrediction]) -> None:
    from rich.console import Console

    from .show import AT_ONCE, beyond_floats, duration, failing, largest_rate, number, show_table

    header = ["beta", "dim", "n", "k_max", "rate", "2nd", "2nd/1st"]
    header += ["switch without noise" if predictions[0].noise else "next switch", "median exit", "P(k_max)"]
    at_once = any(p.law is not None and p.law.atom > AT_ONCE for p in predictions)
    header += ["P(t=0)"] * at_once + ["warnings"]
    rows = []
    for p in predictions:
        known = math.isfinite(p.runner_up.ratio)
        row = [
            number(p.beta),
            str(p.dim),
            number(p.n),
            str(p.k_max),
            largest_rate(p),
            str(p.runner_up.degree) if known else "–",
            f"{p.runner_up.ratio:.4f}" if known else "–",
            f"{p.switch.lower}->{p.switch.upper} at {p.switch.beta:.5g}",
            "–" if p.times.median is None else duration(p, p.times.median.folds, 5),
            "–" if p.law is None else f"{p.law.probability(p.k_max):.3f}",
        ]
        if at_once:
            row.append("–" if p.law is None else f"{p.law.atom:.3f}")
        rows.append([*row, " ".join(p.codes)])
    console = Console()
    show_table(console, f"Predictions, time of the {predictions[0].flow} flow", header, rows, keys=3)
    if any(map(beyond_floats, predictions)):
        console.print("Rates given as 10^x are beyond the range of floats: use --flow usa-shifted.", soft_wrap=True)
    statements: dict[str, int] = {}
    for p in predictions:
        for text in dict.fromkeys(line.partition(" (")[0] for line in failing(p)):
            statements[text] = statements.get(text, 0) + 1
    for text, count in statements.items():
        console.print(f"Hypothesis fails in {count} of {len(rows)} rows: {text}", soft_wrap=True, markup=False)
