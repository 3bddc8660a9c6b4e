"""tokensphere: simulate, predict and measure how tokens cluster in deep Transformers.

Tokens are points on the unit sphere S^(dim-1), depth is time, attention is their interaction.

Importing the package is cheap: submodules and the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_SUBMODULES = (
    "attention",
    "errors",
    "experiments",
    "figures",
    "flows",
    "meanfield",
    "observe",
    "parallel",
    "report",
    "solve",
    "special",
    "sphere",
    "studies",
    "theory",
)
_NAMES = {
    "InputError": "errors",
    "MultiHead": "flows",
    "Normalized": "flows",
    "SelfAttention": "flows",
    "UnnormalizedSelfAttention": "flows",
    "simulate": "solve",
}

if TYPE_CHECKING:
    from . import (
        attention,
        errors,
        experiments,
        figures,
        flows,
        meanfield,
        observe,
        parallel,
        report,
        solve,
        special,
        sphere,
        studies,
        theory,
    )
    from .errors import InputError
    from .flows import MultiHead, Normalized, SelfAttention, UnnormalizedSelfAttention
    from .solve import simulate

__all__ = [
    "InputError",
    "MultiHead",
    "Normalized",
    "SelfAttention",
    "UnnormalizedSelfAttention",
    "__version__",
    "attention",
    "errors",
    "experiments",
    "figures",
    "flows",
    "meanfield",
    "observe",
    "parallel",
    "report",
    "simulate",
    "solve",
    "special",
    "sphere",
    "studies",
    "theory",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
