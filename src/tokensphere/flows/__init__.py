"""Velocity fields. A new flow is one file and one line here."""

from __future__ import annotations

from .alignment import AlignmentFlow
from .base import AbstractFlow, AttentionFlow, evaluate_attended, evaluate_field, project
from .ensemble import EnsembleFlow
from .euclidean_attention import EuclideanAttention
from .frank_wolfe import FrankWolfe
from .hardmax import Hardmax
from .self_attention import SelfAttention
from .unnormalized import UnnormalizedSelfAttention

__all__ = [
    "AbstractFlow",
    "AlignmentFlow",
    "AttentionFlow",
    "EnsembleFlow",
    "EuclideanAttention",
    "FrankWolfe",
    "Hardmax",
    "SelfAttention",
    "UnnormalizedSelfAttention",
    "evaluate_attended",
    "evaluate_field",
    "project",
]
