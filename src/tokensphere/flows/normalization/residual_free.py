"""No residual: a layer replaces every token by its normalised attention output, and tokens lose rank.

layer y ← N(A);    equiangular tokens: 1 − ρ → (1−ρ)(a−b)²/|A|² → (β/n)²(1 − ρ)³, cubic, hence doubly exponential

Softmax attention with β times the identity is then blurring mean shift of bandwidth β^{−1/2}. There is no flow: the
layer does not tend to the identity with its step.                                  [2103.03404; cubic map derived]
"""

from __future__ import annotations

from typing import Any

from tokensphere.errors import InputError

from .base import AbstractNormalization

__all__ = ["ResidualFree"]


class ResidualFree(AbstractNormalization):
    """Layers without a residual, for `method="layer"` alone; `step_size` is the time between two layers, and has no
    other meaning. What to expect: :func:`tokensphere.theory.rank_collapse`."""

    def slowdown(self, tokens: Any, radii: Any, attended: Any, t: Any) -> Any:
        raise InputError(
            "layers without a residual have no limit in continuous time; use method = 'layer' with a step_size"
        )

    def layer(self, states: Any, attended: Any, step: Any, t: Any) -> Any:
        return attended
