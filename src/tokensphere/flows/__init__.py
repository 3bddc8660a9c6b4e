"""Velocity fields. A new flow is one file and one line here."""

from __future__ import annotations

from .alignment import AlignmentFlow
from .base import AbstractFlow, AttentionFlow, evaluate_attended, evaluate_field, project
from .correspondences import Correspondence, kuramoto, mean_shift
from .ensemble import EnsembleFlow
from .random_values import RandomValues
from .self_attention import SelfAttention
from .unnormalized import UnnormalizedSelfAttention

__all__ = [
    "AbstractFlow",
    "AlignmentFlow",
    "AttentionFlow",
    "Correspondence",
    "EnsembleFlow",
    "RandomValues",
    "SelfAttention",
    "UnnormalizedSelfAttention",
    "evaluate_attended",
    "evaluate_field",
    "kuramoto",
    "mean_shift",
    "project",
]
