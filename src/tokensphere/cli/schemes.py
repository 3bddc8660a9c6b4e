"""`tokensphere predict --scheme`: the table of normalisation schemes."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING

from tokensphere.errors import InputError, check_positive_int

from .parse import parse_range

if TYPE_CHECKING:
    from tokensphere.theory import SchemePrediction

__all__ = ["predict_scheme_table"]


def predict_scheme_table(
    scheme: str,
    beta: str,
    tokens: str | None,
    dim: str | None,
    *,
    flow: str,
    step: float | None,
    json: bool,
    start: float = 0.0,
    radius: float = 1.0,
    level: float = 0.999,
) -> None:
    """Print one row a scheme for every combination of `beta` and `tokens`.

    **Raises:** `InputError`.
    """
    from tokensphere.theory import SCHEMES, predict_schemes

    if tokens is None:
        raise InputError("--scheme needs --tokens: how fast tokens collapse depends on how many there are")
    names = list(SCHEMES) if scheme.strip() == "all" else [name.strip() for name in scheme.split(",")]
    counts = [check_positive_int(n, "tokens", least=2) for n in parse_range(tokens, "tokens")]
    dims = [None] if dim is None else [check_positive_int(d, "dim", least=2) for d in parse_range(dim, "dim")]
    if len(dims) > 1:
        raise InputError(f"--dim {dim}: equiangular tokens move alike in every dimension; give one, or none")
    rows = [
        row
        for n in counts
        for b in parse_range(beta, "beta")
        for row in predict_schemes(
            b, n, names, flow=flow, start=start, radius=radius, level=level, step=step, dim=dims[0]
        )
    ]
    if json:
        print(json_module.dumps([row.to_dict() for row in rows], indent=2))
        return
    _show(rows, step)


def _show(rows: list[SchemePrediction], step: float | None) -> None:
    from rich.console import Console

    from .show import number, power, show_table

    first = rows[0]
    header = ["scheme", "beta", "n", "rate at t = 0", "end of 1 - rho", "C", f"t({first.level:g})", "radius then"]
    header += [f"layers of {step:g}"] if step is not None else []
    table = [
        [
            row.scheme,
            number(row.beta),
            number(row.n),
            number(row.initial_rate),
            row.law,
            "–" if row.log10_constant is None else power(row.constant, row.log10_constant),
            number(row.time),
            number(row.radius_then),
            *([number(row.layers)] if step is not None else []),
        ]
        for row in rows
    ]
    console = Console()
    title = f"Equiangular tokens from rho = {first.start:g}: normalisation schemes of the {first.flow} flow"
    show_table(console, title, header, table, keys=3)
    console.print(
        "rate: d rho/dt; C: constant of the end, (1 - rho) r² where tokens keep radii; mix switches at t = 1, ngpt has "
        "alpha = 1",
        soft_wrap=True,
    )
    for hypothesis in first.hypotheses:
        if hypothesis.holds is False:
            text = f"Hypothesis fails: {hypothesis.statement} ({hypothesis.detail})"
            console.print(text, soft_wrap=True, markup=False)
