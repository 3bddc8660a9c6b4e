"""Velocity fields. A new flow is one file and one line here."""

from __future__ import annotations

from .alignment import AlignmentFlow
from .base import AbstractFlow, AttentionFlow, evaluate_attended, evaluate_field
from .correspondences import Correspondence, kuramoto, mean_shift
from .ensemble import EnsembleFlow
from .euclidean_attention import EuclideanAttention
from .frank_wolfe import FrankWolfe
from .frozen import Frozen
from .hardmax import Hardmax
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
    ResidualFree,
    SqrtScaling,
)
from .normalized import Normalized
from .random_values import RandomValues
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
    "Correspondence",
    "EnsembleFlow",
    "Euclidean",
    "EuclideanAttention",
    "FrankWolfe",
    "Frozen",
    "Hardmax",
    "LayerNormScaling",
    "MixNorm",
    "MultiHead",
    "Normalized",
    "PeriNorm",
    "PostNorm",
    "PreNorm",
    "RandomValues",
    "ResidualFree",
    "SelfAttention",
    "Sphere",
    "SqrtScaling",
    "Stream",
    "UnnormalizedSelfAttention",
    "evaluate_attended",
    "evaluate_field",
    "kuramoto",
    "mean_shift",
    "project",
]
