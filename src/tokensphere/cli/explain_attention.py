"""`tokensphere explain-attention`: which backend a problem would get, what each would cost, and why."""

from __future__ import annotations

import dataclasses
import json as json_module
import math
from typing import Annotated

from cyclopts import Parameter

from tokensphere.errors import check_beta, check_dim, check_positive_int

__all__ = ["explain_attention"]


def explain_attention(
    *,
    n: Annotated[int, Parameter(help="number of tokens")],
    dim: Annotated[int, Parameter(help="ambient dimension")] = 2,
    beta: Annotated[float, Parameter(help="inverse temperature (times the multiple of I that B is)")] = 5.0,
    anisotropic: Annotated[bool, Parameter(help="B is a matrix, not a multiple of I", negative="")] = False,
    differentiable: Annotated[bool, Parameter(help="gradients are wanted", negative="")] = False,
    measure: Annotated[bool, Parameter(help="measure this machine again (two seconds)", negative="")] = False,
    json: Annotated[bool, Parameter(help="print JSON for machines", negative="")] = False,
) -> None:
    """Explain the choice of the attention backend: its cost model, the numbers in it, and what rules a backend out.

    The numbers are measured on this machine once and kept in the cache folder.
    """
    check_positive_int(n, "--n")
    check_dim(dim)
    check_beta(beta)

    from rich.console import Console

    from tokensphere.attention import choose
    from tokensphere.attention.costs import known_costs, measure_costs

    costs, path = (None, None) if measure else known_costs()
    if path is None:
        costs, path = measure_costs()
    choice = choose(n, dim, beta=beta, isotropic=not anisotropic, differentiable=differentiable, costs=costs)
    if json:
        backends = [dataclasses.asdict(c) | {"milliseconds": _finite(c.milliseconds)} for c in choice.candidates]
        record = {
            "n": n,
            "dim": dim,
            "beta": beta,
            "choice": choice.name,
            "reasons": list(choice.reasons),
            "backends": backends,
            "costs_nanoseconds": dataclasses.asdict(choice.costs),
            "costs_file": None if path is None else str(path),
        }
        print(json_module.dumps(record, indent=2))
        return

    from .show import show_table

    console = Console()
    rows = [
        [c.name, c.work or "–", "–" if c.obstacle else f"{c.milliseconds:.3g}", c.obstacle or ""]
        for c in choice.candidates
    ]
    title = f"n = {n:,}, dim = {dim}, beta = {beta:g}: {choice.name}"
    show_table(console, title, ["backend", "what it does", "ms an evaluation", "cannot be used because"], rows)
    kept = f"kept in {path}" if path else "not kept: the cache folder cannot be written"
    console.print(f"Costs measured on this machine, {kept}; --measure takes them again.", soft_wrap=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
