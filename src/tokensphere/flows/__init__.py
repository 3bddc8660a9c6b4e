"""Velocity fields. A new flow is one file and one line here."""

from __future__ import annotations

from .alignment import AlignmentFlow
from .base import AbstractFlow, AttentionFlow, evaluate_attended, evaluate_field, project
from .ensemble import EnsembleFlow
from .multi_head import MultiHead
from .self_attention import SelfAttention
from .unnormalized import UnnormalizedSelfAttention

__all__ = [
    "AbstractFlow",
    "AlignmentFlow",
    "AttentionFlow",
    "EnsembleFlow",
    "MultiHead",
    "SelfAttention",
    "UnnormalizedSelfAttention",
    "evaluate_attended",
    "evaluate_field",
    "project",
]
