"""Normalisation schemes, one file each. A new scheme is one file and one line in `NORMALIZATIONS`, which
lists those that are both a flow and a layer (`ResidualFree` is a layer only)."""

from __future__ import annotations

from collections.abc import Callable

from tokensphere.errors import InputError, suggest

from .base import AbstractNormalization
from .ln_scaling import LayerNormScaling
from .mix import MixNorm
from .ngpt import NGPT
from .peri import PeriNorm
from .post import PostNorm
from .pre import PreNorm
from .residual_free import ResidualFree
from .sqrt import SqrtScaling

__all__ = [
    "NGPT",
    "NORMALIZATIONS",
    "AbstractNormalization",
    "LayerNormScaling",
    "MixNorm",
    "PeriNorm",
    "PostNorm",
    "PreNorm",
    "ResidualFree",
    "SqrtScaling",
    "normalization_named",
]

NORMALIZATIONS: dict[str, Callable[[], AbstractNormalization]] = {
    "post": PostNorm,
    "pre": PreNorm,
    "mix": MixNorm,
    "peri": PeriNorm,
    "ngpt": NGPT,
    "sqrt": SqrtScaling,
    "ln-scaling": LayerNormScaling,
}


def normalization_named(scheme: str | AbstractNormalization) -> AbstractNormalization:
    """The scheme of this name with its defaults, or the scheme itself.

    **Raises:** `InputError` for an unknown name.
    """
    if isinstance(scheme, AbstractNormalization):
        return scheme
    if isinstance(scheme, type):
        raise InputError(f"give a scheme, not its class: {scheme.__name__}()")
    if scheme not in NORMALIZATIONS:
        raise InputError(f"unknown scheme {scheme!r}{suggest(str(scheme), NORMALIZATIONS)}")
    return NORMALIZATIONS[scheme]()
