"""Velocity fields. A new flow is one file and one line here."""

from __future__ import annotations

from .alignment import AlignmentFlow
from .base import AbstractFlow, AttentionFlow, evaluate_attended, evaluate_field
from .ensemble import EnsembleFlow
from .frozen import Frozen
from .multi_head import MultiHead
from .normalization import (
    NGPT,
    NORMALIZATIONS,
    AbstractNormalization,
    LayerNormScaling,
    MixNorm,
    PeriNorm,
    PostNorm,
    PreNorm,
    SqrtScaling,
)
from .normalized import Normalized
from .self_attention import SelfAttention
from .space import EUCLIDEAN, SPACES, SPHERE, STREAM, AbstractSpace, Euclidean, Sphere, Stream, project
from .unnormalized import UnnormalizedSelfAttention

__all__ = [
    "EUCLIDEAN",
    "NGPT",
    "NORMALIZATIONS",
    "SPACES",
    "SPHERE",
    "STREAM",
    "AbstractFlow",
    "AbstractNormalization",
    "AbstractSpace",
    "AlignmentFlow",
    "AttentionFlow",
    "EnsembleFlow",
    "Euclidean",
    "Frozen",
    "LayerNormScaling",
    "MixNorm",
    "MultiHead",
    "Normalized",
    "PeriNorm",
    "PostNorm",
    "PreNorm",
    "SelfAttention",
    "Sphere",
    "SqrtScaling",
    "Stream",
    "UnnormalizedSelfAttention",
    "evaluate_attended",
    "evaluate_field",
    "project",
]
